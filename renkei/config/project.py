"""Everything that is declared, read at once: connections, mappings with their overrides, summaries, expectation suites."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from renkei.config import cross_checks
from renkei.config.models import (
    AccessModel,
    BillingModel,
    ConnectionModel,
    DealsModel,
    DealsOverrideModel,
    EstimateDatesModel,
    FieldModel,
    HostsModel,
    InvoiceDatesModel,
    LinesModel,
    MappingModel,
    MatchModel,
    OverrideModel,
    ProductsModel,
    RolesModel,
    SuiteModel,
    SummariesFileModel,
)
from renkei.config.reading import mended, unknown, validated, without_echo
from renkei.config.settings import Settings
from renkei.config.yaml_reader import Document, read_yaml
from renkei.core.connection import Brakes, Budget, ConnectionSpec, EntitySettings, Hosts, SideSettings
from renkei.core.data_centers import DATA_CENTERS
from renkei.core.deal_lines import NEEDED, PRODUCTS, BillingSpec, DatesSpec, DealsSpec, LinesSpec
from renkei.core.errors import AskedWrongly, DeclarationError, Fault
from renkei.core.mapping import FieldSpec, JoinRule, MappingSpec, SummariesSpec
from renkei.core.matching import KeyRule, MatchRules
from renkei.core.rights import MODULES, Roles
from renkei.core.values import content_hash, plain

M = TypeVar("M", bound=BaseModel)
OTHER_FORMS = ("summaries", "deals")  # files in mappings/ that are no mapping of fields


@dataclass(frozen=True, slots=True)
class Project:
    """All declarations, valid together.

    connections   by name
    mappings      "" (the files of mappings/ itself) or an override folder's name → mapping name → specification
    summaries     "" or an override folder's name → where summaries and documents are published
    deals         "" or an override folder's name → what a deal gives its document; empty where no deals.yaml is there
    suites        suite name (`arrival/crm_accounts`) → its expectations, each a mapping with type, kwargs, meta …
    """

    settings: Settings
    connections: Mapping[str, ConnectionSpec]
    mappings: Mapping[str, Mapping[str, MappingSpec]]
    summaries: Mapping[str, SummariesSpec]
    suites: Mapping[str, tuple[Mapping[str, Any], ...]]
    deals: Mapping[str, DealsSpec]

    def connection(self, name: str | None = None) -> ConnectionSpec:
        """The named connection, or the only one. AskedWrongly otherwise."""
        if name is None:
            if len(self.connections) == 1:
                return next(iter(self.connections.values()))
            raise AskedWrongly(
                f"Which connection? There are {', '.join(sorted(self.connections)) or 'none'}.", fix="Say --connection NAME."
            )
        if name not in self.connections:
            raise AskedWrongly(f"{unknown('connection', name, self.connections)}.")
        return self.connections[name]

    def mappings_of(self, connection: ConnectionSpec) -> Mapping[str, MappingSpec]:
        """Mapping name (accounts, contacts, persons, products) → the specification that the connection uses."""
        return self.mappings[connection.mappings or ""]

    def summaries_of(self, connection: ConnectionSpec) -> SummariesSpec:
        folder = connection.mappings or ""
        return self.summaries.get(folder, self.summaries[""])

    def deals_of(self, connection: ConnectionSpec) -> DealsSpec:
        """What the connection's deals give their documents. Without a deals.yaml, where no deal makes one, a line each."""
        return self.deals.get(connection.mappings or "", self.deals.get("", DealsSpec()))

    def with_connection(self, connection: ConnectionSpec) -> Project:
        """The project with this connection in place of its namesake (the demo's hosts, a test's settings)."""
        return dataclasses.replace(self, connections={**self.connections, connection.name: connection})

    def configuration(self, connection: ConnectionSpec) -> dict[str, Any]:
        """Plain JSON of everything that governs a run of the connection: what the ledger keeps, by its hash.

        Files' places and line numbers are not in it: moving a line changes nothing.
        """
        mappings = self.mappings_of(connection)
        names = [name for name in cross_checks.suites_of(connection) if name in self.suites]
        suites = {name: [dict(rule) for rule in self.suites[name]] for name in names}
        content = {
            "connection": dataclasses.asdict(dataclasses.replace(connection, file="")),
            "mappings": {name: spec_content(mappings[name]) for name in sorted(mappings)},
            "summaries": dataclasses.asdict(dataclasses.replace(self.summaries_of(connection), file="")),
            "expectations": suites,
        }
        if connection.deals != "none":
            content["deals"] = self._deals_content(connection)
        return dict(plain(content))

    def rules(self, connection: ConnectionSpec, entity: str) -> str:
        """Hash of the mappings and settings under which an entity is compared: another one makes a full compare due."""
        if entity == "deals":
            settings_of_deals = [connection.deals, connection.deals_since, connection.books_key, connection.organization]
            return content_hash({"deals": self._deals_content(connection), "settings": settings_of_deals})
        mappings = self.mappings_of(connection)
        settings = connection.customers if entity == "customers" else connection.products
        content = {
            "mappings": {name: spec_content(spec) for name, spec in mappings.items() if spec.entity == entity},
            "settings": dataclasses.asdict(settings),
            "keys": [connection.crm_key, connection.books_key],
            "organization": connection.organization,
        }
        return content_hash(content)

    def _deals_content(self, connection: ConnectionSpec) -> dict[str, Any]:
        return dict(plain(dataclasses.asdict(dataclasses.replace(self.deals_of(connection), file=""))))


def spec_content(spec: MappingSpec) -> dict[str, Any]:
    """A mapping as plain JSON, without its file's name and lines."""
    fields = tuple(dataclasses.replace(item, line=0) for item in spec.fields)
    return dict(plain(dataclasses.asdict(dataclasses.replace(spec, file="", fields=fields))))


def spec_hash(spec: MappingSpec) -> str:
    """Content hash of a mapping: the same for the same rules, wherever they stand."""
    return content_hash(spec_content(spec))


def with_hosts(spec: ConnectionSpec, accounts: str, api: str) -> ConnectionSpec:
    """The connection with both sides at these addresses (the embedded sandbox, a proxy)."""
    hosts = Hosts(accounts.rstrip("/"), api.rstrip("/"), api.rstrip("/"))
    crm, books = dataclasses.replace(spec.crm, hosts=hosts), dataclasses.replace(spec.books, hosts=hosts)
    return dataclasses.replace(spec, crm=crm, books=books)


def load_project(settings: Settings) -> Project:
    """Read and check everything. DeclarationError with all faults of all files when anything is wrong. No network."""
    project, faults = read_project(settings)
    if faults:
        raise DeclarationError(faults)
    return project


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what in a connection: its roles (None: it knows none), and its tokens (name, sha256)."""

    connection: str
    roles: Roles | None
    tokens: tuple[tuple[str, str], ...]


def read_access(settings: Settings) -> list[Access]:
    """What every file in connections/ says about roles and tokens, whatever else is wrong in it. Nothing else is read.

    DeclarationError for a file that is no YAML, and for faults of these two sections: then nobody knows who may do what.
    """
    found, faults = [], []
    for path in _files(settings.connections):
        document = read_yaml(str(path), path.read_text(encoding="utf-8", errors="replace"))
        model, wrong = validated(document, AccessModel)
        if model is None:
            faults += [*document.faults, *wrong] or [document.fault((), "the file is empty")]
            continue
        found.append(Access(path.stem, _roles(model.roles), tuple(model.tokens.items())))
    if faults:
        raise DeclarationError(faults)
    return found


def read_project(settings: Settings, texts: Mapping[Path, str] | None = None) -> tuple[Project, list[Fault]]:
    """As `load_project`, but hands back what could be read together with the faults.

    texts   connection files, and files of mappings that override others, that are not written yet, by path: they stand for
            files, or in the place of those that are there
    """
    return _Reader(settings, texts or {}).read()


class _Reader:
    """Collects faults while it reads file by file; a file with faults is left out of the cross-checks that need it."""

    def __init__(self, settings: Settings, texts: Mapping[Path, str]) -> None:
        self._settings, self._texts = settings, texts
        self._faults: list[Fault] = []

    def read(self) -> tuple[Project, list[Fault]]:
        base = self._mappings(self._settings.mappings)
        mappings, summaries = {"": base}, self._summaries()
        deals = self._deals(self._settings.mappings / "deals.yaml", "", None)
        unwritten = {path.parent for path in self._texts if path.parent.parent == self._settings.mappings}
        for folder in sorted({*_folders(self._settings.mappings), *unwritten}):
            mappings[folder.name] = self._overrides(folder, base)
            summaries |= self._summaries_file(folder / "summaries.yaml", folder.name)
            deals |= self._deals(folder / "deals.yaml", folder.name, deals.get(""))
        suites = self._suites()
        connections = self._connections(mappings, suites, deals)
        return Project(self._settings, connections, mappings, summaries, suites, deals), sorted(set(self._faults))

    # ------------------------------------------------------------------------------------------------ files

    def _files(self, folder: Path) -> list[Path]:
        """Those that are there and those that are not written yet."""
        return sorted({*_files(folder), *(path for path in self._texts if path.parent == folder)})

    def _document(self, path: Path) -> Document:
        try:
            text = self._texts[path] if path in self._texts else path.read_text(encoding="utf-8")
            document = read_yaml(str(path), text)
        except UnicodeDecodeError:
            document = Document(str(path))
            document.faults.append(Fault(str(path), 1, 1, "the file is not UTF-8 text"))
        self._faults += document.faults
        return document

    def _validated(self, document: Document, model: type[M]) -> M | None:
        result, faults = validated(document, model)
        self._faults += faults
        return result

    def _missing(self, path: Path, what: str) -> None:
        self._faults.append(Fault(str(path), 1, 1, what))

    # --------------------------------------------------------------------------------------------- mappings

    def _mappings(self, folder: Path) -> dict[str, MappingSpec]:
        found: dict[str, MappingSpec] = {}
        if not folder.is_dir():
            self._missing(folder, "there is no such folder; RENKEI_MAPPINGS names the one with the mappings")
            return found
        for path in _files(folder):
            if path.stem in OTHER_FORMS:
                continue
            document = self._document(path)
            model = self._validated(document, MappingModel)
            if model is None:
                self._rest_of_mapping(document, path.stem)
                continue
            spec = _mapping_spec(document, model)
            self._faults += cross_checks.mapping_faults(document, spec, path.stem)
            found[spec.name] = spec
        for name in cross_checks.MAPPINGS:
            path = folder / f"{name}.yaml"
            if not path.exists():
                self._missing(path, "this mapping is missing")
        return found

    def _rest_of_mapping(self, document: Document, name: str) -> None:
        """The faults of a refused mapping that its form does not tell."""
        if name not in cross_checks.MAPPINGS:
            return
        entity, crm, books, _ = cross_checks.MAPPINGS[name]
        placeholders: dict[tuple[str, ...], Any] = {
            ("mapping",): name,
            ("entity",): entity,
            ("crm",): crm,
            ("books",): books,
            ("match",): {},
        }
        model = mended(document, MappingModel, placeholders | {("label",): ["name"]}, whole="fields")
        if model is None:
            return
        declared = document.data.get("fields") if isinstance(document.data.get("fields"), dict) else {}
        spec = _mapping_spec(document, model)
        broken = tuple(FieldSpec(item, "text", None, None, "none") for item in declared if item not in model.fields)
        faults = cross_checks.mapping_faults(document, dataclasses.replace(spec, fields=(*spec.fields, *broken)), name)
        self._faults += without_echo((fault for fault in self._faults if fault.file == document.file), faults)

    def _overrides(self, folder: Path, base: Mapping[str, MappingSpec]) -> dict[str, MappingSpec]:
        found = dict(base)
        for path in self._files(folder):
            if path.stem in OTHER_FORMS:
                continue
            document = self._document(path)
            model = self._validated(document, OverrideModel)
            if model is None or model.mapping not in base:
                continue
            self._faults += cross_checks.taken_out_faults(document, base[model.mapping], model)
            spec = _overridden(document, base[model.mapping], model)
            self._faults += cross_checks.mapping_faults(document, spec, path.stem)
            found[model.mapping] = spec
        return found

    def _summaries(self) -> dict[str, SummariesSpec]:
        path = self._settings.mappings / "summaries.yaml"
        if self._settings.mappings.is_dir() and not path.exists():
            self._missing(path, "this mapping is missing")
        return self._summaries_file(path, "")

    def _summaries_file(self, path: Path, folder: str) -> dict[str, SummariesSpec]:
        if not path.exists():
            return {}
        document = self._document(path)
        model = self._validated(document, SummariesFileModel)
        if model is None:
            return {}
        summaries = model.summaries
        spec = SummariesSpec(
            receivables=summaries.receivables,
            documents=summaries.documents,
            key=summaries.key,
            receivable_fields=tuple(summaries.receivable_fields.items()),
            document_fields=tuple(summaries.document_fields.items()),
            joins=tuple(JoinRule(tuple(MODULES[kind] for kind in one.documents), one.books, one.crm) for one in model.joins),
            file=str(path),
        )
        self._faults += cross_checks.summaries_faults(document, spec)
        return {folder: spec}

    def _deals(self, path: Path, folder: str, base: DealsSpec | None) -> dict[str, DealsSpec]:
        """A deals.yaml, or what a folder's own one makes of it. Where no connection needs it, it may be missing."""
        if not path.exists():
            return {}
        document = self._document(path)
        if folder:
            return self._deals_override(document, folder, base)
        model = self._validated(document, DealsModel)
        if model is None:
            self._rest_of_deals(document)
            return {}
        spec = _deals_spec(document, model)
        self._faults += cross_checks.deals_faults(document, spec)
        return {folder: spec}

    def _deals_override(self, document: Document, folder: str, base: DealsSpec | None) -> dict[str, DealsSpec]:
        model = self._validated(document, DealsOverrideModel)
        if model is None or base is None:
            return {}
        spec = _deals_overridden(document, base, model)
        told = {fault.message for fault in cross_checks.deals_faults(document, base)}  # of the overridden file, and told there
        faults = [fault for fault in cross_checks.deals_faults(document, spec) if fault.message not in told]
        self._faults += cross_checks.deals_taken_out_faults(document, base, model) + faults
        return {folder: spec}

    def _rest_of_deals(self, document: Document) -> None:
        """The faults of a refused deals.yaml that its form does not tell."""
        data = document.data if isinstance(document.data, dict) else {}
        placeholders: dict[tuple[str, ...], Any] = {("mapping",): "deals", ("lines",): None}
        placeholders |= {("fields", name): "Placeholder" for name in NEEDED}
        lines, billing = data.get("lines"), data.get("billing")
        if isinstance(lines, dict):
            placeholders[("lines", "fields")] = {}
            if "subform" in lines or lines.get("related", PRODUCTS) != PRODUCTS:
                placeholders[("lines", "subform")] = "Placeholder"
        if isinstance(billing, dict):
            placeholders |= {("billing", "subform"): "Placeholder_Too", ("billing", "fields"): {"date": "A", "amount": "B"}}
        model = mended(document, DealsModel, placeholders)
        if model is not None:
            faults = cross_checks.deals_faults(document, _deals_spec(document, model))
            self._faults += without_echo((fault for fault in self._faults if fault.file == document.file), faults)

    # ----------------------------------------------------------------------------------- suites, connections

    def _suites(self) -> dict[str, tuple[Mapping[str, Any], ...]]:
        found: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for folder in _folders(self._settings.expectations):
            for path in _files(folder):
                document = self._document(path)
                model = self._validated(document, SuiteModel)
                if model is None:
                    continue
                name = f"{folder.name}/{path.stem}"
                if model.suite != name:
                    self._faults.append(document.fault(("suite",), f"this file is the suite {name!r}, not {model.suite!r}"))
                found[name] = tuple(item.model_dump(exclude_unset=True) for item in model.expectations)
        return found

    def _connections(
        self, mappings: Mapping[str, Mapping[str, MappingSpec]], suites: Mapping[str, Any], deals: Mapping[str, DealsSpec]
    ) -> dict[str, ConnectionSpec]:
        found: dict[str, tuple[Document, ConnectionSpec]] = {}
        paths = self._files(self._settings.connections)
        if not self._settings.connections.is_dir() and not paths:
            self._missing(
                self._settings.connections, "there is no such folder; RENKEI_CONNECTIONS names the one with the connections"
            )
        for path in paths:
            document = self._document(path)
            model = self._validated(document, ConnectionModel)
            if model is None:
                self._rest_of_connection(document, path.stem, mappings)
                continue
            faults = cross_checks.connection_faults(document, model, path.stem, mappings, self._settings.mappings)
            self._faults += faults
            if faults:
                continue
            spec = _connection_spec(document, model)
            self._faults += cross_checks.suite_faults(spec, suites, self._settings.expectations)
            self._faults += cross_checks.deal_setting_faults(document, spec, deals, self._settings.mappings)
            found[spec.name] = (document, spec)
        self._faults += cross_checks.shared_key_faults(list(found.values()))
        return {name: spec for name, (_, spec) in sorted(found.items())}

    def _rest_of_connection(self, document: Document, name: str, mappings: Mapping[str, Any]) -> None:
        """The faults of a refused connection that its form does not tell."""
        placeholders: dict[tuple[str, ...], Any] = {
            ("connection",): name,
            ("time_zone",): "UTC",
            ("credentials",): "PLACEHOLDER",
            ("books", "organization"): "00000",
        }
        model = mended(document, ConnectionModel, placeholders)
        if model is None:
            return
        faults = cross_checks.connection_faults(document, model, name, mappings, self._settings.mappings)
        self._faults += without_echo((fault for fault in self._faults if fault.file == document.file), faults)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


# --------------------------------------------------------------------------------------------- models → specifications


def _field_spec(document: Document, name: str, model: FieldModel) -> FieldSpec:
    return FieldSpec(
        name=name,
        kind=model.kind,
        crm=model.crm,
        books=model.books,
        owner=model.owner,
        transform=model.transform,
        options=tuple(sorted(model.options.items())),
        values=tuple(model.values.items()),
        lookup=model.lookup,
        direction=model.direction,
        null=model.null,
        foreign_edits=model.foreign_edits,
        required=model.required,
        default=tuple((side, value) for side, value in _sides(model.default)),
        max_length=tuple((side, value) for side, value in _sides(model.max_length)),
        create_only=model.create_only,
        detail=model.detail,
        personal=model.personal,
        optional=model.optional,
        books_else=model.books_else,
        books_write=model.books_write,
        special=model.special,
        line=document.keys[("fields", name)][0],
    )


def _sides(model: Any) -> list[tuple[Any, Any]]:
    return [(side, getattr(model, side)) for side in ("crm", "books") if getattr(model, side) is not None]


def _match_rules(model: MatchModel) -> MatchRules:
    keys = tuple(KeyRule(key.name, tuple(key.fields.items()), key.decisive) for key in model.keys)
    return MatchRules(keys, tuple(model.weights.items()), model.auto, model.review)


def _mapping_spec(document: Document, model: MappingModel) -> MappingSpec:
    return MappingSpec(
        name=model.mapping,
        entity=model.entity,
        crm_module=model.crm,
        books_module=model.books,
        fields=tuple(_field_spec(document, name, item) for name, item in model.fields.items()),
        match=_match_rules(model.match),
        label=tuple(model.label),
        constants=_constants(model.create),
        file=document.file,
    )


def _constants(model: Any) -> tuple[tuple[Any, str, Any], ...]:
    return tuple((side, path, value) for side in ("crm", "books") for path, value in getattr(model, side).items())


def _overridden(document: Document, base: MappingSpec, model: OverrideModel) -> MappingSpec:
    """A field of the override replaces its namesake in its place, null takes it out, a new one comes last."""
    given = {name: _field_spec(document, name, item) if item else None for name, item in (model.fields or {}).items()}
    names = [item.name for item in base.fields]
    merged = [given.get(item.name, item) for item in base.fields] + [given[name] for name in given if name not in names]
    return dataclasses.replace(
        base,
        fields=tuple(item for item in merged if item is not None),
        label=tuple(model.label) if model.label else base.label,
        constants=_constants(model.create) if model.create else base.constants,
        match=_match_rules(model.match) if model.match else base.match,
        file=document.file,
    )


def _deals_spec(document: Document, model: DealsModel) -> DealsSpec:
    return DealsSpec(
        lines=_lines(model.lines),
        fields=tuple(model.fields.items()),
        estimates=_dates(model.estimates),
        invoices=_dates(model.invoices),
        salespersons=tuple(model.salespersons.items()),
        billing=_billing(model.billing),
        file=document.file,
    )


def _deals_overridden(document: Document, base: DealsSpec, model: DealsOverrideModel) -> DealsSpec:
    said = model.model_fields_set
    fields = {**dict(base.fields), **(model.fields or {})}
    return DealsSpec(
        lines=_lines(model.lines) if "lines" in said else base.lines,
        fields=tuple((name, path) for name, path in fields.items() if path is not None),
        estimates=_dates(model.estimates) if model.estimates else base.estimates,
        invoices=_dates(model.invoices) if model.invoices else base.invoices,
        salespersons=base.salespersons if model.salespersons is None else tuple(model.salespersons.items()),
        billing=_billing(model.billing) if "billing" in said else base.billing,
        file=document.file,
    )


def _lines(model: LinesModel | None) -> LinesSpec:
    if model is None:
        return LinesSpec()
    content = model.model_dump() | {"subform": model.subform or "", "related": model.related or ""}
    return LinesSpec(**content | {"fields": tuple(model.fields.items()), "taxes": tuple(model.taxes.items())})


def _dates(model: EstimateDatesModel | InvoiceDatesModel) -> DatesSpec:
    return DatesSpec(model.date, model.due or "")


def _billing(model: BillingModel | None) -> BillingSpec | None:
    return BillingSpec(model.subform, tuple(model.fields.items())) if model else None


def _connection_spec(document: Document, model: ConnectionModel) -> ConnectionSpec:
    return ConnectionSpec(
        name=model.connection,
        time_zone=model.time_zone,
        crm=_side(model.crm.hosts, model.crm.credentials or model.credentials, model.crm.data_center),
        books=_side(model.books.hosts, model.books.credentials or model.credentials, model.crm.data_center),
        edition=model.books.edition,
        organization=model.books.organization,
        mappings=model.mappings,
        nightly=model.schedule.nightly,
        hourly=model.schedule.hourly,
        crm_key=model.keys.crm,
        books_key=model.keys.books,
        customers=_entity(model.customers),
        products=_entity(model.products),
        deals=model.deals,
        alert_after=model.alert_after,
        deals_since=date.fromisoformat(model.deals_since) if model.deals_since else None,
        closed_until=date.fromisoformat(model.closed_until) if model.closed_until else None,
        publish_summaries=model.publish.summaries,
        publish_documents=model.publish.documents,
        budget=Budget(**model.budget.model_dump()),
        brakes=Brakes(**model.brakes.model_dump()),
        four_eyes=model.four_eyes,
        native=model.native,
        environment=model.environment,
        roles=_roles(model.roles),
        tokens=tuple(model.tokens.items()),
        permissions=tuple(
            (profile, tuple((kind, tuple(verbs)) for kind, verbs in rights.model_dump().items() if verbs))
            for profile, rights in model.permissions.items()
        ),
        file=document.file,
    )


def _roles(model: RolesModel | None) -> Roles | None:
    return None if model is None else tuple((role, tuple(actors)) for role, actors in model.model_dump().items() if actors)


def _entity(model: ProductsModel) -> EntitySettings:
    content = model.model_dump()
    return EntitySettings(**{**content, "views": tuple(sorted(content["views"].items()))})


def _side(hosts: HostsModel | None, alias: str | None, data_center: str) -> SideSettings:
    """`connection_faults` has refused a missing alias and an unknown data centre."""
    address = DATA_CENTERS[data_center]
    if hosts is not None:
        # a replaced API has no upload host of Zoho's own
        address = Hosts(hosts.accounts.rstrip("/"), hosts.api.rstrip("/"), (hosts.content or "").rstrip("/"))
    return SideSettings(address, alias or "", data_center)

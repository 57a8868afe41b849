"""Doctor: whether a connection can work, one short check after the other. It writes nothing to either side.

A check says ok, or what is wrong with one fix. One that rests on another is skipped where that one did not pass, so that
one fault is one failing line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from renkei.core import deal_lines
from renkei.core.commands import command
from renkei.core.connection import ConnectionSpec
from renkei.core.deal_lines import DealsSpec
from renkei.core.deployments import FLOWS, POOL
from renkei.core.errors import (
    BudgetSpent,
    Bug,
    ConnectionRefused,
    CredentialsRefused,
    RenkeiError,
    ScopeMissing,
    WrongOrganization,
)
from renkei.core.mapping import MappingSpec, SummariesSpec
from renkei.core.ports import Books, Clock, Crm, Ledger, Scheduler
from renkei.core.preparing import (
    WRITES,
    Published,
    Standing,
    Wanted,
    key_field,
    keyed_documents,
    may_see,
    published,
    rights_click,
    row_key,
    too_much,
)
from renkei.core.records import FieldMeta, Organization, Profile, Row
from renkei.core.rights import everybody_may
from renkei.core.scopes import needed, not_covered, product_of
from renkei.core.values import Side
from renkei.engine.survey import lacking
from renkei.engine.work import SYNCED, mappings_of

State = Literal["ok", "fail", "skipped"]
MOST_SKEW = timedelta(seconds=60)  # a stamp is compared with a stamp; more than this, and people read times wrongly


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` says what to do about a failure."""

    check: str
    state: State
    said: str
    fix: str = ""


@dataclass(slots=True)
class Patient:
    """A connection to look at, with what could be opened.

    faults         of all declarations
    sources        where each side's credentials come from; or the error that says what is missing
    private        files of the encrypted store that others than their owner may read
    granted        proves a side's refresh token and tells the scopes that it grants, none where the host does not say
    ledger         None where there is none yet or it cannot be used; `ledger_state` then says which
    ledger_state   "" in order, `none` not made yet, `old` to be migrated; or the error
    scheduler      None where no Prefect server is named
    """

    spec: ConnectionSpec
    mappings: Mapping[str, MappingSpec]
    summaries: SummariesSpec
    deals: DealsSpec
    clock: Clock
    faults: Sequence[str]
    sources: Mapping[Side, str | CredentialsRefused]
    private: Sequence[str]
    crm: Crm
    books: Books
    granted: Callable[[Side], Awaitable[Sequence[str]]]
    ledger: Ledger | None
    ledger_state: str | RenkeiError
    scheduler: Scheduler | None
    spent: BudgetSpent | None = None
    _seen: dict[str, Any] = field(default_factory=dict)

    async def once(self, name: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """An answer that several checks need is asked for once."""
        if name not in self._seen:
            self._seen[name] = await ask()
        return self._seen[name]

    async def crm_organisation(self) -> Organization:
        found: Organization = await self.once("crm organisation", self.crm.organization)
        return found

    async def books_organisation(self) -> Organization:
        found: Organization = await self.once("books organisation", self.books.organization)
        return found

    async def fields(self, side: Side, module: str) -> dict[str, FieldMeta]:
        system = self.crm if side == "crm" else self.books
        listed: list[FieldMeta] = await self.once(f"{side} fields of {module}", lambda: system.fields(module))
        return {one.api_name: one for one in listed}

    def specs(self) -> list[MappingSpec]:
        """The mappings that are in use."""
        return [self.mappings[name] for entity in SYNCED for name in mappings_of(self.spec, entity)]

    def modules(self, side: Side) -> list[str]:
        """The synced modules whose fields can be asked for."""
        found = {one.crm_module if side == "crm" else one.books_module for one in self.specs()}
        return sorted(found - {"contact_persons"})


@dataclass(frozen=True, slots=True)
class Check:
    """`needs`: checks that must have passed before."""

    name: str
    look: Callable[[Patient], Awaitable[Finding]]
    needs: tuple[str, ...] = ()


def ok(said: str) -> Finding:
    return Finding("", "ok", said)


def failed(said: str, fix: str) -> Finding:
    return Finding("", "fail", said, fix)


def skipped(said: str) -> Finding:
    return Finding("", "skipped", said)


async def examine(patient: Patient) -> list[Finding]:
    """Every check in order, one finding each. Bug is not caught."""
    found: dict[str, Finding] = {}
    for check in CHECKS:
        missing = [name for name in check.needs if found[name].state != "ok"]
        one = skipped(f"needs: {missing[0]}") if missing else await _looked(check, patient)
        found[check.name] = Finding(check.name, one.state, one.said, one.fix)
    return list(found.values())


def is_well(findings: Sequence[Finding]) -> bool:
    return all(one.state != "fail" for one in findings)


async def _looked(check: Check, patient: Patient) -> Finding:
    try:
        return await check.look(patient)
    except Bug:
        raise
    except BudgetSpent as error:
        patient.spent = error
        return skipped("no Books call is left today")
    except RenkeiError as error:
        return failed(error.what, error.fix or "Try again.")


# ------------------------------------------------------------------------------------------- declarations, credentials


async def declarations(patient: Patient) -> Finding:
    if patient.faults:
        more = f" (and {len(patient.faults) - 1} more)" if len(patient.faults) > 1 else ""
        return failed(patient.faults[0] + more, "renkei check")
    return ok(f"connection, {len(patient.specs())} mappings and all suites are right")


async def has_credentials(patient: Patient) -> Finding:
    for refused in patient.sources.values():
        if isinstance(refused, CredentialsRefused):
            return failed(refused.what, refused.fix)
    if patient.private:
        return failed(f"others may read {', '.join(patient.private)}", f"chmod 600 {' '.join(patient.private)}")
    return ok("; ".join(f"{side}: {source}" for side, source in patient.sources.items()))


def token(side: Side) -> Callable[[Patient], Awaitable[Finding]]:
    async def look(patient: Patient) -> Finding:
        granted = await patient.granted(side)
        await patient.once(f"{side} granted", _given(granted))
        system = patient.crm if side == "crm" else patient.books
        try:
            user = await patient.once(f"{side} user", system.me)
        except CredentialsRefused:
            raise
        except ConnectionRefused:  # scope, organisation or edition: a check of its own names it
            return ok("the refresh token works; whose it is cannot be seen")
        who = f"{user.name} <{user.email}>, {user.profile}"
        if not user.active:
            return failed(f"it is of {who}, who is not active", "Authorise again as an active user.")
        if not user.administers:
            return failed(f"it is of {who}, who may not administer", "Authorise again as an administrator.")
        return ok(f"the refresh token works; it is of {who}")

    return look


def _given(value: Any) -> Callable[[], Awaitable[Any]]:
    async def give() -> Any:
        return value

    return give


def scopes(side: Side) -> Callable[[Patient], Awaitable[Finding]]:
    async def look(patient: Patient) -> Finding:
        wanted = needed(patient.spec, side)
        granted: Sequence[str] = await patient.once(f"{side} granted", _given(()))
        missing = not_covered(wanted, granted) if granted else []
        for scope, call in (_crm_calls if side == "crm" else _books_calls)(patient).items():
            if scope in missing:
                continue
            try:
                await call()
            except ScopeMissing:
                missing.append(scope)
        if missing:
            return failed(
                f"missing: {', '.join(one for one in wanted if one in missing)}",
                f"Authorise again, with the scopes {','.join(wanted)}",
            )
        return ok(f"{len(wanted)} needed, all granted" if granted else "all that can be tried by reading are granted")

    return look


def _crm_calls(patient: Patient) -> dict[str, Callable[[], Awaitable[Any]]]:
    """The cheapest call of each group of scopes."""
    crm, first = patient.crm, patient.modules("crm")[0]

    def deleted(module: str) -> Callable[[], Awaitable[Any]]:
        return lambda: crm.deleted(module, patient.clock.now())

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        f"ZohoCRM.modules.{module.lower()}.ALL": deleted(module) for module in patient.modules("crm")
    }
    return calls | {
        "ZohoCRM.settings.modules.READ": lambda: patient.once("modules", crm.modules),
        "ZohoCRM.settings.fields.READ": lambda: patient.fields("crm", first),
        "ZohoCRM.settings.layouts.READ": lambda: patient.once(f"required of {first}", lambda: crm.required(first)),
        "ZohoCRM.settings.custom_views.READ": lambda: crm.views(first),
        "ZohoCRM.settings.currencies.READ": lambda: patient.once("crm currencies", crm.currencies),
        "ZohoCRM.settings.profiles.READ": lambda: patient.once("profiles", crm.profiles),
        "ZohoCRM.users.READ": lambda: patient.once("crm user", crm.me),
        "ZohoCRM.org.READ": patient.crm_organisation,
        "ZohoCRM.coql.READ": lambda: crm.get_many(first, ["1"], ["id"]),
    }


def _books_calls(patient: Patient) -> dict[str, Callable[[], Awaitable[Any]]]:
    calls: dict[str, Callable[[], Awaitable[Any]]] = {}
    for scope in needed(patient.spec, "books"):
        group = scope.split(".")[1]
        calls[scope] = _offers(patient, "items" if group == "settings" else group)
    return calls


def _offers(patient: Patient, path: str) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        found: bool = await patient.once(f"offers {path}", lambda: patient.books.offers(path))
        return found

    return ask


# ------------------------------------------------------------------------------------------------------ organisations


async def crm_organisation(patient: Patient) -> Finding:
    found = await patient.crm_organisation()
    survey = patient.ledger.survey(patient.spec.name) if patient.ledger else None
    if survey is not None and survey[0]["crm"]["id"] != found.id:
        former = survey[0]["crm"]
        return failed(
            f"{found.name} ({found.id}), while former runs worked with {former['name']} ({former['id']})",
            "Use a token of the former organisation, or make a connection of another name for this one.",
        )
    return ok(f"{found.name} ({found.id}), {found.kind}")


async def edition(patient: Patient) -> Finding:
    product = product_of(patient.spec.edition)
    try:
        await patient.books_organisation()
    except WrongOrganization:
        return ok(f"{product} knows the token; the organisation is looked at next")
    return ok(product)


async def books_organisation(patient: Patient) -> Finding:
    found = await patient.books_organisation()
    return ok(f"{found.name} ({found.id})")


async def sales_documents(patient: Patient) -> Finding:
    """What is switched off is said; it is a failure only where the settings need it."""
    wanted = {"estimates"} if patient.spec.publish_documents or patient.spec.deals == "estimates" else set()
    if patient.spec.publish_documents and patient.spec.edition == "books":
        wanted.add("salesorders")
    off = [path for path in sorted(wanted) if not await _offers(patient, path)()]
    if "estimates" in off and patient.spec.deals == "estimates":
        return failed("estimates are switched off there", "Switch them on in Books, or set deals: none.")
    words = {"estimates": "estimates", "salesorders": "sales orders"}
    if off:
        return ok(f"switched off there, so none are published: {', '.join(words[one] for one in off)}")
    if patient.spec.edition == "invoice":
        return ok("Zoho Invoice has no sales orders and no purchase orders")
    return ok(", ".join(words[one] for one in sorted(wanted)) or "no document of these is needed")


async def base_currency(patient: Patient) -> Finding:
    crm, books = (await patient.crm_organisation()).currency, (await patient.books_organisation()).currency
    if crm != books:
        return failed(
            f"the CRM's is {crm}, that of {product_of(patient.spec.edition)} is {books}",
            "Choose an organisation whose base currency is the CRM's: no rate source can be named yet.",
        )
    theirs = {one.code for one in await patient.books.currencies()}
    unknown = sorted({one.code for one in await patient.once("crm currencies", patient.crm.currencies)} - theirs)
    return ok(crm + (f"; unknown to Books, so records in them are quarantined: {', '.join(unknown)}" if unknown else ""))


async def time_zone(patient: Patient) -> Finding:
    ours, now = ZoneInfo(patient.spec.time_zone), patient.clock.now()
    there = {"CRM": (await patient.crm_organisation()).time_zone, "Books": (await patient.books_organisation()).time_zone}
    differs = [f"{side} {name}" for side, name in there.items() if not _same_clock(ours, name, now)]
    if differs:
        return failed(
            f"the connection says {patient.spec.time_zone}, {' and '.join(differs)}",
            f"Set time_zone in {patient.spec.file or 'the connection'}, or change it there: a document's day depends on it.",
        )
    return ok(patient.spec.time_zone)


def _same_clock(ours: ZoneInfo, name: str, now: datetime) -> bool:
    """Equal names, or clocks that agree all year round (Asia/Calcutta, Asia/Kolkata)."""
    try:
        theirs = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    months = [now.astimezone(UTC) + timedelta(days=30 * month) for month in range(13)]
    return all(one.astimezone(ours).utcoffset() == one.astimezone(theirs).utcoffset() for one in months)


async def clocks(patient: Patient) -> Finding:
    told = {"CRM": patient.crm.skew(), "Books": patient.books.skew()}
    wrong = [f"{side} {skew.total_seconds():+.0f} s" for side, skew in told.items() if skew and abs(skew) > MOST_SKEW]
    if wrong:
        return failed(f"this machine's clock and theirs differ: {', '.join(wrong)}", "Set this machine's clock (NTP).")
    return ok("within a minute of both sides'")


# ------------------------------------------------------------------------------------------------------------- fields


def key(side: Side) -> Callable[[Patient], Awaitable[Finding]]:
    async def look(patient: Patient) -> Finding:
        modules = [*patient.modules(side), *(keyed_documents(patient.spec) if side == "books" else ())]
        wanted = [(key_field(patient.spec, side, module), await patient.fields(side, module)) for module in modules]
        if any(one.faults(there) for one, there in wanted):
            return _to_put_right(patient, wanted)
        return ok(f"{wanted[0][0].new.api_name} in {', '.join(modules)}: unique, writable, long enough")

    return look


def _prepare(patient: Patient) -> str:
    return command(patient.spec.name, "prepare", patient.spec.environment)


def _to_put_right(patient: Patient, wanted: Sequence[tuple[Wanted, Mapping[str, FieldMeta]]], *absent: str) -> Finding:
    """What is not there can be made by a command; what is there and wrong, by a person alone. `absent`: what lacks besides."""
    wrong = [(fault, one, one.new.api_name in there) for one, there in wanted for fault in one.faults(there)]
    to_make = [fault for fault, _, is_there in wrong if not is_there] + list(absent)
    by_hand = list(dict.fromkeys(one.clicks() for _, one, _ in wrong))
    fix = _prepare(patient) if to_make else ""
    return failed(
        "; ".join([*(fault for fault, _, _ in wrong), *absent]),
        ", or by hand: ".join(word for word in (fix, " ".join(by_hand)) if word),
    )


async def mapped_fields(patient: Patient) -> Finding:
    absent: list[str] = []
    optional: list[str] = []
    locked: list[str] = []
    for spec in patient.specs():
        crm = await patient.fields("crm", spec.crm_module)
        books = await patient.fields("books", spec.books_module) if spec.books_module != "contact_persons" else {}
        gone = lacking(spec, set(crm), set(books))
        for side, item in gone:
            where = f"{spec.crm_module}.{item.crm}" if side == "crm" else f"{spec.books_module}.{item.books}"
            (optional if item.optional else absent).append(where)
        names = {item.name for _, item in gone}
        locked += [
            f"{spec.crm_module}.{item.crm}"
            for item in spec.fields
            if item.name not in names and _is_written(patient, item.travels_to("crm"), item.special, spec.entity)
            and item.crm is not None and not crm[item.crm.split(".")[0]].writable
        ]  # fmt: skip
    deals = await patient.fields("crm", "Deals") if patient.summaries.joins else {}
    absent += [f"Deals.{rule.crm}" for rule in patient.summaries.joins if rule.crm not in deals]
    unfit = await _of_deals(patient, absent, optional)
    if absent:
        return failed(f"mapped and not there: {', '.join(absent)}", "Create them there, or take them out of the mapping.")
    if unfit:
        return failed(f"what deals give their documents: {'; '.join(unfit)}", f"Correct {patient.deals.file}.")
    if locked:
        return failed(f"mapped and read-only: {', '.join(locked)}", "Give the user's profile write access, or map one way.")
    left_out = f"; optional ones not there, left out: {', '.join(dict.fromkeys(optional))}" if optional else ""
    return ok(f"all mapped fields are there{left_out}")


async def _of_deals(patient: Patient, absent: list[str], optional: list[str]) -> list[str]:
    """What of the deals' mapping is not there, and, given back, what is there as something else."""
    kind = patient.spec.deals
    if kind == "none":
        return []
    deals = await patient.fields("crm", "Deals")
    spec = deal_lines.fitting(patient.deals, deals)
    named, left = deal_lines.reads(patient.deals, kind), deal_lines.reads(spec, kind)
    optional += [f"Deals.{one}" for one in (*named.deal, *named.subforms) if one not in (*left.deal, *left.subforms)]
    there = {"Deals": {name: one.data_type for name, one in deals.items()}}
    for module in deal_lines.modules(spec, kind):
        if module not in there and (module == deal_lines.PRODUCTS or there["Deals"].get(module) == "subform"):
            rows = deals[module].rows_in or module if module in deals else module
            there[module] = {name: one.data_type for name, one in (await patient.fields("crm", rows)).items()}
    unfit = deal_lines.passed_over(patient.deals, there["Deals"])
    for module, name, why in deal_lines.lacking(spec, kind, there):
        if name in there[module]:
            unfit.append(f"{module}.{name} {why}")
        else:
            absent.append(f"{module}.{name}")
    taxes: list[Row] = await patient.once("taxes", patient.books.taxes)
    return unfit + [f"Books has no tax {one}, or several" for one in deal_lines.unknown_taxes(spec, taxes)]


def _is_written(patient: Patient, travels: bool, special: str, entity: str) -> bool:
    return travels and not special and _two_way(patient, entity)


def _two_way(patient: Patient, entity: str) -> bool:
    settings = patient.spec.customers if entity == "customers" else patient.spec.products
    return settings.direction == "two_way"


async def required_fields(patient: Patient) -> Finding:
    """What the other system demands of a create and our mapping does not bring."""
    wrong = []
    for spec in patient.specs():
        brought: dict[Side, set[str]] = {"crm": {patient.spec.crm_key}, "books": {patient.spec.books_key}}
        for item in spec.fields:
            for side in brought:
                path = item.write_path(side)
                if path is not None and item.travels_to(side):
                    brought[side].add(path.split(".")[0])
        for side, path, _ in spec.constants:
            brought[side].add(path.split(".")[0])
        if _two_way(patient, spec.entity):
            module = spec.crm_module
            asked: set[str] = await patient.once(f"required of {module}", _required(patient, module))
            wrong += [f"{module}.{name}" for name in sorted(asked - brought["crm"])]
        if spec.books_module != "contact_persons":
            there = (await patient.fields("books", spec.books_module)).values()
            mandatory = {one.api_name for one in there if one.mandatory}
            wrong += [f"{spec.books_module}.{name}" for name in sorted(mandatory - brought["books"])]
    if wrong:
        return failed(
            f"mandatory there and not mapped: {', '.join(dict.fromkeys(wrong))}",
            "Map them, give them a constant under create:, or make them optional there.",
        )
    return ok("the mappings bring every mandatory field")


def _required(patient: Patient, module: str) -> Callable[[], Awaitable[set[str]]]:
    return lambda: patient.crm.required(module)


# ---------------------------------------------------------------------------------------------------------- published


def module(setting: str) -> Callable[[Patient], Awaitable[Finding]]:
    """A published module. `setting`: the key under `publish` that asks for it."""

    async def look(patient: Patient) -> Finding:
        ours = next((one for one in published(patient.spec, patient.summaries) if one.setting == setting), None)
        if ours is None:
            return skipped(f"publish.{setting} is false")
        if ours.module not in await patient.once("modules", patient.crm.modules):
            return failed(
                f"the CRM has no module {ours.module}",
                f"{_prepare(patient)}, or correct {patient.summaries.file}.",
            )
        there = await patient.fields("crm", ours.module)
        absent = [api_name for _, api_name in ours.fields if api_name not in there]
        wanted = (row_key(patient.spec, patient.summaries, ours.module), there)
        if absent or wanted[0].faults(there):
            return _to_put_right(patient, [wanted], *([f"{ours.module} has no {', '.join(absent)}"] if absent else []))
        return ok(f"{ours.module} has all {len(ours.fields)} fields and a unique {patient.summaries.key}")

    return look


async def profiles(patient: Patient) -> Finding:
    """Who sees or may change the published rows, as far as modules and profiles tell it."""
    if not patient.spec.permissions:
        return skipped("no permissions: the CRM alone decides who sees the published rows")
    shown = await patient.once("modules", patient.crm.modules)
    listed = await patient.once("profiles", patient.crm.profiles)
    standing = Standing({}, shown, listed, (await patient.once("crm user", patient.crm.me)).profile)
    ours = published(patient.spec, patient.summaries)
    excess = [
        (one.module, profile, rights)
        for one in ours
        for profile, rights in too_much(patient.spec.permissions, standing, one).items()
    ]
    if not excess:
        return ok("; ".join(f"{one.module} is seen by {_seers(patient, listed, one)} and changed by nobody else" for one in ours))
    wrong = []
    for one in dict.fromkeys(name for name, _, _ in excess):
        for word, among in (("see", {"View"}), ("change", set(WRITES))):
            names = [profile.name for name, profile, rights in excess if name == one and among & set(rights)]
            if names:
                wrong.append(f"{', '.join(names)} may {word} {one}")
    hands = [rights_click(profile.name, rights, name) for name, profile, rights in excess]
    return failed(
        "; ".join(wrong),
        f"{_prepare(patient)}, or by hand: {' '.join(hands)} Or give the view in permissions:.",
    )


def _seers(patient: Patient, listed: Sequence[Profile], ours: Published) -> str:
    names = [one.name for one in listed if may_see(patient.spec.permissions, one, ours.kinds)]
    return f"{', '.join(names)} alone" if names else "nobody"


# ------------------------------------------------------------------------------------------------- budget, own machine


async def roles(patient: Patient) -> Finding:
    """Told, not judged: who may do what with this connection."""
    if everybody_may(patient.spec.roles):
        return ok("no roles: every user of this machine holds every role, as docs/how-to/rights.md says")
    held = [f"{role} {', '.join(actors)}" for role, actors in patient.spec.roles or () if actors]
    return ok("; ".join(held) or "nobody holds any role")


async def budget(patient: Patient) -> Finding:
    if patient.spent is not None:
        return failed(patient.spent.what, "Wait for the day to end, or let other integrations call less.")
    left, resets_in = patient.books.daily()
    keep = patient.spec.budget.keep_for_people
    if left is None:
        return ok("Books does not say what is left today")
    when = f", the day ends in {timedelta(seconds=resets_in)}" if resets_in else ""
    return ok(f"{left} Books calls left today, of which {keep} are for people{when}")


async def ledger(patient: Patient) -> Finding:
    if isinstance(patient.ledger_state, RenkeiError):
        raise patient.ledger_state
    if patient.ledger_state == "old":
        return failed("its tables are of an older renkei", "Back it up, then run: renkei status (it migrates the ledger)")
    if patient.ledger_state == "none":
        return ok("none yet: the first run makes it")
    return ok("reachable, and migrated")


async def seal(patient: Patient) -> Finding:
    if patient.ledger is None:
        return skipped("there is no ledger yet")
    found = patient.ledger.verify_newest()
    if found.broken:
        return failed(found.broken, "renkei ledger verify; then compare with a backup and ask who could write there.")
    return ok(f"the newest run's {found.rows} rows are whole" if found.runs else "no run is sealed yet")


async def built_in(patient: Patient) -> Finding:
    """Told, not judged: pairs of Zoho's own integration, from the ledger."""
    if patient.spec.native == "off":
        return ok("switched off, says native: off")
    if patient.ledger is None:
        return skipped("there is no ledger yet")
    name = patient.spec.name
    pairs = sum(1 for one in patient.ledger.all_links(name) if one.evidence == "native" and one.state == "live")
    unread = sum(
        1 for ref, why in patient.ledger.open_refs(name, "blocked") if why == "native_pair_unread" and ref.side == "books"
    )
    if not pairs and not unread:
        return ok("no pair of it is known")
    left = f", {unread} are not read yet" if unread else ""
    both = patient.spec.deals
    makes = "" if both == "none" else f". Switch off its own {both} for deals, or one deal may get a document from each"
    return ok(f"{pairs} linked pairs of it{left}. What it keeps is not written until native: off{makes}")


async def prefect(patient: Patient) -> Finding:
    if patient.scheduler is None:
        return skipped("PREFECT_API_URL is not set")
    there = await patient.scheduler.deployments(patient.spec.name)
    absent = [name for name in FLOWS if name not in there]
    if absent:
        return failed(
            f"the server has no deployment {', '.join(f'{name}/{patient.spec.name}' for name in absent)}",
            command(patient.spec.name, "deploy", patient.spec.environment),
        )
    workers = await patient.scheduler.workers(POOL)
    if not workers:
        return failed(f"no worker of the pool {POOL} is at work", f"prefect worker start --pool {POOL}")
    paused = [name for name in FLOWS if not there[name]]
    said = f"{len(workers)} worker{'s' * (len(workers) > 1)}, deployments {', '.join(FLOWS)}"
    return ok(said + (f"; paused: {', '.join(paused)}" if paused else ""))


CRM, BOOKS = ("crm token", "crm scopes"), ("books token", "edition", "books organisation", "books scopes")
CHECKS = (
    Check("declarations", declarations),
    Check("ledger", ledger),
    Check("newest seal", seal, ("ledger",)),
    Check("credentials", has_credentials, ("declarations",)),
    Check("crm token", token("crm"), ("credentials",)),
    Check("books token", token("books"), ("credentials",)),
    Check("edition", edition, ("books token",)),
    Check("books organisation", books_organisation, ("edition",)),
    Check("crm scopes", scopes("crm"), ("crm token",)),
    Check("books scopes", scopes("books"), ("books token", "edition", "books organisation")),
    Check("crm organisation", crm_organisation, CRM),
    Check("estimates and sales orders", sales_documents, BOOKS),
    Check("base currency", base_currency, (*CRM, *BOOKS)),
    Check("time zone", time_zone, (*CRM, *BOOKS)),
    Check("clock", clocks, (*CRM, *BOOKS)),
    Check("crm key field", key("crm"), CRM),
    Check("books key field", key("books"), BOOKS),
    Check("mapped fields", mapped_fields, (*CRM, *BOOKS)),
    Check("required fields", required_fields, (*CRM, *BOOKS)),
    Check("receivables module", module("summaries"), CRM),
    Check("documents module", module("documents"), CRM),
    Check("profiles", profiles, CRM),
    Check("roles", roles, ("declarations",)),
    Check("budget", budget, ("credentials",)),
    Check("built-in integration", built_in, ("ledger",)),
    Check("prefect", prefect),
)

"""The one place that wires rooms together: clock, ids, transports, ledger, judge and both systems come in here."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from renkei import __version__
from renkei.config.actors import machine_user, typist
from renkei.config.check import check
from renkei.config.connection_file import NewConnection, connection_text, write_connection
from renkei.config.project import Access, Project, load_project, read_access, read_project, with_hosts
from renkei.config.proposal_file import ProposalFile, proposal_files
from renkei.config.schema import MODELS as SCHEMAS
from renkei.config.schema import json_schema
from renkei.config.settings import Settings, credential_store, credentials, source_of
from renkei.config.shipped import copy_shipped, with_shipped
from renkei.connectors.alerts import send
from renkei.connectors.auth import Credentials, Tokens, Unshared
from renkei.connectors.books import ZohoBooks
from renkei.connectors.crm import ZohoCrm
from renkei.connectors.http import Client
from renkei.connectors.prefect_api import PrefectApi
from renkei.core.connection import ConnectionSpec, Hosts, SideSettings
from renkei.core.data_centers import DATA_CENTERS
from renkei.core.errors import Bug, CredentialsRefused, Fault, LedgerUnavailable, RenkeiError, WrongEnvironment
from renkei.core.personal import EVERYTHING, NOTHING, personal_in
from renkei.core.ports import Clock, Judge, Ledger
from renkei.core.proposing import Proposal
from renkei.core.values import Side
from renkei.engine import alerts
from renkei.engine.acts import Act
from renkei.engine.alerts import Alert
from renkei.engine.crm_user import CrmUser, crm_user
from renkei.engine.doctor import Patient
from renkei.engine.due import due
from renkei.engine.gap import restored
from renkei.engine.rights import in_ledger
from renkei.engine.rights import require as require_right
from renkei.engine.shown import Shown
from renkei.engine.status import fell_silent
from renkei.engine.work import Rooms
from renkei.ledger import keeping
from renkei.ledger.ledger import SqlLedger, look_at, open_ledger
from renkei.ledger.migrate import HEAD
from renkei.quality.judge import GreatJudge

__all__ = [
    "SCHEMAS", "Contact", "Desk", "NewConnection", "ProposalFile", "Settings", "SystemClock", "admit", "backup_ledger",
    "check", "connection_text", "copy_shipped", "credential_store", "deployable", "due_batches", "first_contact",
    "json_schema", "load_project", "machine_user", "migrate_ledger", "open_desk", "open_house", "open_ledger_of",
    "open_patient", "proposed_files", "read_project", "reserved_names", "restore_ledger", "secrets_of", "tell",
    "typist_of", "unwritten", "watch_connections", "with_hosts", "with_shipped", "write_connection",
]  # fmt: skip


SIDES: tuple[Side, Side] = ("crm", "books")
SECRET_NAMES = ("_CLIENT_ID", "_CLIENT_SECRET", "_REFRESH_TOKEN")  # how names of variables end that hold one


class SystemClock:
    """The machine's own time, waiting, chance and ids."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return random.random()

    def new_id(self) -> str:
        return f"{self.now():%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"


def open_ledger_of(settings: Settings) -> SqlLedger:
    """The ledger alone, for commands that need no network."""
    return open_ledger(settings.ledger_url)


def backup_ledger(settings: Settings, file: Path) -> None:
    """Copy the ledger into a new file; consistent while a run writes."""
    keeping.backup(settings.ledger_url, file)


def restore_ledger(settings: Settings, file: Path, actor: str, *, force: bool) -> dict[str, Any]:
    """Put a backup in the ledger's place, check its chains, and note in it for each connection that it was restored.

    force    over a ledger that holds runs, which is copied into the data folder first
    returns  rows and runs that are whole, the first broken one or null, where the former ledger is kept, and by connection
             the newest run that the backup holds
    """
    clock = SystemClock()
    aside = settings.file_in_data("backups", f"before-restore-{clock.new_id()}.backup") if force else None
    kept = keeping.restore(settings.ledger_url, file, now=clock.now(), aside=aside)
    ledger = open_ledger(settings.ledger_url)
    try:
        found = ledger.verify()
        last = {} if found.broken else restored(ledger, clock, str(file), actor, __version__)
    finally:
        ledger.close()
    return {
        "rows": found.rows, "runs": found.runs, "broken": found.broken, "kept": str(kept) if kept else None, "connections": last,
    }  # fmt: skip


def migrate_ledger(settings: Settings) -> tuple[str | None, str]:
    """Bring the ledger's tables up to date: (revision before, None for an empty ledger; revision now)."""
    return keeping.migrate_now(settings.ledger_url)


def deployable(
    settings: Settings, names: Sequence[str] | None, environment: str | None = None
) -> tuple[list[ConnectionSpec], set[str], set[str]]:
    """The named connections or all; the names of all that are declared; those whose schedules stand still now.

    environment   what was said on the command; None where nothing will be deployed
    raises        WrongEnvironment for a connection that writes to production where that word was not said
    """
    project = load_project(settings)
    specs = [project.connection(name) for name in names] if names else list(project.connections.values())
    unsaid = [one.name for one in specs if one.environment == "production" and environment not in (None, "production")]
    if unsaid:
        raise WrongEnvironment(
            "crm", f"{', '.join(unsaid)} would write to production by schedule, and nobody said so.",
            fix="Say --environment production.",
        )  # fmt: skip
    ledger = open_ledger(settings.ledger_url)
    try:
        states = {name: ledger.state(name) for name in project.connections}
    finally:
        ledger.close()
    return specs, set(project.connections), {name for name, state in states.items() if state and state.state != "active"}


def due_batches(settings: Settings, which: str, names: Sequence[str] | None) -> dict[str, str]:
    """Connection → `nightly` or `hourly`, of the named connections or all; with `due`, of those whose time has come."""
    specs, _, inactive = deployable(settings, names)
    ledger, now = open_ledger(settings.ledger_url), SystemClock().now()
    try:
        asked = {spec.name: due(ledger, spec, now) if which == "due" else which for spec in specs if spec.name not in inactive}
    finally:
        ledger.close()
    return {name: batch for name, batch in asked.items() if batch}


def proposed_files(
    settings: Settings, project: Project, spec: ConnectionSpec, proposals: Sequence[Proposal]
) -> list[ProposalFile]:
    """The files that the proposals would be, in the connection's folder or in one of its name. Bug where `check` refuses one."""
    folder = settings.mappings / (spec.mappings or spec.name)
    found = proposal_files(folder, spec.name, proposals, settings.mappings)
    texts = unwritten(project, found)
    faults = [fault for fault in read_project(project.settings, texts)[1] if Path(fault.file) in texts]
    if faults:
        raise Bug(f"a proposed mapping is wrong: {'; '.join(map(str, faults))}", expected="a mapping that `check` passes")
    return found


def unwritten(project: Project, files: Sequence[ProposalFile]) -> dict[Path, str]:
    """Their texts for `read_project`, whose folder of mappings may be the shipped one as long as there is no other."""
    return {project.settings.mappings / one.path.parent.name / one.path.name: one.text for one in files}


def reserved_names(project: Project) -> set[str]:
    """API names that no mapping may take: the key fields of every connection."""
    return {name for one in project.connections.values() for name in (one.crm_key, one.books_key)}


async def tell(environ: Mapping[str, str], alert: Alert | None) -> bool:
    """Send an alert, if there is one, where RENKEI_ALERT_URL says, without any secret. False where it did not arrive."""
    settings = Settings.from_environment(environ)
    if alert is None or not settings.alert_url:
        return True
    safe = alerts.redacted(alert, secrets_of(environ))
    return await send(settings.alert_url, safe.title, safe.text)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Every secret that this installation knows: of the environment, and of the encrypted store where its key opens it."""
    settings = Settings.from_environment(environ)
    found = [value for name, value in environ.items() if name.startswith("RENKEI_") and name.endswith(SECRET_NAMES)]
    found += [*settings.store_key.split(","), *settings.alert_url.split(), settings.ledger_url]
    found.append(urlsplit(settings.ledger_url).password or "")
    with suppress(RenkeiError):  # what the key does not open, nobody here has read
        stored = credential_store(environ)
        for alias in stored.aliases():
            found += stored.get(alias).values()
    return [one for one in found if one]


async def watch_connections(
    settings: Settings, environ: Mapping[str, str], name: str | None, every: int | None, say: Callable[[str], None]
) -> list[dict[str, str]]:
    """Tell of the connections (or the named one) in which no run has ended well within `alert_after`.

    every    minutes after which to look again, for ever; a silence is told once, and again after another `alert_after`
    returns  title and text of each silence, after one look
    """
    told: dict[str, tuple[datetime, datetime]] = {}  # connection → silent since, told at
    clock = SystemClock()
    while True:
        found = []
        for spec, alert, since in _silences(settings, name, clock.now()):
            found.append({"title": alert.title, "text": alert.text})
            before = told.get(spec.name)
            if before and before[0] == since and clock.now() - before[1] < timedelta(hours=spec.alert_after or 0):
                continue
            told[spec.name] = (since, clock.now())
            arrived = await tell(environ, alert)
            if every is not None or not arrived:
                say(alert.title if arrived else f"{alert.title}: the alert did not arrive; look at RENKEI_ALERT_URL.")
        if every is None:
            return found
        await clock.sleep(every * 60)


def _silences(settings: Settings, name: str | None, now: datetime) -> list[tuple[ConnectionSpec, Alert, datetime]]:
    specs, _, inactive = deployable(settings, [name] if name else None)
    ledger = open_ledger(settings.ledger_url)
    try:
        heard = [(spec, alerts.about_silence(ledger, spec, now)) for spec in specs if spec.name not in inactive]
    finally:
        ledger.close()
    return [(spec, *found) for spec, found in heard if found]


class Desk:
    """Where a person works without a network: the ledger, the clock, and the declarations, read when they are asked for.

    `spec` is the named connection or the only one. DeclarationError or AskedWrongly where they are wrong.
    """

    def __init__(self, settings: Settings, ledger: Ledger, connection: str | None, environ: Mapping[str, str]) -> None:
        self.settings, self.ledger, self.clock = settings, ledger, SystemClock()
        self._connection, self._environ = connection, environ

    @cached_property
    def project(self) -> Project:
        return load_project(self.settings)

    @cached_property
    def spec(self) -> ConnectionSpec:
        return self.project.connection(self._connection)

    def zone(self, connection: str) -> str | None:
        """A connection's time zone; None where it is declared no more or cannot be read."""
        try:
            spec = self.project.connections.get(connection)
        except RenkeiError:
            return None
        return spec.time_zone if spec else None

    def shown(self, connection: str, in_full: bool = False) -> Shown:
        """How records of a connection are shown to people; where the declarations cannot be read, all of them is masked."""
        personal = NOTHING
        if not in_full:
            try:
                spec = self.project.connections.get(connection)
                personal = personal_in((self.project.mappings_of(spec) if spec else self.project.mappings[""]).values())
            except RenkeiError:
                personal = EVERYTHING
        return Shown(self.ledger, connection, personal)

    def act(self, actor: str | None) -> Act:
        """What this person does, or (None) the one who types, under the declarations in force."""
        typed = typist_of(self.spec, self._environ)
        name, content = typed if actor is None else actor, self.project.configuration(self.spec)
        return Act(self.ledger, self.clock, self.spec.name, name, content, __version__, typed)


def typist_of(spec: ConnectionSpec, environ: Mapping[str, str]) -> str:
    """Who types, as the ledger names him."""
    return in_ledger(typist(environ, spec.tokens))


def admit(environ: Mapping[str, str], connection: str | None, command: str, options: Collection[str], actor: str = "") -> None:
    """Let someone do this, or raise NotAllowed and leave a row in the ledger: the one door of commands and flows.

    connection  the one that it is about; None, or one that is not declared: he needs the right in every connection
    actor       `deployment:FLOW`; "": the one who types
    raises      DeclarationError where a file does not say who may do what
    """
    settings = Settings.from_environment(environ)
    declared = read_access(settings)
    for one in [one for one in declared if one.connection == connection] or declared:
        with ExitStack() as opened:

            def deny(name: str, one: Access = one, opened: ExitStack = opened) -> Act:
                ledger = opened.enter_context(closing(open_ledger(settings.ledger_url)))
                return Act(ledger, SystemClock(), one.connection, name, {"roles": dict(one.roles or ())}, __version__)

            require_right(one.connection, one.roles, actor or typist(environ, one.tokens), command, options, deny)


@contextmanager
def open_desk(environ: Mapping[str, str], connection: str | None = None) -> Iterator[Desk]:
    """A desk whose ledger is closed at the end of the block."""
    settings = Settings.from_environment(environ)
    ledger = open_ledger(settings.ledger_url)
    try:
        yield Desk(settings, ledger, connection, environ)
    finally:
        ledger.close()


@asynccontextmanager
async def open_house(
    project: Project,
    connection: ConnectionSpec,
    environ: Mapping[str, str],
    *,
    transport: Any = None,
    clock: Clock | None = None,
    judge: Judge | None = None,
    ledger: Ledger | None = None,
    progress: Callable[[str, str, int, int | None], None] | None = None,
    for_a_person: bool = False,
) -> AsyncIterator[Rooms]:
    """All rooms for one connection. CredentialsRefused names what the environment lacks, before any call.

    for_a_person   its calls may use what the budget keeps for people
    """
    time_of = clock or SystemClock()
    secrets = {side: credentials(_side(connection, side).credentials, environ, side) for side in SIDES}
    own = None if ledger is not None else open_ledger(project.settings.ledger_url)
    memory: Ledger = ledger if ledger is not None else own  # type: ignore[assignment]
    kept = 0 if for_a_person else connection.budget.keep_for_people
    paying = dataclasses.replace(connection, budget=dataclasses.replace(connection.budget, keep_for_people=kept))
    tokens, clients = _lines(project.settings, paying, secrets, memory, time_of, transport)
    for side, sick in fell_silent(memory, connection.name).items():
        clients[side].leave_alone(sick)

    def allow_writes(allowed: bool) -> None:
        for client in clients.values():
            client.read_only = not allowed

    def flush_calls(run: str | None) -> None:
        for client in clients.values():
            client.run = run
            client.flush()

    try:
        yield Rooms(
            connection, project.mappings_of(connection), project.summaries_of(connection), project.deals_of(connection),
            *_systems(connection, clients), memory, judge or GreatJudge(project.suites), time_of, project.settings.data,
            project.configuration(connection), __version__, allow_writes, flush_calls,
            progress or (lambda stage, entity, done, of: None),
        )  # fmt: skip
    finally:
        await _hang_up(tokens, clients)
        if own is not None:
            own.close()


async def for_crm_user(
    environ: Mapping[str, str], connection: str | None, name: str, verb: str,
    work: Callable[[CrmUser], Awaitable[dict[str, Any]]], typed: str = "",
) -> dict[str, Any]:  # fmt: skip
    """What a CRM user is answered. A person's calls may use the part of the day's allowance that is kept for people.

    typed   who asks for it, where that is not who types here
    """
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(connection)
    async with open_house(project, spec, environ, for_a_person=True) as rooms:
        return await work(await crm_user(rooms, name, verb, typed or typist_of(spec, environ)))


@asynccontextmanager
async def open_patient(
    project: Project,
    connection: ConnectionSpec,
    environ: Mapping[str, str],
    *,
    faults: Sequence[Fault] = (),
    transport: Any = None,
    clock: Clock | None = None,
    scheduler_transport: Any = None,
) -> AsyncIterator[Patient]:
    """A connection for `renkei doctor`: what can be opened, and what cannot as words. Nothing is made, migrated or written,
    but that an up-to-date ledger keeps the access token and counts the calls."""
    time_of = clock or SystemClock()
    sources: dict[Side, str | CredentialsRefused] = {}
    secrets: dict[Side, tuple[str, str, str]] = {}
    for side in SIDES:
        try:
            secrets[side] = credentials(_side(connection, side).credentials, environ, side)
            sources[side] = source_of(_side(connection, side).credentials, environ)
        except CredentialsRefused as error:
            secrets[side], sources[side] = ("", "", ""), error  # never used: the checks that would are skipped
    ledger, state = _ledger_as_it_stands(project.settings)
    store: Any = Unshared() if ledger is None else ledger
    tokens, clients = _lines(project.settings, connection, secrets, store, time_of, transport)
    url = environ.get("PREFECT_API_URL", "")
    scheduler = PrefectApi(
        url, key=environ.get("PREFECT_API_KEY", ""), user_and_password=environ.get("PREFECT_API_AUTH_STRING", ""),
        transport=scheduler_transport,
    ) if url else None  # fmt: skip
    crm, books = _systems(connection, clients)
    told: dict[str, Sequence[str]] = {}

    async def granted(side: Side) -> Sequence[str]:
        alias = _side(connection, side).credentials
        if alias not in told:
            told[alias] = await tokens[alias].granted(side)
        return told[alias]

    aliases = sorted({_side(connection, side).credentials for side in SIDES})
    kept = credential_store(environ) if any(source != "the environment" for source in sources.values()) else None
    try:
        yield Patient(
            connection, project.mappings_of(connection), project.summaries_of(connection), project.deals_of(connection), time_of,
            [str(one) for one in faults], sources,
            [str(kept.path(one)) for one in aliases if not kept.is_private(one)] if kept else [],
            crm, books, granted, ledger, state, scheduler,
        )  # fmt: skip
    finally:
        await _hang_up(tokens, clients)
        if scheduler is not None:
            await scheduler.aclose()
        if ledger is not None:
            ledger.close()


@asynccontextmanager
async def first_contact(
    new: NewConnection, environ: Mapping[str, str], secrets: Mapping[Side, Mapping[str, str]], *, transport: Any = None,
    clock: Clock | None = None,
) -> AsyncIterator[Contact]:  # fmt: skip
    """Both sides before there is a connection. `secrets`: client_id, client_secret and refresh_token or code, a side each."""
    address = Hosts(*new.hosts) if new.hosts else DATA_CENTERS[new.data_center]
    crm = SideSettings(address, new.credentials, new.data_center)
    books = dataclasses.replace(crm, credentials=new.books_credentials or new.credentials)
    spec = ConnectionSpec(new.name, new.time_zone, crm, books, new.edition, new.organization)
    time_of, store = clock or SystemClock(), Unshared()
    refresh: dict[str, str] = {}
    for side in SIDES:
        alias, given = _side(spec, side).credentials, secrets[side]
        if alias in refresh:
            continue
        refresh[alias] = given.get("refresh_token", "")
        if not refresh[alias]:
            once = Tokens(
                alias, Credentials(given["client_id"], given["client_secret"], ""), hosts=address, store=store, clock=time_of,
                transport=transport,
            )  # fmt: skip
            try:
                refresh[alias] = await once.exchange(side, given["code"])
            finally:
                await once.aclose()
    whole: dict[Side, tuple[str, str, str]] = {
        side: (secrets[side]["client_id"], secrets[side]["client_secret"], refresh[_side(spec, side).credentials])
        for side in SIDES
    }
    tokens, clients = _lines(Settings.from_environment(environ), spec, whole, store, time_of, transport)
    try:
        yield Contact(
            spec, whole, *_systems(spec, clients), lambda id: ZohoBooks(clients["books"], edition=new.edition, organization=id),
            lambda side: tokens[_side(spec, side).credentials].granted(side),
        )  # fmt: skip
    finally:
        await _hang_up(tokens, clients)


@dataclass(frozen=True, slots=True)
class Contact:
    """`secrets`: (client id, client secret, refresh token) by side. `books_of`: Books of the organisation that was chosen.
    `granted`: a side's scopes, as far as the accounts host says."""

    spec: ConnectionSpec
    secrets: Mapping[Side, tuple[str, str, str]] = field(repr=False)
    crm: ZohoCrm
    books: ZohoBooks
    books_of: Callable[[str], ZohoBooks]
    granted: Callable[[Side], Awaitable[Sequence[str]]]

    def environ(self) -> dict[str, str]:
        """The credentials as the environment would have them."""
        named = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")
        return {
            f"RENKEI_{_side(self.spec, side).credentials}_{part}": value
            for side in SIDES
            for part, value in zip(named, self.secrets[side], strict=True)
        }


def _ledger_as_it_stands(settings: Settings) -> tuple[SqlLedger | None, str | RenkeiError]:
    """The ledger where its tables are up to date, and a word for its state, or the error."""
    try:
        ledger, found = look_at(settings.ledger_url)
    except RenkeiError as error:
        return None, error
    if ledger is None:
        return None, "none"
    if found == HEAD:
        return ledger, ""
    ledger.close()
    newer = LedgerUnavailable(f"The ledger stands at revision {found}, this renkei knows {HEAD}.", fix="Use a newer renkei.")
    return None, "old" if found is not None and found < HEAD else newer


def _lines(
    settings: Settings, connection: ConnectionSpec, secrets: Mapping[Side, tuple[str, str, str]], store: Any, clock: Clock,
    transport: Any,
) -> tuple[dict[str, Tokens], dict[Side, Client]]:  # fmt: skip
    """Tokens by alias and a client a side, which refuses to write until it is allowed."""
    tokens: dict[str, Tokens] = {}
    clients: dict[Side, Client] = {}
    for side in SIDES:
        side_of = _side(connection, side)
        if side_of.credentials not in tokens:
            tokens[side_of.credentials] = Tokens(
                side_of.credentials, Credentials(*secrets[side]), hosts=side_of.hosts, store=store, clock=clock,
                key=token_key(settings), transport=transport,
            )  # fmt: skip
        clients[side] = Client(
            side, base=side_of.hosts.api, tokens=tokens[side_of.credentials], clock=clock, calls=store,
            organization=connection.organization if side == "books" else connection.name, time_zone=connection.time_zone,
            budget=connection.budget if side == "books" else None, transport=transport, read_only=True,
        )  # fmt: skip
    return tokens, clients


def _systems(connection: ConnectionSpec, clients: Mapping[Side, Client]) -> tuple[ZohoCrm, ZohoBooks]:
    return (
        ZohoCrm(clients["crm"], key_field=connection.crm_key),
        ZohoBooks(clients["books"], edition=connection.edition, organization=connection.organization),
    )


async def _hang_up(tokens: Mapping[str, Tokens], clients: Mapping[Side, Client]) -> None:
    for client in clients.values():
        await client.aclose()
    for one in tokens.values():
        await one.aclose()


def token_key(settings: Settings) -> bytes | None:
    """What shared access tokens are encrypted with; None: with a key made of the client secret."""
    return settings.store_key.split(",")[0].encode() or None


def _side(connection: ConnectionSpec, side: str) -> SideSettings:
    return connection.crm if side == "crm" else connection.books

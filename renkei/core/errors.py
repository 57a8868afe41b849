"""Every error that renkei raises on purpose, grouped by consequence.

    RenkeiError
    ├ DeclarationError    a file given to it is wrong    nothing was read
    ├ SourceRefused       data broke an expectation      nothing was written
    ├ Stopped             someone must act first         nothing was written by this command
    │ ├ AnotherRun            a run of this connection holds the lock
    │ ├ PlanStale             the plan no longer fits
    │ ├ ConnectionPaused      a person paused the connection
    │ ├ NotConnected          a person disconnected it
    │ ├ OrganizationChanged   the declared Books organisation is not the one that the ledger knows
    │ ├ SecondPersonNeeded    who made the plan may not release its brakes; the ledger has a row of it
    │ ├ NotAllowed            the actor's roles do not give the right; the ledger has a row of it
    │ ├ DocumentRefused       a CRM user may not, or cannot now, do this with documents; in English and Japanese
    │ └ ConsentMissing        nobody agreed to the plan
    ├ ConnectionRefused   the connection itself is wrong nothing was written
    │ ├ CredentialsRefused   id, secret or refresh token
    │ ├ ScopeMissing         the token may not do this
    │ ├ WrongOrganization    the organisation is not the configured one
    │ ├ WrongEdition         a token of the other edition
    │ ├ WrongEnvironment     production or sandbox is not what was declared or named
    │ ├ WrongDataCenter      the token was issued elsewhere
    │ ├ ModuleOff            the organisation does not use this module, or its edition has none
    │ └ FieldMissing         a field or module that renkei needs is not there
    ├ TryAgain            never left, or was told to wait   nothing was written
    │ ├ Throttled            429: per minute, in flight, credits, token refreshes
    │ ├ Unreachable          no connection, or the server's own error on a read
    │ └ LeftAlone            the side gave no answer several times in a row and is spared for a while
    ├ BudgetSpent         the day's calls are used up    what was done is recorded; the rest waits
    ├ AnswerUnknown       left, and no answer came       perhaps written; recover looks it up
    ├ LedgerUnavailable   the ledger cannot be used      what is journalled stands
    └ Bug                 we broke our own promise       said plainly, never caught
       └ WriteForbidden   a write was tried in a reading mode; the transport refused it

A good message has four parts: what, where, was anything written, what now.
Source: examples-to-follow.md section 3; docs/reference/errors.md lists every class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from renkei.core.commands import command


class RenkeiError(Exception):
    """The root. `written` says in words whether anything was written outside; `fix` what to do now."""

    written = "Nothing was written."
    exit_code = 1

    def __init__(self, what: str, *, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    @property
    def more(self) -> dict[str, str]:
        """What a program is told besides."""
        return {}

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.written, self.fix) if part)


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One mistake in a file: where, what, and what would be right. Line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class DeclarationError(RenkeiError):
    """One or more files given to renkei (YAML, a link table) are wrong. `faults` holds all of them, sorted by file and line."""

    written = "Nothing was read or written."
    exit_code = 2

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __str__(self) -> str:
        return f"{self.what}\n{self.written}"


class AskedWrongly(RenkeiError):
    """A command's words are wrong: an unknown record, run, connection or choice."""

    exit_code = 2


class SourceRefused(RenkeiError):
    """An entity's data broke so many expectations that the entity halts. Data: entity, suite, rule, count, samples."""

    def __init__(self, entity: str, suite: str, rule: str, count: int, samples: tuple[str, ...]) -> None:
        self.entity, self.suite, self.rule, self.count, self.samples = entity, suite, rule, count, samples
        super().__init__(
            f"{entity}: {count} rows broke {rule} of {suite} (for example {', '.join(samples[:5])}).",
            fix="Correct the source or the expectation, then run again.",
        )


class Stopped(RenkeiError):
    """Someone must act before this can go on."""

    exit_code = 3


class AnotherRun(Stopped):
    """Another run of the connection holds its lock. Data: connection, run, since (ISO text)."""

    def __init__(self, connection: str, run: str, since: str) -> None:
        self.connection, self.run, self.since = connection, run, since
        super().__init__(
            f"Connection {connection}: run {run} has been at work since {since}.",
            fix="Wait for it to end; its lock ends by itself a few minutes after its process died.",
        )


class PlanStale(Stopped):
    """The plan no longer fits the configuration that it was made under, or was applied before."""


class SecondPersonNeeded(Stopped):
    """`four_eyes`: a brake is released by another person than the one who made the plan. Data: connection, plan, release,
    authors."""

    def __init__(
        self, connection: str, plan: str, release: Sequence[str], authors: Sequence[str], words: str, environment: str | None
    ) -> None:
        self.connection, self.plan, self.release, self.authors = connection, plan, tuple(release), tuple(authors)
        super().__init__(
            f"{', '.join(sorted(release))} of plan {plan}: connection {connection} wants four eyes, and {' and '.join(authors)} "
            f"made this plan.",
            fix=f"Another person types: {command(connection, words, environment)}",
        )


class NotAllowed(Stopped):
    """The actor holds no role that gives the right. Data: connection, actor, command, roles (any would do), holders."""

    def __init__(self, connection: str, actor: str, command: str, roles: Sequence[str], holders: Sequence[str]) -> None:
        self.connection, self.actor, self.command = connection, actor, command
        self.roles, self.holders = tuple(roles), tuple(holders)
        super().__init__(
            f"{actor} may not do `{command}` of connection {connection}: that needs the role {' or '.join(roles)}.",
            fix=f"Who holds it: {', '.join(holders) or 'nobody'}.",
        )


class DocumentRefused(Stopped):
    """A CRM user may not, or cannot now, do this with documents. Data: connection, actor, verb, reason, ja (the same words)."""

    def __init__(self, connection: str, actor: str, verb: str, reason: str, en: str, ja: str) -> None:
        self.connection, self.actor, self.verb, self.reason, self.ja = connection, actor, verb, reason, ja
        super().__init__(en)

    @property
    def more(self) -> dict[str, str]:
        return {"reason": self.reason, "ja": self.ja}

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.ja}"


class ConnectionPaused(Stopped):
    """A person paused the connection. Data: connection, run (which says so)."""

    def __init__(self, connection: str, run: str, since: str, by: str, why: str) -> None:
        self.connection, self.run = connection, run
        super().__init__(
            f"Connection {connection} has been paused since {since} by {by}: {why}.",
            fix=f"When it may go on: {command(connection, 'resume')} (nothing is missed).",
        )


class NotConnected(Stopped):
    """A person disconnected the connection: not_connected. Data: connection, run (which says so)."""

    def __init__(self, connection: str, run: str, since: str, by: str, why: str) -> None:
        self.connection, self.run = connection, run
        super().__init__(
            f"not_connected: {connection} has been disconnected since {since} by {by}{f': {why}' if why else ''}.",
            fix=f"To connect it again: {command(connection, 'resume --reconnect')} (its links are kept).",
        )


class OrganizationChanged(Stopped):
    """The declaration names another Books organisation than the ledger. Data: connection, former, present (ids)."""

    def __init__(self, connection: str, former: str, name: str, present: str, environment: str | None) -> None:
        self.connection, self.former, self.present = connection, former, present
        super().__init__(
            f"Connection {connection}: books.organization is {present} now, former runs worked with {former} ({name}).",
            fix=f"Write the former one again, or go over to it: {command(connection, 'switch-organization', environment)}",
        )


class ConsentMissing(Stopped):
    """A plan that needs a person's consent has none."""


class ConnectionRefused(RenkeiError):
    """The connection itself is wrong: credentials, rights, organisation, fields. Data: side."""

    def __init__(self, side: str, what: str, *, fix: str = "") -> None:
        self.side = side
        super().__init__(f"{side}: {what}", fix=fix)


class ModuleOff(ConnectionRefused):
    """Books has no such list: the edition lacks it, or the organisation switched it off."""


class CredentialsRefused(ConnectionRefused):
    """The accounts server refused client id, secret or refresh token."""


class ScopeMissing(ConnectionRefused):
    """The token is valid but may not make this call."""


class WrongOrganization(ConnectionRefused):
    """The token's user does not belong to the configured organisation."""


class WrongEdition(ConnectionRefused):
    """An Invoice token where Books was declared, or the reverse."""


class WrongEnvironment(ConnectionRefused):
    """The CRM organisation is not of the declared kind, or the kind that was named is not the declared one."""


class WrongDataCenter(ConnectionRefused):
    """The token was issued in another data centre."""


class FieldMissing(ConnectionRefused):
    """A field, module or view that the mapping or renkei needs is not there. Data: module, field."""

    def __init__(self, side: str, module: str, field: str, *, fix: str = "") -> None:
        self.module, self.field = module, field
        super().__init__(side, f"{module} has no {field}.", fix=fix)


class TryAgain(RenkeiError):
    """The call never left, or the server said wait. Data: side, retry_after (seconds or None)."""

    def __init__(self, side: str, what: str, *, retry_after: float | None = None, fix: str = "") -> None:
        self.side, self.retry_after = side, retry_after
        super().__init__(f"{side}: {what}", fix=fix or "The next run tries again.")


class Throttled(TryAgain):
    """429. Data: limit: `minute`, `in_flight`, `credits` or `token`."""

    def __init__(self, side: str, what: str, *, limit: str, retry_after: float | None = None) -> None:
        self.limit = limit
        super().__init__(side, what, retry_after=retry_after)


class Unreachable(TryAgain):
    """No connection, a broken answer to a read, or the server's own error on a read."""


class LeftAlone(TryAgain):
    """A side that gave no answer several times in a row is spared: nothing leaves for it for a while. Data: until (ISO text)."""

    def __init__(self, side: str, why: str, *, until: str, retry_after: float) -> None:
        self.until = until
        super().__init__(
            side, f"left alone until {until}: {why}", retry_after=retry_after, fix="The first run after that tries again."
        )


class BudgetSpent(RenkeiError):
    """The day's calls are used up (code 45, or our own cap). Data: side, resets_in (seconds or None)."""

    written = "What was written is recorded; the rest waits for the next run."

    def __init__(self, side: str, what: str, *, resets_in: float | None = None) -> None:
        self.side, self.resets_in = side, resets_in
        super().__init__(f"{side}: {what}")


class AnswerUnknown(RenkeiError):
    """A write left and no answer came. Data: side, request (method and path), intents (ids, filled in by load)."""

    written = "Perhaps written; the next run looks it up before it does anything else."

    def __init__(self, side: str, request: str, why: str) -> None:
        self.side, self.request = side, request
        self.intents: tuple[str, ...] = ()
        super().__init__(f"{side}: no answer to {request} ({why}).")


class LedgerUnavailable(RenkeiError):
    """The ledger's database, or the folder of the files beside it, cannot be used: disk full, locked for too long, not
    reachable, not ours to write."""

    written = "What was written is in the journal as far as it got."


class Bug(RenkeiError):
    """We broke our own promise. Never caught. Data: expected."""

    written = "What was written before this is recorded."

    def __init__(self, what: str, *, expected: str = "") -> None:
        self.expected = expected
        super().__init__(what, fix=f"Expected: {expected}." if expected else "Please report this.")


class WriteForbidden(Bug):
    """A write was tried while planning; the transport refused it before it left."""

    written = "Nothing was written."

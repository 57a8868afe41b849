"""The door for CRM users: who asks, what his profile may do with documents, and the row that each visit leaves.

Rights are the lesser of the connection's `permissions` and the profile's rights on the CRM's own Invoices tab, read from the
CRM each time. Commands, flows and pages come through here alike (product.md section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from renkei.core import rights
from renkei.core.connection import ConnectionSpec
from renkei.core.document_words import DENIALS, Both, refusal
from renkei.core.errors import ConnectionPaused, DocumentRefused, NotConnected, OrganizationChanged, RenkeiError
from renkei.core.records import OutcomeRow
from renkei.core.rights import DocumentAct
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.standing import require_open
from renkei.engine.work import Request, Rooms


@dataclass(frozen=True, slots=True)
class CrmUser:
    """Somebody who looks at documents or works with them.

    profile   of the CRM; None where nobody there has that name
    in_crm    (module, View | Create | Edit | Delete) as the CRM tells of the profile
    """

    rooms: Rooms
    act: Act
    name: str
    verb: str
    profile: str | None
    in_crm: frozenset[tuple[str, str]]

    @property
    def spec(self) -> ConnectionSpec:
        return self.rooms.spec

    def may(self, act: DocumentAct, kind: str) -> bool:
        """Whether the profile may do this with a kind of document, or `receivables`."""
        return self.profile is not None and act in rights.document_rights(self.spec.permissions, self.profile, kind, self.in_crm)

    def require(self, act: DocumentAct, kinds: Sequence[str], records: Sequence[Ref] = ()) -> list[str]:
        """Those of the kinds with which he may do this. DocumentRefused where there are none, after its row is left."""
        allowed = [kind for kind in kinds if self.may(act, kind)]
        if allowed:
            return allowed
        if self.profile is None:
            raise self.refused("unknown_user", records, name=self.name)
        found = rights.denial(self.spec.permissions, self.profile, kinds[0], act, self.in_crm)
        assert found is not None
        raise self.refused(found[0], records, profile=self.profile, kind=kinds[0], right=found[1])

    def refused(self, reason: str, records: Sequence[Ref] = (), **values: str | Both) -> DocumentRefused:
        """The refusal, whose row is in the ledger now."""
        error = refusal(self.spec.name, self.act.actor, self.verb, reason, **values)
        outcome = "denied" if reason in DENIALS else "refused"
        leave_row(self.rooms, self.act, self.verb, outcome, reason, records, status=outcome)
        return error

    @contextmanager
    def told(self, records: Sequence[Ref]) -> Iterator[None]:
        """An error within leaves its row, too; a refusal has left its own."""
        try:
            yield
        except DocumentRefused:
            raise
        except RenkeiError as error:
            self.failed(error, records)
            raise

    def failed(self, error: RenkeiError, records: Sequence[Ref] = ()) -> None:
        """A visit that ended with an error leaves its row, too."""
        leave_row(self.rooms, self.act, self.verb, "failed", type(error).__name__, records, status="red")

    def seen(self, records: Sequence[Ref], **detail: Any) -> str:
        """He was shown this: the run that says so."""
        return leave_row(self.rooms, self.act, self.verb, "seen", self.verb, records, detail=detail)


async def crm_user(rooms: Rooms, name: str, verb: str, typist: str = "") -> CrmUser:
    """Who asks: a profile of the CRM by its name, or one of its active users by e-mail address, name or id.

    raises  DocumentRefused: not_connected, where the connection is disconnected, paused, or of a former organisation
    """
    act = Act(rooms.ledger, rooms.clock, rooms.spec.name, f"crm:{name.strip()}", rooms.configuration, rooms.code, typist)
    nobody = CrmUser(rooms, act, name.strip(), verb, None, frozenset())
    try:
        require_open(rooms.ledger, rooms.spec, Request())
    except (NotConnected, OrganizationChanged, ConnectionPaused) as error:
        raise nobody.refused("not_connected", detail=error.what.removeprefix("not_connected: ").rstrip(".")) from None
    with nobody.told([]):
        return await _found(rooms, nobody)


async def _found(rooms: Rooms, nobody: CrmUser) -> CrmUser:
    profiles = {one.name: one for one in await rooms.crm.profiles()}
    found, actor = profiles.get(nobody.name), nobody.act.actor
    if found is None:
        asked = nobody.name.casefold()
        users = [one for one in await rooms.crm.users() if one.active]
        mine = [one for one in users if asked in (one.email.casefold(), one.name.casefold(), one.id)]
        if len(mine) != 1:
            return nobody
        found, actor = next((one for one in profiles.values() if one.id == mine[0].profile_id), None), f"crm:{mine[0].email}"
    if found is None:
        return nobody
    return replace(nobody, act=replace(nobody.act, actor=actor), profile=found.name, in_crm=found.rights)


def leave_row(
    rooms: Rooms, act: Act, verb: str, outcome: str, reason: str, records: Sequence[Ref], *, status: str = "green",
    detail: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """A small run of its own with one row that tells of the visit; the calls that were made are its own."""
    totals = {"verb": verb, "outcome": outcome, "reason": reason}
    kind = "denied" if status == "denied" else "documents"
    with act.run(kind, totals, status=status) as (run, now):
        rooms.flush_calls(run)
        row = OutcomeRow("note", "documents", tuple(dict.fromkeys(records)), outcome, reason, now, act.actor, detail or {})
        act.ledger.append(act.connection, run, [row])
    return run


def require_open_period(user: CrmUser, days: Sequence[date | None], refs: Sequence[Ref]) -> None:
    """DocumentRefused (period_closed) where one of these days is in the closed period: no document of it is touched."""
    until = user.spec.closed_until
    if until is not None and any(day is not None and day <= until for day in days):
        raise user.refused("period_closed", refs, until=until.isoformat())

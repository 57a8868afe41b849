"""Ring 1: whole nights of the real pipeline, from one seed.

A company lives through some nights. In each, people work on both sides; then a run comes, which a fault may disturb (every
third night) or a crash may end, and a run after it that nothing disturbs. What then stands on both sides is compared with
what ought to, and one more run must write nothing.
"""

from __future__ import annotations

import dataclasses
import gc
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from renkei.core.connection import Brakes, EntitySettings
from renkei.core.errors import Bug, RenkeiError
from renkei.engine.sequence import Report
from soak.company import Company, Ended
from soak.model import Model
from soak.mortal import is_write
from soak.people import KEY_CUSTOMERS, VIEW, People, drawn

NIGHTS = 12  # of one company
PARTIES, WARES = 20, 6
LEAST_ACTS = 5
AFTERTHOUGHTS = 3  # runs at most until persons have followed their customers
LOCK_ENDS = 660  # seconds after which a dead run's lock has ended, and the pause of a side that fell silent
BRAKE = 3  # customers that may be made in one run, where a brake is on
OFF = Brakes(None, None, None, None, None, False)
FAULTS = (
    "429", "500", "500-after-commit", "timeout-before", "timeout-after-commit", "token-expired", "page-shift", "slow",
    "clock-skew", "reset-connection", "truncated-body",
)  # fmt: skip
PLACES = (
    "", "@crm", "@books", "@crm:POST", "@crm:PUT", "@crm:POST/Accounts", "@crm/coql", "@books:PUT", "@books:PUT/contacts",
    "@books:POST/contactpersons", "@books:PUT/items", "@books:GET/contacts",
)  # fmt: skip
ENTITIES = ("customers", "products", "documents", "summaries")


@dataclass(slots=True)
class Night:
    """What one night was, and what was wrong in it: `problems` is empty where all was well."""

    seed: str
    number: int
    kind: str
    acts: list[str]
    faults: Counter[str] = field(default_factory=Counter)
    crashed: bool = False
    runs: int = 0
    open_intents: int = 0
    problems: list[str] = field(default_factory=list)


def settings_of(rng: random.Random) -> tuple[EntitySettings, EntitySettings]:
    """The policies of one company: of customers and of products."""
    direction: Any = drawn(rng, ("two_way", "two_way", "to_books"))
    modules: Any = drawn(rng, ("accounts", "accounts", "contacts", "accounts_and_contacts", "accounts_and_contacts"))
    words: dict[str, Any] = {
        "direction": direction,
        "duplicates": drawn(rng, ("overwrite", "link", "clone", "skip", "ask")),
        "conflicts": drawn(rng, ("overwrite", "books", "newest", "clone", "skip", "ask", "ask")),
        "deletes": drawn(rng, ("ignore", "ignore", "unlink", "deactivate", "delete", "recreate", "ask")),
    }
    views = (("Accounts", VIEW),) if modules != "contacts" and rng.random() < 0.25 else ()
    customers = EntitySettings(**words, modules=modules, include_contacts_without_account=rng.random() < 0.5, views=views)
    return customers, EntitySettings(**words)


class Life:
    """One company from its first night on."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        rng = random.Random(f"life {seed}")
        self.company = Company(seed)
        self.company.world.crm.add_view("Accounts", VIEW, KEY_CUSTOMERS)
        customers, products = settings_of(rng)
        self.company.spec = dataclasses.replace(self.company.spec, brakes=OFF, customers=customers, products=products)
        self.model = Model(self.company)
        self.people = People(self.company, self.model, rng)
        self.people.found(PARTIES, WARES)
        self.words = 300  # about so many does a run speak; the last one's count, once there is one
        self.requests = 40
        self.settled = False
        self.careful = 0  # nights that compare everything, because a side's clock stood wrong before

    def night(self, number: int) -> Night:
        """Live through one night."""
        rng = self.people.rng = random.Random(f"night {self.seed}/{number}")
        self.people.did = []
        night = Night(self.seed, number, "", self.people.did)
        self.company.world.clock.advance(rng.choice((3600, 4 * 3600, 24 * 3600)))
        whole = number == 0 or self.careful > 0 or rng.random() < 0.5
        self.careful = max(0, self.careful - 1)
        night.kind = "nightly" if whole else "hourly"
        if number:
            self.people.work(rng.randint(LEAST_ACTS, LEAST_ACTS + 5))
            if rng.random() < 0.3:
                self.people.late()
            if rng.random() < 0.1:
                self._braked(night)
        self._disturbed(night, rng, whole)
        report = self._undisturbed(night, full=whole or bool(night.faults))
        if report is None:
            return night
        night.problems += self._told(report)
        night.problems += self.model.wrong(whole=report.full)
        night.open_intents = len(self.company.ledger.open_intents(self.company.name))
        if night.open_intents:
            night.problems.append(f"{night.open_intents} intents are open after a run that nothing disturbed")
        asked = len(self.company.world.requests)
        again = self._run(night, full=report.full and rng.random() < 0.7)
        if again.report is None:
            night.problems.append(f"the run after it ended: {again.error!r}")
        elif written := _written(again.report):
            night.problems.append(f"nobody did anything, and the run after it wrote {written}")
        elif needless := self._details(asked):
            night.problems.append(f"nobody did anything, and the run after it asked for {needless}")
        night.problems += [f"{one} left without an intent" for one in self.company.unjournalled]
        found = self.company.ledger.verify_newest()
        if found.broken is not None:
            night.problems.append(f"the chain is broken: {found.broken}")
        return night

    def _undisturbed(self, night: Night, *, full: bool) -> Report | None:
        """The run that has to put everything right, and those in which persons follow their customers."""
        for _ in range(AFTERTHOUGHTS):
            ended = self._run(night, full=full)
            self.words, self.requests = ended.words, ended.requests
            if ended.report is None:
                night.problems.append(f"a run that nothing disturbed ended: {ended.error!r}")
                return None
            if not self.model.unfinished():
                break
        return ended.report

    def _disturbed(self, night: Night, rng: random.Random, whole: bool) -> None:
        """A run in which the network fails, its process dies or people go on working; none of them in some nights."""
        world = self.company.world
        if night.number % 3 == 2:
            for _ in range(rng.randint(1, 3)):
                kind = drawn(rng, FAULTS)
                if kind == "clock-skew":
                    world.faults.add(f"clock-skew={rng.choice((-3600, -90, 90, 3600))}{rng.choice(('@crm', '@books'))}")
                    self.careful = 3
                else:
                    world.faults.add(f"{kind}{drawn(rng, PLACES)}*{rng.randint(1, 3)}")
        dies = rng.random() < 0.3
        busy = rng.random() < 0.2
        if not (world.faults.orders or dies or busy):
            return
        before = Counter(world.faults.counts)
        kills: dict[str, int] = {}
        if dies:  # at any word, or between a write and its entry in the journal
            kills = {"words": rng.randint(1, self.words)} if rng.random() < 0.4 else {"writes": rng.randint(1, 4)}
        if busy:
            for _ in range(rng.randint(1, 3)):
                self.company.meanwhile[rng.randint(1, self.requests)] = self._somebody_works
        ended = self._run(night, full=whole, **kills)
        night.faults += world.faults.counts - before
        night.crashed = ended.crashed
        if ended.error is not None and (isinstance(ended.error, Bug) or not isinstance(ended.error, RenkeiError)):
            night.problems.append(f"a disturbed run ended with {ended.error!r}")
        if rng.random() < 0.2:
            self._somebody_works()
        self.model.settle_touched(whole_run=ended.report is not None and not night.faults)
        world.faults.clear()
        world.clock.skew.clear()
        if ended.report is None or ended.report.left_alone:
            world.clock.advance(LOCK_ENDS)

    def _braked(self, night: Night) -> None:
        """More was entered than one run may create: it is held, and writes nothing."""
        for _ in range(BRAKE + 2):
            self.people.enter_in_crm()
        before, spec = len(self.company.world.requests), self.company.spec
        self.company.spec = dataclasses.replace(spec, brakes=dataclasses.replace(OFF, creates=BRAKE))
        there = {ref for ref in self.model.look() if ref.side == "books" and ref.module == "contacts"}
        ended = self._run(night, full=False)
        self.company.spec = spec
        made = {ref for ref in self.model.look() if ref.side == "books" and ref.module == "contacts"} - there
        written = sum(is_write(row.method, row.path) for row in self.company.world.requests.rows[before:])
        if ended.report is None:
            night.problems.append(f"a run that a brake may stop ended: {ended.error!r}")
        elif len(made) > BRAKE:
            night.problems.append(f"{len(made)} customers were made in one run, and the brake stands at {BRAKE}")
        elif ended.report.status == "held" and written:
            night.problems.append(f"a held run wrote {written} times")

    def _somebody_works(self) -> None:
        self.model.at_work = True
        self.people.act()
        self.model.at_work = False

    def _run(self, night: Night, **asked: Any) -> Ended:
        night.runs += 1
        return self.company.run(entities=ENTITIES, release=("side_empty",), **asked)

    def _details(self, since: int) -> list[str]:
        """The details of customers that were asked for since that request. Those of individuals may be: where their person
        alone was written, no answer showed the customer."""
        rows = self.company.world.requests.rows[since:]
        asked = [row.path for row in rows if row.method == "GET" and row.path.startswith("/books/v3/contacts/")]
        customers = self.company.world.books.records("contacts")
        return [one for one in asked if customers.get(one.split("/")[-1], {}).get("customer_sub_type") == "business"]

    def _told(self, report: Report) -> Iterator[str]:
        """What the report itself admits or miscounts."""
        if report.status not in ("green", "amber"):
            yield f"the run is {report.status}: {report.notes}"
        for entity, part in report.entities.items():
            if sum(part["outcomes"].values()) != sum(part["extracted"].values()):
                yield f"{entity}: {part['outcomes']} of {part['extracted']}"

    def close(self) -> None:
        self.company.close()


def _written(report: Report) -> dict[str, Any]:
    return {entity: part["writes"] for entity, part in report.entities.items() if any(part["writes"].values())}


def live(seed: str, nights: int = NIGHTS) -> Iterator[Night]:
    """The nights of one company, up to the first in which something is wrong."""
    gc.collect()
    resting = gc.isenabled()
    gc.disable()  # when it would run depends on more than the seed
    life = Life(seed)
    try:
        for number in range(nights):
            night = life.night(number)
            yield night
            if night.problems:
                return
    finally:
        life.close()
        if resting:
            gc.enable()

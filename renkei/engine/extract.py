"""Extract: read both sides' lists into mirrors, keep the raw rows as Parquet, and say what each read was.

A page is hashed, compared with the mirrors, and only what is new or changed is checked against the arrival suite and
stored; recall gives it its match keys. Nothing here is held in memory but ids, so a list may be as long as it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import pandas as pd

from renkei.core.errors import FieldMissing, ModuleOff
from renkei.core.mapping import MappingSpec, get_path, map_frame
from renkei.core.matching import keys_of
from renkei.core.planning import ListRead, books_key_of
from renkei.core.published import KINDS, add_up, document_of, parts_of, sums_of
from renkei.core.records import Page, QuarantineRow, Row
from renkei.core.values import MISSING, Ref, Side, parse_time, row_digest, rows_json, text_digests, time_text
from renkei.engine.work import (
    MOST_ABSENCES,
    OVERLAP,
    OVERLAP_ROWS,
    PUBLISHED,
    EntityWork,
    Request,
    Rooms,
    World,
    account_of,
    books_id,
    documents_read,
    fields_of,
    in_data_folder,
    lists_of,
    mapping_for,
    mappings_of,
    published_modules,
)

CHUNK = 2000  # rows compared together, one row group of the raw copy: a page of the CRM, while the next one travels
TURNS = 8  # of the event loop that a request takes on its way through the client's locks to the socket; 4 were seen
JUDGED = 20_000  # new or changed rows checked and stored together: bounds memory, amortises the checker's fixed cost

T = TypeVar("T")


@dataclass(slots=True)
class _Fresh:
    """New or changed rows that are neither checked nor stored yet, column by column."""

    ids: list[str] = field(default_factory=list)
    stamps: list[Any] = field(default_factory=list)  # Arrow arrays
    hashes: list[str] = field(default_factory=list)
    content: list[Any] = field(default_factory=list)  # Arrow arrays: as objects they keep the room in which they were made
    in_view: list[bool] = field(default_factory=list)
    asked: dict[str, list[Any]] = field(default_factory=dict)  # what the arrival suite looks at

    def rows(self) -> pd.DataFrame:
        """As Ledger.put_read wants them."""
        import pyarrow as pa

        content = pd.Series(pa.chunked_array(self.content), dtype=pd.ArrowDtype(pa.binary()))
        stamps = pa.chunked_array(self.stamps).to_pandas()
        text = {"id": self.ids, "hash": self.hashes}
        return pd.DataFrame(text, dtype=object).assign(content=content, stamp=stamps, in_view=self.in_view)

    def judged(self) -> pd.DataFrame:
        """What the judge is to see: nothing of rows outside the view."""
        frame = pd.DataFrame({"id": self.ids, **self.asked}, dtype=object)
        return frame if all(self.in_view) else frame[self.in_view]


@dataclass(slots=True)
class _Reading:
    """One list while it is being read."""

    side: Side
    module: str
    since: datetime | None
    complete: bool
    known: bool  # some of its records were known before
    asked: Sequence[str]  # the columns that the arrival suite looks at
    seen: set[str] = field(default_factory=set)
    rows: int = 0
    newest: datetime | None = None
    served_at: datetime | None = None
    ids: list[str] = field(default_factory=list)  # read and not compared yet, beside `raw`
    raw: list[Row] = field(default_factory=list)
    fresh: _Fresh = field(default_factory=lambda: _Fresh())
    outside: set[str] = field(default_factory=set)
    storing: asyncio.Future[None] | None = None  # what the ledger is taking in while reading goes on


@asynccontextmanager
async def _stored(reading: _Reading) -> AsyncGenerator[None, None]:
    """What was read inside is stored at the end; where reading fails, what was being stored comes to its end before."""
    try:
        yield
    except BaseException:
        if reading.storing is not None:
            await asyncio.wait([reading.storing])
            reading.storing.exception()  # seen; the first error is the one to tell
        raise
    if reading.storing is not None:
        await reading.storing


class Snapshot:
    """The raw rows of one list read as a Parquet file (columns id, stamp, row); made when the first row comes.

    One row group is compressed and written in a thread while the next rows are worked on; the event loop never turns
    meanwhile, so that a run stays repeatable. An error of writing shows with the next rows, or at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Any = None
        self._beside = ThreadPoolExecutor(1, "raw-copy")
        self._writing: Future[None] | None = None
        self.rows = 0

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._beside.shutdown()
        with in_data_folder(self.path):
            try:
                if kind is None:
                    self._written()
            finally:
                if self._writer is not None:
                    self._writer.close()

    def add(self, ids: Sequence[str], stamps: Any, rows: Any) -> None:
        """Append rows, `stamps` as an Arrow array of times and `rows` as one of JSON, as one row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"id": pa.array(ids, pa.string()), "stamp": stamps, "row": rows})
        with in_data_folder(self.path):
            self._written()
            if self._writer is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(
                    self.path,
                    table.schema,
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=False,
                    write_statistics=["id"],
                )  # fmt: skip - no two rows are alike
        self._writing = self._beside.submit(self._writer.write_table, table)
        self.rows += len(ids)

    def _written(self) -> None:
        if self._writing is not None:
            self._writing.result()


async def extract(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Read every list of the entity; `work.lists` says what each read was.

    raises  FieldMissing when a side lacks a mapped field; TryAgain and the like when a list could not be read to its end:
            nothing is concluded from such a list, and the entity's run ends there.
    """
    if request.only:
        await (_extract_documents if work.entity in PUBLISHED else _extract_only)(rooms, request, world, work, run)
        return
    for side, module in lists_of(rooms, work.entity):
        known = rooms.ledger.mirror_count(rooms.spec.name, side, module)
        work.known_before[(side, module)] = rooms.ledger.known_count(rooms.spec.name, side, module)
        if _leave_unread(rooms, work, side, module, known):
            work.lists.append(ListRead(side, module, False, 0, 0, None, None, None, left="list_unread"))
            work.notes.append(
                f"{side} {module}: left unread, {known} rows are more than hourly_list_pages allow; nightly reads it"
            )
            continue
        try:
            await read_list(rooms, request, world, work, run, side, module)
        except ModuleOff:
            if module not in KINDS:
                raise
            work.lists.append(ListRead(side, module, False, 0, 0, None, None, None))
            work.notes.append(f"{side} {module}: not in use in this organisation, so none are published")


def _leave_unread(rooms: Rooms, work: EntityWork, side: Side, module: str, known: int) -> bool:
    """Books' items have no change filter and no change sort: above the limit an hourly run leaves them to the nightly."""
    if work.full or side != "books" or module != "items":
        return False
    return known > rooms.spec.budget.hourly_list_pages * 200


def _reads_whole(rooms: Rooms, side: Side, module: str) -> bool:
    """Books' estimates have no change filter either: up to the limit an hourly run reads them all, above it the new ones."""
    if side != "books" or module != "estimates":
        return False
    return rooms.ledger.mirror_count(rooms.spec.name, side, module) <= rooms.spec.budget.hourly_list_pages * 200


async def read_list(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str, side: Side, module: str) -> None:
    ledger, name = rooms.ledger, rooms.spec.name
    watermark, known = ledger.watermark(name, side, module, work.entity), ledger.mirror_count(name, side, module)
    since = None
    if not work.full and watermark is not None and watermark.stamp is not None and not _reads_whole(rooms, side, module):
        since = request.since or overlap_start(rooms, side, module, watermark.stamp)
    calls = rooms.crm.calls if side == "crm" else rooms.books.calls
    before = calls().get("read", 0)
    complete = since is None or module == "items"
    reading = _Reading(side, module, since, complete, known=known > 0, asked=_asked_columns(rooms, side, module))
    path = rooms.data / "snapshots" / name / run / f"{side}-{module}.parquet"
    with Snapshot(path) as snapshot:
        async with _stored(reading):
            coming = pages_of(rooms, world, work, side, module, since, first=watermark is None)
            async with aclosing(_ahead(coming)) as pages:
                async for page, outside in pages:
                    if outside:
                        reading.outside |= {str(row["id"]) for row in page.rows}
                    await _take(rooms, world, work, reading, page, snapshot, run)
            _compare(rooms, world, work, reading, snapshot)
            await _store(rooms, work, reading, run)
    gone = await _gone(rooms, world, work, reading, since)
    if gone:
        mark_gone(rooms, side, module, gone)
    made = calls().get("read", 0) - before
    work.lists.append(ListRead(side, module, reading.complete, reading.rows, made, since, reading.newest, reading.served_at))
    ledger.add_snapshot(
        name, run, side, module,
        {
            "complete": reading.complete, "since": since and time_text(since), "rows": reading.rows, "calls": made,
            "newest": reading.newest and time_text(reading.newest), "gone": len(gone),
            "file": str(path.relative_to(rooms.data)) if snapshot.rows else None,
        },
    )  # fmt: skip
    rooms.progress("extract", work.entity, reading.rows, None)


def mark_gone(rooms: Rooms, side: Side, module: str, ids: Sequence[str]) -> None:
    """These records are no more; a Books customer takes its persons with it."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    ledger.mark_deleted(name, side, module, ids, now)
    if (side, module) == ("books", "contacts"):
        persons = ledger.by_keys(name, "books", "contact_persons", [("parent", one) for one in ids])
        ledger.mark_deleted(name, "books", "contact_persons", sorted({one for found in persons.values() for one in found}), now)


def overlap_start(rooms: Rooms, side: Side, module: str, newest: datetime) -> datetime:
    """Where an incremental read begins: five minutes before the watermark, or as far back as one page reaches. Of a second in
    which more rows changed than that, none is read again."""
    start = newest - OVERLAP
    deep = rooms.ledger.nth_newest_stamp(rooms.spec.name, side, module, OVERLAP_ROWS[side])
    return max(start, deep + timedelta(seconds=1)) if deep is not None else start


def crm_fields(rooms: Rooms, world: World, module: str) -> list[str]:
    """The CRM fields that the module's mappings, our key and the customer of a contact need; of published rows, all of ours."""
    if module in published_modules(rooms).values():
        return sorted({rooms.summaries.key, *(name for _, name in fields_of(rooms, module))})
    if module == "Deals" and world.deals is not None:
        return list(world.deals.fields)
    fields: set[str] = {rooms.spec.crm_key}
    for mapping in world.mappings.values():
        if mapping.crm_module == module:
            fields |= set(mapping.crm_fields())
    if module == "Contacts":
        fields.add("Account_Name")
    return sorted(fields)


async def _ahead(pages: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same pages; the next one is asked for before this one is handed on, and travels while it is being stored."""
    async with aclosing(pages):
        coming = asyncio.ensure_future(anext(pages, None))
        try:
            while (page := await coming) is not None:
                coming = asyncio.ensure_future(anext(pages, None))
                for _ in range(TURNS):
                    await asyncio.sleep(0)  # no waiting: the other task runs until its request has left
                yield page
        finally:
            coming.cancel()
            await asyncio.wait([coming])


async def pages_of(
    rooms: Rooms, world: World, work: EntityWork, side: Side, module: str, since: datetime | None, *, first: bool = False
) -> AsyncGenerator[tuple[Page, bool], None]:
    """The pages of one list, each with whether its rows are outside the view. Those of a CRM module with a view come too, as
    far as matching needs them. `first`: the list was never read before, so a long one is read a second time."""
    if side == "books":
        async for page in rooms.books.read(module, since=since, verify=first):
            yield page, False
        return
    fields = crm_fields(rooms, world, module)
    view_name = dict(work.settings.views).get(module)
    if view_name is None:
        async for page in rooms.crm.read(module, fields, since=since):
            yield page, False
        return
    views = await rooms.crm.views(module)
    if view_name not in views:
        raise FieldMissing("crm", module, f"view {view_name!r}", fix=f"Views there are: {', '.join(sorted(views))}.")
    everything = [page async for page in rooms.crm.read(module, _key_fields(rooms, world, module), since=since)]
    inside: set[str] = set()
    if any(page.rows for page in everything):
        async for page in rooms.crm.read(module, fields, since=since, view=views[view_name]):
            inside |= {str(row["id"]) for row in page.rows}
            yield page, False
    for page in everything:
        yield Page([row for row in page.rows if str(row["id"]) not in inside], page.served_at, page.number), True


def _key_fields(rooms: Rooms, world: World, module: str) -> list[str]:
    """Match keys, label and link key: all that is read of a record outside the view."""
    fields: set[str] = {rooms.spec.crm_key}
    for mapping in world.mappings.values():
        if mapping.crm_module != module:
            continue
        wanted = {name for rule in mapping.match.keys for name, _ in rule.fields} | {name for name, _ in mapping.match.weights}
        wanted |= set(mapping.label)
        fields |= {item.crm.split(".")[0] for item in mapping.fields if item.crm and item.name in wanted}
    if module == "Contacts":
        fields.add("Account_Name")
    return sorted(fields)


def stamp_of(side: Side, row: Row) -> datetime | None:
    text = row.get("Modified_Time") if side == "crm" else row.get("last_modified_time")
    return parse_time(str(text)) if text else None


def _stamps(side: Side, rows: Sequence[Row]) -> Any:
    """`stamp_of` of each row, as an Arrow array of times in UTC; nothing where it is no time, which the arrival suite minds."""
    import pyarrow as pa

    name, kind = "Modified_Time" if side == "crm" else "last_modified_time", pa.timestamp("us", tz="UTC")
    try:
        return pa.array(_column(rows, name), pa.string()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a stamp in a form of its own
        return pa.array([_stamp_if_any(side, row) for row in rows], kind)


def _stamp_if_any(side: Side, row: Row) -> datetime | None:
    with suppress(ValueError):
        return stamp_of(side, row)
    return None


async def _take(
    rooms: Rooms, world: World, work: EntityWork, reading: _Reading, page: Page, snapshot: Snapshot, run: str
) -> None:
    if reading.served_at is None:
        reading.served_at = page.served_at
    side, module, seen = reading.side, reading.module, reading.seen
    rows = page.rows
    ids = [str(row["id"]) for row in rows] if side == "crm" else [books_id(module, row) for row in rows]
    if len(set(ids)) < len(ids) or not seen.isdisjoint(ids):  # a list that moved between two pages serves a row twice
        once = {row_id: row for row_id, row in zip(reversed(ids), reversed(rows), strict=True) if row_id not in seen}
        ids, rows = [*reversed(once)], [*reversed(once.values())]
    seen.update(ids)
    reading.ids += ids
    reading.raw += rows
    if module in KINDS and reading.complete:
        for row in rows:
            _add_up(rooms, work, module, row)
    reading.rows = len(seen)
    if len(reading.ids) >= CHUNK:
        _compare(rooms, world, work, reading, snapshot)
    if len(reading.fresh.ids) >= JUDGED:
        await _store(rooms, work, reading, run)
    rooms.progress("extract", work.entity, reading.rows, None)


def _add_up(rooms: Rooms, work: EntityWork, module: str, row: Row) -> None:
    """Add a document to the run's own sums of the list; one that cannot be read is quarantined later on."""
    with suppress(KeyError, ValueError, ArithmeticError):
        one = document_of(module, row, rooms.spec.books_key)
        add_up(work.listed, (module, one.customer, one.currency), sums_of(one))
        if module == "invoices":
            work.tally.add(one)


def _compare(rooms: Rooms, world: World, work: EntityWork, reading: _Reading, snapshot: Snapshot) -> None:
    """Keep a chunk raw and compare it with the mirrors; what differs waits to be checked and stored."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids, rows, reading.ids, reading.raw = reading.ids, reading.raw, [], []
    if not ids:
        return
    side, module, outside = reading.side, reading.module, reading.outside
    texts, stamps = rows_json(rows), _stamps(side, rows)
    content = pa.array(texts, pa.binary())
    snapshot.add(ids, stamps, content)
    newest = pc.max(stamps).as_py()
    if newest is not None:
        reading.newest = max(newest.astimezone(UTC), reading.newest or newest)
    hashes = list_hashes(rooms, world, side, module, ids, rows, texts, outside=outside)
    changed = rooms.ledger.changed(rooms.spec.name, side, module, hashes) if reading.known else hashes.keys()
    work.unchanged.setdefault((side, module), set()).update(hashes.keys() - changed)
    if not changed:
        return
    if len(changed) < len(ids):
        places = [place for place, row_id in enumerate(ids) if row_id in changed]
        ids, rows = [ids[one] for one in places], [rows[one] for one in places]
        stamps, content = stamps.take(places), content.take(places)
    fresh = reading.fresh
    fresh.ids += ids
    fresh.stamps.append(stamps)
    fresh.hashes += [hashes[row_id] for row_id in ids]
    fresh.content.append(content)
    fresh.in_view += [row_id not in outside for row_id in ids]
    for name in reading.asked:
        fresh.asked.setdefault(name, []).extend(_column(rows, name))


def _column(rows: Sequence[Row], name: str) -> list[Any]:
    """A field of every row; MISSING where a row does not serve it."""
    try:
        return [*map(itemgetter(name), rows)]
    except KeyError:
        return [row.get(name, MISSING) for row in rows]


async def _store(rooms: Rooms, work: EntityWork, reading: _Reading, run: str) -> None:
    """Check what is new or changed, and have it stored while the next pages come in."""
    fresh, reading.fresh = reading.fresh, _Fresh()
    if not fresh.ids:
        return
    side, module, name = reading.side, reading.module, rooms.spec.name
    _judge(rooms, work, side, module, fresh.judged())
    bad = work.fresh_quarantine
    refused = [row for one in fresh.ids for row in bad.get(Ref(side, module, one), ())] if bad else []
    if reading.storing is not None:
        await reading.storing
    # with them the quarantined: a run that ends here, or only plans, has told the next one which rows to check again
    storing = rooms.ledger.put_read(name, side, module, fresh.rows(), refused, run, rooms.clock.now())
    reading.storing = asyncio.ensure_future(storing)


def list_hashes(
    rooms: Rooms, world: World, side: Side, module: str, ids: Iterable[str], rows: Iterable[Row], texts: Iterable[bytes],
    *, outside: Collection[str] = (),
) -> dict[str, str]:  # fmt: skip
    """Hash of what matters of list rows, by id: their stamp, what the mappings, the link key and the status say, and whether
    they stand outside the view. `texts`: the rows by `row_json`."""
    if side == "crm":
        hashes = dict(zip(ids, text_digests(texts), strict=True))
        return {row_id: row_digest(["outside", text]) if row_id in outside else text for row_id, text in hashes.items()}
    if module in KINDS:
        matters = (parts_of(module, row, rooms.spec.books_key) for row in rows)
    else:
        paths = _books_paths(rooms, world, module)
        matters = (_books_parts(row, paths) for row in rows)
    return {row_id: row_digest(parts) for row_id, parts in zip(ids, matters, strict=True)}


def _books_parts(row: Row, paths: Iterable[str]) -> list[Any]:
    parts: list[Any] = [row.get("last_modified_time"), row.get("status"), row.get("customer_sub_type"), row.get("contact_type")]
    parts.append(row.get("is_linked_with_zohocrm"))
    for path in paths:
        value = get_path(row, path)
        parts.append(None if not isinstance(value, (str, int, float, bool, list, dict)) else value)
    return parts


def _books_paths(rooms: Rooms, world: World, module: str) -> tuple[str, ...]:
    paths = {rooms.spec.books_key}
    for mapping in world.mappings.values():
        if mapping.books_module == module:
            paths |= {item.books for item in mapping.fields if item.books and not item.detail}
    return tuple(sorted(paths))


OURS = "ours"  # the match key that stands for our key field of Books


def keys_by_row(rooms: Rooms, world: World, side: Side, module: str, rows: Sequence[Row]) -> dict[str, list[tuple[str, str]]]:
    """Match keys of raw rows, by id: `<mapping>.<rule>` → value; and under which customer a person stands."""
    found: dict[str, list[tuple[str, str]]] = {}
    by_mapping: dict[str, list[Row]] = {}
    for row in rows:
        row_id = str(row["id"]) if side == "crm" else books_id(module, row)
        mapping, _ = mapping_for(rooms.spec, Ref(side, module, row_id), row)
        if mapping in world.mappings:
            by_mapping.setdefault(mapping, []).append(row)
        ours = books_key_of(row, rooms.spec.books_key) if side == "books" else None
        if isinstance(ours, str) and ours.startswith("crm:"):
            found.setdefault(row_id, []).append((OURS, ours))
        parent = account_of(row) if module == "Contacts" else row.get("contact_id") if module == "contact_persons" else None
        if parent:
            found.setdefault(row_id, []).append(("parent", str(parent)))
    for mapping, members in by_mapping.items():
        spec = world.mappings[mapping]
        frame = map_frame(members, spec, side, world.lookups)
        for row_id, keys in zip(frame["id"], keys_of(frame, spec.match), strict=True):
            found.setdefault(str(row_id), []).extend((f"{mapping}.{rule}", value) for rule, value in keys)
    return found


def judge_arrival(rooms: Rooms, work: EntityWork, side: Side, module: str, rows: Sequence[tuple[str, Row]]) -> None:
    """Check raw rows against `arrival/<side>_<module>`; failing rows wait in `work.fresh_quarantine`."""
    columns = {name: _column([row for _, row in rows], name) for name in _asked_columns(rooms, side, module)}
    _judge(rooms, work, side, module, pd.DataFrame({"id": [row_id for row_id, _ in rows], **columns}, dtype=object))


def _arrival(side: Side, module: str) -> str:
    return f"arrival/{side}_{module.lower()}"


def _asked_columns(rooms: Rooms, side: Side, module: str) -> Sequence[str]:
    """What the arrival suite looks at; nothing of the rows that renkei itself writes, which the tie-out checks."""
    return () if module in published_modules(rooms).values() else rooms.judge.columns(_arrival(side, module))


def _judge(rooms: Rooms, work: EntityWork, side: Side, module: str, frame: pd.DataFrame) -> None:
    if frame.empty or module in published_modules(rooms).values():
        return
    suite = _arrival(side, module)
    judgement = rooms.judge.judge(suite, frame)
    for failure in judgement.failures:
        ref = Ref(side, module, failure.id)
        work.fresh_quarantine.setdefault(ref, []).append(
            QuarantineRow(ref, work.entity, failure.rule, failure.field, failure.words, failure.value)
        )
    for rule in judgement.table:
        work.notes.append(f"{suite}: {rule} does not hold")


async def _gone(rooms: Rooms, world: World, work: EntityWork, reading: _Reading, since: datetime | None) -> list[str]:
    """Ids of known records that are proven to be deleted: in the CRM's deleted list, or absent and confirmed one by one."""
    name, side, module = rooms.spec.name, reading.side, reading.module
    known = _known_before(rooms, reading)
    gone: set[str] = set()
    if side == "crm" and (since is not None or known - reading.seen):
        notices = await rooms.crm.deleted(module, since)
        ids = {notice.id for notice in notices}
        alive = rooms.ledger.mirrors(name, side, module, ids)
        gone |= {row_id for row_id, mirror in alive.items() if mirror.deleted_at is None and row_id not in reading.seen}
    absent = sorted(known - reading.seen - gone)
    if len(absent) > MOST_ABSENCES:
        work.notes.append(
            f"{side} {module}: {len(absent)} known records are absent from a complete list; none was taken as deleted"
        )
        return sorted(gone)
    if absent and side == "crm":
        there = await rooms.crm.get_many(module, absent, crm_fields(rooms, world, module))
        gone |= set(absent) - there.keys()
    elif absent:
        for row_id in absent:
            if await rooms.books.get(module, row_id) is None:
                gone.add(row_id)
    return sorted(gone)


def _known_before(rooms: Rooms, reading: _Reading) -> set[str]:
    """Ids of the known records among which some may be absent from a complete list: none where as many are known as came."""
    name, side, module = rooms.spec.name, reading.side, reading.module
    if not reading.complete or rooms.ledger.mirror_count(name, side, module) == len(reading.seen):
        return set()
    return rooms.ledger.mirror_ids(name, side, module)


async def _extract_only(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Read single records and their partners by id; no list is read, nothing is concluded from absence."""
    wanted: dict[tuple[Side, str], set[str]] = {}
    lists = set(lists_of(rooms, work.entity))
    for side, module in sorted(lists):  # whose records may have a partner there that nobody has seen yet
        if rooms.ledger.watermark(rooms.spec.name, side, module, work.entity) is None:
            work.lists.append(ListRead(side, module, False, 0, 0, None, None, None, left="list_unread"))
    for ref in request.only:
        link = rooms.ledger.link_of(rooms.spec.name, ref)
        for one in {ref, link.crm, link.books} if link else {ref}:
            if (one.side, one.module) in lists:
                wanted.setdefault((one.side, one.module), set()).add(one.id)
    for (side, module), ids in sorted(wanted.items()):
        rows = await _fetch(rooms, world, side, module, sorted(ids))
        await _take_some(rooms, world, work, side, module, rows, run)
        work.lists.append(ListRead(side, module, False, len(rows), len(rows), None, None, None))


async def _take_some(
    rooms: Rooms, world: World, work: EntityWork, side: Side, module: str, rows: dict[str, Row], run: str
) -> None:
    """Keep rows that were asked for by name; they count as changed."""
    reading = _Reading(side, module, None, complete=False, known=True, asked=_asked_columns(rooms, side, module))
    path = rooms.data / "snapshots" / rooms.spec.name / run / f"{side}-{module}.parquet"
    with Snapshot(path) as snapshot:
        async with _stored(reading):
            await _take(rooms, world, work, reading, Page(list(rows.values()), rooms.clock.now(), 1), snapshot, run)
            _compare(rooms, world, work, reading, snapshot)
            await _store(rooms, work, reading, run)
    rooms.ledger.open_mirrors(rooms.spec.name, [Ref(side, module, row_id) for row_id in rows], side=side, module=module)
    work.unchanged.pop((side, module), None)


async def _extract_documents(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Read the documents of single customers and deals, and single documents: those that Books does not list are asked for one
    by one, and one that is not there is gone. Our rows in the CRM are taken as they were seen last."""
    ledger, name = rooms.ledger, rooms.spec.name
    links = [link for ref in request.only if (link := ledger.link_of(name, ref))]
    asked = {*request.only, *(link.books for link in links)}
    owners: list[tuple[Literal["customer", "deal"], Literal["customer_id", "zcrm_potential_id"], set[str]]] = [
        ("customer", "customer_id", {ref.id for ref in asked if (ref.side, ref.module) == ("books", "contacts")}),
        ("deal", "zcrm_potential_id", {ref.id for ref in asked if (ref.side, ref.module) == ("crm", "Deals")}),
    ]
    for module in documents_read(rooms, work.entity):
        rows: dict[str, Row] = {}
        known = {ref.id for ref in asked if (ref.side, ref.module) == ("books", module)}
        before = rooms.books.calls().get("read", 0)
        try:
            for column, field_name, ids in owners:
                for one in sorted(ids):
                    listed = await rooms.books.documents_of(module, field_name, one)
                    rows |= {books_id(module, row): row for row in listed}
                known |= {row.id for chunk in ledger.documents(name, module, column, ids) for row in chunk}
            alone = await _fetch(rooms, world, "books", module, sorted(known - rows.keys()))
        except ModuleOff:
            continue
        rows |= alone
        work.whole |= {Ref("books", module, row_id): row for row_id, row in alone.items()}
        mark_gone(rooms, "books", module, sorted(known - rows.keys()))
        await _take_some(rooms, world, work, "books", module, rows, run)
        work.chosen |= {Ref("books", module, row_id) for row_id in known | rows.keys()}
        made = rooms.books.calls().get("read", 0) - before
        work.lists.append(ListRead("books", module, False, len(rows), made, None, None, None))


async def read_by_id(rooms: Rooms, world: World, work: EntityWork, side: Side, module: str, ids: Sequence[str], run: str) -> None:
    """Read these records anew where their list is not read; the known ones that are not there are gone."""
    rows = await _fetch(rooms, world, side, module, list(ids)) if ids else {}
    if rows:
        await _take_some(rooms, world, work, side, module, rows, run)
    gone = set(ids) & rooms.ledger.mirrors(rooms.spec.name, side, module, ids).keys() - rows.keys()
    if gone:
        mark_gone(rooms, side, module, sorted(gone))


async def _fetch(rooms: Rooms, world: World, side: Side, module: str, ids: list[str]) -> dict[str, Row]:
    if side == "crm":
        return await rooms.crm.get_many(module, ids, crm_fields(rooms, world, module))
    if module == "items":
        return await rooms.books.get_items(ids)
    found = {}
    for row_id in ids:
        row = await rooms.books.get(module, row_id)
        if row is not None:
            found[row_id] = row
    return found


def specs_in_use(rooms: Rooms, entity: str, mappings: dict[str, MappingSpec]) -> list[MappingSpec]:
    return [mappings[name] for name in mappings_of(rooms.spec, entity)]

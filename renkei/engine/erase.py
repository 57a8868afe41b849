"""Erase a person by request: his values leave the ledger, raw copies, plan files and PDFs; that something was done stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly, Stopped
from renkei.core.mapping import MappingSpec, get_path
from renkei.core.ports import Ledger
from renkei.core.published import KINDS
from renkei.core.records import OutcomeRow
from renkei.core.values import Ref, Side
from renkei.engine.acts import Act, reasoned

PERSONS = ("Contacts", "contact_persons")
SHORTEST = 6  # characters: a shorter value may well be another record's too
HALVES = ("before", "after")
ERASED_ROW = {"erased": True}


def erase(act: Act, data: Path, mappings: Mapping[str, MappingSpec], ref: Ref, reason: str) -> dict[str, Any]:
    """Erase a record and its partner, under whatever link they ever had, wherever their values are kept.

    data     the folder of raw copies, plan files and PDFs
    returns  `run` (the act's), `records`, and how many of each kind were rewritten (`erased`)
    raises   AskedWrongly for a record that the ledger does not know; AnotherRun while a batch is at work; Stopped while a
             write of the record has no answer yet
    """
    why, ledger, name = reasoned(reason), act.ledger, act.connection
    refs = sorted(
        {ref} | {half for link in ledger.all_links(name) if ref in (link.crm, link.books) for half in (link.crm, link.books)}
    )
    kept = ledger.values_kept(name, refs)
    if not kept:
        raise AskedWrongly(
            f"The ledger of {name} holds nothing of {ref}.", fix=f"What is known of it: {command(name, f'why {ref}')}"
        )
    sure, perhaps = needles_of(refs, kept, mappings.values())
    needles = sure | {one for one in perhaps if not ledger.others_hold(name, refs, sure, one)}
    waiting = ledger.unsettled_with(name, refs, needles)
    if waiting:
        raise Stopped(f"A write of {ref} has no answer yet (run {waiting[0].run}).", fix="Let the next run recover it.")
    totals: dict[str, Any] = {"records": [str(one) for one in refs]}
    with act.run("erase", totals, alone=True) as (run, now):
        files = _pdfs(ledger, name, data, refs)  # before what names them is erased
        erased = ledger.erase(name, refs, needles, run, act.actor, why, now)
        erased["snapshots"] = sum(_erase_snapshot(path, refs, needles) for path in _files(data / "snapshots" / name, "parquet"))
        erased["plan_files"] = sum(_erase_plan_file(path, refs, needles) for path in _files(data / "plans" / name, "json"))
        hashes = {file: hashlib.sha256((data / file).read_bytes()).hexdigest() for file in files}
        for file in files:
            (data / file).unlink()
        totals["erased"] = {**erased, "pdfs": len(files)}
        told = [OutcomeRow("note", "", tuple(refs), "erased", why, now, act.actor)]
        if files:  # the document's story says so, too, with the hash of what is gone
            of = tuple(sorted(set(files.values())))
            told.append(OutcomeRow("note", "documents", of, "erased", why, now, act.actor, {"pdf": hashes}))
        ledger.append(name, run, told)
    ledger.shred()
    return {"run": run, **totals}


def _pdfs(ledger: Ledger, connection: str, data: Path, refs: Iterable[Ref]) -> dict[str, Ref]:
    """PDFs of these customers' documents that are kept, as paths below the data folder, and whose they are."""
    customers = [ref for ref in refs if (ref.side, ref.module) == ("books", "contacts")]
    documents = {
        Ref("books", module, one.id)
        for module in KINDS
        for chunk in ledger.documents(connection, module, "customer", [ref.id for ref in customers])
        for one in chunk
    }
    told = [row.detail for ref in customers for _, row in ledger.story(connection, ref)]
    documents |= {Ref.parse(one["document"]) for one in told if "file" in one}
    folder = data / "documents" / connection
    return {
        str(file.relative_to(data)): ref
        for ref in sorted(documents)
        for file in sorted((folder / ref.module).glob(f"{ref.id}-*"))
    }  # fmt: skip


def needles_of(refs: Iterable[Ref], kept: Iterable[Any], specs: Iterable[MappingSpec]) -> tuple[set[str], set[str]]:
    """Texts that tell of these records where they stand in rows of others, as JSON writes them.

    returns  those that are theirs for sure: e-mail addresses, whole names, ids of persons; and what else their personal fields
             hold or held, if it is long enough: a firm's number or a city may be others' too
    """
    stored = list(kept)
    modules = {(ref.side, ref.module) for ref in refs}
    sure, perhaps = {ref.id for ref in refs if ref.module in PERSONS}, set[str]()
    for spec in specs:
        if modules.isdisjoint({("crm", spec.crm_module), ("books", spec.books_module)}):
            continue
        for value in (one for one in stored if isinstance(one, dict)):
            sure |= _names(spec, value)
            for item in (one for one in spec.fields if one.personal):
                held = [_at(value, path) for path in (item.crm, item.books, item.books_else) if path]
                held += [one.get(half) for one in value.get("changes", ()) if one.get("field") == item.name for half in HALVES]
                found = {text for one in held if isinstance(one, str) and len(text := one.strip()) >= SHORTEST}
                if item.kind == "email":
                    sure |= found
                else:
                    perhaps |= found
    return {_in_json(one) for one in sure}, {_in_json(one) for one in perhaps - sure}


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _at(value: Any, path: str) -> Any:
    """A raw row's value at a mapped path; a base keeps its values by the path itself."""
    if not isinstance(value, dict):
        return None
    return value[path] if path in value else get_path(value, path)


def _names(spec: MappingSpec, value: Any) -> set[str]:
    """The record's whole name where its label has several parts, in both orders."""
    if len(spec.label) < 2:
        return set()
    found = set()
    sides: tuple[Side, Side] = ("crm", "books")
    for side in sides:
        parts = [
            str(part) for name in spec.label if isinstance(part := _at(value, spec.field(name).path(side) or ""), str) and part
        ]
        if len(parts) == len(spec.label):
            found |= {gap.join(order) for order in (parts, parts[::-1]) for gap in (" ", "　", "")}
    return found


def _files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.rglob(f"*.{ending}"))


def _erase_snapshot(path: Path, refs: Collection[Ref], needles: Collection[str]) -> int:
    """Raw rows of these records, and those that hold one of the texts, become `{"id", "erased"}`. How many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    mine = {ref.id for ref in refs if path.stem == f"{ref.side}-{ref.module}"}
    sought = [one.encode() for one in needles]
    groups, gone = [], 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            rows = []
            for row_id, row in zip(table.column("id").to_pylist(), table.column("row").to_pylist(), strict=True):
                theirs = row_id in mine or any(one in row for one in sought)
                gone += theirs
                rows.append(orjson.dumps({"id": row_id, **ERASED_ROW}) if theirs else row)
            groups.append(table.set_column(table.schema.get_field_index("row"), "row", pa.array(rows, pa.binary())))
    if gone:
        beside = path.with_suffix(".new")
        with pq.ParquetWriter(beside, groups[0].schema, compression="zstd", compression_level=1) as writer:
            for table in groups:
                writer.write_table(table)
        beside.replace(path)
    return gone


def _erase_plan_file(path: Path, refs: Collection[Ref], needles: Collection[str]) -> int:
    """What a plan's file shows of these records goes. How many of its actions and questions."""
    content = json.loads(path.read_text(encoding="utf-8"))
    sought, gone = [*map(str, refs), *needles], 0
    for part in content.get("entities", {}).values():
        for name in ("actions", "holds"):
            left = [one for one in part.get(name, ()) if not _holds(one, sought)]
            gone += len(part.get(name, ())) - len(left)
            part[name] = left
    if gone:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        beside.replace(path)
    return gone


def _holds(one: Any, sought: Iterable[str]) -> bool:
    text = json.dumps(one, ensure_ascii=False)
    return any(word in text for word in sought)

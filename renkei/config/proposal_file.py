"""The text of a proposed `mappings/FOLDER/NAME.yaml`, with comments for whoever decides, and what became of a former one.

Only what is certain is YAML; the rest stands in comments to be uncommented. The last line holds a hash of the text above it:
while it fits, nobody has edited the file, and a new proposal for the same connection may take its place.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from renkei.core.mapping import FieldSpec
from renkei.core.matching import MatchRules
from renkei.core.proposing import LeftOut, Proposal, Suggestion

State = Literal["new", "renewed", "unchanged", "edited"]
_SEAL = "# proposed as it stands above: "
_DEFAULTS = FieldSpec("", "", None, None, "none")
_SYSTEM = {"crm": "CRM", "books": "Books"}


@dataclass(frozen=True, slots=True)
class ProposalFile:
    """A file as it would be written.

    state     new; renewed and unchanged: nobody has edited the one that is there; edited: somebody has, or it was proposed
              for another connection
    differs   of an edited one, the lines of a unified diff: from what is there to what would be
    """

    mapping: str
    path: Path
    text: str
    state: State
    differs: tuple[str, ...] = ()


def proposal_files(folder: Path, connection: str, proposals: Iterable[Proposal], shipped: Path) -> list[ProposalFile]:
    """A file for each mapping that says anything other than the shipped one, or that is there already."""
    found = []
    for one in proposals:
        path = folder / f"{one.mapping}.yaml"
        if path.exists() or not one.as_shipped():
            found.append(_beside(one.mapping, path, proposal_text(one, connection, shipped / path.name), connection))
    return found


def _beside(mapping: str, path: Path, text: str, connection: str) -> ProposalFile:
    if not path.exists():
        return ProposalFile(mapping, path, text, "new")
    there = path.read_text(encoding="utf-8", errors="replace")
    if there == text:
        return ProposalFile(mapping, path, text, "unchanged")
    body, _, seal = there.rpartition(_SEAL)
    if seal.strip() == _hash(body) and body.startswith(_head(connection)):
        return ProposalFile(mapping, path, text, "renewed")
    lines = difflib.unified_diff(_lines(there), _lines(text), str(path), "proposed", lineterm="", n=1)
    return ProposalFile(mapping, path, text, "edited", tuple(lines))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(_SEAL)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _head(connection: str) -> str:
    return f"# Proposed for the connection {connection} "


def proposal_text(proposal: Proposal, connection: str, shipped: Path) -> str:
    """The YAML. Labels of both organisations stand in comments, one line each."""
    body = "\n".join(_written(proposal, connection, shipped)) + "\n"
    return f"{body}{_SEAL}{_hash(body)}\n"


def _written(proposal: Proposal, connection: str, shipped: Path) -> Iterator[str]:
    yield f"{_head(connection)}by `renkei mapping propose`, from the fields of both organisations. Yours to edit."
    yield f"# It overrides {shipped} field by field; what it does not name is as it stands there."
    yield "# Below `fields`, uncomment what is right and delete what is not. Every key: docs/reference/mappings.md."
    yield f"mapping: {proposal.mapping}"
    if proposal.label:
        yield f"label: {_flow(list(proposal.label))}"
    yield "fields:"
    yield f"  # {len(proposal.fits)} fields fit as they are."
    taken_out = proposal.taken_out()
    left_out = (*proposal.missing, *proposal.left_out)
    for number, one in enumerate(left_out):
        last = one.field not in {other.field for other in left_out[number + 1 :]}  # a field may be amiss on both sides
        yield from _left_out(one, one in proposal.missing)
        if last and one.field in taken_out:
            yield f"  {one.field}: null"
    in_force = {*taken_out, *(item.name for item in proposal.certain())}
    for suggestion in proposal.suggestions:
        yield from _suggested(suggestion, in_force)
    if proposal.match is not None:
        yield ""
        yield f"# As shipped, without what reads {', '.join(taken_out)}. If you bring that back above, delete this part."
        yield from _match(proposal.match)


def _left_out(one: LeftOut, missing: bool) -> Iterator[str]:
    yield ""
    where = f"{_SYSTEM[one.side]} {one.path}"
    if missing:
        yield f"  # MISSING {one.field}: {where} {one.why}. The mapping cannot be without it: create it, or map another field."
    elif one.by_itself:
        yield f"  # left out {one.field}: {where} {one.why}. It is used as soon as it is."
    else:
        yield f"  # left out {one.field}: {where} {one.why}."


def _suggested(one: Suggestion, in_force: Collection[str]) -> Iterator[str]:
    yield ""
    labels = " ↔ ".join(dict.fromkeys(_one_line(label) for label in one.labels if label))
    doubled = one.field is not None and one.band != "certain" and one.field.name in in_force
    instead = f" It takes the place of {one.field.name} above." if one.field and doubled else ""
    yield f"  # {one.band}{f', {labels}' if labels else ''}: {_one_line(one.why)}.{instead}"
    if one.field is None:
        yield f"  #   CRM {one.crm}, Books {one.books}"
        return
    mark = "" if one.band == "certain" else "# "
    yield f"  {mark}{_flow({one.field.name: field_content(one.field)})[1:-1]}"


def field_content(item: FieldSpec) -> dict[str, Any]:
    """The field as a mapping declares it: the keys that it needs and those that are not at their default."""
    content: dict[str, Any] = {"kind": item.kind, "crm": item.crm, "books": item.books, "owner": item.owner}
    for key in ("transform", "lookup", "direction", "null", "foreign_edits", "required", "create_only", "detail", "personal",
                "optional", "books_else", "books_write", "special"):  # fmt: skip
        if getattr(item, key) != getattr(_DEFAULTS, key):
            content[key] = getattr(item, key)
    for key in ("options", "values", "default", "max_length"):
        if getattr(item, key):
            content[key] = dict(getattr(item, key))
    return content


def _match(rules: MatchRules) -> Iterator[str]:
    yield "match:"
    yield "  keys:" if rules.keys else "  keys: []"
    for rule in rules.keys:
        content: dict[str, Any] = {"name": rule.name, "fields": dict(rule.fields)}
        yield f"    - {_flow(content if rule.decisive else {**content, 'decisive': False})}"
    yield f"  weights: {_flow(dict(rules.weights))}"
    yield f"  auto: {rules.auto}"
    yield f"  review: {rules.review}"


def _flow(content: dict[str, Any] | list[str]) -> str:
    """YAML on one line, `{…}` or `[…]`: one mark before it makes it a comment."""
    dumped: str = yaml.safe_dump(content, default_flow_style=True, allow_unicode=True, sort_keys=False, width=100_000)
    return dumped.strip()


def _one_line(text: str) -> str:
    """A text of somebody else's, safe in a comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())

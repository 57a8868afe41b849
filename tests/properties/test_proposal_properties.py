"""What holds for every two organisations: a proposal passes `check`, and so does each of its lines that a person uncomments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from renkei.config.project import read_project
from renkei.config.proposal_file import field_content, proposal_text
from renkei.config.settings import Settings
from renkei.core.mapping import MappingSpec
from renkei.core.proposing import Proposal, propose
from renkei.core.records import FieldMeta

HOME = Path(__file__).parents[2]
LABELS = (
    "地域", "ﾗﾝｸ", "ランク", "請求先担当", "請求担当", "インボイス登録番号", "Tax registration number", "与信限度額", "備考1",
    "備考2", "Note: \"a\" # b", "{x: [y]}", "no", "- 012", "line\nbreak\x07", "",
)  # fmt: skip
CRM_TYPES = (
    "text",
    "textarea",
    "email",
    "phone",
    "picklist",
    "currency",
    "integer",
    "boolean",
    "date",
    "lookup",
    "multiselectpicklist",
)
BOOKS_TYPES = ("string", "multiline", "email", "phone", "dropdown", "amount", "number", "check_box", "date", "multiselect")
VALUES = ("A", "Ａ", "no", "012", "", '特別, "x"', "ﾄｸﾍﾞﾂ", "トクベツ", "-None-")
STANDARD = (
    "Account_Name", "Phone", "Fax", "Website", "Billing_Street", "Billing_Country", "Tax_Registration_Number", "Description",
    "Owner", "Currency", "Product_Name", "Last_Name",
)  # fmt: skip


def fields(names: st.SearchStrategy[str], types: tuple[str, ...]) -> st.SearchStrategy[list[FieldMeta]]:
    one = st.builds(
        FieldMeta, names, st.sampled_from(types), st.sampled_from((None, 1, 30, 255)), st.booleans(), st.booleans(),
        st.just(False), st.lists(st.sampled_from(VALUES), max_size=4).map(tuple), st.just(""), st.sampled_from(LABELS),
    )  # fmt: skip
    return st.lists(one, max_size=14, unique_by=lambda field: field.api_name)


def plain(api_name: str, data_type: str, length: int | None = None, *, writable: bool = True) -> FieldMeta:
    return FieldMeta(api_name, data_type, length, False, writable, False, label="地域")


OURS = fields(st.sampled_from((*STANDARD, *(f"field{n}" for n in range(8)), "Rank", "Region__c", "no")), CRM_TYPES)
CUSTOM = ("cf_tax_registration_number", "cf_crm_owner", *(f"cf_{n}" for n in range(8)), "cf_rank", "cf_no", "cf_地域")
THEIRS = fields(st.sampled_from(CUSTOM), BOOKS_TYPES)


@cache
def shipped() -> tuple[Settings, dict[str, MappingSpec]]:
    project, _ = read_project(Settings(mappings=HOME / "mappings", connections=HOME / "none", expectations=HOME / "none"))
    return project.settings, dict(project.mappings[""])


def loaded(line: str) -> object:
    """A line as YAML; None for one that is none, or words."""
    try:
        return yaml.safe_load(line) if "{" in line else None
    except yaml.YAMLError:
        return None


def variants(proposal: Proposal, text: str) -> Iterator[str]:
    """The proposal, and each of its lines that a person may uncomment, without the one whose place it takes."""
    yield text
    lines = text.splitlines()
    for one in proposal.suggestions:
        if one.field is not None and one.band != "certain":
            content = {one.field.name: field_content(one.field)}
            place = next(n for n, line in enumerate(lines) if line.startswith("  # ") and loaded(line[4:]) == content)
            rest = [line for line in lines if not line.startswith(f"  {one.field.name}: ")]
            rest[rest.index(lines[place])] = "  " + lines[place].removeprefix("  # ")
            yield "\n".join(rest) + "\n"


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # to shrink takes minutes
@given(st.sampled_from(("accounts", "contacts", "products", "persons")), OURS, THEIRS)
@example("accounts", [plain("no", "text")], [plain("cf_no", "string")])  # a name that YAML takes for something else
@example("contacts", [plain("Email", "date")], [plain("cf_crm_owner", "date")])  # two shipped fields, amiss, that look the same
@example("accounts", [plain("Account_Name", "text", 10, writable=False)], [])  # shorter, and read-only
def test_a_proposal_and_each_of_its_lines_passes_check(name: str, ours: list[FieldMeta], theirs: list[FieldMeta]) -> None:
    place, specs = shipped()
    found = propose(specs[name], ours, None if name == "persons" else theirs, reserved={"cf_7"})
    assert found == propose(specs[name], ours[::-1], None if name == "persons" else theirs[::-1], reserved={"cf_7"})
    text = proposal_text(found, "kita", Path("mappings") / f"{name}.yaml")
    texts = {place.mappings / f"v{n}" / f"{name}.yaml": one for n, one in enumerate(variants(found, text))}
    project, faults = read_project(place, texts)
    assert [fault for fault in faults if Path(fault.file) in texts] == []
    whole = {item.name for item in project.mappings["v0"][name].fields}
    shipped_names = {item.name for item in specs[name].fields}
    assert whole == (shipped_names | {item.name for item in found.certain()}) - set(found.taken_out())
    taken = [item.crm for item in found.certain()] + [item.books for item in found.certain()]
    assert "cf_7" not in taken and len(taken) == len(set(taken))

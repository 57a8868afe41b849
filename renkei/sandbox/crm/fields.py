"""The fields of every module: what is stored, what is validated and what /settings/fields serves (crm-v8.md 7, 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

MODULES = ("Accounts", "Contacts", "Products", "Deals", "Renkei_Receivables", "Renkei_Documents")
CUSTOM_MODULES = ("Renkei_Receivables", "Renkei_Documents")
NAME_FIELD = {
    "Accounts": "Account_Name",
    "Contacts": "Full_Name",
    "Products": "Product_Name",
    "Deals": "Deal_Name",
    "Renkei_Receivables": "Name",
    "Renkei_Documents": "Name",
}
# The system's duplicate check field of each module (crm-v8.md section 5.4).
DUPLICATE_CHECK_FIELD = {
    "Accounts": "Account_Name",
    "Contacts": "Email",
    "Products": "Product_Name",
    "Deals": "Deal_Name",
    "Renkei_Receivables": "Name",
    "Renkei_Documents": "Name",
}
SINGULAR = {
    "Accounts": "Account",
    "Contacts": "Contact",
    "Products": "Product",
    "Deals": "Deal",
    "Renkei_Receivables": "Renkei Receivable",
    "Renkei_Documents": "Renkei Document",
}
JSON_TYPES = {
    "integer": "integer",
    "double": "double",
    "currency": "double",
    "percent": "double",
    "boolean": "boolean",
    "lookup": "jsonobject",
    "ownerlookup": "jsonobject",
    "userlookup": "jsonobject",
    "layout": "jsonobject",
    "multiselectpicklist": "jsonarray",
    "text_array": "jsonarray",
    "subform": "jsonarray",
    "line_tax": "jsonarray",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A picklist value. Stages carry `probability` and `forecast_type`."""

    actual: str
    display: str = ""
    probability: int | None = None
    forecast_type: str | None = None
    used: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a module, as an administrator sees it.

    `length` in characters (digits for numbers); `decimal_place` for double and currency; `lookup` names the module a
    lookup points at and `related_list` the list under which this module appears there; `rows`: the fields of a subform.
    """

    name: str
    type: str = "text"
    label: str = ""
    length: int = 0
    mandatory: bool = False
    read_only: bool = False
    virtual: bool = False
    unique: bool = False
    custom: bool = False
    decimal_place: int | None = None
    lookup: str | None = None
    related_list: str | None = None
    choices: tuple[Choice, ...] = ()
    external: bool = False
    system: bool = False
    rows: tuple[Field, ...] = ()

    @property
    def max_length(self) -> int:
        return self.length or DEFAULT_LENGTHS.get(self.type, 255)

    @property
    def json_type(self) -> str:
        return JSON_TYPES.get(self.type, "string")


DEFAULT_LENGTHS = {
    "text": 255,
    "textarea": 32000,
    "email": 100,
    "phone": 30,
    "website": 450,
    "picklist": 120,
    "integer": 9,
    "bigint": 18,
    "double": 16,
    "currency": 16,
    "percent": 5,
    "boolean": 5,
    "date": 20,
    "datetime": 120,
    "lookup": 120,
    "ownerlookup": 120,
}

STAGES = (
    Choice("Qualification", probability=10, forecast_type="Open"),
    Choice("Needs Analysis", probability=20, forecast_type="Open"),
    Choice("Value Proposition", probability=40, forecast_type="Open"),
    Choice("Identify Decision Makers", probability=60, forecast_type="Open"),
    Choice("Proposal/Price Quote", probability=75, forecast_type="Open"),
    Choice("Negotiation/Review", probability=90, forecast_type="Open"),
    Choice("Closed Won", probability=100, forecast_type="Closed Won"),
    Choice("Closed Lost", probability=0, forecast_type="Closed Lost"),
    Choice("Closed Lost to Competition", "Closed-Lost to Competition", probability=0, forecast_type="Closed Lost"),
)


def _choices(*values: str) -> tuple[Choice, ...]:
    return tuple(Choice(value) for value in ("-None-", *values))


def _address(prefix: str) -> tuple[Field, ...]:
    code = "Zip" if prefix in ("Mailing", "Other") else "Code"
    lengths = {"Street": 250, "City": 100, "State": 100, code: 30, "Country": 100}
    return tuple(Field(f"{prefix}_{part}", length=length) for part, length in lengths.items())


INDUSTRIES = _choices(
    "ASP (Application Service Provider)", "Data/Telecom OEM", "Distribution", "Education", "Finance", "Food",
    "Government/Military", "Healthcare", "IT Services", "Large Enterprise", "Logistics", "ManagementISV",
    "Manufacturing", "Non-management ISV", "Optical Networking", "Printing", "Real Estate", "Retail",
    "Service Provider", "Small/Medium Enterprise", "Storage Equipment", "Systems Integrator", "Trading",
    "Wireless Industry", "Other",
)  # fmt: skip
ACCOUNT_TYPES = _choices(
    "Analyst", "Competitor", "Customer", "Distributor", "Integrator", "Investor", "Other", "Partner", "Press",
    "Prospect", "Reseller", "Supplier", "Vendor",
)  # fmt: skip
LEAD_SOURCES = _choices(
    "Advertisement", "Cold Call", "Employee Referral", "External Referral", "Online Store", "Partner",
    "Public Relations", "Sales Email Alias", "Seminar Partner", "Trade Show", "Web Download", "Web Research", "Chat",
)  # fmt: skip

UNSORTABLE = ("textarea", "text_array", "subform", "line_tax")
BOOKS_ID = Field("renkei_books_id", label="renkei Books ID", length=50, unique=True, custom=True)

SYSTEM_FIELDS = (
    Field("Owner", "ownerlookup", lookup="users"),
    Field("Created_By", "ownerlookup", lookup="users", read_only=True, system=True),
    Field("Modified_By", "ownerlookup", lookup="users", read_only=True, system=True),
    Field("Created_Time", "datetime", read_only=True, system=True),
    Field("Modified_Time", "datetime", read_only=True, system=True),
    Field("Last_Activity_Time", "datetime", read_only=True, system=True),
    Field("Tag", "text_array", length=2000),
    Field("Layout", "bigint"),
    Field("Record_Status__s", "picklist", read_only=True, system=True, choices=_choices("Available", "Draft", "Trash")),
    Field("Locked__s", "boolean", read_only=True, system=True),
)
CURRENCY_FIELDS = (
    Field("Currency", "picklist"),
    Field("Exchange_Rate", "double", decimal_place=9),
)
CURRENCY_NAMES = frozenset(field.name for field in CURRENCY_FIELDS)
MONEY_MODULES = ("Accounts", "Products", "Deals")


def _numbers(names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "double", custom=True, decimal_place=3) for name in names.split())


def _custom_lookups(related: str) -> tuple[Field, ...]:
    return (
        Field("Account", "lookup", custom=True, lookup="Accounts", related_list=related),
        Field("Contact", "lookup", custom=True, lookup="Contacts", related_list=related),
        Field("Deal", "lookup", custom=True, lookup="Deals", related_list=related),
    )


def _custom_head(label: str) -> tuple[Field, ...]:
    return (
        Field("Name", label=label, length=120, mandatory=True),
        Field("renkei_key", label="renkei key", length=120, unique=True, custom=True),
    )


def _custom_text(length: int, names: str) -> tuple[Field, ...]:
    return tuple(Field(name, length=length, custom=True) for name in names.split())


# What was sold with a deal (crm-v8.md section 7.3). Totals follow from the rest.
DEAL_LINES = Field(
    "Deal_Lines",
    "subform",
    "Lines",
    custom=True,
    rows=(
        Field("Product_Name", "lookup", lookup="Products"),
        Field("Description", "textarea", length=2000),
        Field("Quantity", "double", decimal_place=3),
        Field("List_Price", "currency", decimal_place=2),
        Field("Discount", "currency", decimal_place=2),
        Field("Line_Tax", "line_tax"),
        Field("Total", "currency", decimal_place=2, read_only=True, virtual=True),
        Field("Net_Total", "currency", decimal_place=2, read_only=True, virtual=True),
        Field("Sequence_Number", "integer", read_only=True),
    ),
)

STANDARD: dict[str, tuple[Field, ...]] = {
    "Accounts": (
        Field("Account_Name", length=200, mandatory=True),
        Field("Account_Number", length=40),
        Field("Account_Site", length=80),
        Field("Parent_Account", "lookup", lookup="Accounts", related_list="Member_Accounts"),
        Field("Phone", "phone"),
        Field("Fax", length=30),
        Field("Website", "website"),
        Field("Account_Type", "picklist", choices=ACCOUNT_TYPES),
        Field("Industry", "picklist", choices=INDUSTRIES),
        Field("Rating", "picklist", choices=_choices("Acquired", "Active", "Market Failed", "Project Cancelled")),
        Field("Ownership", "picklist", choices=_choices("Other", "Private", "Public", "Subsidiary")),
        Field("Ticker_Symbol", length=30),
        Field("SIC_Code", "integer"),
        Field("Annual_Revenue", "currency", decimal_place=2),
        Field("Employees", "integer"),
        *_address("Billing"),
        *_address("Shipping"),
        Field("Description", "textarea"),
        Field("Tax_Registration_Number", label="Tax registration number", length=20, custom=True),
        Field("Corporate_Number", label="Corporate number", length=13, custom=True),
        BOOKS_ID,
    ),
    "Contacts": (
        Field("Full_Name", length=120, read_only=True, virtual=True),
        Field("Salutation", "picklist", choices=_choices("Mr.", "Mrs.", "Ms.", "Dr.", "Prof.")),
        Field("First_Name", length=40),
        Field("Last_Name", length=80, mandatory=True),
        Field("Account_Name", "lookup", lookup="Accounts", related_list="Contacts"),
        Field("Email", "email"),
        Field("Secondary_Email", "email"),
        Field("Phone", "phone"),
        Field("Mobile", "phone"),
        Field("Fax", length=30),
        Field("Title", length=100),
        Field("Department", length=50),
        Field("Lead_Source", "picklist", choices=LEAD_SOURCES),
        Field("Date_of_Birth", "date"),
        Field("Reporting_To", "lookup", lookup="Contacts", related_list="Reporting_Contacts"),
        *_address("Mailing"),
        *_address("Other"),
        Field("Email_Opt_Out", "boolean"),
        Field("Description", "textarea"),
        BOOKS_ID,
    ),
    "Products": (
        Field("Product_Name", length=200, mandatory=True),
        Field("Product_Code", length=40),
        Field("Product_Active", "boolean"),
        Field("Product_Category", "picklist", choices=_choices("Hardware", "Software", "CRM Applications", "Service")),
        Field("Manufacturer", "picklist", choices=_choices("AltvetPet Inc.", "LexPon Inc.", "MetBeat Corp.")),
        Field("Unit_Price", "currency", decimal_place=2),
        Field(
            "Usage_Unit", "picklist", choices=_choices("Box", "Carton", "Dozen", "Each", "Hours", "Piece", "Quantity", "Sheet")
        ),
        Field("Taxable", "boolean"),
        Field("Qty_in_Stock", "double", decimal_place=2),
        Field("Reorder_Level", "double", decimal_place=2),
        Field("Commission_Rate", "currency", decimal_place=2),
        Field("Description", "textarea"),
        BOOKS_ID,
    ),
    "Deals": (
        Field("Deal_Name", length=120, mandatory=True),
        Field("Account_Name", "lookup", lookup="Accounts", related_list="Deals"),
        Field("Contact_Name", "lookup", lookup="Contacts", related_list="Deals"),
        Field("Pipeline", "picklist", choices=(Choice("Standard (Standard)", "Standard (Standard)"),)),
        Field("Stage", "picklist", mandatory=True, choices=STAGES),
        Field("Amount", "currency", decimal_place=2),
        Field("Closing_Date", "date"),
        Field("Probability", "integer", length=3),
        Field("Expected_Revenue", "currency", decimal_place=2, read_only=True, virtual=True),
        Field("Type", "picklist", choices=_choices("Existing Business", "New Business")),
        Field("Lead_Source", "picklist", choices=LEAD_SOURCES),
        Field("Next_Step", length=100),
        Field("Reason_For_Loss__s", "picklist", choices=_choices("Price", "Competition", "No Budget", "Timing")),
        Field("Description", "textarea"),
        DEAL_LINES,
        BOOKS_ID,
    ),
    "Renkei_Receivables": (
        *_custom_head("Receivable Name"),
        *_custom_lookups("Renkei_Receivables"),
        *_custom_text(120, "Connection"),
        *_custom_text(3, "Currency_Code"),
        Field("Open_Count", "integer", custom=True),
        Field("Overdue_Count", "integer", custom=True),
        *_numbers("Invoiced Settled Balance Overdue Age_Current Age_1_30 Age_31_60 Age_61_90 Age_Over_90"),
        *_custom_text(100, "Last_Invoice_Number"),
        Field("Last_Invoice_Date", "date", custom=True),
        *_custom_text(50, "Last_Invoice_Status"),
        Field("Last_Payment_Date", "date", custom=True),
        Field("As_Of", "datetime", custom=True),
    ),
    "Renkei_Documents": (
        *_custom_head("Document Name"),
        *_custom_lookups("Renkei_Documents"),
        *_custom_text(50, "Kind"),
        *_custom_text(100, "Number"),
        Field("Date", "date", custom=True),
        Field("Due_Date", "date", custom=True),
        *_custom_text(50, "Status"),
        *_numbers("Total Balance"),
        *_custom_text(3, "Currency_Code"),
        Field("Link", "website", custom=True),
    ),
}


def module_fields(module: str, currencies: tuple[str, ...]) -> dict[str, Field]:
    """The fields of a module by API name. `currencies`: ISO codes when multi-currency is on, else empty."""
    money = currency_fields(module, currencies)
    return {field.name: field for field in (*STANDARD[module], *money.values(), *SYSTEM_FIELDS)}


def currency_fields(module: str, currencies: tuple[str, ...]) -> dict[str, Field]:
    """What multi-currency adds to a module."""
    if not currencies or module not in MONEY_MODULES:
        return {}
    codes = tuple(Choice(code) for code in currencies)
    return {field.name: field for field in (replace(CURRENCY_FIELDS[0], choices=codes), CURRENCY_FIELDS[1])}


def made_module_fields(singular: str) -> dict[str, Field]:
    """What a custom module has from the beginning."""
    name = Field("Name", label=f"{singular} Name", length=120, mandatory=True)
    return {field.name: field for field in (name, *SYSTEM_FIELDS)}


def served(field: Field, id: str, modules: dict[str, str], profiles: list[dict[str, Any]]) -> dict[str, Any]:
    """One element of GET /settings/fields. `modules`: module ids by API name."""
    writable = not field.read_only
    access = "read_write" if writable else "read_only"
    return {
        "id": id,
        "api_name": field.name,
        "field_label": field.label or field.name.replace("_", " ").removesuffix("  s"),
        "display_label": field.label or field.name.replace("_", " ").removesuffix("  s"),
        "data_type": "text" if field.type == "text_array" else "bigint" if field.type == "bigint" else field.type,
        "json_type": field.json_type,
        "length": field.max_length,
        "custom_field": field.custom,
        "system_mandatory": field.mandatory,
        "read_only": field.read_only,
        "field_read_only": field.read_only,
        "visible": True,
        "virtual_field": field.virtual,
        "type": "used",
        "unique": {"casesensitive": "false"} if field.unique else {},
        "external": {"show": True, "type": "org", "allow_multiple_config": False} if field.external else None,
        "decimal_place": field.decimal_place,
        "currency": {"precision": field.decimal_place, "rounding_option": "round_off"} if field.type == "currency" else {},
        "pick_list_values": [choice_json(choice, id, n) for n, choice in enumerate(field.choices, 1)],
        "lookup": _lookup_json(field, id, modules),
        "subform": {"module": field.name, "id": subform_id(id)} if field.type == "subform" else None,
        "auto_number": {},
        "formula": {},
        "textarea": {"type": "large"} if field.type == "textarea" else None,
        "crypt": None,
        "operation_type": {
            "web_update": writable,
            "api_create": writable,
            "web_create": writable,
            "api_update": writable,
        },
        "profiles": [{"permission_type": access, "name": p["name"], "id": p["id"]} for p in profiles],
        "view_type": {"view": True, "edit": writable, "quick_create": False, "create": writable},
        "mass_update": writable,
        "searchable": True,
        "sortable": field.type not in UNSORTABLE,
        "filterable": field.type not in UNSORTABLE,
        "created_source": "default",
        "display_type": -1,
        "ui_type": 1,
        "pick_list_values_sorted_lexically": False,
        "history_tracking": None,
        "modified_time": None,
    }


def subform_id(field_id: str) -> str:
    """The id of the module that holds a subform's rows."""
    return str(int(field_id) + 700_000_000)


def choice_json(choice: Choice, field_id: str, number: int) -> dict[str, Any]:
    """One picklist value; a stage also has probability and forecast (crm-v8.md section 7.4)."""
    value: dict[str, Any] = {
        "display_value": choice.display or choice.actual,
        "actual_value": choice.actual,
        "reference_value": choice.actual,
        "sequence_number": number,
        "id": str(int(field_id) + 500_000_000 + number),
        "type": "used" if choice.used else "unused",
        "colour_code": None,
        "expected_data_type": "string",
    }
    if choice.forecast_type is not None:
        category = {"Open": "Pipeline", "Closed Won": "Closed", "Closed Lost": "Omitted"}[choice.forecast_type]
        value |= {
            "probability": choice.probability,
            "forecast_type": choice.forecast_type,
            "forecast_category": {"name": category, "id": value["id"]},
            "deal_category": choice.forecast_type,
        }
    return value


def _lookup_json(field: Field, id: str, modules: dict[str, str]) -> dict[str, Any]:
    if field.type != "lookup" or field.lookup is None:
        return {}
    return {
        "api_name": field.related_list,
        "display_label": (field.related_list or "").replace("_", " "),
        "module": {"api_name": field.lookup, "id": modules[field.lookup]},
        "id": str(int(id) + 1),
        "query_details": {},
    }

"""The form of the YAML files as pydantic models: closed, strict, with defaults (design.md section 4, product.md section 8).

What a single file cannot say about itself (names, other files, the live system) is checked in check.py.
The JSON Schemas in schemas/ are made from these models, so an editor completes what is really read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Strict(BaseModel):
    """Unknown keys are errors, and a text is never taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Alias = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$", description="RENKEI_<ALIAS>_CLIENT_ID, …")]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+/?$")]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description='YYYY-MM-DD in quotes, e.g. "2026-04-01"')]
ApiName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class HostsModel(Strict):
    accounts: Address
    api: Address
    content: Address | None = None


class CrmModel(Strict):
    data_center: str = "jp"
    hosts: HostsModel | None = None
    credentials: Alias | None = None


class BooksModel(Strict):
    edition: Literal["books", "invoice"] = "books"
    organization: Annotated[str, Field(pattern=r"^\d{5,20}$")]
    hosts: HostsModel | None = None
    credentials: Alias | None = None


class ScheduleModel(Strict):
    nightly: str = "0 2 * * *"
    hourly: str = "0 7-22 * * *"


class KeysModel(Strict):
    crm: ApiName = "renkei_books_id"
    books: Annotated[str, Field(pattern=r"^cf_[a-z0-9_]+$")] = "cf_renkei_crm_id"


Direction = Literal["two_way", "to_books"]
DuplicatesWord = Literal["clone", "overwrite", "skip", "link", "ask"]
ConflictsWord = Literal["clone", "overwrite", "skip", "newest", "books", "ask"]
DeletesWord = Literal["ignore", "unlink", "deactivate", "delete", "recreate", "ask"]


class ProductsModel(Strict):
    direction: Direction = "two_way"
    duplicates: DuplicatesWord = "ask"
    conflicts: ConflictsWord = "ask"
    deletes: DeletesWord = "ignore"
    views: dict[str, str] = {}


class CustomersModel(ProductsModel):
    modules: Literal["accounts", "contacts", "accounts_and_contacts"] = "accounts"
    include_contacts_without_account: bool = False
    remove_earlier_configuration: bool = False


class PublishModel(Strict):
    summaries: bool = True
    documents: bool = True


class BudgetModel(Strict):
    books_per_minute: Annotated[int, Field(ge=1, le=100)] | None = 90
    books_per_day: Annotated[int, Field(ge=1)] | None = None
    keep_for_people: Count = 100
    hourly_list_pages: Annotated[int, Field(ge=1)] = 5


class BrakesModel(Strict):
    creates: Count | None = 500
    changed_share: Share | None = 0.2
    removed_share: Share | None = 0.02
    quarantined_share: Share | None = 0.2
    sums_share: Share | None = 0.5
    first_run_needs_approval: bool = True

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The word `off` stands for all of them."""
        return {"anyOf": [{"const": "off"}, handler.resolve_ref_schema(handler(core_schema))]}


BRAKES_OFF: dict[str, Any] = {
    "creates": None,
    "changed_share": None,
    "removed_share": None,
    "quarantined_share": None,
    "sums_share": None,
    "first_run_needs_approval": False,
}


def _off(value: Any) -> Any:
    return dict(BRAKES_OFF) if value == "off" else value


BrakesOrOff = Annotated[BrakesModel, BeforeValidator(_off)]


class RightsModel(Strict):
    estimates: list[Literal["view", "create", "email"]] = []
    invoices: list[Literal["view", "create", "email"]] = []
    sales_orders: list[Literal["view", "create", "email"]] = []
    purchase_orders: list[Literal["view", "email"]] = []
    receivables: list[Literal["view"]] = []


Actor = Annotated[
    str,
    Field(
        pattern=r"^(os:|token:|deployment:)?[A-Za-z0-9_][A-Za-z0-9_.@\\-]*$",
        description="os:NAME or NAME (a user of the machine), token:NAME, deployment:FLOW",
    ),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, as 64 hex digits")]


class RolesModel(Strict):
    viewer: list[Actor] = []
    mapper: list[Actor] = []
    operator: list[Actor] = []
    approver: list[Actor] = []
    auditor: list[Actor] = []
    administrator: Annotated[list[Actor], Field(min_length=1)]


class AccessModel(BaseModel):
    """Who may do what, as far as a file says it that may have other faults."""

    model_config = ConfigDict(extra="ignore", strict=True)

    roles: RolesModel | None = None
    tokens: dict[Word, Sha256] = {}


class ConnectionModel(Strict):
    """connections/NAME.yaml"""

    connection: Word
    time_zone: str
    credentials: Alias | None = None
    mappings: Word | None = None
    schedule: ScheduleModel = ScheduleModel()
    crm: CrmModel = CrmModel()
    books: BooksModel
    keys: KeysModel = KeysModel()
    customers: CustomersModel = CustomersModel()
    products: ProductsModel = ProductsModel()
    deals: Literal["estimates", "invoices", "none"] = "none"
    deals_since: Day | None = None
    alert_after: Annotated[int, Field(ge=1, description="hours")] | None = 26
    closed_until: Day | None = None
    publish: PublishModel = PublishModel()
    budget: BudgetModel = BudgetModel()
    brakes: BrakesOrOff = BrakesModel()
    four_eyes: bool = False
    native: Literal["unknown", "off"] = "unknown"
    environment: Literal["sandbox", "production"] | None = None
    roles: RolesModel | None = None
    tokens: dict[Word, Sha256] = {}
    permissions: dict[str, RightsModel] = {}


# ---------------------------------------------------------------------------------------------------------- mappings

Scalar = str | int | float | bool


class SidesModel(Strict):
    crm: Scalar | None = None
    books: Scalar | None = None


class LengthsModel(Strict):
    crm: Annotated[int, Field(ge=1)] | None = None
    books: Annotated[int, Field(ge=1)] | None = None


class ConstantsModel(Strict):
    crm: dict[str, Scalar] = {}
    books: dict[str, Scalar] = {}


class FieldModel(Strict):
    kind: Literal["text", "email", "phone", "website", "decimal", "integer", "boolean", "choice", "date", "lookup"]
    crm: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.id)?$")]
    books: str
    owner: Literal["crm", "books", "newest", "none"]
    transform: str = ""
    options: dict[str, Scalar] = {}
    values: dict[str, str] = {}
    lookup: str = ""
    direction: Literal["both", "to_books", "to_crm"] = "both"
    null: Literal["keep", "clear"] = "keep"
    foreign_edits: Literal["hold", "ignore", "revert"] = "hold"
    required: bool = False
    default: SidesModel = SidesModel()
    max_length: LengthsModel = LengthsModel()
    create_only: bool = False
    detail: bool = False
    personal: bool = False
    optional: bool = False
    books_else: str = ""
    books_write: str = ""
    special: Literal["", "active"] = ""


class KeyModel(Strict):
    name: Word
    fields: Annotated[dict[str, str], Field(min_length=1)]
    decisive: bool = True


class MatchModel(Strict):
    keys: list[KeyModel] = []
    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    auto: Share = 0.93
    review: Share = 0.80


class MappingModel(Strict):
    """mappings/NAME.yaml"""

    mapping: Literal["accounts", "contacts", "persons", "products"]
    entity: Literal["customers", "products"]
    crm: ApiName
    books: Literal["contacts", "contact_persons", "items"]
    label: Annotated[list[str], Field(min_length=1)]
    create: ConstantsModel = ConstantsModel()
    fields: Annotated[dict[Word, FieldModel], Field(min_length=1)]
    match: MatchModel


class OverrideModel(Strict):
    """mappings/FOLDER/NAME.yaml: what differs from mappings/NAME.yaml. A field replaces its namesake; null takes it out."""

    mapping: Literal["accounts", "contacts", "persons", "products"]
    label: Annotated[list[str], Field(min_length=1)] | None = None
    create: ConstantsModel | None = None
    fields: dict[Word, FieldModel | None] | None = None
    match: MatchModel | None = None


# A CRM field as `deals.yaml` names it: its API name, of a lookup with .id behind.
CrmPath = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.id)?$")]


class LinesModel(Strict):
    subform: ApiName | None = None
    related: Literal["Products"] | None = None
    optional: bool = False
    fields: dict[str, CrmPath] = {}
    discounts: Literal["amount", "percent"] = "amount"
    inclusive_tax: bool = False
    taxes: dict[str, str] = {}
    tax_else: Annotated[str, Field(min_length=1)] = "default"


class EstimateDatesModel(Strict):
    date: ApiName = "today"
    due: ApiName | None = None


class InvoiceDatesModel(Strict):
    date: ApiName = "today"
    due: ApiName | None = "terms"


class BillingModel(Strict):
    subform: ApiName
    fields: dict[str, CrmPath]


class DealsModel(Strict):
    """mappings/deals.yaml"""

    mapping: Literal["deals"]
    lines: LinesModel | None
    fields: dict[str, CrmPath]
    estimates: EstimateDatesModel = EstimateDatesModel()
    invoices: InvoiceDatesModel = InvoiceDatesModel()
    salespersons: dict[str, str] = {}
    billing: BillingModel | None = None


class DealsOverrideModel(Strict):
    """mappings/FOLDER/deals.yaml: what differs from mappings/deals.yaml. A field replaces its namesake, null takes it out;
    every other part is replaced as a whole."""

    mapping: Literal["deals"]
    lines: LinesModel | None = None
    fields: dict[str, CrmPath | None] | None = None
    estimates: EstimateDatesModel | None = None
    invoices: InvoiceDatesModel | None = None
    salespersons: dict[str, str] | None = None
    billing: BillingModel | None = None


class SummariesModel(Strict):
    receivables: ApiName
    documents: ApiName
    key: ApiName
    receivable_fields: dict[str, ApiName]
    document_fields: dict[str, ApiName]


class JoinModel(Strict):
    documents: Annotated[list[Literal["estimates", "sales_orders", "invoices"]], Field(min_length=1)] = [
        "estimates",
        "sales_orders",
        "invoices",
    ]
    books: Annotated[str, Field(pattern=r"^(number|reference_number|cf_[a-z0-9_]+)$")]
    crm: ApiName


class SummariesFileModel(Strict):
    """mappings/summaries.yaml"""

    summaries: SummariesModel
    joins: list[JoinModel] = []


# ------------------------------------------------------------------------------------------------------ expectations


class ExpectationModel(Strict):
    type: Annotated[str, Field(pattern=r"^expect_[a-z_]+$")]
    kwargs: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    severity: Literal["critical", "warning", "info"] | None = None
    row_condition: str | None = None
    condition_parser: str | None = None


class SuiteModel(Strict):
    """expectations/arrival/NAME.yaml, expectations/canonical/NAME.yaml"""

    suite: str
    expectations: list[ExpectationModel]

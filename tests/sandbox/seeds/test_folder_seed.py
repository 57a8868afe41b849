"""A folder of CSV or JSON files becomes a world, or says in which line it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from renkei.sandbox.seeds import load
from renkei.sandbox.world import World


def write(folder: Path, files: dict[str, str | list[dict[str, Any]]]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")
    return str(folder)


def only(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (record,) = records.values()
    return record


def refusal(world: World, folder: Path, files: dict[str, str | list[dict[str, Any]]]) -> str:
    with pytest.raises(ValueError) as caught:
        load(world, write(folder, files))
    return str(caught.value)


def test_columns_become_fields_and_empty_cells_no_value(world: World, tmp_path: Path) -> None:
    files = {"crm/Accounts.csv": "Account_Name,Phone,Employees\n株式会社青山印刷,,12\n"}
    load(world, write(tmp_path, files))
    account = only(world.crm.records("Accounts"))
    assert account["Account_Name"] == "株式会社青山印刷"
    assert account["Employees"] == 12
    assert "Phone" not in account


def test_numbers_stay_numbers_and_codes_stay_text(world: World, tmp_path: Path) -> None:
    files = {"crm/Products.csv": "Product_Name,Product_Code,Unit_Price,Product_Active\nPaper,00123,480.50,true\n"}
    load(world, write(tmp_path, files))
    product = only(world.crm.records("Products"))
    assert (product["Product_Code"], product["Unit_Price"], product["Product_Active"]) == ("00123", 480.5, True)


def test_lines_of_deals_credit_notes_and_purchase_orders_have_files_of_their_own(world: World, tmp_path: Path) -> None:
    files: dict[str, str | list[dict[str, Any]]] = {
        "crm/Products.csv": "ref,Product_Name\ntea,Tea\n",
        "crm/Deals.csv": "ref,Deal_Name,Stage\nd,Tea,Closed Won\n",
        "crm/Deal_Lines.csv": "deal,Product_Name.ref,Quantity,List_Price,Discount,tax_percentage\nd,tea,3,100,20,8\n",
        "books/contacts.csv": "ref,contact_name,contact_type\nk,Kita,customer\nv,Ace,vendor\n",
        "books/invoices.csv": "ref,customer_id.ref,date,status\ni,k,today,sent\n",
        "books/invoice_lines.csv": "invoice,name,rate,quantity\ni,Work,1000,1\n",
        "books/creditnotes.csv": "ref,customer_id.ref,date,status\nc,k,today,open\n",
        "books/creditnote_lines.csv": "creditnote,name,rate,quantity\nc,Sorry,300,1\n",
        "books/credit_lines.csv": "creditnote,invoice_id.ref,amount_applied\nc,i,200\n",
        "books/purchaseorders.csv": "ref,vendor_id.ref,date\np,v,today\n",
        "books/purchaseorder_lines.csv": "purchaseorder,name,rate,quantity\np,Paper,5,10\n",
    }
    load(world, write(tmp_path, files))
    (line,) = only(world.crm.records("Deals"))["Deal_Lines"]
    assert line["Product_Name"]["id"] in world.crm.records("Products")
    assert (line["Net_Total"], line["Line_Tax"][0]["percentage"]) == (302.4, 8)
    assert only(world.books.records("invoices"))["balance"] == 800
    assert only(world.books.records("creditnotes"))["balance"] == 100
    order = only(world.books.records("purchaseorders"))
    assert (order["vendor_name"], order["total"]) == ("Ace", 50)


def test_a_line_of_a_deal_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    files: dict[str, str | list[dict[str, Any]]] = {
        "crm/Deals.csv": "ref,Deal_Name,Stage\nd,Tea,Closed Won\n",
        "crm/Deal_Lines.csv": "deal,Quantity\nx,3\n",
    }
    assert refusal(world, tmp_path, files) == "crm/Deal_Lines.csv:2: deal 'x' is no ref in crm/Deals"


def test_dotted_names_nest_in_csv_and_in_json_alike(tmp_path: Path) -> None:
    csv_text = "contact_name,billing_address.city,billing_address.zip\nKita,Chiyoda,101-0047\n"
    rows = [{"contact_name": "Kita", "billing_address.city": "Chiyoda", "billing_address": {"zip": "101-0047"}}]
    addresses = []
    for name, content in {"books/contacts.csv": csv_text, "books/contacts.json": rows}.items():
        world = World()
        load(world, write(tmp_path / name.rpartition(".")[2], {name: content}))
        address = only(world.books.records("contacts"))["billing_address"]
        addresses.append((address["city"], address["zip"]))
    assert addresses == [("Chiyoda", "101-0047")] * 2


def test_references_become_ids_even_forwards_and_are_not_stored(world: World, tmp_path: Path) -> None:
    files = {
        "crm/Accounts.csv": "ref,Account_Name,Parent_Account.ref\nchild,Child,parent\nparent,Parent,\n",
        "crm/Contacts.csv": "Last_Name,Account_Name.ref,Owner.email\nMori,child,ken.tanaka@example.jp\n",
    }
    load(world, write(tmp_path, files))
    child, parent = world.crm.records("Accounts").values()
    person = only(world.crm.records("Contacts"))
    assert child["Parent_Account"] == {"id": parent["id"]}
    assert person["Account_Name"] == {"id": child["id"]}
    assert world.crm.users[person["Owner"]["id"]]["full_name"] == "Ken Tanaka"
    assert all("ref" not in record for record in (child, parent, person))


def test_a_new_user_owns_records(world: World, tmp_path: Path) -> None:
    files = {
        "crm/users.csv": "ref,first_name,last_name,email\nn,Nancy,Davolio,nancy@northwind.example\n",
        "crm/Accounts.csv": "Account_Name,Owner.ref\nKita,n\n",
    }
    before = len(world.crm.users)
    load(world, write(tmp_path, files))
    owner = world.crm.users[only(world.crm.records("Accounts"))["Owner"]["id"]]
    assert (owner["full_name"], owner["email"], owner["status"]) == ("Nancy Davolio", "nancy@northwind.example", "active")
    assert len(world.crm.users) == before + 1
    assert len({user["zuid"] for user in world.crm.users.values()}) == before + 1


def test_lines_may_stand_in_the_document_or_in_a_file_of_their_own(tmp_path: Path) -> None:
    common = {
        "books/contacts.csv": "ref,contact_name\nkita,Kita\n",
        "books/items.csv": "ref,name,rate,tax_percentage\npaper,Paper,480,10\n",
    }
    inside = [
        {
            "customer_id.ref": "kita",
            "date": "2026-01-05",
            "line_items": [{"item_id.ref": "paper", "quantity": 3}, {"name": "Work", "rate": 999, "quantity": 1}],
        }
    ]
    outside = {
        "books/invoices.csv": "ref,customer_id.ref,date\none,kita,2026-01-05\n",
        "books/invoice_lines.csv": "invoice,item_id.ref,name,rate,quantity\none,paper,,,3\none,,Work,999,1\n",
    }
    for number, files in enumerate(({**common, "books/invoices.json": inside}, {**common, **outside})):
        world = World()
        load(world, write(tmp_path / str(number), files))
        invoice = only(world.books.records("invoices"))
        assert [line["name"] for line in invoice["line_items"]] == ["Paper", "Work"]
        assert (invoice["sub_total"], invoice["tax_total"], invoice["total"]) == (2439, 144, 2583)


def test_a_line_can_refuse_the_tax_of_its_item(world: World, tmp_path: Path) -> None:
    files = {
        "books/contacts.csv": "ref,contact_name\nkita,Kita\n",
        "books/items.csv": "ref,name,rate,tax_percentage\npaper,Paper,480,10\n",
        "books/invoices.csv": "ref,customer_id.ref,date\none,kita,2026-01-05\n",
        "books/invoice_lines.csv": "invoice,item_id.ref,quantity,tax_percentage\none,paper,1,0\n",
    }
    load(world, write(tmp_path, files))
    assert only(world.books.records("invoices"))["total"] == 480


def test_a_payment_settles_its_invoice(world: World, tmp_path: Path) -> None:
    files = {
        "books/contacts.csv": "ref,contact_name\nkita,Kita\n",
        "books/invoices.json": [
            {"ref": "one", "status": "sent", "customer_id.ref": "kita", "date": "today-9", "due_date": "today+21",
             "line_items": [{"name": "Work", "rate": 1000, "quantity": 1}]}
        ],
        "books/customerpayments.csv": "ref,customer_id.ref,date,amount\np,kita,today-2,400\n",
        "books/payment_lines.csv": "payment,invoice_id.ref,amount_applied\np,one,400\n",
    }  # fmt: skip
    load(world, write(tmp_path, files))
    invoice = only(world.books.records("invoices"))
    assert (invoice["status"], invoice["balance"], invoice["last_payment_date"]) == ("partially_paid", 600, "2026-01-31")
    assert only(world.books.records("contacts"))["outstanding_receivable_amount"] == 600


def test_contact_persons_of_their_own_file_join_their_customer(world: World, tmp_path: Path) -> None:
    files = {
        "books/contacts.csv": "ref,contact_name\nkita,Kita\n",
        "books/contact_persons.csv": "contact,last_name,is_primary_contact\nkita,Mori,false\nkita,Sato,true\n",
    }
    load(world, write(tmp_path, files))
    persons = only(world.books.records("contacts"))["contact_persons"]
    assert [(person["last_name"], person["is_primary_contact"]) for person in persons] == [("Mori", False), ("Sato", True)]


def test_relative_days_count_in_the_zone_of_the_world(world: World, tmp_path: Path) -> None:
    """At 2026-02-02 01:00 UTC it is 10:00 of the same day in Tokyo."""
    files = {
        "crm/Deals.csv": "Deal_Name,Stage,Closing_Date,Created_Time,Modified_Time\n"
        "One,Qualification,today+3,today-2 09:30,2026-02-01T00:00:00+00:00\n"
    }
    load(world, write(tmp_path, files))
    deal = only(world.crm.records("Deals"))
    assert deal["Closing_Date"] == "2026-02-05"
    assert deal["Created_Time"] == "2026-01-31T09:30:00+09:00"
    assert deal["Modified_Time"] == "2026-02-01T09:00:00+09:00"


def test_custom_fields_of_books_are_columns(world: World, tmp_path: Path) -> None:
    files = {"books/contacts.csv": "contact_name,cf_tax_registration_number\nKita,T9010001050002\n"}
    load(world, write(tmp_path, files))
    (field,) = only(world.books.records("contacts"))["custom_fields"]
    assert (field["api_name"], field["value"]) == ("cf_tax_registration_number", "T9010001050002")


def test_a_readme_beside_the_data_is_no_seed_file(world: World, tmp_path: Path) -> None:
    load(world, write(tmp_path, {"README.md": "x", "crm/notes.txt": "x", "crm/Accounts.csv": "Account_Name\nKita\n"}))
    assert len(world.crm.records("Accounts")) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"crm/Acounts.csv": "Account_Name\nKita\n"}, "crm/Acounts.csv:1: no such file is read. Is it Accounts?"),
        ({"crm/Accounts.csv": "Acount_Name\nKita\n"}, "crm/Accounts.csv:1: there is no column Acount_Name. Is it Account_Name?"),
        ({"crm/Accounts.csv": "Account_Name,Phone,\nKita,1,\n"}, "crm/Accounts.csv:1: column '' is empty or named twice"),
        ({"crm/Accounts.csv": ""}, "crm/Accounts.csv:1: the first line has to name the columns"),
        ({"crm/Accounts.csv": "Account_Name,Phone\nKita,1\nMinami\n"}, "crm/Accounts.csv:3: 1 cells under 2 columns"),
        ({"crm/Accounts.csv": 'Account_Name,Phone\n"two\nlines",1\nMinami\n'}, "crm/Accounts.csv:4: 1 cells under 2 columns"),
        ({"crm/Accounts.csv": "Account_Name,Employees\nKita,many\n"}, "crm/Accounts.csv:2: Employees: 'many' is not a number"),
        ({"crm/Accounts.csv": "Account_Name,Owner\nKita,me\n"}, "crm/Accounts.csv:1: Owner has to be written as Owner.ref"),
        (
            {"crm/Contacts.csv": "Last_Name,Account_Name.ref\nMori,kita\n"},
            "crm/Contacts.csv:2: Account_Name: 'kita' is no ref in Accounts",
        ),
        (
            {"crm/Accounts.csv": "ref,Account_Name\na,Kita\na,Minami\n"},
            "crm/Accounts.csv:3: ref 'a' stands in an earlier row too",
        ),
        (
            {"crm/Accounts.csv": "Account_Name,renkei_books_id\nKita,1\nMinami,1\n"},
            "crm/Accounts.csv:3: renkei_books_id '1' is unique and stands in line 2 too",
        ),
        (
            {"books/contacts.csv": "contact_name\nKita\nkita \n"},
            "books/contacts.csv:3: contact_name 'kita ' is unique and stands in line 2 too",
        ),
        (
            {"books/items.csv": "name,rate,tax_percentage\nPaper,1,7\n"},
            "books/items.csv:2: tax_percentage: the organisation has no tax of 7 %. Use one of: 0, 10, 8",
        ),
        ({"books/items.csv": "name\nPaper\n"}, "books/items.csv:2: rate is missing"),
        (
            {"books/invoice_lines.csv": "invoice,name\nnone,Work\n"},
            "books/invoice_lines.csv:2: invoice 'none' is no ref in books/invoices",
        ),
        (
            {"books/contacts.csv": "contact_name,created_time\nKita,yesterday\n"},
            "books/contacts.csv:2: created_time: 'yesterday' is not a time such as 2026-01-31T10:00:00+09:00 or today-45 09:30",
        ),
        (
            {"books/contacts.json": '[\n {"contact_name": "Kita"},\n {"contact_name" "Minami"}\n]'},
            "books/contacts.json:3: Expecting ':' delimiter",
        ),
        ({"books/contacts.json": '{"contact_name": "Kita"}'}, "books/contacts.json:1: the file has to be a list of objects"),
        (
            {"books/contacts.json": '[\n{"contact_name": "Kita"}\n{"contact_name": "Minami"}]'},
            "books/contacts.json:3: a comma or the end of the list is missing here",
        ),
        (
            {"books/contacts.json": '[\n{"contact_name": "Kita"},\n{"contact_name": "M", "billing_address": {"town": "x"}}]'},
            "books/contacts.json:3: there is no column billing_address.town",
        ),
        (
            {"books/contacts.json": '[{"contact_name": "Kita", "contact_persons": "Mori"}]'},
            "books/contacts.json:1: contact_persons has to be a list of objects; in CSV its lines stand in a file of their own",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(
    world: World, tmp_path: Path, files: dict[str, str | list[dict[str, Any]]], message: str
) -> None:
    assert refusal(world, tmp_path, files).startswith(message)


def test_the_same_table_as_csv_and_json_is_refused(world: World, tmp_path: Path) -> None:
    files = {"crm/Accounts.csv": "Account_Name\nKita\n", "crm/Accounts.json": "[]"}
    assert "a .csv and a .json" in refusal(world, tmp_path, files)


def test_a_file_that_is_not_utf8_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm/Accounts.csv").write_bytes("Account_Name\n青山\n".encode("cp932"))
    assert refusal(world, tmp_path, {}).startswith("crm/Accounts.csv:1: the file is not UTF-8")


def test_a_folder_that_is_none_or_holds_no_side_is_refused(world: World, tmp_path: Path) -> None:
    assert "is not a folder" in refusal(world, tmp_path / "missing", {})
    assert "neither a folder crm nor a folder books" in refusal(world, tmp_path, {"Accounts.csv": "Account_Name\n"})

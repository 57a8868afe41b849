"""What a run finds of the records that nobody touched: by the match keys that an earlier run's recall left in the ledger."""

from __future__ import annotations

from company import Company

from renkei.core.values import Ref


async def test_a_newcomer_finds_its_partner_that_was_settled_in_an_earlier_run(company: Company) -> None:
    company.choose(direction="to_books")
    customer = company.seed_books("contacts", contact_name="Alba Ltd", company_name="Alba Ltd", customer_sub_type="business")
    await company.sync(entities=("customers",))
    assert company.outcome(Ref("books", "contacts", customer)) == ("skipped", "direction")
    account = company.seed_crm("Accounts", Account_Name="ALBA Limited")
    report = await company.sync(entities=("customers",), full=False)
    assert report.entities["customers"]["outcomes"]["created"] == 0
    assert company.crm()[account]["renkei_books_id"] == customer


async def test_a_settled_record_is_found_under_its_new_name_and_no_longer_under_the_old_one(company: Company) -> None:
    company.choose(direction="to_books")
    customer = company.seed_books("contacts", contact_name="Alba Ltd", company_name="Alba Ltd", customer_sub_type="business")
    await company.sync(entities=("customers",))
    company.edit_books("contacts", customer, contact_name="Zephyr Ltd", company_name="Zephyr Ltd")
    await company.sync(entities=("customers",), full=False)
    old, new = company.seed_crm("Accounts", Account_Name="Alba Ltd"), company.seed_crm("Accounts", Account_Name="Zephyr Ltd")
    await company.sync(entities=("customers",), full=False)
    assert company.crm()[new]["renkei_books_id"] == customer
    assert company.crm()[old]["renkei_books_id"] not in (None, customer)

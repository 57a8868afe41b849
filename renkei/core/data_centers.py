"""Zoho's data centres and their hosts (crm-v8.md section 1, books-v3.md section 1.1).

A token works only in the data centre that issued it. Canada's accounts host is irregular on purpose.
"""

from __future__ import annotations

from renkei.core.connection import Edition, Hosts


def _hosts(accounts: str, api: str) -> Hosts:
    return Hosts(accounts=f"https://accounts.{accounts}", api=f"https://www.{api}", content=f"https://content.{api}")


DATA_CENTERS: dict[str, Hosts] = {
    "us": _hosts("zoho.com", "zohoapis.com"),
    "eu": _hosts("zoho.eu", "zohoapis.eu"),
    "in": _hosts("zoho.in", "zohoapis.in"),
    "au": _hosts("zoho.com.au", "zohoapis.com.au"),
    "jp": _hosts("zoho.jp", "zohoapis.jp"),
    "ca": _hosts("zohocloud.ca", "zohoapis.ca"),
    "sa": _hosts("zoho.sa", "zohoapis.sa"),
    "cn": _hosts("zoho.com.cn", "zohoapis.com.cn"),
}


def data_center_of(api: str) -> str | None:
    """The data centre whose API address this is, or None for a proxy, a sandbox or an unknown host."""
    address = api.rstrip("/").lower()
    return next((name for name, hosts in DATA_CENTERS.items() if hosts.api == address), None)


def console_of(data_center: str) -> str:
    """Where self clients are made; a client works only in the data centre of its console."""
    return DATA_CENTERS[data_center].accounts.replace("://accounts.", "://api-console.")


def sign_up_page(data_center: str, edition: Edition) -> str:
    """Where an account without an organisation gets one. The address is by analogy with the vendor's own (unverified)."""
    return DATA_CENTERS[data_center].accounts.replace("://accounts.", "://www.") + f"/{edition}/signup/"

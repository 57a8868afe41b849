"""Zoho's data centres and their hosts (crm-v8.md section 1, books-v3.md section 1.1).

A token works only in the data centre that issued it. Canada's accounts host is irregular on purpose.
"""

from __future__ import annotations

from renkei.core.connection import Hosts


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

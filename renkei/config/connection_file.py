"""The text of a new `connections/NAME.yaml`, with comments for whoever edits it next."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from renkei.core.connection import CustomerModules, Edition


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What `renkei connect` knows of a connection; everything else starts with its default.

    viewers            names of CRM profiles that may see everything that is published
    administrator      the user of this machine who connects: he holds every role at first
    credentials        alias of the CRM side, and of both sides where `books_credentials` is ""
    hosts              (accounts, api) of a sandbox or proxy, or None for the data centre's own
    mappings           the folder in mappings/ that overrides the files beside it, or ""
    """

    name: str
    data_center: str
    edition: Edition
    time_zone: str
    organization: str
    credentials: str
    books_credentials: str = ""
    hosts: tuple[str, str] | None = None
    modules: CustomerModules = "accounts"
    crm_key: str = "renkei_books_id"
    books_key: str = "cf_renkei_crm_id"
    crm_name: str = ""
    books_name: str = ""
    administrator: str = ""
    viewers: tuple[str, ...] = ()
    mappings: str = ""


def connection_text(new: NewConnection) -> str:
    """The YAML. Names of organisations stand in comments, one line each."""
    hosts = '\n  hosts: {{accounts: "{}", api: "{}"}}'.format(*new.hosts) if new.hosts else ""
    theirs = f"\n  credentials: {new.books_credentials}" if new.books_credentials else ""
    overrides = (
        f"\nmappings: {new.mappings:<24}# a folder in mappings/ that overrides the files beside it" if new.mappings else ""
    )
    return f"""\
# {_comment(new.crm_name)} ↔ {_comment(new.books_name)}. Every key: docs/reference/connection.md.
connection: {new.name}
time_zone: {new.time_zone}{overrides}
credentials: {new.credentials:<21}# RENKEI_{new.credentials}_CLIENT_ID …, or the encrypted store; never a secret in this file

crm:
  data_center: {new.data_center}{hosts}
books:
  edition: {new.edition}
  organization: "{new.organization}"{theirs}{hosts}

# Our unique fields. Each connection of an organisation needs its own.
keys: {{crm: {new.crm_key}, books: {new.books_key}}}

customers:
  modules: {new.modules:<23}# accounts | contacts | accounts_and_contacts
  direction: two_way              # two_way | to_books
  duplicates: ask                 # clone | overwrite | skip | link | ask: the same party is met unlinked on both sides
  conflicts: ask                  # clone | overwrite | skip | newest | books | ask: the same field was edited on both sides
products:
  direction: two_way
  duplicates: ask
  conflicts: ask

deals: none                       # estimates | invoices | none
closed_until: null                # "YYYY-MM-DD": documents up to that day are never touched
native: unknown                   # off, once the built-in integration of the CRM has been switched off
roles:                            # who may do what: docs/how-to/rights.md
  administrator: ["{new.administrator}"]
{_permissions(new)}"""


def _permissions(new: NewConnection) -> str:
    kinds = ["receivables", "estimates", "invoices"] + (["sales_orders"] if new.edition == "books" else [])
    may = ", ".join(f"{kind}: [view]" for kind in kinds)
    word = "PROFILE: {receivables: [view]} …; `renkei doctor` names who sees more than that"
    if not new.viewers:
        return f"permissions: {{}}                   # {word}\n"
    rows = "".join(f"  {json.dumps(name, ensure_ascii=False)}: {{{may}}}\n" for name in new.viewers)
    return f"permissions:                      # {word}\n{rows}"


def write_connection(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _comment(text: str) -> str:
    return " ".join(text.split())

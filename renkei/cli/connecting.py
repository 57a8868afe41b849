"""The command that sets a connection up: connect, with options or as a dialogue."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from renkei.cli.asked import Asked, show
from renkei.core.commands import command

if TYPE_CHECKING:
    from renkei.core.records import Organization
    from renkei.house import Contact, NewConnection, Settings

EDITIONS = ("books", "invoice")
MODULES = ("accounts", "contacts", "accounts_and_contacts")
PARTS = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")
Secret = Annotated[str | None, typer.Option(help="Better left out: then it is asked for unseen, or read from the environment.")]


def register(app: typer.Typer) -> None:
    app.command()(connect)


def connect(
    name: Annotated[str | None, typer.Option(help="The connection's name: small letters, digits, _ and -.")] = None,
    data_center: Annotated[str | None, typer.Option(help="us, eu, in, au, jp, ca, sa or cn.")] = None,
    edition: Annotated[str | None, typer.Option(help="books or invoice.")] = None,
    modules: Annotated[
        Literal["accounts", "contacts", "accounts_and_contacts"] | None,
        typer.Option(help="Which CRM modules are customers (accounts)."),
    ] = None,
    email: Annotated[str, typer.Option(help="Refuse a token of any other user.")] = "",
    organization: Annotated[str, typer.Option(help="Id of the organisation; listed and asked for where there are several.")] = "",
    credentials: Annotated[str, typer.Option(help="Alias of the credentials; left out, the name in capitals.")] = "",
    client_id: Annotated[str | None, typer.Option(help="Of the self client in the API console.")] = None,
    client_secret: Secret = None,
    grant_code: Annotated[str | None, typer.Option(help="From the API console; good once, for some minutes.")] = None,
    refresh_token: Annotated[str | None, typer.Option(help="Instead of a grant code.")] = None,
    books_email: Annotated[str, typer.Option(help="Where another user owns the Books side: his address.")] = "",
    books_client_id: Annotated[str | None, typer.Option(help="The self client of the Books side.")] = None,
    books_client_secret: Secret = None,
    books_grant_code: Annotated[str | None, typer.Option(help="The grant code of the Books side.")] = None,
    books_refresh_token: Annotated[str | None, typer.Option(help="The refresh token of the Books side.")] = None,
    hosts: Annotated[str, typer.Option(help="ACCOUNTS,API addresses of a sandbox or proxy, or one for both.")] = "",
    print_scopes: Annotated[bool, typer.Option("--print-scopes", help="Print the scopes for these settings, and end.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a connection file that is there.")] = False,
    propose: Annotated[
        bool | None, typer.Option("--propose/--no-propose", help="Write the proposed mappings; asked for in the dialogue.")
    ] = None,
    create_fields: Annotated[
        bool | None,
        typer.Option("--create-fields/--no-create-fields", help="Make our fields and modules; asked for in the dialogue."),
    ] = None,
    may_see: Annotated[
        list[str] | None, typer.Option(help="A CRM profile that may see what is published; others may not.")
    ] = None,
    no_plan: Annotated[bool, typer.Option("--no-plan", help="Do without the first plan.")] = False,
) -> None:
    """Set a connection up: tokens, organisation, fields, doctor, first plan. Stores nothing before all of it has passed."""
    from renkei.core.data_centers import DATA_CENTERS
    from renkei.core.errors import AskedWrongly, RenkeiError
    from renkei.engine.connect import way_out
    from renkei.house import NewConnection, Settings, credential_store, machine_user, with_shipped

    if print_scopes:
        _print_scopes(_one_of("--edition", edition or "books", "", EDITIONS), modules or "accounts", create_fields)
        return
    alias = credentials or (name or "").upper().replace("-", "_")
    two = any((books_client_id, books_client_secret, books_grant_code, books_refresh_token, books_email))
    answers = {"--edition": edition, "--name": name, "--data-center": data_center}
    answers |= _missing("--", alias, client_id, client_secret, grant_code or refresh_token)
    if two:
        theirs = (books_client_id, books_client_secret, books_grant_code or books_refresh_token)
        answers |= _missing("--books-", f"{alias}_BOOKS", *theirs)
    _all_said(answers)
    settings = Settings.from_environment(os.environ)
    chosen_edition: Any = _one_of("--edition", edition, "Edition", EDITIONS)
    name = _matching("--name", name, "Name of the connection", r"[a-z][a-z0-9_-]{0,39}")
    path = settings.connections / f"{name}.yaml"
    _free(path, force)
    center = _one_of("--data-center", data_center, "Data centre", tuple(DATA_CENTERS))
    if modules is None and _dialogue():
        modules = cast(Any, _one_of("--modules", None, "Customers are", MODULES, "accounts"))
    alias = credentials or name.upper().replace("-", "_")
    addresses = tuple(one.strip() for one in hosts.split(",")) if hosts else ()
    if len(addresses) > 2:
        raise AskedWrongly(f"--hosts: {hosts!r} has more than two addresses.", fix="Say ACCOUNTS,API, or one for both.")
    crm_key, books_key = _keys(settings, name, addresses[-1] if addresses else DATA_CENTERS[center].api)
    new = NewConnection(
        name, center, chosen_edition, "UTC", "", alias, f"{alias}_BOOKS" if two else "",
        (addresses[0], addresses[-1]) if addresses else None, modules or "accounts", crm_key, books_key,
        administrator=machine_user(),
    )  # fmt: skip
    _declarable(with_shipped(settings), new, path)
    if any(_missing("", one, None, None, None) for one in {alias, new.books_credentials or alias}):
        credential_store(os.environ).must_write()
    _steps(new, create_fields)
    given = _secrets(alias, client_id, client_secret, grant_code, refresh_token)
    given_books = given
    if two:
        given_books = _secrets(
            new.books_credentials, books_client_id, books_client_secret, books_grant_code, books_refresh_token, "--books-"
        )
    if not (given["kept"] and given_books["kept"]):
        credential_store(os.environ).must_write()
    emails = {"crm": email, "books": books_email or ("" if two else email)}
    secrets = {"crm": given, "books": given_books}
    try:
        asyncio.run(_connect(settings, new, path, secrets, emails, organization, propose, create_fields, may_see, not no_plan))
    except RenkeiError as error:
        error.fix = way_out(error, new.edition, new.modules, any(one.get("spent") for one in secrets.values()))
        raise


async def _connect(
    settings: Settings, new: NewConnection, path: Path, secrets: Mapping[Any, Any], emails: Mapping[str, str], organization: str,
    propose: bool | None, create: bool | None, may_see: list[str] | None, plan: bool,
) -> None:  # fmt: skip
    import dataclasses

    from renkei.cli import mapping, preparing
    from renkei.cli.setup import as_json, lines
    from renkei.core.errors import RenkeiError, Stopped
    from renkei.core.report import plan_summary
    from renkei.engine.connect import introduced, stops
    from renkei.house import (
        connection_text,
        copy_shipped,
        credential_store,
        first_contact,
        unwritten,
        with_shipped,
        write_connection,
    )

    async with first_contact(new, os.environ, secrets) as contact, _scopes_named(new, contact):
        for one in secrets.values():
            one["spent"] = "code" in one
        crm_user = await introduced("crm", contact.crm, emails["crm"])
        _tell(f"CRM token: {crm_user.name} <{crm_user.email}>, {crm_user.profile}")
        crm = await contact.crm.organization()
        who = emails["books"] or ("the user of the Books token" if new.books_credentials else crm_user.email)
        books = await _organisation(contact, organization, crm, who)
        books_user = await introduced("books", contact.books_of(books.id), emails["books"])
        _tell(f"Books token: {books_user.name} <{books_user.email}>, {books_user.profile}")
        _tell(f"Organisations: {crm.name} ({crm.id}) and {books.name} ({books.id})")
        new = dataclasses.replace(
            new,
            organization=books.id,
            time_zone=books.time_zone,
            crm_name=crm.name,
            books_name=books.name,
        )
        environ = {**os.environ, **contact.environ()}
        project = _project(with_shipped(settings), {path: connection_text(new)})
        new = dataclasses.replace(new, viewers=await _viewers(project, contact, new, create, may_see))
        proposals, files = await _proposed(settings, project, contact, new, propose)
    if files or (settings.mappings / new.name).is_dir():
        new = dataclasses.replace(new, mappings=new.name)
    text = connection_text(new)
    project = _project(with_shipped(settings), {path: text, **unwritten(project, files)})
    spec = project.connection(new.name)
    findings = await _looked(project, spec, environ)
    wrong = stops(findings)
    if wrong:
        _tell("\n".join(lines(findings)))
        raise Stopped(f"{wrong[0].check}: {wrong[0].said}. Nothing was stored.", fix=wrong[0].fix)
    made = [*copy_shipped(settings), *(one.path for one in files)]
    mapping.write(files)
    _store(new, secrets, environ, credential_store(os.environ))
    write_connection(path, text)
    _tell("\n".join([f"Written: {one}" for one in [*made, path]]))
    for one in secrets.values():
        one["spent"] = False  # what the code brought is kept
    made_there = None
    if not all(one.state != "fail" for one in findings) and create is not False:
        made_there = await _made(new.name, environ, create)
        findings = await _looked(project, spec, environ) if made_there and made_there[1] else findings
    well = all(one.state != "fail" for one in findings)
    report, failed = None, ""
    if well and plan:
        try:
            report = (await _first_plan(new.name, environ)).json()
        except RenkeiError as error:
            failed = f"The first plan failed: {error}"
    answer = {
        "connection": new.name, "file": str(path), "organization": books.id,
        "users": {"crm": crm_user.email, "books": books_user.email}, "well": well,
        "findings": [as_json(one) for one in findings], "plan": report, "failed": failed,
        "mappings": [mapping.as_json(one) for one in proposals], "proposed": [str(one.path) for one in files],
        "prepared": preparing.as_json(*made_there) if made_there else None,
    }  # fmt: skip
    told = [*lines(findings)]
    if report is not None:
        told += ["", *plan_summary(report)]
    if failed:
        told += ["", failed, f"{new.name} is connected. To try again: {command(new.name, 'plan --full')}"]
    if not well:
        told += ["", f"{new.name} is connected and not ready yet. After the fixes: {command(new.name, 'doctor')}"]
    show(answer, "\n".join(told))
    raise typer.Exit(0 if well and not failed else 1)


def _project(settings: Settings, texts: Mapping[Path, str]) -> Any:
    from renkei.core.errors import DeclarationError
    from renkei.house import read_project

    project, faults = read_project(settings, texts)
    if faults:
        raise DeclarationError(faults)
    return project


def _declarable(settings: Settings, new: NewConnection, path: Path) -> None:
    """What would be refused at the end is refused before anybody fetches a grant code, which is good once and for minutes."""
    import dataclasses

    from renkei.core.errors import AskedWrongly, DeclarationError
    from renkei.house import connection_text

    try:
        _project(settings, {path: connection_text(dataclasses.replace(new, organization="00000"))})
    except DeclarationError as error:
        said = list(dict.fromkeys(fault.message for fault in error.faults if fault.file == str(path)))
        if len(said) == 0 or any(fault.file != str(path) for fault in error.faults):
            raise
        raise AskedWrongly(f"These options will not do: {'; '.join(said)}.") from None


async def _looked(project: Any, spec: Any, environ: dict[str, str]) -> list[Any]:
    """What doctor finds; the credentials are those that were given here, wherever they will be kept."""
    import dataclasses

    from renkei.cli.setup import examined

    found = await examined(project, spec, environ, [])
    return [dataclasses.replace(one, said="as given here") if one.check == "credentials" else one for one in found]


async def _proposed(
    settings: Settings, project: Any, contact: Contact, new: NewConnection, wanted: bool | None
) -> tuple[list[Any], list[Any]]:
    """What the mappings could be, and the files to write: as the options or the dialogue say, and none that somebody edited."""
    from renkei.cli.mapping import lines
    from renkei.core.errors import ConnectionRefused
    from renkei.engine.propose import read_proposals
    from renkei.engine.work import SYNCED
    from renkei.house import proposed_files, reserved_names

    spec, books = project.connection(new.name), contact.books_of(new.organization)
    try:
        proposals = await read_proposals(contact.crm, books, spec, project.mappings[""], SYNCED, reserved_names(project))
    except ConnectionRefused:
        return [], []  # doctor names it, with everything else that is wrong
    _tell("\n".join(["Mappings:", *(f"  {line}" for line in lines(proposals))]))
    files = [one for one in proposed_files(settings, project, spec, proposals) if one.state in ("new", "renewed")]
    if files and wanted is None and _dialogue():
        wanted = typer.confirm(f"Write what is certain, and the rest as comments, to {files[0].path.parent}", True, err=True)
    if files and not wanted:
        _tell(f"Not written. At any time: {command(new.name, 'mapping propose')}")
    return proposals, files if wanted else []


async def _viewers(
    project: Any, contact: Contact, new: NewConnection, create: bool | None, named: list[str] | None
) -> tuple[str, ...]:
    """The CRM profiles that may see what is published: as the option says, else asked for where the modules are to be made."""
    from renkei.core.errors import AskedWrongly, ConnectionRefused
    from renkei.core.preparing import published

    spec = project.connection(new.name)
    wanted = None if named is None else tuple(named)
    if wanted is None and (create is False or not _dialogue()):
        return ()
    try:
        there, profiles = await contact.crm.modules(), [one.name for one in await contact.crm.profiles()]
    except ConnectionRefused:
        return ()  # doctor names it, with everything else that is wrong
    if wanted is None:
        if all(one.module in there for one in published(spec, project.summaries_of(spec))):
            return ()
        while wanted is None or not set(wanted) <= set(profiles):
            _tell(f"Profiles: {', '.join(profiles)}")
            words = "Which may see what is published (names, parted by commas)"
            said = typer.prompt(words, default="", show_default=False, err=True)
            wanted = tuple(one.strip() for one in said.split(",") if one.strip())
    for one in wanted:
        if one not in profiles:
            raise AskedWrongly(f"The CRM has no profile {one!r}.", fix=f"Use some of: {', '.join(profiles)}.")
    return wanted


async def _made(name: str, environ: dict[str, str], create: bool | None) -> Any:
    """(what was missing, what was made of it), as the option or the dialogue agreed. The connection is stored by now."""
    from renkei.cli.preparing import lines, prepared, told
    from renkei.core.errors import RenkeiError
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, machine_user

    def agreed(found: Any) -> bool:
        _tell("\n".join(lines(found)))
        yes = create or (_dialogue() and typer.confirm(f"Make these {len(found.steps)} now", True, err=True))
        if not yes:
            _tell(f"Not made. At any time: {command(name, 'prepare')}")
        return bool(yes)

    project = load_project(Settings.from_environment(environ))
    request = Request(kind="prepare", actor=machine_user())
    try:
        found, done = await prepared(project, project.connection(name), environ, request, agreed)
    except RenkeiError as error:
        _tell(f"{error} Then: {command(name, 'prepare')}")
        return None
    if done is not None:
        _tell("\n".join(told(found, done)))
    return found, done


async def _first_plan(name: str, environ: dict[str, str]) -> Any:
    from renkei.cli.running import run_once
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, machine_user

    project = load_project(Settings.from_environment(environ))
    request = Request(actor=machine_user(), full=True, plan_only=True)
    return await run_once(project, project.connection(name), environ, request)


def _store(new: NewConnection, secrets: Mapping[Any, Any], environ: Mapping[str, str], store: Any) -> None:
    """What did not come from the environment whole."""
    for side, alias in (("crm", new.credentials), ("books", new.books_credentials)):
        if alias and not secrets[side]["kept"]:
            store.put(alias, {part.lower(): environ[f"RENKEI_{alias}_{part}"] for part in PARTS})
            _tell(f"Stored, encrypted: the credentials {alias}")


@asynccontextmanager
async def _scopes_named(new: NewConnection, contact: Contact) -> AsyncIterator[None]:
    """A call that the token's scopes do not cover is refused with the names of all that lack, where the accounts host tells."""
    from renkei.core.errors import ScopeMissing
    from renkei.core.scopes import needed, not_covered

    try:
        yield
    except ScopeMissing as error:
        spec, lacking = _draft(new.edition, new.modules), []
        for side in ("crm", "books"):
            granted = await contact.granted(side)
            lacking += not_covered(needed(spec, side), granted) if granted else []
        if lacking:
            raise ScopeMissing(error.side, f"the token lacks the scopes {', '.join(lacking)}.") from None
        raise


async def _organisation(contact: Contact, wanted: str, crm: Organization, who: str) -> Organization:
    from renkei.core.errors import AskedWrongly, WrongOrganization
    from renkei.engine.connect import chosen, listed

    spec = contact.spec
    found = await contact.books.organizations()
    one = chosen(found, wanted, spec.crm.data_center, spec.edition, crm, who)
    while one is None:
        _tell("\n".join(f"  {each.id}  {each.name}, {each.currency}, {each.time_zone}" for each in found))
        if not _dialogue():
            raise AskedWrongly(f"There are several organisations: {listed(found)}.", fix="Say --organization ID.")
        try:
            one = chosen(found, typer.prompt("Organisation", err=True).strip(), spec.crm.data_center, spec.edition, crm, who)
        except WrongOrganization as error:
            _tell(error.what)
    return one


# ------------------------------------------------------------------------------------------------------------- asking


def _dialogue() -> bool:
    return sys.stdin.isatty() and not Asked.as_json


def _ask(option: str, value: str | None, words: str, *, hidden: bool = False, default: str | None = None) -> str:
    from renkei.core.errors import AskedWrongly

    if value is None and _dialogue():
        value = typer.prompt(words, default, hide_input=hidden, err=True)
    if not value or not value.strip():
        raise AskedWrongly(f"{option} is missing.", fix=f"Say {option}.")
    return value.strip()


def _missing(option: str, alias: str, client_id: str | None, secret: str | None, token: str | None) -> dict[str, str | None]:
    """What is said of a side's credentials, by option, of those that the environment does not have."""
    there = {part: os.environ.get(f"RENKEI_{alias}_{part}", "").strip() for part in PARTS}
    names = ("client-id", "client-secret", "grant-code")
    said = zip(PARTS, names, (client_id, secret, token), strict=True)
    return {f"{option}{name}": value for part, name, value in said if not there[part]}


def _all_said(answers: Mapping[str, str | None]) -> None:
    """AskedWrongly with every option that is missing, where nobody can be asked."""
    from renkei.core.errors import AskedWrongly

    lacking = [option for option, value in answers.items() if not (value or "").strip()]
    if lacking and not _dialogue():
        raise AskedWrongly(f"Missing: {', '.join(lacking)}.", fix="Say them; at a terminal, what is not said is asked for.")


def _matching(option: str, value: str | None, words: str, pattern: str) -> str:
    fault = f"will not do. It must match {pattern}."
    return _right(option, value, words, lambda answer: answer if re.fullmatch(pattern, answer) else None, fault)


def _one_of(option: str, value: str | None, words: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    fault = f"is none of {', '.join(allowed)}."

    def found(answer: str) -> str | None:
        return answer.lower() if answer.lower() in allowed else None

    return _right(option, value, f"{words} ({', '.join(allowed)})", found, fault, default)


def _right(
    option: str, value: str | None, words: str, read: Callable[[str], str | None], fault: str, default: str | None = None
) -> str:
    """The answer as it is understood. A wrong option is refused; whoever is asked is asked again."""
    from renkei.core.errors import AskedWrongly

    while True:
        answer = _ask(option, value, words, default=default)
        found = read(answer)
        if found is not None:
            return found
        if value is not None:
            raise AskedWrongly(f"{option}: {answer!r} {fault}")
        _tell(f"{answer!r} {fault}")


def _free(path: Path, force: bool) -> None:
    from renkei.core.errors import AskedWrongly

    if path.exists() and not force:
        raise AskedWrongly(f"{path} is there already.", fix="Choose another --name, or replace it with --force.")


def _keys(settings: Settings, name: str, api: str) -> tuple[str, str]:
    """Our fields' names: with the connection's name behind where another one at this address has the plain ones."""
    from renkei.house import read_project, with_shipped

    project, _ = read_project(with_shipped(settings), {})
    others = [one for one in project.connections.values() if one.name != name and one.crm.hosts.api == api.rstrip("/")]
    if any(one.crm_key == "renkei_books_id" or one.books_key == "cf_renkei_crm_id" for one in others):
        ending = name.replace("-", "_")
        return f"renkei_books_id_{ending}", f"cf_renkei_crm_id_{ending}"
    return "renkei_books_id", "cf_renkei_crm_id"


def _secrets(
    alias: str, client_id: str | None, client_secret: str | None, code: str | None, token: str | None, option: str = "--"
) -> dict[str, Any]:  # fmt: skip
    """From the options, else the environment, else asked for. `kept`: all of it stands in the environment already."""
    from renkei.core.errors import AskedWrongly

    there = {part: os.environ.get(f"RENKEI_{alias}_{part}", "").strip() or None for part in PARTS}
    secret = client_secret or there["CLIENT_SECRET"]
    found: dict[str, Any] = {
        "client_id": _ask(f"{option}client-id", client_id or there["CLIENT_ID"], f"Client id ({alias})"),
        "client_secret": _ask(f"{option}client-secret", secret, f"Client secret ({alias})", hidden=True),
    }
    if code and token:
        raise AskedWrongly("A grant code and a refresh token are two ways to the same.", fix="Say one of them.")
    token = token or (None if code else there["REFRESH_TOKEN"])
    if token:
        found["refresh_token"] = token
    else:
        found["code"] = _ask(f"{option}grant-code", code, f"Grant code ({alias})", hidden=True)
    found["kept"] = all(there[part] == found.get(part.lower()) for part in PARTS)
    return found


# ------------------------------------------------------------------------------------------------------------ telling


def _tell(text: str) -> None:
    """The way there goes to stderr: the answer alone is stdout."""
    print(text, file=sys.stderr)


def _draft(edition: Any, modules: Any) -> Any:
    from renkei.core.connection import ConnectionSpec, EntitySettings, Hosts, SideSettings

    nowhere = SideSettings(Hosts("", ""), "", "")
    return ConnectionSpec("", "UTC", nowhere, nowhere, edition, "", customers=EntitySettings(modules=modules))


def _print_scopes(edition: str, modules: str, create: bool | None) -> None:
    from renkei.core.scopes import needed, preparing

    spec = _draft(edition, modules)
    crm, books = (*needed(spec, "crm"), *(preparing(spec) if create else ())), needed(spec, "books")
    show({"crm": list(crm), "books": list(books)}, ",".join((*crm, *books)))


def _steps(new: NewConnection, create: bool | None) -> None:
    from renkei.core.data_centers import console_of
    from renkei.core.scopes import needed, preparing

    spec = _draft(new.edition, new.modules)
    besides = ",".join(preparing(spec))
    crm = ",".join((*needed(spec, "crm"), *([besides] if create else [])))
    books = ",".join(needed(spec, "books"))
    also = f"\n     and, for fields and modules that renkei is to make in the CRM:\n     {besides}" if create is None else ""
    two = "" if new.books_credentials else "\n  Where two users own the two sides, begin anew with --books-email ADDRESS."
    if new.books_credentials:
        who = "Authorise each side, as its user, who administers it and whom nobody else uses:"
        code = f"a code each, for 10 minutes, with the scope of his side:\n     CRM: {crm}\n     Books: {books}{also}"
    else:
        who = "Authorise, as a user who administers both sides and whom nobody else uses:"
        code = f"for 10 minutes, with this scope:\n     {crm},{books}{also}"
    _tell(
        f"""{who}
  1. Open {console_of(new.data_center)}, Add Client, Self Client: note client id and client secret.
  2. Generate Code, {code}
  3. Copy the code: it is good once.{two}"""
    )

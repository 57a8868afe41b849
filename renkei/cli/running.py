"""Commands that run the sequence: plan, apply, sync, publish, demo."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from renkei.cli.asked import Asked, ShowPersonal, desk, masked_hint, show
from renkei.cli.progress import progress_bars
from renkei.core.report import plan_lines, release_command, run_lines

if TYPE_CHECKING:
    from renkei.engine.sequence import Report
    from renkei.engine.work import Request


Environment = Annotated[
    Literal["sandbox", "production"] | None,
    typer.Option(help="What the connection writes to; must be said where that is production."),
]


async def run_once(project: Any, spec: Any, environ: dict[str, str], request: Request, mark: str = "") -> Report:
    """One run of a connection; with `mark`, the stored plan of that fingerprint is applied."""
    from renkei.engine.apply import apply_plan
    from renkei.engine.sequence import run_sequence
    from renkei.house import open_house

    with progress_bars() as progress:
        async with open_house(project, spec, environ, progress=progress) as rooms:
            if mark:
                return await apply_plan(rooms, request, mark)
            if request.plan_only or request.full:
                rooms.judge.warm()
            return await run_sequence(rooms, request)


def _run(mark: str = "", **asked: Any) -> Report:
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, typist_of

    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    typed = typist_of(spec, environ)
    request = Request(**{**asked, "actor": asked.get("actor") or typed, "typist": typed})
    return asyncio.run(run_once(project, spec, environ, request, mark))


def _entities(chosen: list[str] | None) -> tuple[str, ...]:
    from renkei.core.errors import AskedWrongly
    from renkei.engine.work import ENTITIES

    for one in chosen or []:
        if one not in ENTITIES:
            raise AskedWrongly(f"{one!r} is not an entity.", fix=f"Use one of: {', '.join(ENTITIES)}.")
    return tuple(chosen or ENTITIES)


def plan(
    entities: Annotated[
        list[str] | None, typer.Argument(help="customers, products, deals, documents, summaries; or: show FILE")
    ] = None,
    full: Annotated[bool, typer.Option(help="Compare every record.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the plan there too.")] = None,
    show_personal: ShowPersonal = False,
) -> None:
    """Read and decide; write nothing to either system. `plan show FILE` prints a plan again."""
    if entities and entities[0] == "show":
        _show_plan(entities[1:], show_personal)
        return
    print_plan(_run(entities=_entities(entities), full=full, plan_only=True), out, show_personal)


def print_plan(report: Report, out: Path | None, show_personal: bool) -> None:
    """What was planned, and where it is kept; `out`: there too."""
    assert report.file is not None
    if out is not None:
        out.write_bytes(report.file.read_bytes())
        report.file = out
    content = _in_full(report.json()) if show_personal else report.json()
    _print_plan(content, [f"note: {one}" for one in report.notes])


def _print_plan(content: dict[str, Any], notes: list[str]) -> None:
    lines = plan_lines(content) + notes
    show(content, "\n".join(lines + masked_hint("\n".join(lines))))


def _in_full(content: dict[str, Any]) -> dict[str, Any]:
    from renkei.engine.apply import in_full

    with desk() as opened:
        return in_full(opened.ledger, opened.spec.name, content)


def _show_plan(files: list[str], show_personal: bool) -> None:
    from renkei.core.errors import AskedWrongly
    from renkei.engine.apply import read_file

    if len(files) != 1:
        raise AskedWrongly("`plan show` needs one file.", fix="renkei plan show FILE")
    content = {**read_file(Path(files[0])), "plan": files[0]}
    if show_personal:
        content = _in_full(content)
    _print_plan(content, [])


def apply(
    file: Annotated[Path, typer.Argument(help="The file that `renkei plan` or a held run wrote.")],
    release: Annotated[list[str] | None, typer.Option(help="A brake to release for this plan.")] = None,
    released_by: Annotated[str, typer.Option("--as", help="Who releases it.")] = "",
    environment: Environment = None,
) -> None:
    """Carry out exactly that plan; rows whose record changed since are refused one by one."""
    from renkei.core.errors import AskedWrongly
    from renkei.engine.apply import read_file

    if release and not released_by:
        raise AskedWrongly("A brake is released by somebody.", fix="Add --as NAME.")
    mark = read_file(file)["fingerprint"]
    report = _run(mark, actor=released_by, release=tuple(release or ()), environment=environment or "")
    show(report.json(), "\n".join(run_lines(report.json())))
    raise typer.Exit(report.exit_code)


def sync(
    entities: Annotated[list[str] | None, typer.Argument(help="customers, products, deals, documents, summaries")] = None,
    full: Annotated[bool, typer.Option(help="Compare every record, as the nightly run does.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this record, its partner and what is published of it.")] = None,
    environment: Environment = None,
) -> None:
    """Plan, brakes, load and record."""
    report = _run(entities=_entities(entities), full=full, only=_refs(only), environment=environment or "")
    show(report.json(), "\n".join(run_lines(report.json())))
    raise typer.Exit(report.exit_code)


def publish(environment: Environment = None) -> None:
    """Publish documents and what customers owe to the CRM, compared with every document; no customer or product is written."""
    report = _run(entities=("documents", "summaries"), full=True, kind="publish", environment=environment or "")
    show(report.json(), "\n".join(run_lines(report.json())))
    raise typer.Exit(report.exit_code)


def _refs(words: list[str] | None) -> tuple[Any, ...]:
    from renkei.core.errors import AskedWrongly
    from renkei.core.values import Ref

    try:
        return tuple(Ref.parse(word) for word in words or ())
    except ValueError as error:
        raise AskedWrongly(str(error)) from None


def demo() -> None:
    """A whole sync of two imitated systems over real HTTP: plan, apply, and a second run that writes nothing."""
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, machine_user, with_hosts
    from renkei.sandbox.seeds import load
    from renkei.sandbox.serve import running
    from renkei.sandbox.world import World

    folder = Path("var/demo")
    shutil.rmtree(folder, ignore_errors=True)
    world = World(limits=False)
    load(world, "demo")
    with running(world) as address:
        environ = {
            **os.environ, "RENKEI_DATA": str(folder), "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": address["client_id"], "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
            "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
        }  # fmt: skip
        project = load_project(Settings.from_environment(environ))
        spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
        project = project.with_connection(spec)

        def step(title: str, mark: str = "", **asked: Any) -> Report:
            print(f"\n{title}", file=sys.stderr if Asked.as_json else sys.stdout)
            report = asyncio.run(run_once(project, spec, environ, Request(**{"actor": machine_user(), **asked}), mark))
            if not Asked.as_json:
                print("\n".join(run_lines(report.json())))
            return report

        rehearsed = step("1. The plan: read both systems and decide, write nothing", full=True, plan_only=True).json()
        step("2. The same as a sync is held: a first run needs a person's approval", full=True)
        released = tuple(sorted({one["brake"] for one in rehearsed["brakes"]}))
        step(
            f"3. Apply exactly that plan, released by name: {release_command(rehearsed).replace('NAME', machine_user())}",
            rehearsed["fingerprint"], release=released,
        )  # fmt: skip
        last = step("4. The next sync: nothing is left to write", full=True)
        show(
            last.json(),
            f"\nWhere to look next: RENKEI_LEDGER_URL=sqlite:///{folder}/renkei.db renkei runs | holds | ledger verify",
        )
        raise typer.Exit(last.exit_code)

"""`make up`: a sandbox, a Prefect server, the deployments and a worker on this machine, until Ctrl-C.

For looking around. What to start where in earnest stands in docs/how-to/deploy.md.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flows.server import answers
from renkei.core.deployments import POOL

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
READY_SECONDS = 180.0  # a new Prefect database took 9 to 60 s, the more the busier the machine
STOP_SECONDS = 20.0
SILENT = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false"}


class NotUp(Exception):
    """A part ended early or was not ready in time. The message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Up:
    """Where everything is. `environ` is the worker's: the demo's credentials, the ledger, Prefect's address."""

    page: str
    sandbox: str
    environ: Mapping[str, str]


@contextmanager
def up(
    folder: Path,
    environ: Mapping[str, str],
    *,
    port: int = 4200,
    sandbox_port: int = 8765,
    seed: str = "demo",
    ledger: str = "",
    say: Callable[[str], None] = print,
) -> Iterator[Up]:
    """Start sandbox, server, worker and deployments; stop them at the end of the block.

    folder        ledger, snapshots, Prefect's own memory, and one log a part
    environ       handed on to every part; RENKEI_CONNECTIONS in it may name another folder of connections
    sandbox_port  where connections/demo.yaml expects it
    ledger        its address; a SQLite file in the folder if left out
    raises        NotUp
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    page = f"http://{HOST}:{port}"
    ours = {
        **environ, **SILENT, "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": f"{page}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "2", "RENKEI_DATA": str(folder),
        "RENKEI_LEDGER_URL": ledger or f"sqlite:///{folder / 'renkei.db'}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")])),
    }  # fmt: skip
    with ExitStack() as parts:

        def start(name: str, *command: str) -> _Part:
            say(f"Starting the {name} …")
            return parts.enter_context(_part(folder / f"{name}.log", ours, command))

        server = start("server", "prefect", "server", "start", "--host", HOST, "--port", str(port))
        sandbox = start("sandbox", "renkei", "sandbox", "serve", "--port", str(sandbox_port), "--seed", seed, "--limits", "off")
        sandbox.wait_until(lambda: sandbox.log.read_bytes().startswith(b"{") and b"}\n" in sandbox.log.read_bytes())
        address = json.loads(sandbox.log.read_bytes().splitlines()[0])
        for name in ("client_id", "client_secret", "refresh_token"):
            ours[f"RENKEI_DEMO_{name.upper()}"] = address[name]
        server.wait_until(lambda: answers(f"{page}/api/health"))
        worker = start("worker", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", "4")
        worker.wait_until(lambda: answers(f"{page}/api/work_pools/{POOL}"))  # a worker makes its pool
        start("deployments", "renkei", "deploy").wait_for_its_end()
        yield Up(page, address["crm"], ours)


@dataclass(frozen=True, slots=True)
class _Part:
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, ready: Callable[[], bool]) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise NotUp(f"It did not start. The end of {self.log}:\n{self._end()}")
            time.sleep(0.1)

    def wait_for_its_end(self) -> None:
        try:
            code = self.process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        if code:
            raise NotUp(f"It failed. The end of {self.log}:\n{self._end()}")

    def _end(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


@contextmanager
def _part(log: Path, environ: Mapping[str, str], command: tuple[str, ...]) -> Iterator[_Part]:
    """A program of this environment in a process group of its own, so that Ctrl-C reaches us alone and we stop it whole."""
    program = Path(sys.executable).with_name(command[0])
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(program), *command[1:]], cwd=ROOT, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield _Part(process, log)
    finally:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        _signal(process, signal.SIGKILL)  # whatever of its group is left
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def main() -> None:
    folder = Path("var/up")
    for old in ("renkei.db", "renkei.db-wal", "renkei.db-shm", "snapshots"):  # the sandbox begins anew, so its ledger does
        path = folder / old
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with up(folder, os.environ) as here:
            api, ledger = here.environ["PREFECT_API_URL"], here.environ["RENKEI_LEDGER_URL"]
            print(
                f"""
Prefect's pages   {here.page}
Both systems      {here.sandbox} (the sandbox)
A nightly run     PREFECT_API_URL={api} .venv/bin/prefect deployment run nightly/demo --watch
What it did       RENKEI_LEDGER_URL={ledger} .venv/bin/renkei runs
Logs              {folder}/*.log
Ctrl-C stops everything."""
            )
            signal.pause()
    except KeyboardInterrupt:
        print("\nStopped.")
    except NotUp as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

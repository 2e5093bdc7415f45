"""Clients and servers of others, unchanged, with ours: ``python -m benchmarks.interop [NAME ...]``, `make interop`.

Each lives in an environment of its own. Their clients ask our server, through each of its transports, in every type the
protocol has; our session asks their servers for a network, and its answers must be the network's. It takes minutes and
a gigabyte.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from autoscale_runtime.server.server import serve
from autoscale_runtime.server.transports.choice import NAMES as TRANSPORTS
from benchmarks.environments import python_with
from benchmarks.interop.models import write_models
from benchmarks.interop.starting import HERE, NEEDS, free_port, server_command, started

CLIENTS: Final = ("tritonclient", "kserve", "mlserver")
SERVERS: Final = ("mlserver", "triton", "kserve")
ASKED_S: Final = 180.0
Checks = Mapping[str, bool]


def main() -> None:
    """Run them, print a table; exit code 1 where a check fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interop", description=__doc__.partition("\n")[0])
    names = [*(f"client:{each}" for each in CLIENTS), *(f"server:{each}" for each in SERVERS)]
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*names, []], help=f"which: {', '.join(names)}")
    table = Table("who met whom", "checks", "failed")
    is_good = True
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        for name in parser.parse_args().names or names:
            for meeting, checks in meetings(name, Path(folder)):
                failed = [check for check, holds in checks.items() if not holds]
                is_good = is_good and not failed
                table.add_row(meeting, str(len(checks)), ", ".join(failed) or "-")
    Console().print(table)
    sys.exit(not is_good)


def meetings(name: str, models: Path) -> Iterator[tuple[str, Checks]]:
    """Who met whom, and what came of it; a meeting that did not happen is a check that failed."""
    kind, _, whose = name.partition(":")
    if kind == "server":
        yield f"our session at {whose}'s server", _caught(their_server, whose, models)
    else:
        for transport in TRANSPORTS:
            yield f"{whose}'s client, {transport}", _caught(their_client, whose, models, transport)


def _caught(meet: Callable[..., Checks], *given: object) -> Checks:
    try:
        return meet(*given)
    except (RuntimeError, subprocess.SubprocessError) as error:
        return {str(error): False}


def their_client(whose: str, models: Path, transport: str) -> Checks:
    """What a client of theirs says of our server."""
    python = python_with(f"interop/{whose}", NEEDS[whose])
    with serve(models, transport=transport) as ours:
        return _said([python, "-P", HERE / "clients" / f"with_{whose}.py", ours.address])


def their_server(whose: str, models: Path) -> Checks:
    """What our session says of a server of theirs."""
    model = models / "net" / "1" / "model.onnx"
    server = server_command(whose, [model], free_port())
    ask = [sys.executable, "-P", str(HERE / "clients" / "ours.py"), f"127.0.0.1:{server[-1]}", str(model)]
    if whose == "kserve":  # listens at every interface, whatever it is told: so it has none but loopback
        if shutil.which("unshare") is None:
            raise RuntimeError("unshare is not here: KServe would listen to the world")
        return _said(["unshare", "-Urn", sys.executable, "-m", "benchmarks.interop.alone", *server, "--", *ask])
    with started(server):
        return _said(ask)


def _said(command: Sequence[str | Path]) -> Checks:
    done = subprocess.run(command, capture_output=True, text=True, timeout=ASKED_S, check=False, cwd=HERE.parent.parent)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    checks: Checks = json.loads(done.stdout.splitlines()[-1])
    return checks


if __name__ == "__main__":
    main()

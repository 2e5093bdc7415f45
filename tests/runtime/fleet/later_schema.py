"""Copies of the packages as a later version will be: the table has grown columns, and with them a schema.

A copy is run in processes of its own, as a device or a collector of that version.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import autoscale
import autoscale_runtime
from autoscale.fleet.ledger.schema import SCHEMA

ROOT: Final = Path(autoscale.__file__).parents[1]

LATER: Final = (
    ('Column("queue_us", "int64", "µs", "time in a queue", "outcome.latency_s", True, since={})',),
    (
        'Column("tries", "int32", "", "targets that were tried", "attempts", since={}, default=1)',
        'Column("engine", "text", "", "what ran it", "target.processor", True, since={})',
    ),
)
"""What the next schema adds, and the one after it; their figures are those of older columns, so that they are known."""

BACKWARDS: Final = "COLUMNS = COLUMNS[::-1]"
"""Their order means nothing."""


@dataclass(frozen=True)
class Version:
    """A later version of the packages in a folder of its own."""

    folder: Path
    schema: int

    def run(self, script: str, *arguments: object) -> Any:
        """What a script says, as JSON."""
        done = self._start(["-c", script, *map(str, arguments)])
        printed, error = done.communicate(timeout=300)
        assert done.returncode == 0, error
        return json.loads(printed) if printed else None

    def command(self, *arguments: object) -> str:
        """What ``autoscale fleet`` says."""
        done = self._start(["-c", FLEET, *map(str, arguments)])
        printed, error = done.communicate(timeout=300)
        assert done.returncode == 0, error
        return printed

    @contextmanager
    def collecting(self, ledger: Path, *options: object) -> Iterator[str]:
        """The address of a collector of this version."""
        with self._start(["-c", FLEET, "collect", str(ledger), "--port", "0", *map(str, options)]) as collector:
            try:
                assert collector.stdout is not None
                yield collector.stdout.readline().split()[-1]
            finally:
                collector.send_signal(signal.SIGTERM)
                assert collector.wait(60) == 0

    def _start(self, arguments: list[str]) -> "subprocess.Popen[str]":
        paths = [str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,  # which Python looks into first
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


FLEET: Final = "from autoscale.fleet.fleet_command import fleet; fleet()"


def later_version(folder: Path, steps: int) -> Version:
    """Copy the packages into a folder, and add the columns of the next schemas: as the recipe in docs/ says."""
    ignore = shutil.ignore_patterns("__pycache__")
    for package in (autoscale, autoscale_runtime):
        shutil.copytree(Path(package.__file__).parent, folder / package.__name__, ignore=ignore)
    if (ROOT / "devices").is_dir():
        shutil.copytree(ROOT / "devices", folder / "devices")
    path, schema = folder / "autoscale" / "fleet" / "ledger" / "schema.py", SCHEMA + steps
    table = path.read_text().replace(f"SCHEMA: Final = {SCHEMA}\n", f"SCHEMA: Final = {schema}\n")
    columns = [each.format(SCHEMA + 1 + i) for i, step in enumerate(LATER[:steps]) for each in step]
    lines = "".join(f"    {each},\n" for each in columns)
    path.write_text(table.replace(")\n\nBY_NAME", f"{lines})\n\n{BACKWARDS}\nBY_NAME"))
    version = Version(folder, schema)
    assert version.run(WHICH) == [schema, str(path)]
    return version


WHICH: Final = """
import json
from autoscale.fleet.ledger import schema
print(json.dumps([schema.SCHEMA, schema.__file__]))
"""

"""The ledger, killed at its every step: what was done is done, the rest as if never begun, nothing counts twice."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("case", "how", "kills"),
    [
        ("commit", "calls", 30),
        ("commit", "writes", 8),
        ("merge", "calls", 15),
        ("merge", "writes", 8),
        ("readmit", "calls", 20),
        ("readmit", "writes", 8),
        ("reopen", "calls", 8),
        ("forget", "some calls", 8),
        ("retain", "some calls", 8),
        ("months", "some calls", 8),
    ],
)
def test_killed_anywhere_it_recovers_to_an_exact_count(tmp_path: Path, case: str, how: str, kills: int) -> None:
    command = [sys.executable, "-m", "tests.runtime.fleet.crash_parts", case, how, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= kills

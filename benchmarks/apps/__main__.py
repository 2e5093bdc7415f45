"""Applications of others, unchanged, on a session that decides: ``python -m benchmarks.apps [NAME ...]``, `make apps`.

Each lives in an environment of its own, with what PyPI serves of it today, and runs twice: as it is, and after
``autoscale_runtime.install()``. Its outputs must be equal; how many of its queries were decided is told. Their weights
come in their packages, or are random. It takes minutes and gigabytes, mostly PyTorch's.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.environments import python_with

ROOT: Final = Path(__file__).parent.parent.parent
PLACE: Final = ROOT / ".venv" / "apps"
TORCH: Final = "torch==2.13.0"
TOLERANCE: Final = 1e-4
"""Relative and absolute: another number of threads adds in another order."""

APPS: Final = {
    "rapidocr": ["rapidocr-onnxruntime"],
    "silero_vad": [TORCH, "silero-vad", "onnxruntime"],
    "magika": ["magika"],
    "nudenet": ["nudenet"],
    "optimum": [TORCH, "optimum-onnx[onnxruntime]"],
}
"""Name of a script beside this one to what it needs."""


@dataclass(frozen=True)
class Result:
    """What an application printed, and what became of its queries."""

    outputs: Any
    decided: int
    handed_through: int


def main() -> None:
    """Run them, print a table; exit code 1 where one fails or answers otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apps", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*APPS, []], help=f"which: {', '.join(APPS)}")
    table = Table("application", "equal outputs", "decided", "handed through")
    is_good = True
    for name in parser.parse_args().names or APPS:
        python = python_with(f"apps/{name}", [*APPS[name], str(ROOT)])
        bare, ours = _run(python, name, "bare"), _run(python, name, "installed")
        is_equal = _is_equal(bare.outputs, ours.outputs)
        is_good = is_good and is_equal and ours.decided > 0
        table.add_row(name, "yes" if is_equal else "NO", str(ours.decided), str(ours.handed_through))
    Console().print(table)
    sys.exit(not is_good)


def _run(python: Path, name: str, how: str) -> Result:
    runner, script = Path(__file__).with_name("runner.py"), Path(__file__).with_name(f"{name}.py")
    command = [python, "-P", "-W", "ignore", str(runner), how, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PLACE, timeout=900, check=False)
    if done.returncode:
        sys.exit(f"{name}, {how}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def _is_equal(one: Any, other: Any) -> bool:
    """Whether they are the same, numbers up to their last digits."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_equal(each, other[key]) for key, each in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(_is_equal(*each) for each in zip(one, other, strict=True))
    if isinstance(one, float):
        return bool(np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE))
    return bool(one == other)


if __name__ == "__main__":
    main()

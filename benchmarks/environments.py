"""Environments of their own for what others made: with what the index serves of it today, kept for the next time."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PLACE: Final = Path(__file__).parent.parent / ".venv"


def python_with(place: str, packages: Sequence[str], base: str = sys.executable) -> Path:
    """Python of an environment that has these packages, and whatever they need.

    Args:
        place: of it, below ``.venv``.
        packages: as pip takes them.
        base: the Python that it is of.
    """
    folder = PLACE / place
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"making an environment for {place} ...", flush=True)
        subprocess.run([base, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python

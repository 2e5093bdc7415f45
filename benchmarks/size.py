"""What the base and ONNX Runtime weigh and how long a session's import takes, in a new virtual environment.

Run from the root: ``python -m benchmarks.size``. It takes a minute and asks pip for the packages.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median
from typing import Any, Final

Row = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parent.parent
LIMIT_MB: Final = 230.0
LIMIT_S: Final = 0.25
IMPORTS: Final = 10
UNWANTED: Final = ("torch", "pandas")

_IMPORT: Final = "from time import monotonic as now; t = now(); from autoscale_runtime import Session; print(now() - t)"
_FOUND: Final = "import sys, importlib.util as u; print(sum(u.find_spec(each) is not None for each in sys.argv[1:]))"


def run() -> list[Row]:
    """Install, weigh, import."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python, empty_mb = Path(folder) / "bin" / "python", weight_mb(Path(folder))
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), f"{ROOT}[ort]"], check=True)
        size_mb = weight_mb(Path(folder)) - empty_mb
        seconds = [float(_printed(python, _IMPORT)) for _ in range(IMPORTS)]
        unwanted = int(_printed(python, _FOUND, *UNWANTED))
    return [
        _row("base install", size_mb, "MB", LIMIT_MB),
        _row("import Session", median(seconds), "s", LIMIT_S),
        _row(f"of {' and '.join(UNWANTED)} installed", unwanted, "", 0),
    ]


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:36} {row['value']:8.2f} {row['unit']:4} <= {row['target']:g}  {row['peer']}")


def weight_mb(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink()) / 1e6


def _printed(python: Path, script: str, *arguments: str) -> str:
    """What a script prints, run where nothing of the checkout can be imported."""
    command = [str(python), "-I", "-c", script, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=python.parent).stdout


def _row(name: str, value: float, unit: str, target: float) -> Row:
    return {"name": name, "value": value, "unit": unit, "target": target, "peer": f"Python {sys.version.split()[0]}"}


if __name__ == "__main__":
    main()

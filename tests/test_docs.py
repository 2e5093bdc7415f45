"""Every page is true: its code runs, without a warning, in the order and the words in which it is printed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs_page import blocks

ROOT = Path(__file__).parent.parent
RUN = {"python", "console", "diff"}
PROJECT = ("autoscale", "benchmarks", "devices", "envs", "examples", "proto", "runtime")
ALL = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in ALL if any(block.title or block.language in RUN for block in blocks(page.read_text()))]


def follow(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    changes_the_project = any(block.language == "diff" for block in blocks(page.read_text()))
    for name in PROJECT if changes_the_project else ["examples"]:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-W", "error", str(ROOT / "tests" / "docs_page.py"), str(page)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    for extra in ("gymnasium", "duckdb", "onnx", "grpc_health"):
        pytest.importorskip(extra)
    done = follow(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*?(?:/|\.(?:py|md|toml|proto)))`", page.read_text())
    places = (ROOT, ROOT / "runtime", ROOT / "envs")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_into_the_project_lead_somewhere(page: str) -> None:
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#]+)#?([^)]*)\)", (ROOT / page).read_text()):
        assert (ROOT / name).exists(), name
        headings = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(), re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
        assert not anchor or anchor in slugs, f"{name}#{anchor}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_architecture_page_has_the_layers_that_import_linter_holds() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    drawn = 0
    for contract in project["tool"]["importlinter"]["contracts"]:
        for container in contract.get("containers", []):
            layers = " > ".join(each.replace(" | ", ", ") for each in contract["layers"])
            row = f"| `{container}` | {layers} |"
            assert row in page, f"docs/architecture.md lacks: {row}"
            drawn += 1
    assert drawn >= 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('\n```python\nx = 1\nraise ValueError("no")\n```\n', 'page.md", line 4'),
        ('```python\nimport warnings\nwarnings.warn("old", DeprecationWarning)\n```\n', "DeprecationWarning: old"),
        ("```console\n$ autoscale devices no-such-device\n```\n", "no-such-device"),
        (
            "<!-- not run: it takes a day -->\n```console\n$ autoscale evaluate --no-such-option\n```\n",
            "no-such-option",
        ),
        ("```console\n$ rm -rf .\n```\n", "only autoscale and python are run"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(text: str, complaint: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = follow(page, tmp_path)
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr

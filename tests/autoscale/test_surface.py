"""The public interface, which is what the three packages export: documented, light to import, and all that is shown."""

import ast
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import autoscale
import autoscale_envs
import autoscale_runtime
from autoscale import errors

ROOT = Path(__file__).parent.parent.parent
PUBLIC = {
    "autoscale": [
        *("Agent", "Choice", "Context", "Electricity", "Forecast", "Goal", "Intensity", "IntensitySource", "Method"),
        *("Observation", "Outcome", "Record", "Target", "account", "check_agent", "check_intensity_source"),
        *("check_world", "errors", "load_device", "load_network", "load_policy", "make_agent", "read_ledger"),
        *("run_query", "save_policy"),
    ],
    "autoscale_runtime": [
        *(
            "Answer",
            "Backend",
            "Cascade",
            "CascadeCalibration",
            "CascadeDecision",
            "CounterMeter",
            "LedgerWriter",
            "RemoteModel",
            "Rules",
            "Runner",
            "Sensor",
            "Session",
        ),
        *("SessionOptions", "TensorSpec", "UploadOptions", "Uploader", "check_backend", "check_meter", "check_sensor"),
        *("collect", "install", "nearby", "offloadable", "serve", "uninstall"),
    ],
    "autoscale_envs": ["MeasuredWorld", "Scenario", "SimWorld", "Training", "WorldOptions", "read_measured", "train"],
}
"""Taking one away, or renaming it, breaks the users' programs: that is for a major version."""

MIRRORS = {"autoscale_runtime.litert", "autoscale_runtime.ort"}
"""Modules with the names of another package's, which users import in its stead."""

SHOWN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*.py"))]
NAMES = sorted(
    module.name
    for package in (autoscale, autoscale_runtime, autoscale_envs)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if "._proto" not in module.name
)


@pytest.mark.parametrize("package", PUBLIC)
def test_what_the_packages_export(package: str) -> None:
    module = import_module(package)
    assert module.__all__ == PUBLIC[package]
    for name in PUBLIC[package]:
        member = getattr(module, name)
        assert inspect.getdoc(member), name
        assert member is getattr(module, name)
    assert module.__all__ == sorted(_typed_names(module)), "type checkers and users see different names"
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Gaol'"):
        module.Gaol  # noqa: B018


def test_each_name_is_on_the_pages_of_the_api() -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    assert {f"{package}.{name}" for package, names in PUBLIC.items() for name in names} <= shown


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_shown_to_users_imports_nothing_else(path: Path) -> None:
    for code in [path.read_text()] if path.suffix == ".py" else _python_blocks(path.read_text()):
        for module, names in _imports(ast.parse(code)):
            root = module.partition(".")[0]
            if root in PUBLIC and module not in MIRRORS:
                assert module == root, f"{path.name} imports {module}"
                assert set(names) <= set(PUBLIC[root]), f"{path.name} imports {names} from {root}"


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_documented(name: str) -> None:
    if name.startswith("autoscale_envs"):
        pytest.importorskip("stable_baselines3")
    module = import_module(name)
    assert module.__doc__
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            methods = {f"{name}.{each}": value for each, value in vars(member).items() if not each.startswith("_")}
            members = {name: member} | {k: v for k, v in methods.items() if inspect.isfunction(v) or _is_property(v)}
        else:
            members = {name: member} if inspect.isfunction(member) else {}
        assert [each for each, value in members.items() if not inspect.getdoc(value)] == []
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names))  # ruff keeps them sorted (RUF022)
    assert all(hasattr(module, name) for name in names)


def test_every_error_is_drawn_in_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, Exception):
            assert f" {name} " in drawn or f"\n    {name}\n" in drawn
            assert issubclass(kind, errors.AutoScaleError)


LIGHT = """
import sys
before = set(sys.modules)
import autoscale
assert "numpy" not in sys.modules, "import autoscale is not free"
from autoscale import *
import autoscale.agents.corrector, autoscale.agents.q_learning, autoscale.agents.fixed
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(roots - set(sys.stdlib_module_names) - {"autoscale", "numpy", "cython_runtime"}))
"""


def test_the_engine_needs_numpy_alone() -> None:
    done = subprocess.run((sys.executable, "-c", LIGHT), capture_output=True, text=True, check=True, timeout=60)
    foreign = [name for name in done.stdout.split() if not name.startswith("_")]
    assert foreign == []


def _is_property(value: object) -> bool:
    return isinstance(value, property)


def _typed_names(module: ModuleType) -> Iterator[str]:
    """What the package imports for type checkers; submodules it exports are imported for everybody."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (name for _, names in _imports(node) for name in names)
    yield from (name for name in module.__all__ if inspect.ismodule(getattr(module, name)))


def _python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python.*\n((?:.*\n)*?)```$", text, re.MULTILINE)


def _imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]

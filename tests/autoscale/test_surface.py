"""The public surface: documented, sorted, light to import."""

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import autoscale
from autoscale import errors

NAMES = sorted(module.name for module in pkgutil.walk_packages(autoscale.__path__, "autoscale."))


@pytest.fixture(params=NAMES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def test_everything_public_is_documented(module: ModuleType) -> None:
    assert module.__doc__
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            methods = {f"{name}.{each}": value for each, value in vars(member).items() if not each.startswith("_")}
            members = {name: member} | {k: v for k, v in methods.items() if inspect.isfunction(v) or _is_property(v)}
        else:
            members = {name: member} if inspect.isfunction(member) else {}
        assert [each for each, value in members.items() if not value.__doc__] == []


def _is_property(value: object) -> bool:
    return isinstance(value, property)


def test_all_is_sorted_and_true(module: ModuleType) -> None:
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
import autoscale, autoscale.loop, autoscale.agents.policies, autoscale.checks
import autoscale.agents.cost_model, autoscale.agents.q_learning, autoscale.agents.fixed
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(roots - set(sys.stdlib_module_names) - {"autoscale", "numpy", "cython_runtime"}))
"""


def test_the_engine_needs_numpy_alone() -> None:
    done = subprocess.run((sys.executable, "-c", LIGHT), capture_output=True, text=True, check=True, timeout=60)
    foreign = [name for name in done.stdout.split() if not name.startswith("_")]
    assert foreign == []

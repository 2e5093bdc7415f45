"""Old names of modules still import, say where they went, and hand out the very same things."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from autoscale._moved import MOVED, MovedModule


@pytest.fixture(autouse=True)
def unmet() -> Iterator[None]:
    """Nobody has met an old name before, and nobody does after: an import leaves it on its package."""
    forget()
    yield
    forget()


def forget() -> None:
    for old in MOVED:
        sys.modules.pop(old, None)
        package, _, name = old.rpartition(".")
        if isinstance(vars(sys.modules.get(package, sys)).get(name), MovedModule):
            delattr(sys.modules[package], name)


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_stands_for_the_new_module(old: str) -> None:
    pytest.importorskip("gymnasium")
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MOVED[old]}"):
        module = import_module(old)
    new = import_module(MOVED[old])
    names = [name for name in vars(new) if not name.startswith("_")]
    assert all(getattr(module, name) is getattr(new, name) for name in names)


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("autoscale.goals")
    with pytest.warns(DeprecationWarning), pytest.raises(ImportError, match="Gaol"):
        exec("from autoscale.goal import Gaol", {})


def test_the_warning_points_at_the_import() -> None:
    code = "import warnings; warnings.simplefilter('always')\nfrom autoscale.goal import Goal\nprint(Goal().objective)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "energy\n"
    assert "<string>:2: DeprecationWarning: autoscale.goal is now autoscale.query.goal" in done.stderr

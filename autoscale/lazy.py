"""Packages whose names are imported when they are first asked for (PEP 562): importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

Attribute = Callable[[str], object]


def lazy_names(package: str, homes: Mapping[str, str]) -> Attribute:
    """What a package's ``__getattr__`` shall be.

    Args:
        package: its ``__name__``.
        homes: module to the names that the package exports from it, separated by spaces.
    """
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def __getattr__(name: str) -> object:  # noqa: N807 - it is what the package calls it
        if name not in home_of:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__

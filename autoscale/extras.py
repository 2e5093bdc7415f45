"""What an extra of AutoScale brings, imported where it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from autoscale.errors import MissingExtra


@contextmanager
def needed(package: str, extra: str, what: str) -> Iterator[None]:
    """Around the import of a package that an extra brings.

    Args:
        package: which is imported.
        extra: which brings it.
        what: it is needed for, as the message has it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtra(package, extra, what) from error


def package(name: str, extra: str, what: str, distribution: str = "") -> Any:
    """A package that an extra brings, or a part of it.

    Args:
        name: of the module.
        extra: which brings it.
        what: it is needed for, as the message has it.
        distribution: what pip calls the package; its first module's name, where that is not said.

    Raises:
        MissingExtra: it is not installed.
    """
    with needed(distribution or name.partition(".")[0], extra, what):
        return import_module(name)

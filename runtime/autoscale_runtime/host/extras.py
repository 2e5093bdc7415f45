"""What an extra of AutoScale brings, imported where it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

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

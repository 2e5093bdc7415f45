"""What holds something until it is closed: the one home of being a context manager."""

from types import TracebackType
from typing import Self


class Closing:
    """Its ``with`` block ends with ``close()``."""

    def close(self) -> None:
        """Give back what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

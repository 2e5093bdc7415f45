"""Messages that differ in their raw contents alone, as a client's do: what one says beside them is read once."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from autoscale_runtime.wire.head import Bytes, Span, raw_spans

T = TypeVar("T")

_MOST_TOLD_BYTES: Final = 4 << 10
_MOST_LENGTHS: Final = 64
_MOST_OF_A_LENGTH: Final = 4


class Known(NamedTuple, Generic[T]):
    """One kind of message.

    Attributes:
        value: what was read of it.
        raw: where its raw contents are.
        marks: where everything else begins and ends, and its bytes: tags and lengths of the raw contents too.
    """

    value: T
    raw: Sequence[Span]
    marks: Sequence[tuple[int, int, bytes]]


class Alike(Generic[T]):
    """Knows a message again whose bytes are those of an earlier one but for the raw contents.

    What it keeps is bounded, so that callers whose messages are all different cost no memory.

    Args:
        read: makes of a message, and of where its raw contents are, what is kept; what it raises is not.
    """

    def __init__(self, read: Callable[[Bytes, Sequence[Span]], T]) -> None:
        self._read = read
        self._known: dict[int, tuple[Known[T], ...]] = {}

    def of(self, message: Bytes) -> Known[T]:
        """What is known of a message, or is read now.

        Raises:
            FeedError: the bytes are no message; or what ``read`` raises.
        """
        for known in self._known.get(len(message), ()):
            for begin, end, mark in known.marks:
                if message[begin:end] != mark:
                    break
            else:
                return known
        return self._met(message)

    def _met(self, message: Bytes) -> Known[T]:
        raw = raw_spans(message)
        value = self._read(message, raw)
        if len(message) - sum(end - start for start, _, end in raw) > _MOST_TOLD_BYTES:
            return Known(value, raw, ())
        known = Known(value, raw, _marks(message, raw))
        before = self._known.get(len(message), ())
        if not before and len(self._known) >= _MOST_LENGTHS:
            self._known.clear()
        self._known[len(message)] = (known, *before)[:_MOST_OF_A_LENGTH]
        return known


def _marks(message: Bytes, raw: Sequence[Span]) -> list[tuple[int, int, bytes]]:
    ends, begins = [0, *(end for _, _, end in raw)], [*(begin for _, begin, _ in raw), len(message)]
    return [(at, to, bytes(message[at:to])) for at, to in zip(ends, begins, strict=True) if to > at]

"""Messages that differ in their raw contents alone, as a client's do: what one says beside them is read once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from autoscale_runtime.wire.head import RAW_INPUT_CONTENTS, Bytes, told_and_raw

T = TypeVar("T")

_MOST_TOLD_BYTES: Final = 4 << 10
_MOST_LENGTHS: Final = 64
_MOST_OF_A_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """One kind of message.

    Attributes:
        value: what was read of it.
        raw: where each of its raw contents begins and ends.
        marks: where everything else begins and ends, and its bytes: tags and lengths of the raw contents too.
    """

    value: T
    raw: tuple[tuple[int, int], ...]
    marks: tuple[tuple[int, int, bytes], ...]


class Alike(Generic[T]):
    """Knows a message again whose bytes are those of an earlier one but for the raw contents.

    What it keeps is bounded, so that callers whose messages are all different cost no memory.

    Args:
        read: makes of a message without its raw contents what is kept of it; what it raises is not.
        number: of the field that holds raw contents.
    """

    def __init__(self, read: Callable[[bytes], T], number: int = RAW_INPUT_CONTENTS) -> None:
        self._read, self._number = read, number
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
        told, raw = told_and_raw(message, self._number)
        value = self._read(told)
        if len(told) > _MOST_TOLD_BYTES:
            return Known(value, raw, ())
        known = Known(value, raw, _marks(message, raw))
        before = self._known.get(len(message), ())
        if not before and len(self._known) >= _MOST_LENGTHS:
            self._known.clear()
        self._known[len(message)] = (known, *before)[:_MOST_OF_A_LENGTH]
        return known


def _marks(message: Bytes, raw: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int, bytes], ...]:
    ends = [0, *(end for _, end in raw)]
    begins = [*(begin for begin, _ in raw), len(message)]
    spans = [(at, to) for at, to in zip(ends, begins, strict=True) if to > at]
    return tuple((at, to, bytes(message[at:to])) for at, to in spans)

"""How much of requests that are not whole may lie here: who is beyond that waits, its window shut."""

from collections.abc import Iterator
from typing import Final

from autoscale_runtime.server.transports.fast.streams import Stream

FIRST_BYTES: Final = (1 << 16) - 1
"""Of a stream, before anything of it is known: HTTP/2's own default."""

STEP_BYTES: Final = 1 << 20


class Windows:
    """The requests that are on their way, oldest first. For the event loop.

    While they hold less than allowed in all, each may send on. Beyond that only the oldest may, so that one is always
    coming to its end; the others' windows open as it makes room.

    Args:
        most_bytes: of all requests that are not whole.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._unfinished: dict[Stream, int] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self._unfinished)

    def __iter__(self) -> Iterator[Stream]:
        return iter([*self._unfinished])

    def held(self, stream: Stream, held_bytes: int) -> None:
        """So much of a message of the stream is there; it counts as unfinished from now on."""
        self._held_bytes += held_bytes - self._unfinished.get(stream, 0)
        self._unfinished[stream] = held_bytes

    def whole(self, stream: Stream) -> None:
        """Its message is whole, or will never be."""
        before = self._unfinished.pop(stream, None)
        if before is None:
            return
        was_over, self._held_bytes = self.is_over, self._held_bytes - before
        if was_over:
            for each in self:
                if self.may_send(each):
                    each.wire.open_window(each)

    def awaits(self, wire: object) -> bool:
        """Whether a request that came by that wire is on its way."""
        return any(each.wire is wire for each in self._unfinished)

    def may_send(self, stream: Stream) -> bool:
        """Whether its window may open."""
        return not self.is_over or next(iter(self._unfinished), stream) is stream

    @property
    def is_over(self) -> bool:
        """Whether more is held than allowed."""
        return self._held_bytes >= self._most_bytes

    def share_bytes(self, length: int) -> int:
        """How large a window a message of that length may have: what is left, shared by all, within bounds."""
        share = (self._most_bytes - self._held_bytes) // max(len(self._unfinished), 1)
        return max(FIRST_BYTES, min(length, share, STEP_BYTES))

"""The thread of a shaped link: its event loop, and how connections come about."""

import asyncio
import select
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.lane import RETRY_S, End, Lane

_IS_COARSE: Final = hasattr(select, "epoll")


class _FineSelector(selectors.DefaultSelector):
    """Sleeps to the microsecond; Linux's epoll itself knows whole milliseconds only, and rounds up."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # An epoll descriptor is readable when one of its own is; select() cannot watch a number from 1024 on.
        if not _IS_COARSE or timeout is None or timeout <= 0 or self.fileno() >= 1024:
            return super().select(timeout)
        select.select([self], [], [], timeout)
        return super().select(0)


class LinkLoop:
    """The event loop of a started link, in its thread.

    Args:
        now: the conditions at this moment.
        listener: bound; taken over.
        remote: where the link leads.
        seed: of jitter and loss.
    """

    def __init__(
        self, now: Callable[[], LinkConditions], listener: socket.socket, remote: tuple[str, int], seed: int | None
    ) -> None:
        self._now = now
        self._listener = listener
        self._remote = remote
        self._seed = seed
        self._ends: set[End] = set()
        self._joining: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self._ready = threading.Event()

    @property
    def carried_bytes(self) -> tuple[int, int]:
        """Bytes delivered so far, up and down."""
        return self._up.carried_bytes, self._down.carried_bytes

    def start(self) -> None:
        """Come back when clients may connect."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Reset all connections and end the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_FineSelector())) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._up = Lane(self._loop, self._now, True, self._seed)
        self._down = Lane(self._loop, self._now, False, self._seed)
        server = await self._loop.create_server(self._accept, sock=self._listener)
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for end in [*self._ends]:
            end.abort()
        await asyncio.sleep(0)  # the aborted sockets close in the loop's next round

    def _accept(self) -> End:
        client = End(self._up, self._ends)
        task = self._loop.create_task(self._join(client))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        return client

    async def _join(self, client: End) -> None:
        """A handshake takes a round trip, and does not end before an outage does."""
        await asyncio.sleep(self._now().round_trip_s)
        while self._now().is_down:
            await asyncio.sleep(RETRY_S)
        server = End(self._down, self._ends)
        client.peer, server.peer = server, client
        try:
            await self._loop.create_connection(lambda: server, *self._remote)
        except OSError:
            client.abort()
        else:
            client.start()
            server.start()

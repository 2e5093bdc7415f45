"""Calls of many messages, both ways."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import grpc

from autoscale_runtime.server.transports.base import Exchange, Refusal, Refused
from autoscale_runtime.server.transports.fast.heads import Head
from autoscale_runtime.server.transports.fast.home import Home
from autoscale_runtime.server.transports.fast.messages import Message, unpacked
from autoscale_runtime.server.transports.fast.streams import Stream, Wire

_LOG: Final = logging.getLogger("autoscale.server")

_MOST_WAITING: Final = 2
"""Messages of a stream that are there before their turn; the windows of further ones stay closed."""

_MOST_UNSENT_BYTES: Final = 1 << 20
_LOOKED_S: Final = 0.02


class ExchangeStream(Stream):
    """A call of many messages, both ways, that a task of its own answers."""

    __slots__ = ("_arrived", "_messages", "_task")

    def __init__(
        self,
        wire: Wire,
        home: Home,
        number: int,
        head: Head,
        client: str,
        now_s: float,
        deadline_s: float,
        exchange: Exchange,
    ) -> None:
        super().__init__(wire, home, number, head, client, now_s, deadline_s)
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._task = home.loop.create_task(self._answer(exchange))

    @property
    def is_full(self) -> bool:
        """Whether more of it must wait."""
        return len(self._messages) >= _MOST_WAITING

    @property
    def is_unfinished(self) -> bool:
        """Whether a request of it is on its way."""
        return self.reader.held_bytes > 0 and not self.is_answered

    def take(self, message: Message) -> None:
        """One more."""
        self._messages.append(message)
        self._arrived.set()

    def ended(self) -> None:
        """Its caller sends no more."""
        super().ended()
        self._arrived.set()

    def leave(self) -> None:
        """Nobody waits for its answers any more."""
        if self._task is not asyncio.current_task(self.home.loop):
            self._task.cancel()

    async def _requests(self) -> AsyncIterator[bytes]:
        while True:
            while not self._messages:
                if self.is_ended:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            message = self._messages.popleft()
            self.wire.open_window(self)
            body = self.plain(message)
            if message.is_compressed:
                most = self.home.limits.max_message_bytes
                body = await unpacked(body, self.head.encoding, most)
            yield body

    async def _answer(self, exchange: Exchange) -> None:
        try:
            async for message in exchange(self._requests()):
                self.wire.send_message(self, message)
                while self.wire.unsent_bytes(self) > _MOST_UNSENT_BYTES:
                    await asyncio.sleep(_LOOKED_S)
        except Refused as error:
            self.fail(error.refusal)
        except Exception as error:
            _LOG.exception("%s failed", self.head.method)
            self.fail(Refusal(grpc.StatusCode.INTERNAL, f"the server failed: {error!r}"))
        else:
            self.finish()
            self.wire.send_end(self)

"""A call whose answer a coroutine waits for."""

import asyncio
from collections.abc import Mapping

import grpc

from autoscale_runtime.server.transports.base import NO_TRACE, Call, Handler, Refusal, Refused, Trailers


class AwaitedCall(Call):
    """Answered through a future."""

    def __init__(
        self, method: str, message: bytes, client: str, deadline_s: float, trace: Mapping[str, str] = NO_TRACE
    ) -> None:
        super().__init__(method, message, client, deadline_s, trace)
        self._answer: asyncio.Future[bytes | Refusal] = asyncio.get_running_loop().create_future()

    async def answered(self, handler: Handler) -> bytes:
        """Hand it over and wait; who waits no more has left.

        Raises:
            Refused: an error is its answer.
        """
        handler.request(self)
        try:
            answer = await self._answer
        except asyncio.CancelledError:
            self.left()
            raise
        finally:
            self.on_leaving = None  # it may hold this call: a circle, and the request's bytes in it
        if isinstance(answer, Refusal):
            raise Refused(*answer)  # made here: one that is kept would hold this frame, and that this call
        return answer

    def reply(self, message: bytes) -> None:
        """Answer it."""
        if not self._answer.done():
            self._answer.set_result(message)

    def refuse(self, code: grpc.StatusCode, text: str, trailers: Trailers = ()) -> None:
        """Answer it with an error."""
        if not self._answer.done():
            self._answer.set_result(Refusal(code, text, trailers))

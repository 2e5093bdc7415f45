"""The server's end of one model in a worker: batches go, what came of them comes back."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import grpc

from autoscale.errors import Overloaded
from autoscale_runtime.server.execution.executor import Executor
from autoscale_runtime.server.execution.job import Job, Ran
from autoscale_runtime.server.workers.packets import CODES, Inbox, Message, send
from autoscale_runtime.server.workers.slots import ReadingSlots, WritingSlots

_AGAIN_S: Final = 0.002
_LEFT: Final = Ran(grpc.StatusCode.CANCELLED, b"its caller left")


class ProcessExecutor(Executor):
    """Lives as long as its model, over any number of workers. For the event loop.

    Attributes:
        told_s: core-seconds of the present worker that its answers told of.

    Args:
        instances: batches at the same time.
        on_stop: ends a batch in the worker.
        on_close: lets the worker go.
    """

    def __init__(self, instances: int, on_stop: Callable[[int], None], on_close: Callable[[], Awaitable[None]]) -> None:
        self.instances = instances
        self._on_stop, self._on_close = on_stop, on_close
        self._numbers = itertools.count(1)
        self._batches: dict[int, Sequence[Job]] = {}
        self._kept: list[Sequence[Job]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._slots: dict[int, list[int]] = {}
        self._socket: socket.socket | None = None
        self._inbox = Inbox()
        self.told_s = 0.0
        self._loop = asyncio.get_running_loop()

    @property
    def is_connected(self) -> bool:
        """Whether a worker has the model."""
        return self._socket is not None

    def connect(self, to: socket.socket) -> None:
        """A worker has loaded the model: send what was kept for it."""
        to.setblocking(False)
        self._socket = to
        self._writing, self._reading = WritingSlots(), ReadingSlots()
        self._read: list[int] = []
        self.told_s = 0.0
        self._loop.add_reader(to.fileno(), self._receive)
        self._send_kept()

    def _send_kept(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        while self._kept and self._socket is not None and self._timer is None:
            self._send(self._kept.pop(0))

    def disconnect(self) -> list[Sequence[Job]]:
        """The worker is gone; gives the batches that were in it."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        lost, self._batches, self._slots = [*self._batches.values()], {}, {}
        return lost

    def run(self, jobs: Sequence[Job]) -> None:
        """Send a batch, or keep it until there is a worker again, and those before it are sent."""
        if self._socket is None or self._kept:
            self._kept.append(jobs)
        else:
            self._send(jobs)

    def _send(self, jobs: Sequence[Job]) -> None:
        assert self._socket is not None
        batch = next(self._numbers)
        self._batches[batch] = jobs
        messages = [(Message(b"", -1, job.version), (job.call.message,)) for job in jobs]
        read, self._read = self._read, []
        try:
            self._slots[batch] = send(self._socket, batch, read, messages, self._writing)
        except (BlockingIOError, Overloaded) as error:
            del self._batches[batch]
            self._read += read
            if isinstance(error, Overloaded):
                refusal = Ran(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error).encode())
                self._loop.call_soon(self.on_done, jobs, [refusal] * len(jobs))
            else:  # as much is on its way as the socket holds
                self._kept.insert(0, jobs)
                self._timer = self._loop.call_later(_AGAIN_S, self._send_kept)
        except OSError:  # the worker is going: whoever watches it tells what becomes of the batch
            self._slots[batch] = []

    def stop(self, job: Job) -> None:
        """End its batch, once nobody waits for any of it."""
        for jobs in self._kept:
            if job in jobs and all(each.is_done for each in jobs):
                self._kept.remove(jobs)
                self.on_done(jobs, [_LEFT] * len(jobs))
                return
        for batch, jobs in self._batches.items():
            if job in jobs and all(each.is_done for each in jobs):
                self._on_stop(batch)
                return

    def holds(self, batch: int) -> bool:
        """Whether a batch is in the worker."""
        return batch in self._batches

    def runs(self, batch: int) -> bool:
        """Whether a batch has begun in the worker: its instances have the oldest ones, the others wait there."""
        return batch in itertools.islice(self._batches, self.instances)

    def give_up(self, code: grpc.StatusCode, text: str) -> None:
        """There will be no worker for what is kept."""
        kept, self._kept = self._kept, []
        for jobs in kept:
            self.on_done(jobs, [Ran(code, text.encode())] * len(jobs))

    async def close(self) -> None:
        """Let the worker go."""
        await self._on_close()

    def _receive(self) -> None:
        while self._socket is not None:
            try:
                packet = self._inbox.receive(self._socket, self._reading)
            except (BlockingIOError, InterruptedError):
                return
            if packet is None:  # whoever watches the process acts
                self._loop.remove_reader(self._socket.fileno())
                return
            for slot in self._slots.pop(packet.batch, ()):
                self._writing.free(slot)
            ran = []
            for each in packet.messages:
                ran.append(_ran(each))
                self.told_s += each.core_s
                if each.slot >= 0:
                    self._read.append(each.slot)
            jobs = self._batches.pop(packet.batch, None)
            del packet
            if jobs is not None:
                self.on_done(jobs, ran)
            if not self._batches:  # no other packet is on its way, and to look for one costs as much as to read it
                return


def _ran(message: Message) -> Ran:
    code = CODES[message.kind]
    return Ran(code, bytes(message.body), *message[3:])  # what is in a slot is copied, what is bytes is not

"""The process that runs models: ``python -m autoscale_runtime.server.workers.worker DESCRIPTOR``.

It has a control socket, on which it is told what to load and which batches to end, and for each model a socket of
batches, that as many threads read as the model has instances. When the server is gone, so is it.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import grpc

from autoscale.errors import AutoScaleError, Overloaded
from autoscale_runtime.backends.cancellation import CURRENT, Cancellation
from autoscale_runtime.host.memory import give_back_freed_memory, resident_bytes
from autoscale_runtime.server.execution.answering import Answered, Parts, Rules, answered
from autoscale_runtime.server.execution.served_model import LoadedModel
from autoscale_runtime.server.execution.source import ModelSource
from autoscale_runtime.server.workers.cpu_shares import CpuShares
from autoscale_runtime.server.workers.packets import CODES, Inbox, Message, Packet, send
from autoscale_runtime.server.workers.slots import KEPT_BYTES, ReadingSlots, WritingSlots
from autoscale_runtime.server.workers.turn import Turn

_BLOATED_BYTES: Final = 128 << 20
"""A runtime's arena keeps what it once had; a process that has so much more than it began with is replaced."""

_PLACES: Final = {code: place for place, code in enumerate(CODES)}


class ModelThreads:
    """A loaded model's instances.

    Args:
        versions: of the model.
        rules: what answers are held to.
        cpu: of the process.
        batches: the socket they come on, and answers go.
        on_bloated: told when the process holds on to what a giant answer took.
    """

    def __init__(
        self,
        versions: Mapping[int, LoadedModel],
        rules: Rules,
        cpu: CpuShares,
        batches: socket.socket,
        on_bloated: Callable[[], None],
    ) -> None:
        self._usual_bytes, self._on_bloated = resident_bytes(), on_bloated
        self._versions, self._rules, self._cpu, self._batches = versions, rules, cpu, batches
        self._under_way: dict[int, Cancellation] = {}
        self._stopped: set[int] = set()
        self._reading, self._writing, self._inbox = ReadingSlots(), WritingSlots(), Inbox()
        self._turn, self._sends = Turn(), threading.Lock()

    def start(self, instances: int) -> None:
        """One thread each."""
        for number in range(instances):
            threading.Thread(target=self._work, name=f"instance-{number}", daemon=True).start()

    def stop(self, batch: int) -> None:
        """End a batch that runs, or that begins only now."""
        self._stopped.add(batch)
        cancellation = self._under_way.get(batch)
        if cancellation is not None:
            cancellation.call_off()

    def _work(self) -> None:
        while True:
            lock = self._turn.take()
            is_mine = True
            while is_mine:  # the packet that brings a slot's file is read before those that use it
                packet = self._inbox.receive(self._batches, self._reading)
                if packet is None:
                    self._turn.leave(lock)
                    return
                begun_s = time.monotonic()
                if self._turn.keeps(begun_s):
                    self._answer(packet, begun_s)
                    is_mine = self._turn.has(lock)
                else:
                    self._turn.leave(lock)
                    self._answer(packet, begun_s)
                    is_mine = False

    def _answer(self, packet: Packet, begun_s: float) -> None:
        batch, cpu = packet.batch, self._cpu.begin()
        self._under_way[batch] = cancellation = Cancellation()
        CURRENT.set(cancellation)
        answers = self._answers(packet)
        del self._under_way[batch]
        if self._stopped:
            self._stopped.discard(batch)
        count = len(answers)
        core_s, ended_s = self._cpu.end(cpu) / count, time.monotonic()
        held_s = (ended_s - begun_s) / count
        self._turn.learn(answers[0].compute_s)
        messages, size, is_over = [], 0, False
        for code, parts, compute_s, rows in answers:
            messages.append((Message(b"", -1, _PLACES[code], compute_s, core_s, held_s, rows, ended_s), parts))
            size += sum(map(len, parts))
            is_over = is_over or code is grpc.StatusCode.RESOURCE_EXHAUSTED
        self._send(packet, messages)
        if size > KEPT_BYTES or is_over:
            del messages, answers, parts
            give_back_freed_memory()
            if resident_bytes() > self._usual_bytes + _BLOATED_BYTES:
                self._on_bloated()

    def _send(self, packet: Packet, messages: Sequence[tuple[Message, Parts]]) -> None:
        read = [each.slot for each in packet.messages if each.slot >= 0]
        with self._sends, suppress(OSError):  # the server is gone, and so is this process soon
            for slot in packet.read:
                self._writing.free(slot)
            try:
                send(self._batches, packet.batch, read, messages, self._writing)
            except Overloaded as error:  # its callers must hear of it
                code, text = _PLACES[grpc.StatusCode.RESOURCE_EXHAUSTED], [str(error).encode()]
                told = [(message._replace(kind=code), text) for message, _ in messages]
                send(self._batches, packet.batch, read, told, self._writing)

    def _answers(self, packet: Packet) -> list[Answered]:
        if packet.batch in self._stopped:
            return [Answered(grpc.StatusCode.CANCELLED, [b"ended before it began"])] * len(packet.messages)
        try:
            model = self._versions[packet.messages[0].kind]
            return answered(model, [each.body for each in packet.messages], self._rules)
        except Exception as error:  # whatever it is, the others must be served
            text = f"the server failed: {error!r}".encode()
            return [Answered(grpc.StatusCode.INTERNAL, [text])] * len(packet.messages)


class Worker:
    """What the control socket says, done.

    Args:
        control: the socket.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lines = control.makefile("rb")
        self._models: dict[str, ModelThreads] = {}
        self._is_bloated = False

    def run(self) -> None:
        """Load what is asked for, then end what is to end, until the server is gone."""
        asked = json.loads(self._lines.readline())["models"]
        rules = [Rules(*each["rules"]) for each in asked]
        loaded = [self._load(each["sources"], held_to.most_rows) for each, held_to in zip(asked, rules, strict=True)]
        core_s, cpu = time.process_time(), CpuShares()
        for each, versions, held_to in zip(asked, loaded, rules, strict=True):
            batches = socket.socket(fileno=each["socket"])
            threads = ModelThreads(versions, held_to, cpu, batches, self._bloated)
            self._models[each["name"]] = threads
            threads.start(each["instances"])
        self._say({"ready": True, "core_s": core_s})
        while line := self._lines.readline():
            model, batch = json.loads(line)["stop"]
            self._models[model].stop(batch)

    def _bloated(self) -> None:
        if not self._is_bloated:
            self._is_bloated = True
            self._say({"bloated": True})

    def _load(self, sources: Sequence[Mapping[str, Any]], most_rows: int) -> dict[int, LoadedModel]:
        versions = {}
        for each in sources:
            source = ModelSource.from_json(each)
            self._say({"loading": [source.name, source.version]})
            try:
                loaded = source.load(most_rows)
            except AutoScaleError as error:
                self._say({"refused": [source.name, source.version], "why": str(error)})
            except Exception as error:  # an engine may raise anything
                self._say({"refused": [source.name, source.version], "why": repr(error)})
            else:
                versions[source.version] = loaded
                self._say({"loaded": loaded.served.as_json()})
        return versions

    def _say(self, what: Mapping[str, Any]) -> None:
        self._control.sendall(json.dumps(what).encode() + b"\n")


def main() -> None:
    """Be a worker of the server that holds the other end of the socket, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to hear, and to end this process after
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with suppress(OSError):
        Worker(socket.socket(fileno=int(sys.argv[1]))).run()
    os._exit(0)  # what runs in a thread is nobody's any more


if __name__ == "__main__":
    main()

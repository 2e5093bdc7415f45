"""The next block of queries of many environments, made by a process of its own while this one steps through the last.

A thread would not do: numpy lets go of the interpreter in every call, so that two threads which compute wait for each
other at each, and took together nearly twice the processor time. Process and this one share memory that no file system
knows: it is gone with the last of them. The process ends when its socket does, however this one ends.
"""

import mmap
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import prod
from multiprocessing.connection import Connection
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from autoscale_envs.variance.draws import Words
from autoscale_envs.variance.hidden import Hidden
from autoscale_envs.worlds.blocks import ProcessState
from autoscale_envs.worlds.making import blank, keep_what_is_freed, make, put
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.shelf import Shelf

FEWEST: Final = 512
"""Environments below which a process costs more than it gains."""
MODULE: Final = "from autoscale_envs.worlds.ahead import main; main()"


class Maker:
    """The process. Its blocks come by turns on two shelves, so that one is read while the other is written.

    Args:
        parameters: of the world.
        count: of its environments.
        keeps_sensed: see ``Shelf``.

    Raises:
        OSError: no process can be started, or no memory shared.
    """

    def __init__(self, parameters: WorldParameters, count: int, *, keeps_sensed: bool) -> None:
        given = parameters, count, keeps_sensed
        here, there = socket.socketpair()
        with here, there, _unnamed() as memory, _unnamed() as told:
            self._shared = Shared(memory.fileno(), *given)
            pickle.dump(given, told)
            told.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-c", MODULE, str(there.fileno()), str(memory.fileno())],
                stdin=told,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                pass_fds=(there.fileno(), memory.fileno()),
                start_new_session=True,  # a terminal's Ctrl-C is this process's to answer
            )
            self._connection = Connection(here.detach())
        self._is_ready = False
        self._turn = 0

    def is_ready(self) -> bool:
        """Whether it can be asked: starting takes it a moment, and somebody may have killed it."""
        with suppress(OSError, EOFError):
            self._is_ready = self._is_ready or (self._connection.poll() and bool(self._connection.recv_bytes()))
        return self._is_ready

    def submit(self, hidden: Hidden, memory: ProcessState, first: Words) -> bool:
        """Have the next block of all made (``making.make``); whether that was possible."""
        if not self.is_ready():
            return False
        put(self._shared.told, slice(None), [*hidden[1:], *memory, first])
        try:
            self._connection.send_bytes(bytes([self._turn]))
        except OSError:
            self._is_ready = False
        return self._is_ready

    def wait(self) -> bool:
        """Wait for the block that was submitted; whether it was made."""
        try:
            return bool(self._connection.recv_bytes())
        except (OSError, EOFError):
            self._is_ready = False
            return False

    def take(self) -> tuple[Shelf, ProcessState] | None:
        """That block, and what it leaves; None where the process died over it."""
        if not self.wait():
            return None
        shelf = self._shared.shelves[self._turn]
        self._turn = (self._turn + 1) % len(self._shared.shelves)
        return shelf, ProcessState._make([each.copy() for each in self._shared.memory])

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()  # at once, and again when its environment is no more


class Shared:
    """What both processes have: each asks for the same arrays in the same order.

    Attributes:
        hidden: see ``making.make``, as are the next two.
        memory: likewise.
        first: likewise.
        shelves: where blocks are put, by turns.
    """

    def __init__(self, file: int, parameters: WorldParameters, count: int, keeps_sensed: bool) -> None:
        self._file, self._end = file, 0
        self.hidden = Hidden(np.zeros(0), *self._like(parameters.nominal_of(count)[1:]))
        self.memory = ProcessState._make(self._like(blank(parameters, count)))
        self.first: Words = self._array((count,), np.uint64)
        self.shelves = [Shelf(parameters, count, keeps_sensed=keeps_sensed, array=self._array) for _ in range(2)]

    @property
    def told(self) -> list[npt.NDArray[Any]]:
        """All that a block is made of."""
        return [*self.hidden[1:], *self.memory, self.first]

    def _like(self, arrays: Sequence[npt.NDArray[Any]]) -> list[Any]:
        return [self._array(each.shape, each.dtype) for each in arrays]

    def _array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """The next one, of zeros."""
        size = prod(shape) * np.dtype(dtype).itemsize
        if not size:
            return np.zeros(shape, dtype)
        start, self._end = self._end, self._end + -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        os.ftruncate(self._file, max(self._end, os.fstat(self._file).st_size))
        return np.frombuffer(mmap.mmap(self._file, size, offset=start), dtype).reshape(shape)


def _unnamed() -> BinaryIO:
    """A file in memory, which is gone with the last process that has it open or mapped."""
    return os.fdopen(os.memfd_create("autoscale-ahead"), "w+b")


def is_worth_it(environments: int) -> bool:
    """Whether another core is there, and enough for it to do; not where the system, or a frozen program, cannot."""
    is_possible = hasattr(os, "memfd_create") and bool(sys.executable) and not getattr(sys, "frozen", False)
    return is_possible and environments >= FEWEST and len(os.sched_getaffinity(0)) > 1


def main() -> None:
    """Make blocks until nobody asks any more."""
    keep_what_is_freed()
    connection, file = Connection(int(sys.argv[1])), int(sys.argv[2])
    parameters, count, keeps_sensed = pickle.load(sys.stdin.buffer)
    shared, everyone = Shared(file, parameters, count, keeps_sensed), np.arange(count)
    with suppress(EOFError, OSError):
        connection.send_bytes(b"ready")
        while True:
            shelf = shared.shelves[connection.recv_bytes()[0]]
            make(parameters, shared.hidden, shared.memory, shared.first, everyone, shelf)
            connection.send_bytes(b"made")

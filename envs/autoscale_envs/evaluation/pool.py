"""Where the cells of a grid are computed: in this process, in a few of this machine's, or on a Ray cluster.

Every engine takes the same work and gives the same results, as they come.
"""

import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from autoscale.errors import InvalidInput, MissingExtra

CONNECT_S: Final = 5.0
Item = TypeVar("Item")
Answer = TypeVar("Answer")
Finished = Generator[tuple[Item, Answer], None, None]
"""What is done, as it comes; closing it ends what is in hand and starts no more."""


def local(work: Callable[[Item], Answer], items: Sequence[Item], jobs: int) -> Finished[Item, Answer]:
    """Compute in ``jobs`` processes of this machine.

    Args:
        work: a function that can be pickled.
        items: what it takes.
        jobs: 1 computes in this process.

    Raises:
        InvalidInput: jobs below 1.
    """
    if jobs < 1:
        raise InvalidInput(f"jobs is {jobs}; allowed: 1 or more")
    if jobs == 1:
        return ((item, work(item)) for item in items)
    return _in_processes(work, items, jobs)


def ray(work: Callable[[Item], Answer], items: Sequence[Item], address: str) -> Finished[Item, Answer]:
    """Compute on an existing Ray cluster on which this package is installed.

    Args:
        work: a function that can be pickled.
        items: what it takes.
        address: of the cluster, ``auto`` for the one this machine belongs to, ``local`` to start one here.

    Raises:
        MissingExtra: ray is not installed.
        InvalidInput: no cluster there.
    """
    try:
        import ray as cluster
    except ImportError:
        raise MissingExtra("ray", "sweep", "spreading over a cluster") from None
    try:
        _check_reachable(address)
        cluster.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"no Ray cluster at '{address}': {error}") from None
    return _on_cluster(work, items)


def _check_reachable(address: str) -> None:
    """Ray itself would knock for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator:
        socket.create_connection((host, int(port)), CONNECT_S).close()


def _in_processes(work: Callable[[Item], Answer], items: Sequence[Item], jobs: int) -> Finished[Item, Answer]:
    # Spawned, not forked: a fork of a process with threads (numpy's, rich's) may hang.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_ignore_interrupt) as executor:
        rest = iter(items)
        running = {executor.submit(work, item): item for item in islice(rest, jobs)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                running |= {executor.submit(work, each): each for each in islice(rest, 1)}
                yield item, future.result()


def _ignore_interrupt() -> None:
    """Ctrl-C reaches every process of a terminal; the parent alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_cluster(work: Callable[[Item], Answer], items: Sequence[Item]) -> Finished[Item, Answer]:
    import ray as cluster

    try:
        remote: Any = cluster.remote(lambda item: work(item))  # Ray takes functions, not everything that can be called
        running = {remote.remote(item): item for item in items}
        while running:
            (done, *_), _ = cluster.wait([*running])
            yield running.pop(done), cluster.get(done)
    finally:
        cluster.shutdown()

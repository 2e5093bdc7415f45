"""How much the server does at once, holds and waits for."""

from dataclasses import dataclass, fields, replace
from typing import Final

from autoscale.errors import InvalidInput
from autoscale_runtime.host.cores import usable_cores

DEFAULT_WAITING: Final = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Each model has its own queue, instances and threads; each figure is of one model unless it says otherwise.

    Attributes:
        threads: that each query computes on; 0 for one for each core, at most 4.
        max_running: queries that run at the same time; 0 for as many as the cores have room for.
        max_waiting: queries that may wait for their turn; one more is refused.
        max_message_bytes: of a request, decompressed, and of an answer.
        max_streams: calls that one connection may have open at once; further ones wait at the client.
        max_unfinished: requests, of all clients, whose bodies are still on their way; one more is refused.
        max_unfinished_bytes: that those hold together; beyond it all but the oldest wait. Of the transport ``fast``.
        body_s: seconds that a request may take from its head to its last byte.
        max_compute_s: seconds after which a started query is ended, whatever its caller allows; 0 for no limit.

    Raises:
        InvalidInput: a number below 0.
    """

    threads: int = 0
    max_running: int = 0
    max_waiting: int = DEFAULT_WAITING
    max_message_bytes: int = 64 << 20
    max_streams: int = 256
    max_unfinished: int = 4096
    max_unfinished_bytes: int = 256 << 20
    body_s: float = 120.0
    max_compute_s: float = 300.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) >= 0:
                raise InvalidInput(f"{each.name} is {getattr(self, each.name)}; allowed: 0 or more")

    def settled(self) -> "Limits":
        """The same, with what was left to the server decided by the cores it may use."""
        cores = usable_cores()
        threads = self.threads or min(cores, 4)
        return replace(self, threads=threads, max_running=self.max_running or max(1, cores // threads))

"""One admitted query, from the queue to its answer."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from autoscale.query.target import Target
from autoscale_runtime.server.transports.base import Call


class Ran(NamedTuple):
    """What running a query gave.

    Attributes:
        code: OK, or what went wrong.
        body: the answer without its cost, serialised; of an error its text.
        compute_s: that the model took, of a batch for all of it.
        core_s: core-seconds that the query took: of a batch its share, decoding and encoding included.
        held_s: seconds that it held its instance: of a batch its share.
        rows: queries that ran as one.
        ended_s: when it was ready, on ``time.monotonic``'s clock; 0.0 where nobody says.
    """

    code: grpc.StatusCode
    body: bytes
    compute_s: float = 0.0
    core_s: float = 0.0
    held_s: float = 0.0
    rows: int = 1
    ended_s: float = 0.0


@dataclass(eq=False, slots=True)
class Job:
    """A query.

    Attributes:
        call: who asks.
        model: whose it is.
        version: of the model.
        target: what the model runs on.
        is_pinned: its caller asked for that version.
        deadline_s: on ``time.monotonic``'s clock; infinite for none.
        priority: the least goes first.
        arrived_s: when it was admitted.
        begun_s: when it was handed over; 0.0 before.
        is_done: it has its answer, or its caller left.
        share: what the account holds for it while it runs.
        rates: what its account is kept at; None where that is still to be found.
    """

    call: Call
    model: str
    version: int
    target: Target
    is_pinned: bool = False
    deadline_s: float = math.inf
    priority: int = 0
    arrived_s: float = 0.0
    begun_s: float = 0.0
    is_done: bool = False
    share: Any = None
    rates: Any = None

"""What a query cost the machine that answered it: as the server knows it, and as its answer reports it."""

from dataclasses import dataclass
from typing import NamedTuple

from autoscale.carbon import Intensity
from autoscale.query.outcome import CarbonEnds, Method
from autoscale_runtime.backends.base import Answer
from autoscale_runtime.grid.watch import ReportedGrid
from autoscale_runtime.wire.identity import Identity


class Ends(NamedTuple):
    """As ``CarbonEnds``, of figures that need no check: low and high of the same rates."""

    operational_low_g: float
    operational_high_g: float
    embodied_low_g: float
    embodied_high_g: float


class ServerCost(NamedTuple):
    """What one query cost.

    Attributes:
        energy_j: of the machine, without its building's.
        carbon_operational_g: of that energy, the building's with it.
        carbon_embodied_g: of the share of the machine that it held, for as long.
        ends: how far the two may lie.
        method: how the energy is known.
        intensity: of the electricity, as it was then.
        region: where that was drawn; empty where not reported.
        pue: power usage effectiveness of its building, which is in the operational carbon.
    """

    energy_j: float
    carbon_operational_g: float
    carbon_embodied_g: float
    ends: CarbonEnds | Ends
    method: Method
    intensity: Intensity
    region: str
    pue: float = 1.0


@dataclass(frozen=True, slots=True)
class RemoteCost:
    """What the machine that answered reports of the query, and what crossed the link.

    A figure the server did not give is None; ``method`` is that of its joules.
    """

    sent_bytes: int
    received_bytes: int
    queue_s: float | None = None
    compute_s: float | None = None
    energy_j: float | None = None
    carbon_operational_g: float | None = None
    carbon_embodied_g: float | None = None
    method: Method = Method.DEFAULT
    ends: CarbonEnds | None = None
    grid: ReportedGrid | None = None
    pue: float | None = None


@dataclass(frozen=True, slots=True)
class RemoteAnswer(Answer):
    """The outputs of another machine, with what it reports of the query and of the model that answered it."""

    remote: RemoteCost
    identity: Identity

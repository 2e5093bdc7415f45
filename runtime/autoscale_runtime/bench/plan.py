"""What is asked of a server, and how."""

from dataclasses import dataclass, field
from typing import Final

from autoscale.errors import InvalidInput, one_of
from autoscale_runtime.models.inspection.inputs import Shape
from autoscale_runtime.wire.access import Access

SCENARIOS: Final = ("SingleStream", "MultiStream", "Server", "Offline")
"""MLPerf Inference's: one query after another; eight at once, again and again; as they come, by chance; all at once.

Source: Reddi et al., MLPerf Inference Benchmark, ISCA 2020, table II.
"""

SMALLEST_QPS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of LoadGen's.

    Attributes:
        address: of the server.
        model: asked there.
        version: of it; empty leaves it to the server.
        scenario: one of ``SCENARIOS``.
        qps: queries a second that come in ``Server``; the other scenarios have none: they take what they get.
        latency_s: in ``Server`` the limit that 99 % must keep.
        duration_s: of the run, at least.
        clients: calls that are open at once, at most.
        streams: samples of a query in ``MultiStream``.
        shapes: of inputs with open dimensions.
        seed: of LoadGen's schedule.
        access: whom to trust there, what to show.

    Raises:
        InvalidInput: a figure that cannot be.
    """

    address: str
    model: str
    version: str = ""
    scenario: str = "SingleStream"
    qps: float | None = None
    latency_s: float = 0.1
    duration_s: float = 10.0
    clients: int = 64
    streams: int = 8
    shapes: dict[str, Shape] = field(default_factory=dict)
    seed: int = 0
    access: Access | None = None

    def __post_init__(self) -> None:
        one_of("scenario", self.scenario, SCENARIOS)
        if (self.qps is None) == (self.scenario == "Server"):
            needs = "queries a second" if self.qps is None else "none, since only in Server queries come by themselves"
            raise InvalidInput(f"qps is {self.qps} in the scenario {self.scenario}; allowed: {needs}")
        for name, least in (("qps", SMALLEST_QPS), ("latency_s", 1e-6), ("duration_s", 0.1)):
            if getattr(self, name) is not None and not least <= getattr(self, name) < 1e9:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: {least:g} or more")
        for name in ("clients", "streams"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: 1 or more")

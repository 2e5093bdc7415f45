"""The route that leaves the device: a model on another machine, behind a link that may fail."""

import logging
import time
from typing import Final

from autoscale.errors import TargetError, TargetUnavailable, WrongAnswer
from autoscale.query.observation import LinkState
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.circuit import Circuit
from autoscale_runtime.device.query_cost import DeviceAccount, Transfer
from autoscale_runtime.device.routes.base import Expected, Failed, Moment, Query, Route
from autoscale_runtime.device.routes.local import first_guess_s
from autoscale_runtime.device.sized_mean import Size, SizedMean
from autoscale_runtime.device.unreported_cost import UnreportedServerCost
from autoscale_runtime.device.verification import Reference
from autoscale_runtime.meters.base import Mark
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.wire.cost import RemoteCost
from autoscale_runtime.wire.runner import RemoteRunner

WEIGHT: Final = 0.2
"""Share of a new observation in the running mean of the server's time."""

PROBE_TIMEOUT_S: Final = 1.0

_LOG: Final = logging.getLogger("autoscale.session")

DEFAULT_LINK: Final = LinkState(round_trip_s=0.005, uplink_bps=100e6, downlink_bps=100e6)
"""A good Wi-Fi link, assumed until the first transfer: what is not known is worth a try."""


class RemoteRoute(Route):
    """A model served over the Open Inference Protocol. Making it opens no socket.

    Args:
        target: where it is.
        runner: the model there, which must take and give what the bundle's does.
        bundle: the model as it is here.
        account: what sending costs this device.
        senses: where the link's transfers are reported and its estimate comes from.
    """

    def __init__(
        self,
        target: Target,
        runner: RemoteRunner,
        bundle: Bundle,
        account: DeviceAccount,
        senses: SensorHub,
    ) -> None:
        self.target = target
        self.accuracy = bundle.profile.accuracy(target.precision)
        self._circuit = Circuit(self._probe)
        self._doubt: tuple[Query, Reference] | None = None
        self._senses = senses
        self._runner = runner
        self._link = target.link
        self._account = account
        self._received_bytes = SizedMean(bundle.profile.output_bytes, 1.0)
        self._server_s = SizedMean(first_guess_s(bundle.profile.macs), WEIGHT)
        self._stranger = UnreportedServerCost(target.place, account.grid)
        self._server_cost = self._stranger.known(RemoteCost(0, 0), self._server_s.at())

    @property
    def is_open(self) -> bool:
        """Whether the circuit to it is closed, in the electrical sense: queries pass."""
        return not self._circuit.is_open

    def doubt(self, query: Query, right: Reference) -> None:
        """Let no query there before it has answered this one, of all outputs, as it should."""
        self._doubt = query, right
        self._circuit.fail(TargetUnavailable("it has not answered yet"))

    def expected(self, query: Query, moment: Moment) -> Expected:
        """From the link's estimate, and the server's time and cost of the last queries."""
        transfer = self._transfer(query.nbytes, round(self._received_bytes.at(query.size)), moment)
        known = self._senses.predict_s(self._link, transfer.sent_bytes, transfer.received_bytes)
        link_s = _default_s(transfer) if known is None else known.expected_s
        latency_s = link_s + self._server_s.at(query.size)
        energy_j = self._account.table.energy_j(latency_s, 0.0) + self._account.radio_j(transfer, latency_s)
        there_g = (self._server_cost.carbon_operational_g or 0.0) + (self._server_cost.carbon_embodied_g or 0.0)
        here_g = self._account.added_g(energy_j, latency_s, transfer.network_bytes, moment.grids)
        return Expected(latency_s, energy_j, here_g + there_g)

    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        """Send it and wait for the answer; the circuit and the link's estimate learn from what happens."""
        mark, started_s = self._account.begin(), time.perf_counter()
        try:
            self._clear_doubt(timeout_s)
            answer = self._runner.run(query.output_names, query.feeds, timeout_s)
        except TargetError as error:
            raise Failed(self._fail(mark, query, moment, time.perf_counter() - started_s, error), error) from error
        latency_s = time.perf_counter() - started_s
        said = self._stranger.known(answer.remote, latency_s)
        self._learn(latency_s, said, query.size)
        transfer = self._transfer(said.sent_bytes, said.received_bytes, moment)
        grids = moment.grids
        return answer.outputs, self._account.end(mark, self.target, latency_s, self.accuracy, transfer, said, grids)

    def close(self) -> None:
        """End the connection and the probing."""
        self._circuit.close()
        self._runner.close()

    def _probe(self) -> None:
        self._runner.probe(PROBE_TIMEOUT_S)
        self._clear_doubt(PROBE_TIMEOUT_S)

    def _clear_doubt(self, timeout_s: float) -> None:
        """Raise WrongAnswer, and leave the route out from now on, where it answers otherwise than it should."""
        if self._doubt is None:
            return
        query, right = self._doubt
        reason = right.disagreement(self._runner.run(query.output_names, query.feeds, timeout_s).outputs)
        if reason is not None:
            _LOG.warning("target %s is left out: %s", self.target, reason)
            self._circuit.close()
            raise WrongAnswer(reason)
        self._doubt = None

    def _fail(self, mark: Mark, query: Query, moment: Moment, elapsed_s: float, error: TargetError) -> Outcome:
        """The request was on the air for as long as it took to give up; what the far side spent is not known."""
        self._circuit.fail(error)
        self._senses.failed(self._link, query.nbytes, elapsed_s)
        transfer = self._transfer(query.nbytes, 0, moment)
        return self._account.end(mark, self.target, elapsed_s, None, transfer, grids=moment.grids)

    def _learn(self, latency_s: float, cost: RemoteCost, size: Size) -> None:
        self._circuit.succeed()
        busy_s = min((cost.queue_s or 0.0) + (cost.compute_s or 0.0), latency_s)
        self._senses.transferred(self._link, cost.sent_bytes, cost.received_bytes, latency_s, busy_s)
        self._received_bytes.add(cost.received_bytes, size)
        self._server_s.add(busy_s, size)
        self._server_cost = cost
        if cost.grid is not None:
            self._account.grid.told(self.target.place, cost.grid)

    def _transfer(self, sent_bytes: int, received_bytes: int, moment: Moment) -> Transfer:
        link = moment.observation.link(self._link)
        return Transfer(
            sent_bytes,
            received_bytes,
            link.uplink_bps or DEFAULT_LINK.uplink_bps or 0.0,
            link.downlink_bps or DEFAULT_LINK.downlink_bps or 0.0,
            link.rssi_dbm,
            self.target.place == "edge",
        )


def _default_s(transfer: Transfer) -> float:
    return (
        (DEFAULT_LINK.round_trip_s or 0.0)
        + 8.0 * transfer.sent_bytes / transfer.uplink_bps
        + 8.0 * transfer.received_bytes / transfer.downlink_bps
    )

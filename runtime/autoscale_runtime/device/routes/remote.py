"""The route that leaves the device: a model on another machine, behind a link that may fail.

A remote that is another model, or does not know this one, gets no query where another target may answer; it is asked
again behind the queries, so that it is used once it is right.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from autoscale.errors import (
    AccessRefused,
    AutoScaleError,
    DeadlineExceeded,
    InvalidInput,
    TargetError,
    TargetUnavailable,
    WrongAnswer,
)
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.circuit import Circuit, Undecided, in_background
from autoscale_runtime.device.first_guess import first_guess_s
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.query_cost import DeviceAccount, Transfer
from autoscale_runtime.device.routes.base import Expected, Failed, Moment, Route
from autoscale_runtime.device.routes.remote_verification import RemoteVerification
from autoscale_runtime.device.sized_mean import Size, SizedMean
from autoscale_runtime.device.unreported_cost import UnreportedServerCost
from autoscale_runtime.device.verification import Reference
from autoscale_runtime.meters.base import Mark
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.sensors.links import GOOD_LINK, usual_link
from autoscale_runtime.wire.cost import RemoteAnswer, RemoteCost
from autoscale_runtime.wire.runner import RemoteRunner

WEIGHT: Final = 0.2
"""Share of a new observation in the running mean of the server's time."""

PROBE_TIMEOUT_S: Final = 1.0
REPLAY_TIMEOUT_S: Final = 5.0
"""A replayed query may be as large as any."""

REPLAY_EVERY_S: Final = 30.0
"""How often a remote that does not report what it serves is asked again for an answer that is known."""

_LOG: Final = logging.getLogger("autoscale.session")


class RemoteRoute(Route):
    """A model served over the Open Inference Protocol. Making it opens no socket.

    Three methods say what is done and sent for a query, for the route that runs a part of the network here.

    Args:
        target: where it is.
        runner: the model there, which must take and give what the bundle's does.
        bundle: the model as it is here.
        account: what sending costs this device.
        hub: where the link's transfers are reported and its estimate comes from.
        verification: decides whose answers these are.
    """

    def __init__(
        self,
        target: Target,
        runner: RemoteRunner,
        bundle: Bundle,
        account: DeviceAccount,
        hub: SensorHub,
        verification: RemoteVerification,
    ) -> None:
        self.target = target
        self.accuracy = bundle.profile.accuracy(target.precision)
        self._circuit = Circuit(self._probe)
        self._verification = verification
        self._names = [each.name for each in bundle.outputs]
        self._is_told = self._is_connected = False
        self._connection = 0
        self._checked_s = time.monotonic()
        self._hub = hub
        self._runner = runner
        self._link = target.link
        self._moved: Callable[[str, int], None] = lambda link, moved_bytes: None
        self._account = account
        self._received_bytes = SizedMean(bundle.profile.output_bytes, 1.0)
        self._lessons = 0
        self._server_s = SizedMean(first_guess_s(bundle.profile.macs), WEIGHT)
        self._unreported = UnreportedServerCost(target.place, account.grid)
        self._server_cost = self._unreported.completed(RemoteCost(0, 0), self._server_s.at())

    @property
    def is_open(self) -> bool:
        """Whether the circuit to it is closed, in the electrical sense: queries pass."""
        return self._circuit.lets_pass()

    @property
    def closed_reason(self) -> str:
        """Why no query is sent there; empty while queries pass."""
        return self._circuit.reason

    @property
    def standing(self) -> tuple[int, int, float, bool]:
        """How often it has learned, and what is known of the link."""
        return self._lessons, *self._hub.standing(self._link)

    def tell_moved(self, moved: Callable[[str, int], None]) -> None:
        """Be given whom to tell of a link and the bytes that crossed it."""
        self._moved = moved

    def hold_to(self, query: Query, right: Reference) -> None:
        """Take a query and its right answer, to verify by."""
        self._verification.hold_to(query, right)

    def reverify(self, query: Query, right: Reference) -> None:
        """Let no query there before it has answered this one as it should."""
        self._verification.hold_to(query, right)
        self._verification.reverify()
        self._circuit.trip(TargetUnavailable(self._circuit.reason or f"{self.target} has not answered yet"), 0.0)

    def expected(self, query: Query, moment: Moment) -> Expected:
        """From the link's estimate, and the server's time and cost of the last queries."""
        transfer = self._transfer(self.sent_bytes(query), round(self._received_bytes.at(query.size)), moment)
        known = self._hub.predict_s(self._link, transfer.sent_bytes, transfer.received_bytes)
        link_s = _default_s(transfer) if known is None else known.expected_s
        here_s, here_cpu_s = self.expected_here_s(query.size)
        latency_s = here_s + link_s + self._server_s.at(query.size)
        energy_j = self._account.table.energy_j(latency_s, here_cpu_s) + self._account.radio_j(
            transfer, latency_s, moment.rest_s
        )
        there_g = (self._server_cost.carbon_operational_g or 0.0) + (self._server_cost.carbon_embodied_g or 0.0)
        here_g = self._account.added_g(energy_j, latency_s, transfer.network_bytes, moment.grids)
        return Expected(latency_s, energy_j, here_g + there_g)

    def least_j(self, query: Query, moment: Moment) -> float:
        """The radio's part, over the link as it is believed to be."""
        transfer = self._transfer(self.sent_bytes(query), round(self._received_bytes.at(query.size)), moment)
        return self._account.radio_j(transfer, 0.0, moment.rest_s)

    def spared(self, moment: Moment, rest_s: float) -> Expected:
        """The tail that would not have run out."""
        spared_j = self._account.table.tail_j(moment.rest_s) - self._account.table.tail_j(rest_s)
        return Expected(0.0, spared_j, self._account.added_g(spared_j, 0.0, grids=moment.grids))

    def sent_bytes(self, query: Query) -> int:
        """What a query sends there."""
        return query.nbytes

    def expected_here_s(self, size: Size) -> tuple[float, float]:
        """How long this device computes before anything is sent, and its cores' work on that."""
        return 0.0, 0.0

    def learn_here(self, answer: RemoteAnswer, size: Size) -> float:
        """Take in what this device did before anything was sent; how long that took."""
        return 0.0

    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        """Send it and wait for the answer; the circuit and the link's estimate learn from what happens."""
        mark, started_s = self._account.begin(), time.perf_counter()
        try:
            answer = self._runner.run(query.output_names, query.feeds, timeout_s)
            elapsed_s = time.perf_counter() - started_s
            self._check(query, answer)
        except TargetError as error:
            raise Failed(self._fail(mark, query, moment, time.perf_counter() - started_s, error), error) from error
        latency_s = time.perf_counter() - started_s
        reported = self._unreported.completed(answer.remote, elapsed_s)
        here_s = self.learn_here(answer, query.size)
        self._learn(elapsed_s - here_s, reported, query.size)
        transfer = self._transfer(reported.sent_bytes, reported.received_bytes, moment)
        told = latency_s, self.accuracy, transfer, reported, moment.grids, here_s
        return answer.outputs, self._account.end(mark, self.target, *told)

    def close(self) -> None:
        """End the connection and the probing."""
        self._circuit.close()
        self._runner.close()

    def meet(self, query: Query) -> None:
        """See a query, whichever target answers it: behind it the remote may be judged, or its link probed."""
        self._verification.meet(query)
        if not self._circuit.is_open and self._hub.awaits_news(self._link):
            in_background(self._probe_link)

    def _probe(self) -> None:
        """Raise unless queries would be answered there, and by this model."""
        try:
            self._sound()
            if self._verification.is_unverified:
                self._replay()
        except AutoScaleError as error:
            self._tell(error)
            raise

    def connect(self, moment: Moment) -> float:
        """Exchange a few bytes. It is they that wake the radio, and not the query that follows."""
        if self._is_connected:
            return 0.0
        mark, started_s = self._account.begin(), time.perf_counter()
        transfer = self._transfer(*self._sound(), moment)
        latency_s = time.perf_counter() - started_s
        return self._account.end(mark, self.target, latency_s, None, transfer, grids=moment.grids).energy_j.device

    def _sound(self) -> tuple[int, int]:
        """Send a few bytes there, and receive some; what they tell of the link is learned, and if no answer comes in
        time, that: but not how long it takes to make the connection, which no query has to.
        """
        was_connected, started_s = self._is_connected, time.perf_counter()
        try:
            sent_bytes, received_bytes = self._runner.probe(PROBE_TIMEOUT_S)
        except DeadlineExceeded:
            self._hub.failed(self._link, 0, time.perf_counter() - started_s)
            raise
        self._is_connected = True
        if was_connected:
            self._hub.probed(self._link, sent_bytes, received_bytes, time.perf_counter() - started_s)
        return sent_bytes, received_bytes

    def _probe_link(self) -> None:
        """Whether a link that became slow is better; whatever else is wrong, queries will tell."""
        try:
            self._sound()
        except AutoScaleError as error:
            _LOG.debug("a probe of %s: %s", self.target, error)

    def _replay(self) -> None:
        """Ask for answers that are known, until they tell.

        Raises:
            WrongAnswer: they are another model's.
            TargetUnavailable: there are none, or they do not tell yet.
        """
        known = self._verification.evidence
        while known is not None:
            query, right = known
            answer = self._runner.run(query.output_names, query.feeds, REPLAY_TIMEOUT_S)
            names = query.output_names or self._names
            if self._verification.verify(answer.identity, names, right, answer.outputs):
                self._checked_s = time.monotonic()
                return
            known = self._verification.met()
        if self._verification.evidence is not None:
            raise Undecided(f"the answers of {self.target} do not tell yet whether it is this model")

    def _check(self, query: Query, answer: RemoteAnswer) -> None:
        """Raise WrongAnswer where an answer is another model's."""
        if not answer.identity.sha256:  # by the connection alone does another server show
            connection = self._runner.connection
            if self._connection not in (0, connection):
                self._verification.interrupted()
            self._connection = connection
        try:
            self._verification.check(answer.identity, query, answer.outputs)
        except WrongAnswer as error:
            self._tell(error)
            self._circuit.trip(error)
            raise
        if not self._verification.is_reported and time.monotonic() - self._checked_s > REPLAY_EVERY_S:
            self._checked_s = time.monotonic()
            in_background(self._look_again)

    def _look_again(self) -> None:
        """Whether a remote that reports nothing is still what it was."""
        self._verification.reverify()
        try:
            self._replay()
        except WrongAnswer as error:
            self._tell(error)
            self._circuit.trip(error)
        except TargetError:
            return  # its queries will tell

    def _tell(self, error: AutoScaleError) -> None:
        """Say once, until it answers, why a remote that is there is of no use; a link may be down any day."""
        is_refusal = isinstance(error, WrongAnswer | AccessRefused) or isinstance(error.__cause__, InvalidInput)
        if is_refusal and not self._is_told:
            self._is_told = True
            _LOG.warning("target %s is left out: %s", self.target, error)

    def _fail(self, mark: Mark, query: Query, moment: Moment, elapsed_s: float, error: TargetError) -> Outcome:
        """The request was on the air for as long as it took to give up; what the remote used is not known."""
        self._circuit.fail(error)
        if self._circuit.is_open:
            self._tell(error)
        if isinstance(error, TargetUnavailable | DeadlineExceeded):
            self._verification.interrupted()
        sent_bytes = self.sent_bytes(query)
        self._hub.failed(self._link, sent_bytes, max(elapsed_s - self.expected_here_s(query.size)[0], 0.0))
        self._moved(self._link, sent_bytes)
        transfer = self._transfer(sent_bytes, 0, moment)
        return self._account.end(mark, self.target, elapsed_s, None, transfer, grids=moment.grids)

    def _learn(self, latency_s: float, cost: RemoteCost, size: Size) -> None:
        self._circuit.succeed()
        self._is_told = False
        busy_s = min((cost.queue_s or 0.0) + (cost.compute_s or 0.0), latency_s)
        if self._is_connected:  # the first transfer makes the connection, which none of the next has to
            self._hub.transferred(self._link, cost.sent_bytes, cost.received_bytes, latency_s, busy_s)
        self._is_connected = True
        self._moved(self._link, cost.sent_bytes + cost.received_bytes)
        self._received_bytes.add(cost.received_bytes, size)
        self._server_s.add(busy_s, size)
        self._server_cost = cost
        if cost.grid is not None:
            self._account.grid.report(self.target.place, cost.grid)
        self._lessons += 1

    def _transfer(self, sent_bytes: int, received_bytes: int, moment: Moment) -> Transfer:
        link = moment.observation.link(self._link)
        usual = usual_link(link.rssi_dbm if self._account.table.radio == "wifi" else None)
        return Transfer(
            sent_bytes,
            received_bytes,
            link.uplink_bps or usual.uplink_bps or 0.0,
            link.downlink_bps or usual.downlink_bps or 0.0,
            link.rssi_dbm,
            self.target.place == "edge",
        )


def _default_s(transfer: Transfer) -> float:
    return (
        (GOOD_LINK.round_trip_s or 0.0)
        + 8.0 * transfer.sent_bytes / transfer.uplink_bps
        + 8.0 * transfer.received_bytes / transfer.downlink_bps
    )

"""The demonstration's day on a virtual clock, over many seeds: ``python -m benchmarks.demo_replay --days 10``.

One real day tells an agent from another no better than the noise of the machine lets it. Here the sessions, the agent
and the link's estimate are those of ``autoscale demo``, and so are the networks, the questions and the rule of limits
and loads; engines, server and link are stood for by what they take: the processor's time of each network in each
precision and engine, measured once, and the link's conditions by arithmetic, with what real days have beside (the
figures below: of two days of 120 queries with two engines on two cores). Joules are those of the link as it is, so that
no account is cheaper for being mistaken. Device and server have one core each. A day takes seconds, and needs the
networks, which ``autoscale demo`` fetches.
"""

from benchmarks.virtual_clock import CLOCK, REAL_WORK_S  # isort: skip  # first: what is imported next reads clocks

import argparse
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, NamedTuple
from unittest.mock import patch

import numpy as np

from autoscale.errors import DeadlineExceeded
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.engines import Specs
from autoscale_runtime.backends.onnx_file import read_onnx
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.backends.openvino import OpenVINO
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.demo.bundles import bundles_of
from autoscale_runtime.demo.day import day
from autoscale_runtime.demo.demo_command import TIMEOUT_S
from autoscale_runtime.demo.demo_command import _policies as fixed_and_ours
from autoscale_runtime.demo.machine import co_runners, measured
from autoscale_runtime.demo.networks import NETWORKS, Network, fetch
from autoscale_runtime.demo.play import StepResult, play, schedule
from autoscale_runtime.demo.summary import CLAIRVOYANT, OURS, STATIC, DayResult, day_result
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.query_cost import DeviceAccount, Transfer
from autoscale_runtime.host.cores import allowed_cores, pin
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.meters.base import Mark
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import served_name
from autoscale_runtime.sensors.base import Sensor
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.wire.cost import RemoteAnswer, RemoteCost
from autoscale_runtime.wire.identity import Identity

ONE_CORE: Final = Target.parse("device:cpu/fp32@1t")
RUNS: Final = 7
NOISE: Final = 0.10
"""Standard deviation of ln(time) of a query on a machine that nobody else wants, which no other shares."""
MOMENT_NOISE: Final = 0.07
"""Likewise of what all have in common that the same moment asks for."""
SHARED_CACHE: Final = 1.2
"""How much more of the processor's time a query takes beside co-runners."""
SERVER_BESIDE: Final = 1.4
"""Likewise on the server, whose core shares more than a cache with the device's."""
SERVER_S: Final = 0.004
"""What gRPC, the server's queue and its worker take beside the network, and nobody tells."""
BYTE_S: Final = 25e-9
"""Likewise of each byte: both ends and the shaped link copy it."""
SENDING_S: Final = 0.0035
SENDING_BYTE_S: Final = 10e-9
"""What this device's core works on a query that leaves, and on each byte of it."""
OVERHEAD_BYTES: Final = 400
"""Of each message beside its tensors."""
PROBE_BYTES: Final = 200
SEGMENT_BYTES: Final = 1448
"""What a TCP segment carries over Ethernet, beside 52 bytes of headers (RFC 9293, RFC 7323): one is lost or is not."""


class Surroundings:
    """What a query meets: the link and the co-runners, as a ``Stage`` has them.

    Args:
        seed: of all that is left to chance.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.link, self.co_runners, self.moment = LinkConditions(), 0, 1.0
        self.address = "127.0.0.1:1"

    def set_link(self, conditions: LinkConditions) -> None:
        """Change the link; with each query comes another moment."""
        self.link = conditions
        self.moment = self._factor(MOMENT_NOISE)

    def set_co_runners(self, per_core: int) -> None:
        """Have so many busy processes on the device's core."""
        self.co_runners = per_core

    def noise(self) -> float:
        """A factor on a time."""
        return self.moment * self._factor(NOISE)

    def _factor(self, spread: float) -> float:
        return float(np.exp(self.random.normal(0.0, spread)))

    def transfer_s(self, sent_bytes: int, received_bytes: int) -> float:
        """How long it takes there and back; infinite where nothing passes."""
        link = self.link
        if link.is_down:
            return math.inf
        on_air_s = 8.0 * (sent_bytes / link.uplink + received_bytes / link.rate_bps)
        jitter_s = float(self.random.uniform(-1.0, 1.0)) * link.jitter_s
        packets = np.array([sent_bytes, received_bytes]) / SEGMENT_BYTES
        lost = self.random.random(2) < 1.0 - (1.0 - link.loss) ** packets
        beside_s = (SERVER_S + BYTE_S * (sent_bytes + received_bytes)) * self.noise()
        return max(link.round_trip_s + jitter_s, 0.0) + on_air_s + float(lost.sum()) * link.round_trip_s + beside_s


class Machine:
    """The networks as they were measured here, under the conditions of now.

    Args:
        bundles: each network with its variants.
    """

    def __init__(self, bundles: Sequence[tuple[Network, Bundle]]) -> None:
        self.now = Surroundings(0)
        self.samples = {network.name: network.samples(1, 0)[0] for network, _ in bundles}
        self.served = {served_name(bundle.name, "fp32"): bundle for _, bundle in bundles}
        self._network_of = {variant.path: bundle.name for _, bundle in bundles for variant in bundle.variants}
        self._measured: dict[tuple[Path, str], Measured] = {}

    def measured(self, path: Path, engine: Backend) -> "Measured":
        """What a file takes in an engine, from the first time on."""
        key = path, engine.name
        if key not in self._measured:
            runner = engine.load(path, ONE_CORE)
            if not isinstance(engine, OnnxRuntime):
                runner.fit(*self.measured(path, OnnxRuntime()).specs)
            self._measured[key] = Measured.of(runner, self.samples[self._network_of[path]].feeds)
        return self._measured[key]


class Measured(NamedTuple):
    """A network of one precision: the least that it takes of one core, its answer, what it takes in and gives."""

    cpu_s: float
    outputs: list[Array]
    specs: Specs

    @classmethod
    def of(cls, runner: Runner, feeds: Feeds) -> "Measured":
        """Several runs by this process's own clock."""
        taken_s = []
        for _ in range(RUNS):
            started_s = REAL_WORK_S()
            outputs = runner.run(None, feeds).outputs
            taken_s.append(REAL_WORK_S() - started_s)
        runner.close()
        return cls(min(taken_s), outputs, (runner.inputs, runner.outputs))


MACHINE: Machine


class PlayedRunner(Runner):
    """A network on the device's core: answers with what was measured, and takes as long."""

    def __init__(self, path: Path, engine: Backend) -> None:
        self._measured = MACHINE.measured(path, engine)
        self.inputs, self.outputs = self._measured.specs

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Let its time pass; co-runners have their share of the core."""
        cpu_s = self._measured.cpu_s * MACHINE.now.noise() * (SHARED_CACHE if MACHINE.now.co_runners else 1.0)
        CLOCK.advance(cpu_s * (1.0 + MACHINE.now.co_runners * MACHINE.now.noise()), cpu_s)
        return Answer(self._measured.outputs)


class PlayedEngine(OnnxRuntime):
    """ONNX Runtime, as it was measured."""

    def load(self, path: Path, target: Target) -> Runner:  # type: ignore[override]  # another runner
        """The network as it was measured."""
        return PlayedRunner(path, OnnxRuntime())


class PlayedOpenVINO(OpenVINO):
    """OpenVINO, as it was measured."""

    def load(self, path: Path, target: Target) -> Runner:  # type: ignore[override]  # another runner
        """The network as it was measured."""
        return PlayedRunner(path, OpenVINO())


def played_engines() -> dict[str, Backend]:
    """Those that are installed here."""
    engines = PlayedEngine(), PlayedOpenVINO()
    return {each.name: each for each in engines if each.is_available()}


class PlayedServer(Runner):
    """A network behind the link; arguments as for ``RemoteRunner``."""

    connection = 1

    def __init__(self, address: str, model: str, version: str, specs: object, access: object) -> None:
        variant = next(each for each in MACHINE.served[model].variants if each.precision == "fp32")
        self._measured, self._identity = MACHINE.measured(variant.path, OnnxRuntime()), Identity(variant.digest())
        self._received_bytes = OVERHEAD_BYTES + sum(each.nbytes for each in self._measured.outputs)
        self._is_connected = False

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> RemoteAnswer:
        """Wait for the answer as long as the link and the server take; no longer than asked."""
        beside = SERVER_BESIDE if MACHINE.now.co_runners else 1.0
        compute_s = self._measured.cpu_s * MACHINE.now.noise() * beside
        sent_bytes = OVERHEAD_BYTES + sum(np.asarray(each).nbytes for each in feeds.values())
        CLOCK.advance(0.0, (SENDING_S + SENDING_BYTE_S * (sent_bytes + self._received_bytes)) * MACHINE.now.noise())
        self._wait(MACHINE.now.transfer_s(sent_bytes, self._received_bytes) + compute_s, timeout_s)
        cost = RemoteCost(sent_bytes, self._received_bytes, queue_s=0.0, compute_s=compute_s)
        return RemoteAnswer(self._measured.outputs, cost, self._identity)

    def probe(self, timeout_s: float) -> tuple[int, int]:
        """A few bytes there and back."""
        self._wait(MACHINE.now.transfer_s(PROBE_BYTES, OVERHEAD_BYTES), timeout_s)
        return PROBE_BYTES, OVERHEAD_BYTES

    def _wait(self, taken_s: float, timeout_s: float | None) -> None:
        if not self._is_connected:
            taken_s += 2.0 * MACHINE.now.link.round_trip_s
        if timeout_s is not None and taken_s > timeout_s:
            CLOCK.advance(timeout_s)
            raise DeadlineExceeded(f"no answer within {timeout_s:.3f} s")
        self._is_connected = True
        CLOCK.advance(taken_s)


class PlayedLoad(Sensor):
    """What others take of the core, as half a second shows it: all that this process leaves."""

    name: ClassVar[str] = "load"

    def sense(self) -> Observation:
        """The load, and no memory."""
        least, most = (0.8, 1.0) if MACHINE.now.co_runners else (0.0, 0.05)
        return Observation(cpu_load=float(MACHINE.now.random.uniform(least, most)))


def _sense(hub: SensorHub) -> None:
    """The sensors' thread, as far as a query needs it: by this clock it would never come to its turn."""
    if CLOCK.wall_s() - hub._read_s > hub.max_age_s:
        hub.refresh()


_END: Final = DeviceAccount.end


def _metered(
    account: DeviceAccount,
    mark: Mark,
    target: Target,
    latency_s: float,
    accuracy: float | None = None,
    transfer: Transfer | None = None,
    *others: Any,
    **by_name: Any,
) -> Outcome:
    """Joules by the link as it is, as a meter would see them, and not as the session believes it to be."""
    link = MACHINE.now.link
    if transfer is not None and not link.is_down:
        transfer = replace(transfer, uplink_bps=link.uplink, downlink_bps=link.rate_bps, rssi_dbm=link.rssi_dbm)
    return _END(account, mark, target, latency_s, accuracy, transfer, *others, **by_name)


@contextmanager
def replayed() -> Iterator[None]:
    """Sessions within are on the virtual machine."""
    with (
        patch("autoscale_runtime.wire.runner.RemoteRunner", PlayedServer),
        patch("autoscale_runtime.demo.play.LoadSensor", PlayedLoad),
        patch("autoscale_runtime.backends.onnxruntime.read_onnx", cache(read_onnx)),
        patch.object(DeviceAccount, "end", _metered),
        patch.object(SensorHub, "start", lambda hub: hub),
        patch.object(SensorHub, "_ask", _sense),
    ):
        yield


class Replay:
    """Days of the networks on this machine.

    Args:
        bundles: each network with its variants.
        agent: who decides for the policy ``autoscale``.
        queries: of a day.
    """

    def __init__(self, bundles: Sequence[tuple[Network, Bundle]], agent: str, queries: int) -> None:
        self._options = SessionOptions(
            power_table="mi8pro", meters=("modelled",), timeout_s=TIMEOUT_S, backends=played_engines()
        )
        self._bundles, self._agent, self._queries = bundles, agent, queries

    def day(self, seed: int) -> DayResult:
        """One day: measured, set up and lived as ``autoscale demo`` does."""
        MACHINE.now = Surroundings(seed)
        options = replace(self._options, seed=seed)
        with TemporaryDirectory() as folder:
            known = [measured(network, bundle, options, Path(folder)) for network, bundle in self._bundles]
            tasks, loads = [each.task for each in known], co_runners(known)
            policies = fixed_and_ours(known, self._agent)
            days: dict[str, list[StepResult]] = {policy.name: [] for policy in policies}

            def on_answer(name: str, answered: StepResult) -> None:
                _settled()
                days[name].append(answered)

            steps = schedule(tasks, day(loads), self._queries // 6, seed)
            efforts = play(policies, steps, MACHINE.now, options, on_answer)  # type: ignore[arg-type]  # as a Stage
            return day_result(days, efforts[OURS])


def _settled() -> None:
    """What probes tell is known before the next query comes."""
    for thread in threading.enumerate():
        if thread.name == "autoscale-probe":
            thread.join()


def main() -> None:
    """Play days and tell each one's figures and their means."""
    global MACHINE
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default="corrector-ahead")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="seed of the first day")
    parser.add_argument("--queries", type=int, default=120)
    asked = parser.parse_args()
    logging.getLogger("autoscale").setLevel(logging.ERROR)
    pin(sorted(allowed_cores())[:1])
    networks = [fetch(name) for name in NETWORKS]
    bundles = list(zip(networks, bundles_of(networks, print), strict=True))
    MACHINE = Machine(bundles)
    rows = []
    with replayed():
        replay = Replay(bundles, asked.agent, asked.queries)
        for seed in range(asked.first, asked.first + asked.days):
            rows.append(_told(replay.day(seed)))
            print(seed, *(f"{each:8.3f}" for each in rows[-1]), flush=True)
    print("mean", *(f"{each:8.3f}" for each in np.mean(rows, axis=0)))
    print("over static-best | a clairvoyant over it | inferences per joule | late: ours, static | warm-up's share")


def _told(lived: DayResult) -> list[float]:
    ours, static = lived.rows[OURS], lived.rows[STATIC]
    bound = lived.energy_over(STATIC) / lived.energy_over(CLAIRVOYANT)
    spent_j = ours.energy_j_per_query * len(lived.days[OURS])
    return [
        lived.energy_over(STATIC),
        bound,
        ours.ppw,
        ours.late_fraction,
        static.late_fraction,
        lived.effort.warm_up_j / spent_j,
    ]


if __name__ == "__main__":
    main()

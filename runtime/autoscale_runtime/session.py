"""The on-device SDK: a session that stands where ``onnxruntime.InferenceSession`` stood.

For every query it senses, chooses a target, runs, measures, learns and records.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.fixed import Pinned
from autoscale.agents.policies import load_policy, save_policy
from autoscale.agents.reward import reward
from autoscale.carbon import Electricity
from autoscale.errors import AutoScaleError, FeedError, InvalidGoal, InvalidInput, one_of
from autoscale.loop import run_query
from autoscale.profiles import load_device
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.observation import Observation
from autoscale.query.record import Attempt, Decision, Record
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.device.calibration import Calibration, calibrate
from autoscale_runtime.device.plan import RemoteModel, routes_of
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.base import Query
from autoscale_runtime.device.routes.cpu import CpuRoute, FastPath
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.grid.charge import ChargeLog, charge_file
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters.choice import PREFERRED, best_meter
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.base import Sensor, host_sensors
from autoscale_runtime.sensors.grid import GridSensor
from autoscale_runtime.sensors.hub import SensorHub

POLICY_SUFFIX: Final = ".npz"
ANYWHERE: Final = Electricity()


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What most sessions leave as it is.

    Attributes:
        target: pins every query to one target, as in ``device:cpu/int8@2t``; it then never falls back.
        timeout_s: how long a remote target may take where the device cannot rescue the query in time.
        hedge: give a remote target up early enough for the device to answer within the goal's limit.
        power_table: the device profile whose watts the modelled energy uses.
        meters: which meters may tell the device's energy, the most wanted first; the first that works here does.
        radio: by which of the power table's radios queries leave: ``wifi`` (also where None), ``lte`` or ``5g``.
        electricity: the grids of the device and of those it talks to, and who tells their carbon intensity.
        sensors: what to sense with; None for every sensor that has something to sense on this host.
        seed: of the agent's random generator.
        on_record: called with every query's record, from the querying thread.
    """

    target: str | None = None
    timeout_s: float = 2.0
    hedge: bool = True
    power_table: str = "laptop"
    meters: Sequence[str] = PREFERRED
    radio: str | None = None
    electricity: Electricity = ANYWHERE
    sensors: Sequence[Sensor] | None = None
    seed: int = 0
    on_record: Callable[[Record], None] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.timeout_s < float("inf"):
            raise InvalidInput(f"timeout_s is {self.timeout_s}; allowed: seconds above 0")


class Session:
    """One model, decided per query. Thread-safe; a context manager.

    >>> session = Session("model.onnx", Goal(objective="energy", latency_s=0.05))  # doctest: +SKIP
    >>> outputs = session.run(None, {"input": image})  # doctest: +SKIP
    >>> session.last.selected, session.last.outcome.energy_j.device  # doctest: +SKIP

    The first query is also run on every target that the mode allows, to know their speed and to see that their
    answers agree with the reference's; ``warm_up`` does that beforehand.

    Args:
        model: a model file, or a bundle made by ``autoscale prepare``.
        goal: what counts as a good answer.
        remotes: place and host (``cloud``, ``edge:tab-s6``) to a server's ``host:port``, or to a ``RemoteModel``.
            Under ``ONLY_ON_DEVICE`` they are not looked at: no socket is ever opened.
        agent: a registered name, a policy file (``.npz``) made for the same targets, or an agent.
        mode: where queries may run; None leaves it to the goal.
        options: the rest.

    Raises:
        ModelError: the model cannot be read or run here.
        InvalidGoal: no target meets the goal's mode and accuracy floor.
        InvalidTarget: the pinned target is none of this session's.
        UnknownName: no agent, power table, intensity source or place of that name.
        PolicyError: a policy that is damaged or made for other targets.
    """

    def __init__(
        self,
        model: str | Path | Bundle,
        goal: Goal | None = None,
        *,
        remotes: Mapping[str, str | RemoteModel] | None = None,
        agent: str | Path | Agent = "q-learning",
        mode: str | None = None,
        options: SessionOptions | None = None,
    ) -> None:
        self.options = options or SessionOptions()
        self.goal = goal or Goal()
        if mode is not None:
            one_of("inference mode", mode, list(InferenceMode), InvalidGoal)
            self.goal = replace(self.goal, mode=InferenceMode(mode))
        self.bundle = model if isinstance(model, Bundle) else Bundle.read(Path(model))
        self._last: Decision | None = None
        self._settled: FastPath | None = None
        self.calibration = Calibration()
        self._guard = threading.Lock()
        self._is_warm = False
        self._grid = self._grid_watch()
        self._senses, self._observe, self._world = self._open(_remote_models(remotes or {}, self.goal.mode))
        self.agent = self._agent(agent)
        self._requested = self.options.target or str(self.goal.mode)
        self._senses.start()
        self._grid.start(None if self._observe().battery is None else self._observe)

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer one query, as ``InferenceSession.run`` does; ``last`` then tells what was decided and what it cost.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: the target failed and the mode, or a pinned target, allows no other.
        """
        if self._settled is not None:
            try:
                return self._settled.run(output_names, feeds)
            except AutoScaleError:
                self._settled = None  # the loop says what is wrong, or finds another target
        query = Query(output_names, _arrays(self.bundle.inputs, feeds))
        if not self._is_warm:
            self._warm_up(query)
        time_s = time.time()
        answer, context, decision = run_query(self._world, self.agent, query, self._requested, self._guard)
        self._last = decision
        self._settle(decision)
        if self.options.on_record is not None:
            self.options.on_record(self._record(time_s, context.observation, decision))
        outputs: list[Array] = answer
        return outputs

    @property
    def last(self) -> Decision | None:
        """What was decided for the last query and what it cost; None before the first."""
        settled = self._settled
        outcome = None if settled is None else settled.outcome()
        if outcome is None or self._last is None:
            return self._last
        attempts = (Attempt(self._last.chosen, outcome.latency_s),)
        gained = reward(outcome, self.goal, self._world.reference)
        return replace(self._last, attempts=attempts, outcome=outcome, reward=gained)

    def warm_up(self, feeds: Feeds) -> None:
        """Run every target on these feeds, to know its speed and whether its answer can be trusted.

        Raises:
            FeedError: the feeds are not the model's.
            InvalidGoal: no trusted target is left that meets the goal.
        """
        self._warm_up(Query(None, _arrays(self.bundle.inputs, feeds)))

    def observe(self) -> Observation:
        """What the sensors see now; also keeps them awake, since an idle session senses nothing."""
        return self._observe()

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where queries of this session can run."""
        return self._world.targets

    def get_inputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the inputs, as ``InferenceSession.get_inputs``."""
        return self.bundle.inputs

    def get_outputs(self) -> tuple[TensorSpec, ...]:
        """Names, dtypes and shapes of the outputs, as ``InferenceSession.get_outputs``."""
        return self.bundle.outputs

    def save_policy(self, path: Path | str) -> None:
        """Write what the agent has learned; ``Session(..., agent=path)`` goes on from there."""
        with self._guard:
            save_policy(self.agent, path)

    def close(self) -> None:
        """Stop sensing and give the models and connections back."""
        self._grid.close()
        self._senses.close()
        for route in self._world.routes:
            route.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, remotes: Mapping[str, RemoteModel]) -> tuple[SensorHub, Callable[[], Observation], DeviceWorld]:
        options = self.options
        table = ModelledMeter(load_device(options.power_table), options.radio)
        self._device = table.profile.name
        self.meter = best_meter(options.power_table, options.meters)
        account = DeviceAccount(self.meter.meter, table, self._grid)
        sensors = host_sensors(tuple(remotes)) if options.sensors is None else options.sensors
        senses = SensorHub([*sensors, GridSensor(self._grid)], tuple(remotes))
        routes = routes_of(self.bundle, remotes, account, senses, options.target)
        remote = [route for route in routes if route.target.is_remote]

        def observe() -> Observation:
            return senses.now({route.target.link: route.is_open for route in remote})

        world = DeviceWorld(self.bundle.profile, routes, self.goal, observe, options.timeout_s, options.hedge)
        return senses, observe, world

    def _grid_watch(self) -> GridWatch:
        watch = GridWatch(self.options.electricity, ChargeLog(charge_file()))
        if watch.is_live and self.goal.mode is InferenceMode.ONLY_ON_DEVICE:
            raise InvalidGoal(
                f"the intensity source '{self.options.electricity.source}' asks a server, and ONLY_ON_DEVICE sends "
                "nothing; allowed: yearly averages, a CSV file, a figure"
            )
        return watch

    def _record(self, time_s: float, observation: Observation, decision: Decision) -> Record:
        grids = self._grid.now
        return Record(
            time_s, self._device, self.bundle.name, self.goal, observation, decision, grids.regions, grids.kinds
        )

    def _agent(self, agent: str | Path | Agent) -> Agent:
        targets, seed = self._world.targets, self.options.seed
        if self.options.target is not None:
            return Pinned(targets)
        if isinstance(agent, Agent):
            if agent.targets != targets:
                raise InvalidInput(f"the agent chooses among {agent.targets}; this session has {targets}")
            return agent
        if isinstance(agent, Path) or agent.endswith(POLICY_SUFFIX):
            return load_policy(agent, targets, seed)
        return make_agent(agent, targets, seed)

    def _settle(self, decision: Decision) -> None:
        """Where nothing is left to decide, learn or record, spend nothing on it: run the model and note the clocks."""
        is_local = not any(target.is_remote for target in self._world.targets)
        if self.agent.is_fixed and is_local and not decision.did_fallback and self.options.on_record is None:
            route = self._world.routes[self._world.targets.index(decision.selected)]
            self._settled = route.settle() if isinstance(route, CpuRoute) else None

    def _warm_up(self, query: Query) -> None:
        with self._guard:
            if self._is_warm:
                return
            self.calibration = calibrate(self._world, query, self.options.timeout_s)
            context = self._world.observe(query)
            for index, outcome in self.calibration.lessons:
                self.agent.learn(context, index, outcome, reward(outcome, self.goal, context.reference))
            self._is_warm = True


def _arrays(specs: Sequence[TensorSpec], feeds: Feeds) -> Feeds:
    """The feeds with lists made arrays: ONNX Runtime takes lists, the wire does not."""
    if all(isinstance(each, np.ndarray) for each in feeds.values()):
        return feeds
    dtypes = {spec.name: spec.dtype for spec in specs}
    try:
        return {
            name: each if isinstance(each, np.ndarray) else np.array(each, dtypes.get(name))
            for name, each in feeds.items()
        }
    except (ValueError, TypeError) as error:
        raise FeedError(f"an input is no tensor: {error}") from error


def _remote_models(remotes: Mapping[str, str | RemoteModel], mode: InferenceMode) -> dict[str, RemoteModel]:
    if mode is InferenceMode.ONLY_ON_DEVICE:
        return {}
    return {link: RemoteModel(each) if isinstance(each, str) else each for link, each in remotes.items()}

"""What most sessions leave as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Final

from autoscale.carbon import Electricity
from autoscale.errors import InvalidInput, UnknownName, check_type, one_of
from autoscale.query.record import Record
from autoscale.query.target import PROCESSORS
from autoscale_runtime.backends.base import BACKENDS, Backend
from autoscale_runtime.device.rules import Rules
from autoscale_runtime.meters.base import PREFERRED
from autoscale_runtime.sensors.base import Sensor

NO_RULES: Final = Rules()
ANYWHERE: Final = Electricity()
POLICIES: Final = ("transfer", "exact")
"""What to do with a policy file made for other targets."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What most sessions leave as it is.

    Attributes:
        target: pins every query to one target, as in ``device:cpu/int8@2t``; it then never falls back.
        timeout_s: how long a remote target may take where the device cannot rescue the query in time.
        hedge: give a remote target up early enough for the device to answer within the goal's limit.
        power_table: the device profile whose watts the modelled energy uses: its name or its ``.toml`` file.
        meters: which meters may tell the device's energy, the most wanted first; the first that works here does.
        radio: by which of the power table's radios queries leave: ``wifi`` (also where None), ``lte`` or ``5g``.
        electricity: the grids of the device and of those it talks to, and who tells their carbon intensity.
        sensors: what to sense with; None for every sensor that has something to sense on this host.
        seed: of the agent's random generator.
        policy: of a policy file made for other targets: ``transfer`` what it learned to those that are alike, or take
            none but an ``exact`` one.
        shapes: of a bare file, input name to shape, where its inputs have open dimensions: its layers are then counted
            before the first query, else by the first query's shapes.
        prefer: the kind of this device's processors, which queries stay on where it is here.
        consent: whether queries' data may leave this device where a query does not say so itself.
        rules: what it must not do, or must save, whatever the agent thinks.
        backends: what stands in the place of those registered by these names: one of yours, or one set up otherwise.
        on_record: called with every query's record once its caller has the answer, one after the other: from a thread
            of the session's, or where that is sooner from the one that asks next, reads ``last``, settles or closes.
            What it raises is logged and fails no query. It takes no lock that a caller holds while it asks.
        calibration: a file that keeps what getting to know this device's own targets told, written by the first session
            of a model on a quiet machine and read by those after it, as long as model, engines, machine and meter are
            the same, for a week; None for no file. One for each model. It holds targets, their seconds and joules,
            digests of the model, and names and versions of what ran it; nothing of a query. To measure anew, delete it.
        splits: folders that ``autoscale split --out`` wrote: slices over this device's own processors and engines are
            further targets, chosen where they are expected to be better than every whole target.
        log_considered: whether records keep what stood to be chosen and what was seen, by which other policies can be
            judged on them; some hundred bytes a query.

    Raises:
        InvalidInput: a value of another type, a timeout that is not above 0, or a policy that is neither of the two.
    """

    target: str | None = None
    timeout_s: float = 2.0
    hedge: bool = True
    power_table: str | Path = "laptop"
    meters: Sequence[str] = PREFERRED
    radio: str | None = None
    electricity: Electricity = ANYWHERE
    sensors: Sequence[Sensor] | None = None
    seed: int = 0
    on_record: Callable[[Record], None] | None = None
    policy: str = "transfer"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    prefer: str | None = None
    consent: bool = True
    rules: Rules = NO_RULES
    backends: Mapping[str, Backend] = field(default_factory=dict)
    calibration: str | Path | None = None
    log_considered: bool = True
    splits: Sequence[str | Path] = ()

    def __post_init__(self) -> None:
        check_type("target", self.target, (str, NoneType), "a target as in 'device:cpu/int8@2t', or None")
        check_type("timeout_s", self.timeout_s, (int, float), "seconds above 0")
        check_type("power_table", self.power_table, (str, Path), "the name of a device profile, or its .toml file")
        check_type("radio", self.radio, (str, NoneType), "the name of a radio, or None")
        check_type("electricity", self.electricity, Electricity, "an Electricity")
        check_type("seed", self.seed, int, "an integer")
        if self.seed < 0:
            raise InvalidInput(f"seed is {self.seed}; allowed: an integer, 0 or more")
        check_type("hedge", self.hedge, bool, "True or False")
        for what, names in (("meters", self.meters), ("sensors", self.sensors)):
            check_type(what, names, (list, tuple, NoneType), "a list" + (", or None" if what == "sensors" else ""))
        for sensor in self.sensors or ():
            check_type("a sensor", sensor, Sensor, "a Sensor")
        if self.on_record is not None and not callable(self.on_record):
            check_type("on_record", self.on_record, NoneType, "a function of a record, or None")
        check_type("rules", self.rules, Rules, "a Rules")
        if self.prefer is not None:
            one_of("processor to prefer", self.prefer, PROCESSORS, InvalidInput)
        check_type("consent", self.consent, bool, "True where data may leave this device, else False")
        check_type("backends", self.backends, Mapping, "a mapping of registered names to backends")
        for name, backend in self.backends.items():
            one_of("backend", name, BACKENDS.names(), UnknownName)
            check_type(f"backend '{name}'", backend, Backend, "a Backend")
        check_type("splits", self.splits, (list, tuple), "a list of folders")
        for folder in self.splits:
            check_type("a split", folder, (str, Path), "a folder that 'autoscale split --out' wrote")
        check_type("calibration", self.calibration, (str, Path, NoneType), "a file, or None")
        check_type("log_considered", self.log_considered, bool, "True or False")
        check_type("shapes", self.shapes, Mapping, "a mapping of input names to shapes")
        if not 0.0 < self.timeout_s < float("inf"):
            raise InvalidInput(f"timeout_s is {self.timeout_s}; allowed: seconds above 0")
        one_of("policy", self.policy, POLICIES, InvalidInput)

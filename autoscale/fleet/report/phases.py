"""The phases of a life cycle beside inference: typed, or taken from the logs of the runs themselves.

Energy from CodeCarbon's ``emissions.csv`` (runs.py) is taken at this account's own intensity of the place and year of
each run, so that training and inference stand on one basis; CodeCarbon's own grams are told beside it, and stand where
a run names no place that is known. A run of MLPerf's log (``:::MLLOG``) has its time from ``run_start`` to ``run_stop``
and the watts that are given.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from autoscale.carbon.embodied.footprint import product_footprint
from autoscale.carbon.embodied.instances import find_instance, instance_footprint
from autoscale.carbon.intensity.places import WORLD, Places
from autoscale.errors import AutoScaleError, InvalidInput, ProfileError
from autoscale.fleet.report.runs import Run, codecarbon_runs
from autoscale.profiles.toml_table import TomlTable
from autoscale.units import g_from_kg, kg_from_g, kwh_from_j, s_from_ms

INFERENCE: Final = "inference"
"""What the report itself adds beside the phases."""
STAGES: Final = ("data", "experimentation", "training", INFERENCE)
"""Of the life cycle of a model, as Sustainable AI (Wu et al., MLSys 2022) draws it."""

_NUMBERS: Final = ("carbon_kg", "energy_kwh", "intensity_g_per_kwh", "pue", "embodied_kg", "power_w", "machines")
_TEXTS: Final = ("region", "stage", "codecarbon", "project", "mlperf", "machine")
_ENERGY: Final = ("carbon_kg", "energy_kwh", "codecarbon", "mlperf")
_MLLOG: Final = ":::MLLOG"


@dataclass(frozen=True, slots=True)
class LifeCyclePhase:
    """A part of the life cycle beside inference; grams of CO2e, operational and embodied.

    Attributes:
        stands_in: what stands in for a figure that was not given; empty where nothing does.
        stage: of ``STAGES``, or the phase's own name where it is none of them.
        source: whose figures they are, in words.
    """

    name: str
    operational_g: float
    embodied_g: float
    stands_in: str = ""
    stage: str = ""
    source: str = "as given"


def read_phase(phase: TomlTable) -> LifeCyclePhase:
    """A phase of a file.

    Raises:
        ProfileError: a key that is none, a value outside its range, a log that cannot be read.
    """
    name = phase.name.removeprefix("phases.")
    if name == INFERENCE:
        raise ProfileError(f"{phase.path}: [{phase.name}]; allowed: any other name, the ledger tells of that one")
    phase.check_keys((), (*_NUMBERS, *_TEXTS))
    if sum(key in phase for key in _ENERGY) != 1:
        raise ProfileError(
            f"{phase.path}: [{phase.name}]; allowed: either carbon_kg or energy_kwh, codecarbon or mlperf"
        )
    stage = phase.text("stage") if "stage" in phase else name
    if "codecarbon" in phase or "mlperf" in phase:
        return _of_log(phase, name, stage)
    embodied_g = g_from_kg(phase.number("embodied_kg")) if "embodied_kg" in phase else 0.0
    if "carbon_kg" in phase:
        return LifeCyclePhase(name, g_from_kg(phase.number("carbon_kg")), embodied_g, "", stage)
    stands_in = "" if {"region", "intensity_g_per_kwh"} & set(phase.content) else _world()
    operational_g = phase.number("energy_kwh") * _pue(phase) * _g_per_kwh(phase)
    return LifeCyclePhase(name, operational_g, embodied_g, stands_in, stage)


def mlperf_run(path: Path, power_w: float) -> Run:
    """The run of an MLPerf training log at some mean power.

    Raises:
        InvalidInput: it cannot be read, or has no ``run_start`` and ``run_stop`` in order.
    """
    try:
        entries = list(_mllog(path.read_text(encoding="utf-8", errors="replace")))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    times = {each.get("key"): each.get("time_ms") for each in entries if each.get("key") in ("run_start", "run_stop")}
    start, stop = times.get("run_start"), times.get("run_stop")
    if not isinstance(start, int | float) or not isinstance(stop, int | float) or stop <= start:
        raise InvalidInput(f"{path} has no run; allowed: :::MLLOG lines with run_start before run_stop")
    duration_s = s_from_ms(stop - start)
    return Run(kwh_from_j(power_w * duration_s), duration_s, None, None, datetime.fromtimestamp(s_from_ms(start)).year)


def _mllog(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        _, mark, rest = line.partition(_MLLOG)
        if mark:
            try:
                entry = json.loads(rest)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def _of_log(phase: TomlTable, name: str, stage: str) -> LifeCyclePhase:
    try:
        runs, whose = _runs(phase)
        made_g = _embodied_g(phase, sum(each.duration_s for each in runs))
    except InvalidInput as error:
        raise ProfileError(f"{phase.path}: [{phase.name}]: {error}") from error
    given = {"region", "intensity_g_per_kwh"} & set(phase.content)
    grams, logged, unknown = 0.0, 0.0, 0
    for each in runs:
        logged += each.logged_g or 0.0
        if given or each.place is not None:
            g_per_kwh = _g_per_kwh(phase) if given else _of_year(each)
            # a log's energy has its building's overhead in it, which a PUE of the phase takes the place of
            grams += each.energy_kwh * (_pue(phase) / each.pue if "pue" in phase else 1.0) * g_per_kwh
        elif each.logged_g is not None:
            grams, unknown = grams + each.logged_g, unknown + 1
        else:
            grams += each.energy_kwh * _pue(phase) * _yearly(WORLD)
    beside = f"; the log itself came to {kg_from_g(logged):.4g} kg" if logged else ""
    taken = f"; {unknown} runs of no known place as logged" if unknown else ""
    stands_in = _world() if "mlperf" in phase and not given else ""
    return LifeCyclePhase(name, grams, made_g, stands_in, stage, f"{whose}{beside}{taken}")


def _runs(phase: TomlTable) -> tuple[tuple[Run, ...], str]:
    folder = Path(phase.path).parent
    if "codecarbon" in phase:
        path = folder / phase.text("codecarbon")
        runs = codecarbon_runs(path, phase.text("project") if "project" in phase else "")
        return runs, f"{len(runs)} runs of {path.name}, at this account's intensities"
    if "power_w" not in phase:
        raise InvalidInput("mlperf says nothing of power; allowed: with power_w, the mean of the whole system")
    path = folder / phase.text("mlperf")
    return (mlperf_run(path, phase.number("power_w")),), f"{path.name} at {phase.number('power_w'):g} W"


def _embodied_g(phase: TomlTable, held_s: float) -> float:
    """As given, else the share of each machine's life that the runs held it."""
    if "embodied_kg" in phase:
        return g_from_kg(phase.number("embodied_kg"))
    if "machine" not in phase:
        return 0.0
    name = phase.text("machine")
    made = instance_footprint(name) if find_instance(name) else product_footprint(name)
    count = phase.number("machines") if "machines" in phase else 1.0
    return g_from_kg(made.kg.mid) * count * held_s / made.life_s.mid


def _pue(phase: TomlTable) -> float:
    return phase.number("pue", least=1.0) if "pue" in phase else 1.0


def _g_per_kwh(phase: TomlTable) -> float:
    if "intensity_g_per_kwh" in phase:
        return phase.number("intensity_g_per_kwh")
    try:
        return _yearly(phase.text("region") if "region" in phase else WORLD)
    except AutoScaleError as error:
        raise ProfileError(f"{phase.path}: {phase.name}: {error}") from error


def _of_year(run: Run) -> float:
    return run.place.in_year(run.year)[0].mid if run.place else 0.0


@cache
def _yearly(region: str) -> float:
    return Places.shipped().find(region).g_per_kwh.mid


def _world() -> str:
    return f"{_yearly(WORLD):g} g/kWh, the world's"

"""What stood to be chosen, as the ledger's column ``considered`` keeps it: one JSON object a row, any engine's to read.

Keys are ``targets``; ``left_out``, indices of those that were not admitted; of each target the expected ``latency_us``,
``energy_uj``, ``carbon_ng`` and ``accuracy_ppm`` (null: not known); ``reference``, the unit of the reward;
``seen``, the observation; ``model``, what is not zero in the network's profile. Where they are known: ``on_time_ppm``,
the chance to be in time that the goal asks, but for an even one; ``why``, the reason of those that were left out;
``coverage_ppm``, how much of the model ran on the processor of the target that answered; ``believed`` and
``believed_after`` (``belief_text``). Whole numbers, as in every column. Later versions may add keys, and readers pass
over those that they do not know.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import AutoScaleError, InvalidInput
from autoscale.fleet.ledger.belief_text import belief_text, read_belief
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.target import Target
from autoscale.units import MICRO_PER_UNIT, NANO_PER_UNIT

Kept = TypeVar("Kept")

_FIGURES: Final = {
    "latency_us": ("latency_s", MICRO_PER_UNIT),
    "energy_uj": ("energy_j", MICRO_PER_UNIT),
    "carbon_ng": ("carbon_g", NANO_PER_UNIT),
    "accuracy_ppm": ("accuracy", MICRO_PER_UNIT),
}
_SEEN: Final = ("cpu_load", "memory_load", "temperature_c", "battery", "is_charging")
_LINK: Final = LinkState.__slots__
_COUNTS: Final = (
    *("conv", "depthwise_conv", "fully_connected", "recurrent", "other", "macs", "spatial_macs"),
    *("parameters", "parameter_bytes", "input_bytes", "output_bytes"),
)
_EVEN: Final = Goal().on_time
_compact: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


_LONGEST_REASON: Final = 100
"""Characters of why a target was left out."""


def considered_text(considered: Considered, chosen: Target | None = None) -> str:
    """The text of what stood to be chosen. It is on the path of every query, so the parts are written as they are.

    Args:
        considered: that.
        chosen: which of its targets was, where a belief is to be kept.
    """
    context = considered.context
    parts = [f'"targets":{_names(considered.targets)}']
    if len(context.admitted) < len(considered.targets):
        admitted = set(context.admitted.tolist())
        left_out = [str(index) for index in range(len(considered.targets)) if index not in admitted]
        parts.append(f'"left_out":[{",".join(left_out)}]')
    forecast = context.first_forecast
    if forecast is not None:
        parts += [_figures(key, getattr(forecast, name), per) for key, (name, per) in _FIGURES.items()]
    parts.append(f'"reference":{context.reference:.7g},"seen":{_seen(context.observation)}')
    parts.append(f'"model":{_model(context.model)}')
    if context.goal.on_time != _EVEN:
        parts.append(f'"on_time_ppm":{round(context.goal.on_time * MICRO_PER_UNIT)}')
    if considered.left_out:
        parts.append(f'"why":{_why(considered)}')
    if considered.coverage is not None:
        parts.append(f'"coverage_ppm":{round(considered.coverage * MICRO_PER_UNIT)}')
    if considered.belief is not None and chosen is not None:
        parts += belief_text(considered.belief, considered.belief_after, considered.targets.index(chosen))
    return f"{{{','.join(parts)}}}"


def read_considered(text: str, model: str, goal: Goal, chosen: Target | None = None) -> Considered:
    """What ``considered_text`` wrote, with the network's name, the goal and the choice that the row has beside it.

    Raises:
        InvalidInput: it is no such text.
    """
    try:
        kept = json.loads(text)
        targets = tuple(map(Target.parse, kept["targets"]))
        left_out = set(kept.get("left_out", ()))
        if not left_out <= {*range(len(targets))}:
            raise ValueError(f"'left_out' is {sorted(map(str, left_out))}; allowed: indices of {len(targets)} targets")
        admitted = np.array([index for index in range(len(targets)) if index not in left_out], np.intp)
        forecast = _forecast(kept, len(targets))
        seen, profile = _observation(kept.get("seen", {})), _profile(model, kept.get("model", {}))
        reference = _reference(kept)
        if "on_time_ppm" in kept:
            goal = replace(goal, on_time=kept["on_time_ppm"] / MICRO_PER_UNIT)
        left_out_why = {targets[int(index)]: str(why) for index, why in kept.get("why", {}).items()}
        coverage = kept["coverage_ppm"] / MICRO_PER_UNIT if "coverage_ppm" in kept else None
        belief = read_belief(kept.get("believed"), targets)
        at = targets.index(chosen) if chosen in targets else None
        after = None if at is None else read_belief(kept.get("believed_after"), targets, at)
        context = Context(profile, seen, goal, admitted, None if forecast is None else lambda: forecast, reference)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AutoScaleError) as error:
        raise InvalidInput(f"'considered' is {text[:60]!r}...: {type(error).__name__}: {error}") from error
    if not admitted.size:
        raise InvalidInput(f"'considered' is {text[:60]!r}...; allowed: one or more admitted targets")
    return Considered(targets, context, belief, after, left_out_why, coverage)


def _why(considered: Considered) -> str:
    """Index of a target to the reason, cut where it is long."""
    reasons = considered.left_out.items()
    return _compact({str(considered.targets.index(each)): why[:_LONGEST_REASON] for each, why in reasons})


def _reference(kept: Mapping[str, Any]) -> float:
    reference: float = kept["reference"]
    if isinstance(reference, bool) or not 0.0 < reference < math.inf:
        raise ValueError(f"'reference' is {reference}; allowed: above 0, finite")
    return reference


def _figures(key: str, values: Floats, per_unit: int) -> str:
    try:
        whole = ",".join([str(round(each)) for each in (values * per_unit).tolist()])
    except (ValueError, OverflowError):  # some are not known
        known = [str(round(each * per_unit)) if math.isfinite(each) else "null" for each in values.tolist()]
        whole = ",".join(known)
    return f'"{key}":[{whole}]'


def _forecast(kept: Mapping[str, Any], targets: int) -> Forecast | None:
    """What is told of it; NaN where it is not."""
    if not _FIGURES.keys() & kept.keys():
        return None
    nothing = [None] * targets
    figures = {name: _array(kept.get(key, nothing), per, targets) for key, (name, per) in _FIGURES.items()}
    return Forecast(**figures)


def _array(values: Sequence[float | None], per_unit: int, targets: int) -> Floats:
    array = np.array([math.nan if each is None else each / per_unit for each in values])
    if array.shape != (targets,):
        raise ValueError(f"{len(values)} figures for {targets} targets")
    return array


def _seen(observation: Observation) -> str:
    """Seven digits: no sensor knows more."""
    parts = _members(observation, _SEEN)
    links = [f"{_string(name)}:{{{','.join(_members(state, _LINK))}}}" for name, state in observation.links.items()]
    if links:
        parts.append(f'"links":{{{",".join(links)}}}')
    grids = [f"{_string(place)}:{each:.7g}" for place, each in observation.intensity_g_per_kwh.items()]
    if grids:
        parts.append(f'"intensity_g_per_kwh":{{{",".join(grids)}}}')
    return f"{{{','.join(parts)}}}"


def _members(of: object, names: Sequence[str]) -> list[str]:
    found = ((name, getattr(of, name)) for name in names)
    return [f'"{name}":{_number(value)}' for name, value in found if value is not None]


def _number(value: float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value + 0.0:.7g}"  # no -0


def _observation(seen: Mapping[str, Any]) -> Observation:
    links = {name: LinkState(**state) for name, state in seen.get("links", {}).items()}
    return Observation(**{**seen, "links": links})


def _profile(name: str, kept: Mapping[str, Any]) -> ModelProfile:
    accuracies = {each: Accuracy(value, "as logged") for each, value in kept.get("accuracies", {}).items()}
    return ModelProfile(name, **{key: kept.get(key, 0) for key in _COUNTS}, accuracies=accuracies)


@lru_cache(maxsize=1024)
def _string(text: str) -> str:
    return _compact(text)


class _Texts(Generic[Kept]):
    """The texts of the last things of one kind, by identity: a session has one, and it does not change."""

    _MOST: Final = 64

    def __init__(self, write: Callable[[Kept], str]) -> None:
        self._write = write
        self._known: dict[int, tuple[Kept, str]] = {}

    def __call__(self, thing: Kept) -> str:
        known = self._known.get(id(thing))
        if known is None or known[0] is not thing:
            if len(self._known) >= self._MOST:
                self._known.clear()
            known = self._known[id(thing)] = (thing, self._write(thing))
        return known[1]


def _write_model(model: ModelProfile) -> str:
    kept: dict[str, Any] = {name: getattr(model, name) for name in _COUNTS if getattr(model, name)}
    if model.accuracies:
        kept["accuracies"] = {name: each.value for name, each in model.accuracies.items()}
    return _compact(kept)


_names: Final = _Texts[tuple[Target, ...]](lambda targets: _compact([str(each) for each in targets]))
_model: Final = _Texts[ModelProfile](_write_model)

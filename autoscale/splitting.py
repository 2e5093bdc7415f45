"""Which cut of a network pays: between processors of one device, or between it and the machines within its reach.

Both parts are forecast as whole networks are, by the physics of the machine that runs each, and add up; what crosses is
moved by the radio, or copied from one processor of the device to the other (``autoscale.physics.handover``).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TypeAlias

from autoscale.carbon import Electricity
from autoscale.interval import Interval
from autoscale.physics.handover import tail_here
from autoscale.prediction import Conditions, Prediction, predictions
from autoscale.profiles import DeviceProfile
from autoscale.profiles.remotes import Remote
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile, NetworkCut
from autoscale.query.target import Target

_Pair: TypeAlias = tuple[Prediction, Prediction]


@dataclass(frozen=True, slots=True)
class SplitForecast:
    """What one query would cost in two parts.

    Attributes:
        cut: where the network is cut.
        whole: of both parts; its target says where each runs.
    """

    cut: NetworkCut
    whole: Prediction

    @property
    def head(self) -> Target:
        """Where the head runs, of the device's own targets."""
        target = self.whole.target
        return target.head or Target("device", "cpu", target.precision)

    @property
    def tail(self) -> Target:
        """Where the tail runs."""
        return self.whole.target.whole


@dataclass(frozen=True, slots=True)
class SplitAdvice:
    """Splitting beside not splitting.

    Attributes:
        targets: the whole network on every target of the precision.
        cuts: every cut that was weighed for each pair of places, with the best settings of both.
        splits: of each pair of places the best of them: a target of another machine, or two processors of the device.
        best_whole: of the targets; None where the device has none in the precision.
        best_split: of the splits; None where the network cannot be cut, or nothing could take the other part.
        pays: whether the best split is better than every whole target.
    """

    targets: tuple[Prediction, ...]
    cuts: tuple[SplitForecast, ...]
    splits: tuple[SplitForecast, ...]
    best_whole: Prediction | None
    best_split: SplitForecast | None
    pays: bool


def advise(
    model: ModelProfile,
    precision: str,
    device: DeviceProfile,
    remotes: Sequence[Remote],
    goal: Goal,
    settings: str = "threads",
    conditions: Conditions | None = None,
    electricity: Electricity | None = None,
    at: int | None = None,
    within: Collection[Target] | None = None,
) -> SplitAdvice:
    """Weigh the network's cuts: the head on every target of the device, the tail there on another processor, or away.

    For a machine within reach, a cut that as many bytes cross as an earlier one, or the network's own input, is passed
    over: it leaves this device more to do for the same link. That is a loss wherever that machine computes no slower
    than this one.

    Args:
        model: the network, with its cuts.
        precision: both parts compute in it.
        device: that decides.
        remotes: the machines within reach.
        goal: its objective and latency limit; with none in time, the fastest is the best.
        settings: what the device's own targets set, ``dvfs`` or ``threads``.
        conditions: what the query meets; nothing where None.
        electricity: where the machines draw theirs.
        at: the cut after so many nodes alone, and none is passed over.
        within: the whole targets to choose from; all there are where None.

    Raises:
        AutoScaleError: as ``predictions`` does.
    """

    def ask(part: ModelProfile, away: Sequence[Remote] = ()) -> list[Prediction]:
        told = predictions(device, part, away, settings, conditions, electricity, precision)
        return told if within is None else [each for each in told if each.target in within]

    targets = ask(model, remotes)
    cuts = [each for each in model.cuts if at in (None, each.after)]
    narrowing = {each.after for each in (_narrowing(model) if at is None else cuts)}
    weighed = tuple(
        _joined(cut, min(pairs, key=partial(_pair_rank, goal)))
        for cut in cuts
        for pairs in _pairs(ask, cut, precision, remotes if cut.after in narrowing else (), goal)
    )
    splits: dict[tuple[str, ...], SplitForecast] = {}
    for each in sorted(weighed, key=lambda each: _rank(goal, each.whole)):
        splits.setdefault(_places(each), each)
    best_whole = min(targets, key=partial(_rank, goal), default=None)
    best_split = next(iter(splits.values()), None)
    pays = best_split is not None and (best_whole is None or _rank(goal, best_split.whole) < _rank(goal, best_whole))
    return SplitAdvice(tuple(targets), weighed, tuple(splits.values()), best_whole, best_split, pays)


def _places(each: SplitForecast) -> tuple[str, ...]:
    """Of another machine its target; of this device both processors."""
    tail, head = each.tail, each.head
    return (str(tail),) if tail.is_remote else (head.processor, tail.processor)


def _joined(cut: NetworkCut, pair: _Pair) -> SplitForecast:
    head, tail = pair
    target = replace(tail.target, cut=cut.after, head=head.target)
    return SplitForecast(cut, replace(head.then(tail), target=target))


def _narrowing(model: ModelProfile) -> Iterator[NetworkCut]:
    least_bytes = model.input_bytes
    for cut in model.cuts:
        if cut.crossing_bytes < least_bytes:
            least_bytes = cut.crossing_bytes
            yield cut


def _pairs(
    ask: Callable[..., list[Prediction]], cut: NetworkCut, precision: str, remotes: Sequence[Remote], goal: Goal
) -> Iterator[list[_Pair]]:
    """Of each two places every pair of targets of which neither is beaten by another of its processor."""
    heads = _by_processor(ask(cut.head), goal)
    every = [each for found in heads.values() for each in found]
    for tail in ask(cut.tail, remotes) if remotes and every else ():
        if tail.target.is_remote:
            yield [(head, tail) for head in every]
    if len(heads) > 1:
        tails = _by_processor(ask(tail_here(cut, precision)), goal)
        for first, last in product(heads, tails):
            if first != last:
                yield list(product(heads[first], tails[last]))


def _by_processor(found: Sequence[Prediction], goal: Goal) -> dict[str, list[Prediction]]:
    kinds = dict.fromkeys(each.target.processor for each in found)
    return {kind: _frontier([each for each in found if each.target.processor == kind], goal) for kind in kinds}


def _frontier(found: Sequence[Prediction], goal: Goal) -> list[Prediction]:
    kept: list[Prediction] = []
    for each in sorted(found, key=lambda each: (each.latency_s.mid, _figure(goal, each).mid)):
        if not kept or _figure(goal, each).mid < _figure(goal, kept[-1]).mid:
            kept.append(each)
    return kept


def _figure(goal: Goal, each: Prediction) -> Interval:
    return {"energy": each.energy_j, "carbon": each.carbon_g, "latency": each.latency_s}[goal.objective]


def _rank(goal: Goal, each: Prediction) -> tuple[bool, float, float]:
    return _order(goal, each.latency_s.mid, _figure(goal, each).mid)


def _pair_rank(goal: Goal, pair: _Pair) -> tuple[bool, float, float]:
    """Of both together, as ``Prediction.then`` adds them up."""
    head, tail = pair
    both_s = head.latency_s.mid + tail.latency_s.mid
    return _order(goal, both_s, _figure(goal, head).mid + _figure(goal, tail).mid)


def _order(goal: Goal, latency_s: float, figure: float) -> tuple[bool, float, float]:
    """In time first, then the least of what the goal counts; of the late ones the fastest."""
    is_late = latency_s > goal.latency_s
    return is_late, latency_s if is_late else figure, latency_s

"""Which cut of a network pays: between processors of one device, or between it and the machines within its reach.

Both parts are forecast as whole networks are, by the physics of the machine that runs each, and add up; what crosses is
moved by the radio, or copied from one processor of the device to the other (``autoscale.physics.handover``).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from autoscale.carbon import Electricity
from autoscale.interval import Interval
from autoscale.physics.handover import tail_here
from autoscale.prediction import Conditions, Prediction, predictions
from autoscale.profiles import DeviceProfile
from autoscale.profiles.remotes import Remote
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile, NetworkCut
from autoscale.query.target import Target

Rank = Callable[[Prediction], tuple[bool, float, float]]


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

    Raises:
        AutoScaleError: as ``predictions`` does.
    """
    ask = partial(predictions, device, settings=settings, conditions=conditions, electricity=electricity)
    targets = [each for each in ask(model, remotes) if each.target.precision == precision]
    rank = partial(_rank, goal)
    cuts = [each for each in model.cuts if at in (None, each.after)]
    narrowing = {each.after for each in (_narrowing(model) if at is None else cuts)}
    forecasts = (
        each
        for cut in cuts
        for each in _forecasts(ask, cut, precision, remotes if cut.after in narrowing else (), goal)
    )
    weighed = _best(forecasts, rank, lambda each: (*_places(each), each.cut.after))
    splits = _best(weighed, rank, _places)
    best_whole = min(targets, key=rank, default=None)
    best_split = min(splits, key=lambda each: rank(each.whole), default=None)
    pays = best_split is not None and (best_whole is None or rank(best_split.whole) < rank(best_whole))
    return SplitAdvice(tuple(targets), weighed, splits, best_whole, best_split, pays)


def _places(each: SplitForecast) -> tuple[str, ...]:
    """Of another machine its target; of this device both processors."""
    tail, head = each.tail, each.head
    return (str(tail),) if tail.is_remote else (head.processor, tail.processor)


def _best(
    forecasts: Iterable[SplitForecast],
    rank: Rank,
    kind: Callable[[SplitForecast], Hashable],
) -> tuple[SplitForecast, ...]:
    best: dict[Hashable, SplitForecast] = {}
    for each in forecasts:
        known = best.setdefault(kind(each), each)
        if rank(each.whole) < rank(known.whole):
            best[kind(each)] = each
    return tuple(best.values())


def _narrowing(model: ModelProfile) -> Iterator[NetworkCut]:
    least_bytes = model.input_bytes
    for cut in model.cuts:
        if cut.crossing_bytes < least_bytes:
            least_bytes = cut.crossing_bytes
            yield cut


def _forecasts(
    ask: Callable[..., list[Prediction]], cut: NetworkCut, precision: str, remotes: Sequence[Remote], goal: Goal
) -> Iterator[SplitForecast]:
    """On every pair of targets of which neither is beaten by another of its processor in both time and objective."""
    heads = _by_processor([each for each in ask(cut.head) if each.target.precision == precision], goal)
    away = ask(cut.tail, remotes) if remotes else []
    tails = [each for each in away if each.target.is_remote and each.target.precision == precision]
    if len(heads) > 1:
        here = [each for each in ask(tail_here(cut, precision)) if each.target.precision == precision]
        tails += [each for kind in _by_processor(here, goal).values() for each in kind]
    for tail in tails:
        for kind, found in heads.items():
            if tail.target.is_remote or kind != tail.target.processor:
                for head in found:
                    target = replace(tail.target, cut=cut.after, head=head.target)
                    yield SplitForecast(cut, replace(head.then(tail), target=target))


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
    """In time first, then the least of what the goal counts; of the late ones the fastest."""
    latency_s = each.latency_s.mid
    is_late = latency_s > goal.latency_s
    return is_late, latency_s if is_late else _figure(goal, each).mid, latency_s

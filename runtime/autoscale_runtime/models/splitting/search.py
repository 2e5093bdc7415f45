"""Which cut of a network pays between a device and the machines within its reach, by the physics of all."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from autoscale.carbon import Electricity
from autoscale.interval import Interval
from autoscale.prediction import Conditions, Prediction, predictions
from autoscale.profiles import DeviceProfile
from autoscale.profiles.remotes import Remote
from autoscale.query.goal import Goal
from autoscale.query.target import Target
from autoscale_runtime.models.splitting.cuts import Cut, CutModel


@dataclass(frozen=True, slots=True)
class SplitForecast:
    """What one query would cost with the head here and the tail there.

    Attributes:
        cut: where the network is cut.
        head: where the head runs, of the device's own targets.
        whole: of both parts; its target is the tail's.
    """

    cut: Cut
    head: Target
    whole: Prediction


@dataclass(frozen=True, slots=True)
class SplitAdvice:
    """Splitting beside not splitting.

    Attributes:
        targets: the whole network on every target of the precision.
        cuts: of each remote target every cut that was weighed, with the best place for its head.
        splits: of each remote target the best of them.
        best_whole: of the targets; None where the device has none in the precision.
        best_split: of the splits; None where the network cannot be cut, or nothing is within reach.
        pays: whether the best split is better than every whole target.
    """

    targets: tuple[Prediction, ...]
    cuts: tuple[SplitForecast, ...]
    splits: tuple[SplitForecast, ...]
    best_whole: Prediction | None
    best_split: SplitForecast | None
    pays: bool


def advise(
    model: CutModel,
    precision: str,
    device: DeviceProfile,
    remotes: Sequence[Remote],
    goal: Goal,
    settings: str = "threads",
    conditions: Conditions | None = None,
    electricity: Electricity | None = None,
    at: int | None = None,
) -> SplitAdvice:
    """Weigh the cuts with the head on every target of the device and the tail on every target within reach.

    A cut that as many bytes cross as an earlier one, or the network's own input, is passed over: it leaves this device
    more to do for the same link. That is a loss wherever the machine within reach computes no slower than this one.

    Args:
        model: the file's cuts.
        precision: of the file; both parts compute in it.
        device: that decides.
        remotes: the machines within reach.
        goal: its objective and latency limit; with none in time, the fastest is the best.
        settings: what the device's own targets set, ``dvfs`` or ``threads``.
        conditions: what the query meets; nothing where None.
        electricity: where the machines draw theirs.
        at: this cut alone.

    Raises:
        ModelError: no cut there.
        AutoScaleError: as ``predictions`` does.
    """
    ask = partial(predictions, device, settings=settings, conditions=conditions, electricity=electricity)
    targets = [each for each in ask(model.whole, remotes) if each.target.precision == precision]
    rank = partial(_rank, goal)
    weighed = list(_forecasts(ask, _narrowing(model) if at is None else [model.at(at)], precision, remotes, goal))
    cuts = _best(weighed, rank, lambda each: (each.whole.target, each.cut.after))
    splits = _best(cuts, rank, lambda each: each.whole.target)
    best_whole = min(targets, key=rank, default=None)
    best_split = min(splits, key=lambda each: rank(each.whole), default=None)
    pays = best_split is not None and (best_whole is None or rank(best_split.whole) < rank(best_whole))
    return SplitAdvice(tuple(targets), cuts, splits, best_whole, best_split, pays)


def _best(
    forecasts: Iterable[SplitForecast],
    rank: Callable[[Prediction], tuple[bool, float, float]],
    kind: Callable[[SplitForecast], Hashable],
) -> tuple[SplitForecast, ...]:
    best: dict[Hashable, SplitForecast] = {}
    for each in forecasts:
        known = best.setdefault(kind(each), each)
        if rank(each.whole) < rank(known.whole):
            best[kind(each)] = each
    return tuple(best.values())


def _narrowing(model: CutModel) -> Iterator[Cut]:
    least_bytes = model.whole.input_bytes
    for cut in model.cuts:
        if cut.crossing_bytes < least_bytes:
            least_bytes = cut.crossing_bytes
            yield cut


def _forecasts(
    ask: Callable[..., list[Prediction]], cuts: Iterable[Cut], precision: str, remotes: Sequence[Remote], goal: Goal
) -> Iterator[SplitForecast]:
    """Every cut on every pair of targets whose head is not beaten by another in both time and objective."""
    for cut in cuts:
        heads = _frontier([each for each in ask(cut.head) if each.target.precision == precision], goal)
        tails = [each for each in ask(cut.tail, remotes) if each.target.is_remote]
        for tail in (each for each in tails if each.target.precision == precision):
            for head in heads:
                yield SplitForecast(cut, head.target, head.then(tail))


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

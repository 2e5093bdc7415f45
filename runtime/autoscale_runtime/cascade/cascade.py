"""A small network first, a larger one or the cloud where its answer is not sure, each paid for.

Each stage is a session: where it runs is decided as ever. One stage may read what the one before it made, so that a
network with an early exit (SPINN, MobiCom 2020) is a cascade of its two parts.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.closing import Closing
from autoscale.errors import FeedError, InvalidInput, TargetError, check_type, listing, one_of
from autoscale.query.goal import Goal
from autoscale.query.outcome import Outcome
from autoscale.query.record import Decision
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.cascade.margins import classes, classes_of, margins
from autoscale_runtime.cascade.thresholds import Chosen, Samples, choose
from autoscale_runtime.device.feeds import check_query
from autoscale_runtime.session import Session

AGREEMENT: Final = 0.99
"""How often the last stage is agreed with, where there are no labels and the goal sets no floor."""

FIRST_MARGIN: Final = 0.5
"""The threshold of every stage until it is learned."""

_LOG: Final = logging.getLogger("autoscale.cascade")


@dataclass(frozen=True, slots=True)
class CascadeDecision:
    """What one query asked of which stages.

    Attributes:
        stages: the decision of each stage that answered, in order; the last of them gave the answer.
        margins: how sure each of them was.
        failed: why a stage that was wanted gave no answer; empty where none was wanted in vain.
        outcome: of all of them together, from the first call to the answer.
    """

    stages: tuple[Decision, ...]
    margins: tuple[float, ...]
    outcome: Outcome
    failed: str = ""


@dataclass(frozen=True, slots=True)
class CascadeCalibration:
    """What the thresholds were learned from, and what a cascade with them comes to on it.

    Attributes:
        thresholds: of all stages but the last: an answer whose margin is smaller goes on to the next.
        accuracy: share of right answers; without labels, of those that are the last stage's.
        floor: that it had to reach.
        is_labelled: whether there were labels.
        cost: mean of a query, in the unit of the goal's objective: joules, grams or seconds.
        asked: share of the samples that each stage is asked.
        stage_accuracy: of each stage by itself.
        stage_cost: of each stage by itself, in the same unit as ``cost``.
    """

    thresholds: tuple[float, ...]
    accuracy: float
    floor: float
    is_labelled: bool
    cost: float
    asked: tuple[float, ...]
    stage_accuracy: tuple[float, ...]
    stage_cost: tuple[float, ...]


class Cascade(Closing):
    """Stages that answer one question, the cheapest first. Thread-safe once calibrated; a context manager.

    >>> cascade = Cascade([Session("small.onnx"), Session("large.onnx")], Goal(min_accuracy=0.97))  # doctest: +SKIP
    >>> cascade.calibrate(samples, labels)  # doctest: +SKIP
    >>> [scores] = cascade.run(None, {"x": image})  # doctest: +SKIP
    >>> len(cascade.last.stages), cascade.last.outcome.energy_j.device  # doctest: +SKIP

    A stage is asked where the margin of the one before it, the probability of its first class less that of its second,
    is below a threshold; of several rows the least sure one counts. A stage that would begin after the goal's limit is
    not asked, and one that fails leaves the answer there is.

    Args:
        stages: two or more, of which each takes inputs of the query, or outputs of a stage before it by their names.
            They are closed with the cascade.
        goal: the objective to spend least of, the accuracy floor that the thresholds must keep, and the limit of the
            whole; None for the last stage's.
        scores: the output of each stage that holds the classes' scores, of shape (..., classes); None for the first.

    Raises:
        InvalidInput: fewer than two stages, a stage that is no session, or an output that is none.
    """

    def __init__(
        self, stages: Sequence[Session], goal: Goal | None = None, *, scores: Sequence[str] | None = None
    ) -> None:
        self._stages = tuple(stages)
        for each in self._stages:
            check_type("a stage", each, Session, "a Session")
        if len(self._stages) < 2:
            raise InvalidInput(f"a cascade has {len(self._stages)} stages; allowed: two or more")
        self.goal = self._stages[-1].goal if goal is None else goal
        self._outputs = [[each.name for each in stage.get_outputs()] for stage in self._stages]
        self._scores = tuple(names[0] for names in self._outputs) if scores is None else tuple(scores)
        if len(self._scores) != len(self._stages):
            raise InvalidInput(f"scores names {len(self._scores)} outputs; allowed: one of each stage")
        for name, names in zip(self._scores, self._outputs, strict=True):
            one_of("output", name, names, InvalidInput)
        self._wanted = [self._of_use(index) for index in range(len(self._stages))]
        self.thresholds: tuple[float, ...] = (FIRST_MARGIN,) * (len(self._stages) - 1)
        self._local = threading.local()
        self._last: CascadeDecision | None = None

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """The scores of the last stage that was asked; ``last`` then tells which stages were, and what all cost.

        Args:
            output_names: None, or the last stage's scores alone, whichever stage answers.
            feeds: what the stages take between them, but for what they make for each other.

        Raises:
            FeedError: the feeds or output names are not the stages'.
            TargetError: no stage answered.
        """
        if output_names is not None and list(output_names) != [self._scores[-1]]:
            raise FeedError(f"outputs {listing(output_names)} are asked for; allowed: None, or '{self._scores[-1]}'")
        check_query(None, feeds)
        known, scores, decision, answered = dict(feeds), None, None, 0
        for index in range(len(self._stages)):
            if decision is not None and self._is_enough(answered, decision):
                break
            try:
                made = self._ask(index, known)
            except TargetError as error:
                decision = self._failed(index, decision, error)
                continue
            known |= made
            scores, answered = made[self._scores[index]], index
            decision = _with(decision, self._stages[index].last, float(margins(scores).min(initial=1.0)))
        assert decision is not None
        assert scores is not None
        self._local.last = self._last = decision
        return [scores]

    @property
    def last(self) -> CascadeDecision | None:
        """What this thread's last query asked of which stages; of any thread's where this one asked nothing."""
        return getattr(self._local, "last", self._last)

    def calibrate(self, inputs: Iterable[Feeds], labels: Iterable[int] | Array | None = None) -> CascadeCalibration:
        """Learn the thresholds: the least cost whose answers are accurate enough on samples.

        Every stage is asked every sample. Accurate enough is the goal's ``min_accuracy``; where it sets none, with
        labels the accuracy of the last stage by itself, without them ``AGREEMENT`` with its answers.

        Args:
            inputs: feeds of one sample each.
            labels: the number of the class of each, from 0, or of each row; None to go by agreement with the last
                stage.

        Raises:
            InvalidInput: no samples, one without rows, not as many labels, or one that is no class.
            FeedError, TargetError: as ``run`` does.
        """
        samples = self._samples(inputs, labels)
        alone = samples.is_right.mean(axis=0)
        usual = AGREEMENT if labels is None else float(alone[-1])
        floor = usual if self.goal.min_accuracy is None else self.goal.min_accuracy
        chosen: Chosen = choose(samples, floor)
        if chosen.accuracy < floor:
            _LOG.warning("no thresholds reach %.4f on the samples; the best, %.4f, are taken", floor, chosen.accuracy)
        self.thresholds = chosen.thresholds
        return CascadeCalibration(
            chosen.thresholds,
            chosen.accuracy,
            floor,
            labels is not None,
            chosen.cost,
            chosen.asked,
            tuple(map(float, alone)),
            tuple(map(float, samples.costs.mean(axis=0))),
        )

    def close(self) -> None:
        """Close the stages."""
        for each in self._stages:
            each.close()

    def _of_use(self, index: int) -> list[str]:
        """Of a stage's outputs the scores, and what a later stage reads."""
        later = {each.name for stage in self._stages[index + 1 :] for each in stage.get_inputs()}
        return [name for name in self._outputs[index] if name == self._scores[index] or name in later]

    def _ask(self, index: int, known: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of a stage that are of use."""
        stage, names = self._stages[index], self._wanted[index]
        feeds = {each.name: known[each.name] for each in stage.get_inputs() if each.name in known}
        return dict(zip(names, stage.run(names, feeds), strict=True))

    def _is_enough(self, index: int, decision: CascadeDecision) -> bool:
        is_sure = decision.margins[-1] >= self.thresholds[index]
        return is_sure or decision.outcome.latency_s >= self.goal.latency_s

    def _failed(self, index: int, decision: CascadeDecision | None, error: TargetError) -> CascadeDecision | None:
        """What is left of a query one of whose stages gave no answer; the last one's error where nothing is."""
        if decision is None:
            if index == len(self._stages) - 1:
                raise error
            return None
        return CascadeDecision(decision.stages, decision.margins, decision.outcome, f"stage {index}: {error}")

    def _samples(self, inputs: Iterable[Feeds], labels: Iterable[int] | Array | None) -> Samples:
        inputs, labels = list(inputs), None if labels is None else list(labels)
        if labels is not None and len(labels) != len(inputs):
            raise InvalidInput(f"there are {len(labels)} labels for {len(inputs)} samples; allowed: one each")
        if not inputs:
            raise InvalidInput("there are no samples to choose thresholds on; allowed: one or more")
        sure, said, costs, right = [], [], [], []
        for number, feeds in enumerate(inputs):
            check_query(None, feeds)
            known, row = dict(feeds), []
            for index, stage in enumerate(self._stages):
                known |= self._ask(index, known)
                scores = known[self._scores[index]]
                assert stage.last is not None
                if not scores.size:
                    raise InvalidInput(f"sample {number} has no rows; allowed: one or more")
                row.append((margins(scores).min(), classes(scores), stage.last.outcome.objective_value(self.goal)))
            sure.append([each for each, _, _ in row[:-1]])
            said.append([each for _, each, _ in row])
            costs.append([each for _, _, each in row])
            own = said[-1][-1]
            right.append(own if labels is None else classes_of(labels[number], own.size, scores.shape[-1]))
        is_right = [[np.array_equal(own, wanted) for own in row] for row, wanted in zip(said, right, strict=True)]
        stages = len(self._stages)
        return Samples(_table(sure, stages - 1), _table(is_right, stages), _table(costs, stages))


def _table(rows: Sequence[Sequence[float]], columns: int) -> Floats:
    return np.array(rows, np.float64).reshape(len(rows), columns)


def _with(decision: CascadeDecision | None, stage: Decision | None, margin: float) -> CascadeDecision:
    """A query's decision with one more stage."""
    assert stage is not None
    if decision is None:
        return CascadeDecision((stage,), (margin,), stage.outcome)
    outcome = stage.outcome.after(decision.outcome)
    return CascadeDecision((*decision.stages, stage), (*decision.margins, margin), outcome, decision.failed)

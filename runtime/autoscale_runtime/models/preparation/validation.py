"""How well a variant answers: against labels, or against the fp32 variant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from autoscale.errors import FeedError, WrongAnswer
from autoscale.query.model_profile import Accuracy
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.comparison import repeats
from autoscale_runtime.backends.tensors import Array, Feeds, check_outputs
from autoscale_runtime.models.preparation.samples import Samples
from autoscale_runtime.models.preparation.streams import streamed
from autoscale_runtime.models.state import NO_STATE, State

STREAM_STEPS: Final = 400


@dataclass(frozen=True, slots=True)
class VariantAccuracy:
    """What is compared, and with what.

    A network *classifies* if its first output is of shape (1, classes), or if every row along its last axis is a
    probability distribution; then the arg-max along that axis is compared (a sequence: position by position).
    Other networks are measured by closeness: 1 - |answer - reference| / |reference| in the Euclidean norm over all
    samples together, not below 0, the mean over the outputs; an output of integers by the fraction that is equal.
    Infinity and NaN must stand where fp32 has them, and nowhere else; the finite values are measured. A network that
    draws at random is not compared by value: without labels nothing is known of a variant but fp32 itself.

    A network with state is asked a stream of ``STREAM_STEPS`` queries, the samples over and over with its own state fed
    back; its accuracy is that of the worst quarter, so that a drift shows.

    Attributes:
        samples: what to ask.
        classifies: whether arg-max is compared.
        wanted: for each query, what a perfect variant gives.
        odd: for each query, where fp32 answers infinity or NaN; empty bytes for nowhere.
        reference: the fp32 variant, of a network that draws at random; else None.
        state: outputs to the inputs that they are fed back to.
    """

    samples: Samples
    classifies: bool
    wanted: Sequence[Any]
    odd: Sequence[bytes]
    reference: Runner | None = None
    state: State = field(default_factory=dict)

    @classmethod
    def of(cls, reference: Runner, samples: Samples, state: State = NO_STATE) -> "VariantAccuracy":
        """Validate by the labels where the samples have them, else by the answers of the fp32 variant.

        Raises:
            FeedError: the model does not give one arg-max a sample, or has fewer classes than the labels name.
        """
        first = answers(reference, samples.feeds[0])
        shown = _shown(reference, first, state)
        classifies = samples.labels is not None or _classifies(shown[0])
        is_random = reference.is_random() or not repeats(first, answers(reference, samples.feeds[0]))
        wanted, odd = [], []
        for outputs in _asked(reference, samples, state):
            wanted.append(_view(outputs, classifies))
            odd.append(_oddity(outputs))
        if samples.labels is not None:
            _check_labels(shown[0], samples.labels)
            wanted = [np.array([label]) for label in samples.labels]
        return cls(samples, classifies, wanted, odd, reference if is_random else None, state)

    def score(self, runner: Runner) -> Accuracy:
        """Ask every sample and compare.

        Raises:
            WrongAnswer: an answer of another shape, with infinity or NaN elsewhere than fp32's, or of a network that
                draws at random and has no labels.
        """
        if self.reference is not None and self.samples.labels is None:
            if runner is self.reference:
                return Accuracy(1.0, "the reference of a random network, which is not compared by value")
            raise WrongAnswer("the network draws at random, so its answers are not compared with fp32's by value")
        views = [self._view(outputs, index) for index, outputs in enumerate(_asked(runner, self.samples, self.state))]
        quarters = np.array_split(np.arange(len(views)), 4 if self.state else 1)
        value = min(self._value([views[i] for i in part], [self.wanted[i] for i in part]) for part in quarters)
        return Accuracy(value, self._source())

    def _value(self, views: Sequence[Any], wanted: Sequence[Any]) -> float:
        if self.classifies:
            return float(np.mean([_agreement(*pair) for pair in zip(views, wanted, strict=True)]))
        pairs = zip(_by_output(views), _by_output(wanted), strict=True)
        return float(np.mean([_closeness(*each) for each in pairs]))

    def _view(self, outputs: list[Array], index: int) -> Any:
        if self.reference is None and _oddity(outputs) != self.odd[index]:
            raise WrongAnswer(
                f"it answers query {index} of {self.samples.source} with infinity or NaN where fp32 does not, "
                "or the other way round"
            )
        return _view(outputs, self.classifies)

    def _source(self) -> str:
        count, data = len(self.samples.feeds), self.samples.source
        if self.samples.labels is not None:
            return f"arg-max against labels, {count} samples of {data}"
        what = "arg-max agreement" if self.classifies else "closeness (1 - relative error)"
        if self.state:
            return f"{what} with fp32, the worst quarter of {len(self.wanted)} steps with its state fed back, {data}"
        return f"{what} with fp32, {count} samples of {data}"


def answers(runner: Runner, feeds: Feeds) -> list[Array]:
    """The outputs for one query, the first of its stream where the file keeps state.

    Raises:
        WrongAnswer: a shape or dtype that is not the model's.
    """
    runner.reset()
    outputs = runner.run(None, feeds).outputs
    named = dict(zip((each.name for each in runner.outputs), outputs, strict=True))
    check_outputs(runner.outputs, named)
    return outputs


def fidelity(runner: Runner, reference: Runner, queries: Sequence[Feeds]) -> float:
    """Closeness of the output that is furthest from the reference's, over some queries: 1 where nothing changed.

    0 where one is infinite or no number and the other is not.
    """
    pairs = [(answers(runner, feeds), answers(reference, feeds)) for feeds in queries]
    if any(_oddity(have) != _oddity(want) for have, want in pairs):
        return 0.0
    haves, wants = (_by_output(each) for each in zip(*pairs, strict=True))
    return min((_closeness(*each) for each in zip(haves, wants, strict=True)), default=1.0)


def _asked(runner: Runner, samples: Samples, state: State) -> Iterator[list[Array]]:
    """The answers to compare: to every sample, or along a stream, what is no state alone."""
    if not state:
        for feeds in samples.feeds:
            yield answers(runner, feeds)
        return
    for _, outputs in streamed(runner, samples.feeds, state, STREAM_STEPS):
        yield _shown(runner, outputs, state)


def _shown(runner: Runner, outputs: list[Array], state: State) -> list[Array]:
    """The outputs that are no state; all of them where they all are."""
    seen = [array for spec, array in zip(runner.outputs, outputs, strict=True) if spec.name not in state]
    return seen or outputs


def _oddity(outputs: Sequence[Array]) -> bytes:
    """Where an answer is infinite (which way) or no number, one byte a value; nothing where all is finite."""
    floats = [each.ravel() for each in outputs if each.dtype.kind == "f"]
    if all(np.isfinite(each).all() for each in floats):
        return b""
    kinds = [np.isposinf(each) + 2 * np.isneginf(each) + 3 * np.isnan(each) for each in floats]
    return np.concatenate(kinds).astype(np.uint8).tobytes()


def _classifies(first: Array) -> bool:
    if first.dtype.kind != "f" or first.ndim < 2 or first.shape[-1] < 2:
        return False
    if first.ndim == 2 and first.shape[0] == 1:
        return True
    is_probability = bool(np.isfinite(first).all()) and first.min() >= 0
    return bool(is_probability and np.allclose(first.sum(axis=-1), 1, atol=1e-3))


def _check_labels(first: Array, labels: Sequence[int]) -> None:
    shape = "x".join(map(str, first.shape)) or "scalar"
    if first.ndim == 0 or first.size != first.shape[-1]:
        raise FeedError(f"labels need a first output with one row of scores a sample; this model's is {shape}")
    if max(labels) >= first.shape[-1]:
        raise FeedError(f"label {max(labels)} is none of this model's {first.shape[-1]} classes, 0 and up")


def _view(outputs: list[Array], classifies: bool) -> Any:
    """What of an answer is compared: for a classifier the arg-max alone, which is a thousandth of the memory."""
    return outputs[0].argmax(axis=-1).ravel() if classifies else outputs


def _by_output(answers_: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
    return list(zip(*answers_, strict=True))


def _agreement(have: Array, want: Array) -> float:
    return float(np.mean(have == want)) if have.shape == want.shape else 0.0


def _closeness(haves: Sequence[Array], wants: Sequence[Array]) -> float:
    """Of one output over all samples."""
    if any(have.shape != want.shape for have, want in zip(haves, wants, strict=True)):
        return 0.0
    have = np.concatenate([each.ravel() for each in haves])
    want = np.concatenate([each.ravel() for each in wants])
    if want.dtype.kind != "f":
        return float(np.mean(have == want))
    finite = np.isfinite(want)
    size, error = float(np.linalg.norm(want[finite])), float(np.linalg.norm(have[finite] - want[finite]))
    return float(error == 0.0) if size == 0.0 else max(0.0, 1.0 - error / size)

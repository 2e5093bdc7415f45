"""How well a variant answers: against labels, or against the fp32 variant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoscale.errors import FeedError, WrongAnswer
from autoscale.query.model_profile import Accuracy
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array, check_outputs
from autoscale_runtime.models.preparation.samples import Samples


@dataclass(frozen=True, slots=True)
class VariantAccuracy:
    """What is compared, and with what.

    A network *classifies* if its first output is of shape (1, classes), or if every row along its last axis is a
    probability distribution; then the arg-max along that axis is compared (a sequence: position by position).
    Other networks are measured by closeness: 1 - |answer - reference| / |reference| in the Euclidean norm over all
    samples together, not below 0, the mean over the outputs; an output of integers by the fraction that is equal.

    Attributes:
        samples: what to ask.
        classifies: whether arg-max is compared.
        wanted: for each sample, what a perfect variant gives.
    """

    samples: Samples
    classifies: bool
    wanted: Sequence[Any]

    @classmethod
    def of(cls, reference: Runner, samples: Samples) -> "VariantAccuracy":
        """Validate by the labels where the samples have them, else by the answers of the fp32 variant.

        Raises:
            FeedError: the model does not give one arg-max a sample, or has fewer classes than the labels name.
            WrongAnswer: the reference itself answers a sample with NaN or infinity.
        """
        first = answers(reference, samples, 0)[0]
        classifies = _classifies(first)
        if samples.labels is not None:
            _check_labels(first, samples.labels)
            return cls(samples, True, [np.array([label]) for label in samples.labels])
        wanted = [_view(answers(reference, samples, index), classifies) for index in range(len(samples.feeds))]
        return cls(samples, classifies, wanted)

    def score(self, runner: Runner) -> Accuracy:
        """Ask every sample and compare.

        Raises:
            WrongAnswer: an answer of another shape, or with NaN or infinity.
        """
        views = [_view(answers(runner, self.samples, index), self.classifies) for index in range(len(self.wanted))]
        if self.classifies:
            value = np.mean([_agreement(*pair) for pair in zip(views, self.wanted, strict=True)])
        else:
            value = np.mean(
                [_closeness(*each) for each in zip(_by_output(views), _by_output(self.wanted), strict=True)]
            )
        return Accuracy(float(value), self._source())

    def _source(self) -> str:
        count, data = len(self.samples.feeds), self.samples.source
        if self.samples.labels is not None:
            return f"arg-max against labels, {count} samples of {data}"
        what = "arg-max agreement" if self.classifies else "closeness (1 - relative error)"
        return f"{what} with fp32, {count} samples of {data}"


def answers(runner: Runner, samples: Samples, index: int) -> list[Array]:
    """The outputs for one sample.

    Raises:
        WrongAnswer: a shape or dtype that is not the model's, NaN or infinity.
    """
    outputs = runner.run(None, samples.feeds[index]).outputs
    named = dict(zip((each.name for each in runner.outputs), outputs, strict=True))
    check_outputs(runner.outputs, named)
    for name, array in named.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise WrongAnswer(f"output '{name}' has infinities for sample {index} of {samples.source}")
    return outputs


def _classifies(first: Array) -> bool:
    if first.dtype.kind != "f" or first.ndim < 2 or first.shape[-1] < 2:
        return False
    if first.ndim == 2 and first.shape[0] == 1:
        return True
    return bool(first.min() >= 0 and np.allclose(first.sum(axis=-1), 1, atol=1e-3))


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
    size, error = float(np.linalg.norm(want)), float(np.linalg.norm(have - want))
    return float(error == 0.0) if size == 0.0 else max(0.0, 1.0 - error / size)

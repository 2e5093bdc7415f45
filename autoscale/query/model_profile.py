"""What a model file says of its network: the facts a decision needs, without the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autoscale.errors import ModelError, one_of
from autoscale.query.target import PRECISIONS

LAYER_KINDS: Final = ("conv", "depthwise_conv", "fully_connected", "recurrent", "other")
"""The kinds that layers, MACs and values moved are split by."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well one variant answers.

    Attributes:
        value: a fraction: accuracy on labelled data, or agreement with the fp32 variant.
        source: what was measured, on how many samples of which data.
    """

    value: float
    source: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ModelError(f"accuracy is {self.value}; allowed: a fraction from 0 to 1")


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Layer counts and sizes of one network (a layer is counted once however often a loop runs it).

    Attributes:
        name: the network's name.
        conv: convolution layers other than depthwise ones.
        depthwise_conv: convolution layers with one filter per input channel.
        fully_connected: Gemm, MatMul with a constant operand, and their quantised forms.
        recurrent: LSTM, GRU and RNN layers.
        macs: multiply-accumulates of one inference, all kinds together.
        macs_by_kind: the same split by ``conv``, ``depthwise_conv``, ``fully_connected``, ``recurrent`` and
            ``other``.
        parameters: trained values.
        parameter_bytes: their size in the file's precision.
        input_bytes: what one query sends to a remote machine.
        output_bytes: what comes back.
        accuracies: precision to accuracy, where it was measured.
        other: layers of any other kind that a processor runs by itself: pooling, additions, attention products.
        values_by_kind: values moved to and from memory in one inference, split as the MACs: activations read and
            written, and parameters read; empty where they were not counted.
        spatial_macs: those of ``conv`` whose filters are larger than 1 x 1.
        cuts: where it can be cut in two, rising; empty where nobody looked, or where it cannot.
    """

    name: str
    conv: int = 0
    depthwise_conv: int = 0
    fully_connected: int = 0
    recurrent: int = 0
    macs: int = 0
    macs_by_kind: Mapping[str, int] = field(default_factory=dict)
    parameters: int = 0
    parameter_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    other: int = 0
    values_by_kind: Mapping[str, int] = field(default_factory=dict)
    spatial_macs: int = 0
    cuts: tuple["NetworkCut", ...] = ()

    def __post_init__(self) -> None:
        sizes = ("macs", "spatial_macs", "parameters", "parameter_bytes", "input_bytes", "output_bytes")
        for name in (*LAYER_KINDS, *sizes):
            _check_count(name, getattr(self, name))
        for what, counts in (("macs_by_kind", self.macs_by_kind), ("values_by_kind", self.values_by_kind)):
            for kind, count in counts.items():
                one_of(f"kind of layer in {what}", kind, LAYER_KINDS, ModelError)
                _check_count(f"{what} of {kind}", count)
        for precision in self.accuracies:
            one_of("precision", precision, PRECISIONS, ModelError)

    @property
    def is_counted(self) -> bool:
        """Whether anything is known of its work, which a latency could be predicted from."""
        return self.macs > 0 or any(getattr(self, kind) for kind in LAYER_KINDS)

    def accuracy(self, precision: str) -> float | None:
        """The measured accuracy at a precision, or None where nobody measured it."""
        measured = self.accuracies.get(precision)
        return None if measured is None else measured.value


@dataclass(frozen=True, slots=True)
class NetworkCut:
    """A place to cut a network in two.

    Attributes:
        after: so many of the file's nodes are in the head; 1 or more.
        head: the counts of the head; without parameters.
        tail: those of the tail, its ``input_bytes`` what crosses.
    """

    after: int
    head: ModelProfile
    tail: ModelProfile

    @property
    def crossing_bytes(self) -> int:
        """What the tail is given of a query."""
        return self.tail.input_bytes


def _check_count(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ModelError(f"{name} is {value}; allowed: 0 or more")

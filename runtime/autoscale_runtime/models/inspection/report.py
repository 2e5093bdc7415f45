"""The answer of an inspection, and the tally it is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from autoscale.query.model_profile import LAYER_KINDS, ModelProfile


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output.

    Attributes:
        name: as the file names it.
        dtype: numpy's name, ``string`` for text.
        shape: None where a dimension depends on the data.
        bytes: of one such tensor; None where dtype or shape leaves it open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    bytes: int | None

    def to_json(self) -> dict[str, object]:
        """For ``json.dumps``."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), "bytes": self.bytes}


@dataclass(slots=True)
class Tally:
    """What has been counted so far.

    Attributes:
        layers: identity of a node to its kind.
        macs: kind to multiply-accumulates.
        values: kind to values moved to and from memory.
        spatial_macs: those of convolutions whose filters are larger than 1 x 1.
        has_open_values: whether a shape was open, and so some values are not counted.
        uncounted: what could not be counted, and why.
        notes: what was assumed.
    """

    layers: dict[object, str] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    spatial_macs: int = 0
    has_open_values: bool = False
    uncounted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total_macs(self) -> int:
        """All kinds together."""
        return sum(self.macs.values())

    def add_layer(self, node: object, kind: str, values: int | None) -> None:
        """Count one node, and the values that it moves; None where a shape is open."""
        self.layers[node] = kind
        self.values[kind] = self.values.get(kind, 0) + (values or 0)
        self.has_open_values |= values is None

    def add(self, kind: str, macs: int, is_spatial: bool = False) -> None:
        """Count a node's work."""
        self.macs[kind] = self.macs.get(kind, 0) + macs
        self.spatial_macs += macs if is_spatial else 0

    def skip(self, what: str) -> None:
        """Say once that something is not in the counts."""
        if what not in self.uncounted:
            self.uncounted.append(what)

    def merge(self, other: "Tally", times: int = 1) -> None:
        """Add another tally, its work ``times`` over and its layers once."""
        self.layers.update(other.layers)
        for mine, more in ((self.macs, other.macs), (self.values, other.values)):
            for kind, count in more.items():
                mine[kind] = mine.get(kind, 0) + count * times
        self.spatial_macs += other.spatial_macs * times
        self.has_open_values |= other.has_open_values
        for what in other.uncounted:
            self.skip(what)
        self.notes.extend(note for note in other.notes if note not in self.notes)


@dataclass(frozen=True, slots=True)
class Weights:
    """How many trained values a file holds, and in how many bytes."""

    parameters: int = 0
    parameter_bytes: int = 0

    def __add__(self, other: "Weights") -> "Weights":
        return Weights(
            self.parameters + other.parameters,
            self.parameter_bytes + other.parameter_bytes,
        )


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a model file says of its network; the package's docstring defines every count.

    Attributes:
        conv: convolutions that are not depthwise.
        depthwise_conv: convolutions with one group per input channel.
        fully_connected: matrix products with a weight.
        recurrent: LSTM, GRU and RNN nodes.
        other: nodes of any other kind that a processor runs by themselves.
        macs: multiply-accumulates of one inference.
        parameters: trained values.
        parameter_bytes: their size in the file's precision.
        inputs: what one query brings.
        outputs: what one answer holds.
        uncounted: what is missing from the counts, and why.
        macs_by_kind: the MACs by kind of layer; ``other`` for products of two activations.
        values_by_kind: values moved to and from memory likewise; empty where something could not be counted.
        spatial_macs: the MACs of ``conv`` whose filters are larger than 1 x 1.
        notes: assumptions a reader should know.
    """

    conv: int
    depthwise_conv: int
    fully_connected: int
    recurrent: int
    other: int
    macs: int
    parameters: int
    parameter_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    uncounted: tuple[str, ...]
    macs_by_kind: dict[str, int]
    values_by_kind: dict[str, int]
    spatial_macs: int
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, tally: Tally, weights: Weights, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
    ) -> "Inspection":
        """Put the pieces together."""
        kinds = list(tally.layers.values())
        has_values = not (tally.has_open_values or tally.uncounted)
        return cls(
            **{kind: kinds.count(kind) for kind in LAYER_KINDS},
            macs=tally.total_macs,
            parameters=weights.parameters,
            parameter_bytes=weights.parameter_bytes,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            uncounted=tuple(tally.uncounted),
            macs_by_kind={kind: tally.macs.get(kind, 0) for kind in LAYER_KINDS},
            values_by_kind={kind: tally.values.get(kind, 0) for kind in LAYER_KINDS} if has_values else {},
            spatial_macs=tally.spatial_macs,
            notes=tuple(tally.notes),
        )

    def to_json(self) -> dict[str, object]:
        """The fixed keys of ``autoscale inspect --json``."""
        return {
            "conv": self.conv,
            "depthwise_conv": self.depthwise_conv,
            "fully_connected": self.fully_connected,
            "recurrent": self.recurrent,
            "macs": self.macs,
            "parameters": self.parameters,
            "parameter_bytes": self.parameter_bytes,
            "inputs": [each.to_json() for each in self.inputs],
            "outputs": [each.to_json() for each in self.outputs],
            "uncounted": list(self.uncounted),
        }

    def profile(self, name: str) -> ModelProfile:
        """The facts an agent and the cost model use; a tensor of open size counts as 0 bytes."""
        return ModelProfile(
            name,
            **{kind: getattr(self, kind) for kind in LAYER_KINDS},
            macs=self.macs,
            macs_by_kind=self.macs_by_kind,
            values_by_kind=self.values_by_kind,
            spatial_macs=self.spatial_macs,
            parameters=self.parameters,
            parameter_bytes=self.parameter_bytes,
            input_bytes=sum(each.bytes or 0 for each in self.inputs),
            output_bytes=sum(each.bytes or 0 for each in self.outputs),
        )


def packed_bytes(elements: int, bits: int) -> int:
    """Bytes of a tensor whose elements may be smaller than one.

    >>> packed_bytes(3, 4)
    2
    """
    return math.ceil(elements * bits / 8)

"""A version of a model as it is served: what everybody may know of it, and where it is loaded the runner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.wire.tensors import datatype_of, dtype_of


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """One version of a model; a key by which what is known of its requests is kept.

    Attributes:
        name: by which it is asked for.
        version: a whole number; the highest answers where none is asked for.
        inputs: what it takes.
        outputs: what it gives.
        target: what it runs on.
        platform: the framework and the file format.
        sha256: of its file and of its weights outside it, so that whoever asks knows which model answered.
        labels: of an output's elements, by the output's name, for clients that ask for the best ones.
    """

    name: str
    version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    target: Target
    platform: str
    sha256: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes it of, in another process."""
        tensors = {way: [_tensor(each) for each in getattr(self, way)] for way in ("inputs", "outputs")}
        plain = {name: getattr(self, name) for name in ("name", "version", "platform", "sha256")}
        return plain | tensors | {"target": str(self.target)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "ServedModel":
        """The model that another process told of."""
        inputs, outputs = (tuple(_spec(*each) for each in told[way]) for way in ("inputs", "outputs"))
        target = Target.parse(told["target"])
        return cls(told["name"], told["version"], inputs, outputs, target, told["platform"], told["sha256"])


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A served model and what runs it, in the process that loaded it."""

    served: ServedModel
    runner: Runner


Models = Mapping[str, Mapping[int, ServedModel]]
"""Name to version to model."""


def _tensor(spec: TensorSpec) -> tuple[str, str, list[int | None]]:
    return spec.name, datatype_of(spec.dtype), list(spec.shape)


def _spec(name: str, datatype: str, shape: list[int | None]) -> TensorSpec:
    return TensorSpec(name, dtype_of(datatype), tuple(shape))

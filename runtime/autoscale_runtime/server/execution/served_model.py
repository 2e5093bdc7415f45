"""A version of a model as it is served: what everybody may know of it, and where it is loaded the runner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.wire.tensors import datatype_of, dtype_of

_PLAIN: Final = ("name", "version", "platform", "sha256", "is_apart", "remark")


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
        is_apart: its queries never run together, since one's rows change another's answer.
        remark: what its operator is to know, told as it is loaded; empty for nothing.
    """

    name: str
    version: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    target: Target
    platform: str
    sha256: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_apart: bool = False
    remark: str = ""

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` makes it of, in another process."""
        tensors = {way: [_tensor(each) for each in getattr(self, way)] for way in ("inputs", "outputs")}
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | tensors | {"target": str(self.target)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "ServedModel":
        """The model that another process told of."""
        inputs, outputs = (tuple(_spec(*each) for each in told[way]) for way in ("inputs", "outputs"))
        plain = {name: told[name] for name in _PLAIN}
        return cls(inputs=inputs, outputs=outputs, target=Target.parse(told["target"]), **plain)


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

"""Triton's ``config.pbtxt``: what of it this server does is read, what it cannot do is refused by name.

Names, types and shapes of inputs and outputs, ``max_batch_size``, ``instance_group``, ``version_policy``,
``dynamic_batching``, ``default_model_filename`` and ``label_filename`` are followed. Without a file every version is
served, and requests are never joined.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.errors import RepositoryError, listing, one_of
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.server.execution.served_model import ServedModel
from autoscale_runtime.server.repository.text_format import Message, Quoted, parse_text
from autoscale_runtime.server.scheduling.scheduler import ALONE, Batching
from autoscale_runtime.wire.tensors import DATATYPES, datatype_of

CONFIG: Final = "config.pbtxt"

_FOLLOWED: Final = (
    "name",
    "platform",
    "backend",
    "runtime",
    "max_batch_size",
    "input",
    "output",
    "instance_group",
    "version_policy",
    "dynamic_batching",
    "default_model_filename",
)
_WITHOUT_EFFECT: Final = (
    "optimization",
    "parameters",
    "metric_tags",
    "model_warmup",
    "response_cache",
    "model_metrics",
)
"""What changes how fast an answer comes but not what it is: told in the log, not followed."""

_GPU: Final = "KIND_GPU"
_TYPES: Final = {f"TYPE_{'STRING' if name == 'BYTES' else name}": name for name in DATATYPES}


@dataclass(frozen=True, slots=True)
class DeclaredTensor:
    """An input or output as the file has it: name, type, shape without the batch, the file of its labels."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    labels: str = ""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How a model is served.

    Attributes:
        max_batch_size: rows that run together; 0 where requests are not to be joined.
        batching: how they wait for each other.
        instances: that run side by side; 0 leaves it to the server.
        latest: so many of the highest versions; 0 for all, or for ``specific``.
        specific: these versions alone.
        file: of the model, where it has another name than ``model``.
        tensors: inputs and outputs as declared, by ``input`` or ``output``.
        unfollowed: fields that are there and not followed.
        threads: that each query computes on; 0 leaves it to the server.
        max_waiting: queries that may wait; None leaves it to the server.
        group: models of one group share a process; empty for one of its own.
    """

    max_batch_size: int = 0
    batching: Batching = ALONE
    instances: int = 0
    latest: int = 0
    specific: tuple[int, ...] = ()
    file: str = ""
    tensors: tuple[tuple[str, tuple[DeclaredTensor, ...]], ...] = ()
    unfollowed: tuple[str, ...] = ()
    threads: int = 0
    max_waiting: int | None = None
    group: str = ""

    def versions_of(self, there: Collection[int]) -> list[int]:
        """Those of the versions there that are served, the lowest first."""
        if self.specific:
            return sorted(set(there) & set(self.specific))
        return sorted(there)[-self.latest :] if self.latest else sorted(there)

    def labels(self, folder: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The labels of each output that has a file of them.

        Raises:
            RepositoryError: a file is missing, or outside the model's folder.
        """
        named = [each for way, tensors in self.tensors for each in tensors if way == "output" and each.labels]
        return tuple((each.name, _labels(folder, each.labels)) for each in named)

    def check(self, model: ServedModel) -> None:
        """Raise RepositoryError where a loaded model has not what is declared."""
        for spec in (*model.inputs, *model.outputs) if self.max_batch_size else ():
            if not spec.shape or spec.shape[0] is not None:
                batch = f"'{model.name}' is to be served in batches of {self.max_batch_size}"
                raise RepositoryError(f"{batch}; allowed: of a model whose first dimensions are open, not {spec}")
        for way, tensors in self.tensors:
            have = {spec.name: spec for spec in (model.inputs if way == "input" else model.outputs)}
            for each in tensors:
                one_of(f"{way} of '{model.name}' in its {CONFIG}", each.name, have, RepositoryError)
                self._check_tensor(way, each, have[each.name])

    def _check_tensor(self, way: str, declared: DeclaredTensor, spec: TensorSpec) -> None:
        batch = (-1,) if self.max_batch_size else ()
        dims = (*batch, *declared.dims)
        fits = len(dims) == len(spec.shape) and all(
            want in (-1, have) or have is None for want, have in zip(dims, spec.shape, strict=True)
        )
        if declared.datatype != datatype_of(spec.dtype) or (declared.dims and not fits):
            said = f"{declared.datatype}{list(dims)}"
            raise RepositoryError(f"{CONFIG} says that {way} '{declared.name}' is {said}; the model has {spec}")


def read_config(path: Path, folder: str) -> ModelConfig:
    """Read a file.

    Args:
        path: the file.
        folder: by whose name the model is served.

    Raises:
        RepositoryError: it is not in the format, or asks for what this server does not do.
    """
    where = f"'{path}'"
    try:
        message = parse_text(path.read_text(encoding="utf-8"), where)
    except UnicodeDecodeError as error:
        raise RepositoryError(f"{where} is not UTF-8") from error
    for name, _ in message:
        if name not in (*_FOLLOWED, *_WITHOUT_EFFECT):
            raise RepositoryError(f"{where}: '{name}' is not done by this server; allowed: {listing(_FOLLOWED)}")
    named = _text(message, "name", where)
    if named not in ("", folder):
        raise RepositoryError(f"{where} is of a model '{named}'; allowed: its folder's name, '{folder}'")
    most = _number(message, "max_batch_size", where)
    latest, specific = _versions(_message(message, "version_policy", where), where)
    tensors = tuple(
        (way, tuple(_tensor(each, where) for each in _all(message, way, where))) for way in ("input", "output")
    )
    return ModelConfig(
        most,
        _batching(message, most, where),
        _instances(message, where),
        latest,
        specific,
        _text(message, "default_model_filename", where),
        tensors,
        tuple(sorted({name for name, _ in message} & {*_WITHOUT_EFFECT})),
    )


def _batching(message: Message, most: int, where: str) -> Batching:
    if most <= 1 or not any(name == "dynamic_batching" for name, _ in message):
        return Batching()
    asked = _message(message, "dynamic_batching", where)
    _only(asked, ("preferred_batch_size", "max_queue_delay_microseconds", "preserve_ordering"), where)
    preferred = [
        _whole(value, "preferred_batch_size", where) for name, value in asked if name == "preferred_batch_size"
    ]
    delay_us = _number(asked, "max_queue_delay_microseconds", where)
    return Batching(most, min(max(preferred, default=most), most), delay_us / 1e6)


def _instances(message: Message, where: str) -> int:
    count = 0
    for group in _all(message, "instance_group", where):
        _only(group, ("name", "count", "kind", "gpus", "passive"), where)
        if _text(group, "kind", where) == _GPU:
            raise RepositoryError(f"{where}: instance_group has the kind {_GPU}; allowed: KIND_CPU, KIND_AUTO")
        count += _number(group, "count", where) or 1
    return count


def _versions(policy: Message, where: str) -> tuple[int, tuple[int, ...]]:
    _only(policy, ("latest", "all", "specific"), where)
    for name, value in policy:
        if name == "latest":
            return _number(value, "num_versions", where) or 1, ()
        if name == "specific":
            return 0, tuple(_whole(each, "versions", where) for key, each in value if key == "versions")
    return 0, ()


def _tensor(message: Message, where: str) -> DeclaredTensor:
    _only(message, ("name", "data_type", "dims", "label_filename", "format", "optional", "is_shape_tensor"), where)
    kind = _text(message, "data_type", where)
    one_of(f"data_type in {where}", kind, _TYPES, RepositoryError)
    dims = tuple(_whole(value, "dims", where) for name, value in message if name == "dims")
    return DeclaredTensor(_text(message, "name", where), _TYPES[kind], dims, _text(message, "label_filename", where))


def _labels(folder: Path, name: str) -> tuple[str, ...]:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise RepositoryError(f"'{folder / CONFIG}' has labels in '{name}'; allowed: a file in the model's folder")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def _only(message: Message, known: Collection[str], where: str) -> None:
    for name, _ in message:
        if name not in known:
            raise RepositoryError(f"{where}: '{name}' is not done by this server; allowed there: {listing(known)}")


def _all(message: Message, wanted: str, where: str) -> list[Message]:
    found = [value for name, value in message if name == wanted]
    if not all(isinstance(each, list) for each in found):
        raise RepositoryError(f"{where}: '{wanted}' is no message; allowed: {wanted} {{ ... }}")
    return found


def _message(message: Message, wanted: str, where: str) -> Message:
    return [each for part in _all(message, wanted, where) for each in part]


def _text(message: Message, wanted: str, where: str) -> str:
    found = [value for name, value in message if name == wanted]
    if found and not isinstance(found[-1], str):
        raise RepositoryError(f"{where}: '{wanted}' is a message; allowed: one value")
    return str(found[-1]) if found else ""


def _number(message: Message, wanted: str, where: str) -> int:
    found = [value for name, value in message if name == wanted]
    return _whole(found[-1], wanted, where) if found else 0


def _whole(value: object, what: str, where: str) -> int:
    if isinstance(value, str) and not isinstance(value, Quoted):
        try:
            return int(value)
        except ValueError:
            pass
    raise RepositoryError(f"{where}: {what} is {value!r}; allowed: a whole number")

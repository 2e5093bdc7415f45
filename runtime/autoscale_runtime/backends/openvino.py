"""OpenVINO on Intel's CPU, GPU and NPU: .onnx, .tflite and its own format (.xml, weights in .bin)."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

import numpy as np

from autoscale.errors import (
    FeedError,
    InvalidTarget,
    MissingExtra,
    ModelError,
    TargetError,
    TargetUnavailable,
    UnsupportedModel,
    one_of,
)
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.cpu import cpu_targets, cpu_threads
from autoscale_runtime.backends.litert_graph import plain_name
from autoscale_runtime.backends.openvino_file import keeps_state, precision_of
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds
from autoscale_runtime.host.cache import cache_folder

DEVICES: Final = {"gpu": "GPU", "npu": "NPU"}
"""Kind of processor to what OpenVINO calls it; where there are several, the first, as OpenVINO itself takes."""

_ARITHMETIC: Final = {"fp32": "f32", "fp16": "f16", "int8": "f32"}
"""Precision to that of what a file leaves in float. Left to itself OpenVINO takes bfloat16 where it can."""

_UNSUPPORTED: Final = ("conversion is failed", "not supported", "No translator", "Unsupported", "unsupported")


class OpenVINO(Backend):
    """Any CPU, and Intel's GPU and NPU."""

    name: ClassVar[str] = "openvino"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx", ".tflite", ".xml")
    platform: ClassVar[str] = "openvino"
    package: ClassVar[str] = "openvino"
    extra: ClassVar[str] = "openvino"
    may_kill: ClassVar[bool] = True

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``openvino`` is installed."""
        return find_spec("openvino") is not None

    def targets(self, precision: str) -> list[Target]:
        """The CPU at each useful thread count, and the GPU and NPU that OpenVINO finds."""
        found = {each.partition(".")[0] for each in _devices()}
        others = [Target("device", kind, precision) for kind, name in DEVICES.items() if name in found]
        return [*(cpu_targets(precision) if "CPU" in found else []), *others]

    def suffix_of(self, head: bytes) -> str:
        """By the first element of its own format."""
        return ".xml" if head.lstrip().startswith(b"<?xml") and b"<net" in head else ""

    def data_files(self, path: Path) -> list[str]:
        """The weights of its own format lie beside the file."""
        return [path.with_suffix(".bin").name] if path.suffix.lower() == ".xml" else []

    def precision_of(self, path: Path) -> str:
        """Of its own format: int8 where values are quantised, fp16 where no weight is wider."""
        return precision_of(path)

    def keeps_state(self, path: Path) -> bool:
        """Whether variables are assigned."""
        return keeps_state(path)

    def load(self, path: Path, target: Target) -> "OpenVINORunner":
        """Compile the file for the target, and refuse where it would run elsewhere."""
        options = self._options(target)
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")
        core, device = _core(), DEVICES.get(target.processor, "CPU")
        try:
            compiled = core.compile_model(core.read_model(str(path)), device, options)
        except Exception as error:  # OpenVINO raises RuntimeError and whatever its plug-ins do
            raise _load_error(path, device, error) from error
        ran = [each.partition(".")[0] for each in compiled.get_property("EXECUTION_DEVICES")]
        if set(ran) != {device}:
            raise UnsupportedModel(f"OpenVINO would run '{path}' on {', '.join(ran)}, not on the {device}")
        return OpenVINORunner(compiled, path)

    def _options(self, target: Target) -> dict[str, Any]:
        if target.place == "device" and target.processor == "cpu":
            place: dict[str, Any] = {"INFERENCE_NUM_THREADS": cpu_threads(target), "NUM_STREAMS": 1}
        else:
            one_of("target", str(target), map(str, self.targets(target.precision)), InvalidTarget)
            place = {"CACHE_DIR": str(cache_folder("openvino"))}
        return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _ARITHMETIC[target.precision], **place}


class OpenVINORunner(Runner):
    """One compiled model. Each query under way has a request of its own; one that keeps state has one for all.

    ``timeout_s`` is ignored: a started query is not interrupted.
    """

    coverage = 1.0

    def __init__(self, compiled: Any, path: Path) -> None:
        self._compiled = compiled
        self._inputs = {_name(each): each for each in compiled.inputs}
        self._outputs = {_name(each): each for each in compiled.outputs}
        self._path = path
        self._idle: list[Any] = [compiled.create_infer_request()]
        self._keeps_state = bool(self._idle[0].query_state())
        self._guard = Lock()
        self._describe()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query."""
        names = output_names or list(self._outputs)
        for name in names:
            one_of("output", name, self._outputs, FeedError)
        check_feeds(self.inputs, feeds)
        given = {self._inputs[name]: np.ascontiguousarray(array) for name, array in feeds.items()}
        if self._keeps_state:
            with self._guard:
                return Answer(self._infer(self._request(), given, names))
        request = self._request()
        try:
            return Answer(self._infer(request, given, names))
        finally:
            self._idle.append(request)

    def fit(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """Take the names that the network has in another format, where its own tell or its order does."""
        self._inputs = _renamed(self._inputs, [each.name for each in inputs])
        self._outputs = _renamed(self._outputs, [each.name for each in outputs])
        self._describe()

    def reset(self) -> None:
        """Begin a new stream."""
        with self._guard:
            if self._keeps_state and self._compiled is not None:
                self._request().reset_state()

    def close(self) -> None:
        """Let the model go as soon as the queries under way have their answers."""
        with self._guard:
            self._compiled, self._idle = None, []

    def _request(self) -> Any:
        compiled = self._compiled
        if compiled is None:
            raise TargetUnavailable("the model was closed; load it again")
        if self._keeps_state:
            return self._idle[0]
        try:
            return self._idle.pop()
        except IndexError:
            return compiled.create_infer_request()

    def _infer(self, request: Any, given: dict[Any, Array], names: Iterable[str]) -> list[Array]:
        try:
            request.infer(given, share_inputs=True)  # as a compiled model's own call does; outputs are copied
            return [np.array(request.get_tensor(self._outputs[name]).data) for name in names]
        except Exception as error:  # OpenVINO raises RuntimeError and whatever its plug-ins do
            raise TargetError(f"OpenVINO: {_reason(error)}") from error

    def _describe(self) -> None:
        self.inputs = tuple(_spec(name, port, self._path) for name, port in self._inputs.items())
        self.outputs = tuple(_spec(name, port, self._path) for name, port in self._outputs.items())


@cache
def _core() -> Any:
    if not OpenVINO.is_available():
        raise MissingExtra("openvino", "openvino", "running models in OpenVINO")
    return import_module("openvino").Core()


@cache
def _devices() -> tuple[str, ...]:
    return tuple(_core().available_devices)


def _name(port: Any) -> str:
    return plain_name(str(port.get_any_name())) if port.names else f"output_{port.index}"


def _renamed(ports: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The ports under the names of the network: by their own names, else by their order."""
    if len(ports) != len(names):
        return ports
    known = {plain_name(str(own)): port for port in ports.values() for own in port.names}
    if all(plain_name(name) in known for name in names):
        return {name: known[plain_name(name)] for name in names}
    return dict(zip(names, ports.values(), strict=True))


def _spec(name: str, port: Any, path: Path) -> TensorSpec:
    try:
        dtype = np.dtype(port.get_element_type().to_dtype())
        shape = tuple(None if each.is_dynamic else int(each.get_length()) for each in port.get_partial_shape())
    except Exception as error:  # a type that numpy lacks, a rank that is not known
        raise UnsupportedModel(f"'{path}': '{name}' is {port}; allowed: a tensor of one of numpy's types") from error
    if dtype.kind not in "fiub":
        raise UnsupportedModel(f"'{path}': '{name}' is {dtype}; allowed: numbers and truth values")
    return TensorSpec(name, dtype, shape)


def _load_error(path: Path, device: str, error: Exception) -> ModelError:
    reason = _reason(error)
    if "Unable to read the model" in str(error) or "parsing" in str(error):
        return ModelError(f"'{path}' is not a model that OpenVINO reads, or a truncated one: {reason}")
    kind = UnsupportedModel if any(sign in str(error) for sign in _UNSUPPORTED) else ModelError
    return kind(f"OpenVINO cannot load '{path}' for the {device}: {reason}")


def _reason(error: Exception) -> str:
    """The first line that is no place in OpenVINO's own source."""
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    return next((each for each in lines if not each.startswith("Exception from")), lines[0] if lines else repr(error))

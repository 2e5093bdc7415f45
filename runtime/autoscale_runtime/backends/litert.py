"""LiteRT (once TensorFlow Lite) with XNNPACK: .tflite files on the CPU, at the thread counts of this host."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

import numpy as np

from autoscale.errors import (
    FeedError,
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
from autoscale_runtime.backends.litert_tensor import LiteRTTensor
from autoscale_runtime.backends.tensors import Feeds, check_feeds

PACKAGES: Final = ("ai_edge_litert", "tflite_runtime")
"""The packages that hold the interpreter, the one to prefer first."""

_NOT_A_MODEL: Final = ("not a valid Flatbuffer", "model allocation is null", "schema version", "identifier")


class LiteRT(Backend):
    """The LiteRT interpreter, with XNNPACK where it has a kernel."""

    name: ClassVar[str] = "litert"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    platform: ClassVar[str] = "litert_tflite"
    inspector: ClassVar[str] = "autoscale_runtime.models.inspection.tflite_model:inspect_tflite"

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``ai-edge-litert``, or the ``tflite-runtime`` it replaces, is installed."""
        return any(find_spec(package) for package in PACKAGES)

    def targets(self, precision: str) -> list[Target]:
        """The CPU at each useful thread count."""
        return cpu_targets(precision)

    def precision_of(self, path: Path) -> str:
        """By the narrowest of its tensors, weights among them."""
        details = _interpreter_type()(model_path=str(path)).get_tensor_details()
        dtypes = {np.dtype(each["dtype"]) for each in details}
        return "int8" if np.dtype(np.int8) in dtypes else "fp16" if np.dtype(np.float16) in dtypes else "fp32"

    def load(self, path: Path, target: Target) -> "LiteRTRunner":
        """Read the file and allocate its tensors."""
        threads = cpu_threads(target)
        interpreter_type = _interpreter_type()
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")
        try:
            interpreter = interpreter_type(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _load_error(path, error) from error
        return LiteRTRunner(interpreter, path)


class LiteRTRunner(Runner):
    """One interpreter, which answers one query at a time.

    Tensors are named as the file's only signature names them, else by their own names without TensorFlow's
    ``serving_default_`` and ``:0``. Where the file quantises an input or output, the caller still gives and
    gets float32: the runner applies scale and zero point. ``timeout_s`` is ignored: an invocation is not
    interrupted.
    """

    def __init__(self, interpreter: Any, path: Path) -> None:
        named = _signature_names(interpreter)
        self._in = [LiteRTTensor.of(each, named, path) for each in interpreter.get_input_details()]
        self._out = {
            tensor.spec.name: tensor
            for tensor in (LiteRTTensor.of(each, named, path) for each in interpreter.get_output_details())
        }
        self.inputs = tuple(each.spec for each in self._in)
        self.outputs = tuple(each.spec for each in self._out.values())
        self._interpreter = interpreter
        self._shapes: tuple[tuple[int, ...], ...] | None = None
        self._lock = Lock()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query, with the input tensors resized where the feeds' open dimensions changed."""
        check_feeds(self.inputs, feeds)
        names = output_names or list(self._out)
        for name in names:
            one_of("output", name, self._out, FeedError)
        with self._lock:
            if self._interpreter is None:
                raise TargetUnavailable("the model was closed; load it again")
            self._invoke(feeds)
            return Answer([self._out[name].read(self._interpreter.get_tensor(self._out[name].index)) for name in names])

    def close(self) -> None:
        """Let the interpreter go once the query under way has its answer."""
        with self._lock:
            self._interpreter = None

    def _invoke(self, feeds: Feeds) -> None:
        try:
            self._resize(tuple(feeds[each.spec.name].shape for each in self._in))
            for tensor in self._in:
                self._interpreter.set_tensor(tensor.index, tensor.write(feeds[tensor.spec.name]))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            self._shapes = None
            raise TargetError(f"LiteRT: {_first_line(error)}") from error

    def _resize(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        if shapes == self._shapes:
            return
        for tensor, shape in zip(self._in, shapes, strict=True):
            if None in tensor.spec.shape:
                self._interpreter.resize_tensor_input(tensor.index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _interpreter_type() -> Any:
    for package in PACKAGES:
        if find_spec(package):
            return import_module(f"{package}.interpreter").Interpreter
    raise MissingExtra("ai-edge-litert", "litert", "running .tflite files")


def _signature_names(interpreter: Any) -> Mapping[int, str]:
    """Tensor index to name, where the file has one signature; several would contradict each other."""
    keys = list(interpreter.get_signature_list())
    if len(keys) != 1:
        return {}
    runner = interpreter.get_signature_runner(keys[0])
    details = {**runner.get_output_details(), **runner.get_input_details()}
    return {int(detail["index"]): name for name, detail in details.items()}


def _load_error(path: Path, error: Exception) -> ModelError:
    if any(sign in str(error) for sign in _NOT_A_MODEL):
        return ModelError(f"'{path}' is not a LiteRT model, or a truncated one ({path.stat().st_size} bytes)")
    return UnsupportedModel(f"LiteRT cannot load '{path}': {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

"""LiteRT's compiled models: .tflite files on a GPU (Vulkan, Metal, Direct3D) or an NPU.

A model runs on the accelerator as a whole, or is refused: asked for an accelerator beside the CPU, LiteRT runs
elsewhere without a word, and calls that fully accelerated.
"""

import ctypes
import sys
from collections.abc import Sequence
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
    TargetError,
    TargetUnavailable,
    UnsupportedModel,
    one_of,
)
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.litert import LiteRT
from autoscale_runtime.backends.litert_graph import LiteRTGraph, own_names
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds

ACCELERATORS: Final = {"gpu": "GPU", "npu": "NPU"}
"""Kind of processor to LiteRT's name of its accelerator."""

_DRIVERS: Final = ("libvulkan.so.1", "libOpenCL.so.1", "libOpenCL.so")
"""One of which a GPU needs under Linux; elsewhere the system brings it."""


class LiteRTCompiled(Backend):
    """A GPU or an NPU, by LiteRT's compiled models."""

    name: ClassVar[str] = "litert-compiled"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    platform: ClassVar[str] = "litert_tflite"
    package: ClassVar[str] = "ai-edge-litert"
    extra: ClassVar[str] = "litert"
    may_kill: ClassVar[bool] = True

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``ai-edge-litert`` is installed, with compiled models in it."""
        return bool(find_spec("ai_edge_litert") and find_spec("ai_edge_litert.compiled_model"))

    def targets(self, precision: str) -> list[Target]:
        """The GPU where there is a driver of one, the NPU where there is a vendor's dispatch library."""
        return [Target("device", kind, precision) for kind in _kinds()]

    def load(self, path: Path, target: Target) -> "CompiledRunner":
        """Compile the file for the accelerator, and refuse where not all of it runs there."""
        one_of("target", str(target), map(str, self.targets(target.precision)), InvalidTarget)
        described = LiteRT().load(path, Target("device", "cpu", target.precision, threads=1))
        graphs = list(described.graphs)
        described.close()
        if len(graphs) != 1:
            raise UnsupportedModel(f"'{path}' has several signatures; allowed on the {target.processor}: one")
        try:
            return CompiledRunner(_compiled(path, target.processor), graphs[0])
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1].lstrip("└ ")
            raise UnsupportedModel(f"LiteRT cannot run '{path}' on the {target.processor} alone: {reason}") from error


class CompiledRunner(Runner):
    """One compiled model, which answers one query at a time. ``timeout_s`` is ignored: it is not interrupted.

    Args:
        compiled: for the accelerator alone.
        graph: what the file's main graph takes and gives.
    """

    coverage = 1.0

    def __init__(self, compiled: Any, graph: LiteRTGraph) -> None:
        signature, names = next(iter(compiled.get_signature_list().items()))
        self._compiled, self._signature = compiled, signature
        self._inputs = {name: at for at, name in enumerate(own_names(enumerate(names["inputs"])))}
        self._outputs = {name: at for at, name in enumerate(own_names(enumerate(names["outputs"])))}
        self._given = {name: graph.inputs[name] for name in self._inputs}
        self._gives = {name: graph.outputs[name] for name in graph.outputs}
        self._taken: list[Any] = []
        self._given_back: list[Any] = []
        self._shapes: list[tuple[int, ...]] | None = None
        self._lock = Lock()
        self._describe()

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query, with the inputs resized where the feeds' open dimensions changed."""
        names = output_names or list(self._gives)
        for name in names:
            one_of("output", name, self._gives, FeedError)
        check_feeds(self.inputs, feeds)
        with self._lock:
            if self._compiled is None:
                raise TargetUnavailable("the model was closed; load it again")
            try:
                return Answer(self._answered(feeds, names))
            except (RuntimeError, ValueError) as error:
                self._shapes = None
                raise TargetError(f"LiteRT: {str(error).strip().partition(chr(10))[0]}") from error

    def fit(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """Take and give real values where the network's other variants do."""
        known = {spec.name: spec for spec in (*inputs, *outputs)}
        for tensors in (self._given, self._gives):
            tensors |= {name: each.fitted(known[name]) for name, each in tensors.items() if name in known}
        self._describe()

    def close(self) -> None:
        """Let the model go once the query under way has its answer."""
        with self._lock:
            self._compiled = None
            self._taken, self._given_back = [], []

    def _answered(self, feeds: Feeds, names: Sequence[str]) -> list[Array]:
        shapes = [feeds[name].shape for name in self._inputs]
        if shapes != self._shapes:
            self._resize(shapes)
        for name, at in self._inputs.items():
            self._taken[at].write(np.ascontiguousarray(self._given[name].write(feeds[name])))
        self._compiled.run_by_index(0, self._taken, self._given_back)
        return [self._read(name) for name in names]

    def _read(self, name: str) -> Array:
        tensor, shape = self._gives[name], self._gives_shapes[self._outputs[name]]
        values = self._given_back[self._outputs[name]].read(int(np.prod(shape)), tensor.stored.type)
        return tensor.read(np.array(values, tensor.stored).reshape(shape))

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        self._shapes = None
        for (name, at), shape in zip(self._inputs.items(), shapes, strict=True):
            if None in self._given[name].spec.shape:
                self._compiled.resize_input_tensor(at, shape)
        self._taken = self._compiled.create_input_buffers(0)
        self._given_back = self._compiled.create_output_buffers(0)
        details = self._compiled.get_output_tensor_details(self._signature)
        self._gives_shapes = [tuple(details[each]["shape"]) for each in details]
        self._shapes = shapes

    def _describe(self) -> None:
        self.inputs = tuple(each.spec for each in self._given.values())
        self.outputs = tuple(each.spec for each in self._gives.values())


def _compiled(path: Path, kind: str) -> Any:
    accelerators = import_module("ai_edge_litert.hardware_accelerator").HardwareAccelerator
    model = import_module("ai_edge_litert.compiled_model").CompiledModel
    return model.from_file(str(path), hardware_accel=accelerators[ACCELERATORS[kind]])


@cache
def _kinds() -> tuple[str, ...]:
    folder = Path(next(iter(import_module("ai_edge_litert").__path__)))
    has_gpu = any(folder.glob("libLiteRt*GpuAccelerator*")) and _has_driver()
    has_npu = any(folder.glob("libLiteRtDispatch*"))
    return tuple(kind for kind, has in (("gpu", has_gpu), ("npu", has_npu)) if has)


def _has_driver() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    for name in _DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False

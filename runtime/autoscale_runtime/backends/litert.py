"""LiteRT (once TensorFlow Lite) with XNNPACK: .tflite files on the CPU, at the thread counts of this host."""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

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
from autoscale_runtime.backends.litert_graph import LiteRTGraph, graphs_of
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds
from autoscale_runtime.backends.tflite_file import IDENTIFIER, keeps_state, precision_of, read_graphs

PACKAGES: Final = ("ai_edge_litert", "tflite_runtime")
"""The packages that hold the interpreter, the one to prefer first."""

_NOT_A_MODEL: Final = ("not a valid Flatbuffer", "model allocation is null", "schema version", "identifier")


class LiteRT(Backend):
    """LiteRT's interpreter on the CPU, with XNNPACK where that has a kernel."""

    name: ClassVar[str] = "litert"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    platform: ClassVar[str] = "litert_tflite"
    inspector: ClassVar[str] = "autoscale_runtime.models.inspection.tflite_model:inspect_tflite"
    package: ClassVar[str] = "ai-edge-litert"
    extra: ClassVar[str] = "litert"

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``ai-edge-litert``, or the ``tflite-runtime`` it replaces, is installed."""
        return any(find_spec(package) for package in PACKAGES)

    def targets(self, precision: str) -> list[Target]:
        """The CPU at each useful thread count."""
        return cpu_targets(precision)

    def suffix_of(self, head: bytes) -> str:
        """By the file's identifier."""
        return ".tflite" if head[4:8] == IDENTIFIER else ""

    def precision_of(self, path: Path) -> str:
        """By what its operators compute with: int8 where that is quantised, fp16 where weights are half floats."""
        return precision_of(read_graphs(path))

    def keeps_state(self, path: Path) -> bool:
        """Whether it holds variables that a query changes."""
        return keeps_state(read_graphs(path))

    def load(self, path: Path, target: Target) -> "LiteRTRunner":
        """Read the file and allocate its tensors."""
        threads = cpu_threads(target)
        interpreter_module()
        interpreter_type = interpreter_class()
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")

        def make() -> Any:
            interpreter = interpreter_type(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
            return interpreter

        try:
            return LiteRTRunner(make, path)
        except (ValueError, RuntimeError) as error:
            raise _load_error(path, error) from error


class LiteRTRunner(Runner):
    """One interpreter, which answers one query at a time.

    Tensors are named as the file's signature names them, else by their own names without TensorFlow's
    ``serving_default_`` and ``:0``. Of a file with several signatures those run whose outputs are asked for. What the
    file quantises is given and taken as it stores it. ``timeout_s`` is ignored: an invocation is not interrupted.

    Args:
        make: gives an interpreter whose tensors are allocated.
        path: of the file.
    """

    def __init__(self, make: Callable[[], Any], path: Path) -> None:
        self._make, self._path = make, path
        self._graphs = graphs_of(make(), path)
        self._lock = Lock()
        self._describe()

    @property
    def graphs(self) -> Sequence[LiteRTGraph]:
        """The ways into the file."""
        return self._graphs

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query, with the input tensors resized where the feeds' open dimensions changed."""
        names = output_names or [each.name for each in self.outputs]
        for name in names:
            one_of("output", name, self._owners, FeedError)
        graphs = list(dict.fromkeys(self._owners[name] for name in names))
        self._check(graphs, feeds)
        found: dict[str, Array] = {}
        with self._lock:
            if not self._graphs:
                raise TargetUnavailable("the model was closed; load it again")
            for at in graphs:
                graph = self._graphs[at]
                found |= _invoked(graph, feeds, [name for name in names if name in graph.outputs])
        return Answer([found[name] for name in names])

    def fit(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """Take and give real values where the network's other variants do."""
        known = {spec.name: spec for spec in (*inputs, *outputs)}
        for graph in self._graphs:
            for tensors in (graph.inputs, graph.outputs):
                tensors |= {name: each.fitted(known[name]) for name, each in tensors.items() if name in known}
        self._describe()

    def reset(self) -> None:
        """Begin a new stream: variables that operators assign have their first values in a new interpreter alone."""
        if not self._keeps_state:
            return
        inputs, outputs = self.inputs, self.outputs
        with self._lock:
            if not self._graphs:
                return
            self._graphs = graphs_of(self._make(), self._path)
        self.fit(inputs, outputs)

    def close(self) -> None:
        """Let the interpreter go once the query under way has its answer."""
        with self._lock:
            self._graphs = []

    @cached_property
    def _keeps_state(self) -> bool:
        return keeps_state(read_graphs(self._path))

    def _describe(self) -> None:
        inputs = {name: each.spec for graph in self._graphs for name, each in graph.inputs.items()}
        outputs = {name: each.spec for graph in self._graphs for name, each in graph.outputs.items()}
        self.inputs, self.outputs = tuple(inputs.values()), tuple(outputs.values())
        self._owners = {name: at for at, graph in enumerate(self._graphs) for name in graph.outputs}

    def _check(self, graphs: Sequence[int], feeds: Feeds) -> None:
        """Raise FeedError unless these are the feeds of those signatures; what only others take may be there too."""
        needed = {name for at in graphs for name in self._graphs[at].inputs} if self._graphs else {*feeds}
        check_feeds([spec for spec in self.inputs if spec.name in needed or spec.name in feeds], feeds)


def _invoked(graph: LiteRTGraph, feeds: Feeds, names: Sequence[str]) -> dict[str, Array]:
    try:
        return graph.run(feeds, names)
    except (ValueError, RuntimeError) as error:
        raise TargetError(f"LiteRT: {_first_line(error)}") from error


def interpreter_module() -> Any:
    """The module of the interpreter, of whichever package is installed.

    Raises:
        MissingExtra: none is.
    """
    for package in PACKAGES:
        if find_spec(package):
            return import_module(f"{package}.interpreter")
    raise MissingExtra("ai-edge-litert", "litert", "running .tflite files")


@cache
def interpreter_class() -> Any:
    """LiteRT's own interpreter, as it was when first asked for: whoever puts another in its place stands on it.

    Raises:
        MissingExtra: none is installed.
    """
    return interpreter_module().Interpreter


def _load_error(path: Path, error: Exception) -> ModelError:
    if any(sign in str(error) for sign in _NOT_A_MODEL):
        return ModelError(f"'{path}' is not a LiteRT model, or a truncated one ({path.stat().st_size} bytes)")
    return UnsupportedModel(f"LiteRT cannot load '{path}': {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

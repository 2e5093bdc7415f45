"""What every backend offers: it loads a model file for a target and answers queries with it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from autoscale.query.record import Decision
from autoscale.query.target import Target
from autoscale.registry import Registry
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs in the order asked for; of a session's ``query`` also what was decided."""

    outputs: list[Array]
    decision: Decision | None = field(default=None, kw_only=True)


class Runner(ABC):
    """One model, loaded for one target. Thread-safe.

    Attributes:
        coverage: share of the model's nodes that run on the target's processor, where the runtime says so.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    coverage: float | None = None

    @abstractmethod
    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query; None asks for all outputs in the model's order.

        Raises:
            FeedError: the feeds or output names are not the model's.
            TargetError: no answer, none in time (where the target can be interrupted), or nonsense.
        """

    def is_random(self) -> bool:
        """Whether the network is known to draw at random, so that no two answers have to be alike."""
        return False

    def fit(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """Take what the network takes and gives, for a file that stores the same otherwise (quantised)."""

    def reset(self) -> None:
        """Begin a new stream of queries, where the file keeps state from one to the next."""

    def close(self) -> None:
        """Give back what is held; calling it twice is harmless."""


class Backend(ABC):
    """A runtime that can execute model files on some of this host's processors.

    All that AutoScale knows of a model format it knows from the backends that read it, so a new format is a backend.

    Attributes:
        name: as registered.
        suffixes: the model files it reads, in lower case (``.onnx``).
        platform: what a server says its models run on (``onnxruntime_onnx``); empty: the backend's name.
        inspector: ``"module:function"`` that counts a file's layers, called as ``autoscale_runtime.models.inspection
            .inspect`` is and imported when that is asked for; empty: of its files only names and sizes are known.
        may_kill: whether its driver may take the process with it: on accelerators each model is first tried in a child.
        is_simulator: whether its answers are another processor's, and its time means nothing.
        package: what it needs, by the name under which that is installed; empty where it brings all along.
        extra: of AutoScale, which brings that; empty where none does.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    platform: ClassVar[str] = ""
    may_kill: ClassVar[bool] = False
    is_simulator: ClassVar[bool] = False
    inspector: ClassVar[str] = ""
    package: ClassVar[str] = ""
    extra: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def is_available(cls) -> bool:
        """Whether what it needs is installed here."""

    @abstractmethod
    def targets(self, precision: str) -> list[Target]:
        """The targets of this host on which it can run a file of that precision; empty for none.

        They name no engine: a session adds the backend's name where another one ships for the format.
        """

    def suffix_of(self, head: bytes) -> str:
        """The suffix that a file with these first bytes should have; empty where they are of no format it reads.

        It is asked for files whose name does not tell.
        """
        return ""

    def data_files(self, path: Path) -> list[str]:
        """Further files that hold a file's weights, relative to its folder."""
        return []

    def precision_of(self, path: Path) -> str:
        """What a file's own operators and weights say of its precision; ``fp32`` where the backend does not look.

        Args:
            path: a file that it has loaded before.
        """
        return "fp32"

    def keeps_state(self, path: Path) -> bool:
        """Whether a file that it has loaded before remembers one query in the next, until its runner is reset."""
        return False

    @abstractmethod
    def load(self, path: Path, target: Target) -> Runner:
        """Load a file for one of the targets that ``targets`` gave.

        Raises:
            ModelError: not a model, truncated, or an operator it lacks (UnsupportedModel).
            MissingExtra: its package is not installed.
        """


BACKENDS = Registry(
    "backend",
    {
        "onnxruntime": "autoscale_runtime.backends.onnxruntime:OnnxRuntime",
        "litert": "autoscale_runtime.backends.litert:LiteRT",
        "litert-compiled": "autoscale_runtime.backends.litert_compiled:LiteRTCompiled",
        "openvino": "autoscale_runtime.backends.openvino:OpenVINO",
        "onnxruntime-cuda": "autoscale_runtime.backends.ort_providers:Cuda",
        "onnxruntime-tensorrt": "autoscale_runtime.backends.ort_providers:TensorRT",
        "onnxruntime-directml": "autoscale_runtime.backends.ort_providers:DirectML",
        "onnxruntime-coreml": "autoscale_runtime.backends.ort_providers:CoreML",
        "onnxruntime-migraphx": "autoscale_runtime.backends.ort_providers:MIGraphX",
        "onnxruntime-vitisai": "autoscale_runtime.backends.ort_providers:VitisAI",
        "onnxruntime-nnapi": "autoscale_runtime.backends.ort_providers:NNAPI",
        "onnxruntime-webgpu": "autoscale_runtime.backends.ort_providers:WebGPU",
        "onnxruntime-openvino": "autoscale_runtime.backends.ort_providers:OrtOpenVINO",
        "onnxruntime-qnn": "autoscale_runtime.backends.ort_providers:Qnn",
    },
    group="autoscale.backends",
)

"""ONNX Runtime's execution providers, each an engine of its own: those built into its flavour, and those plugged in.

What a provider took of a model is asked of ONNX Runtime, which runs the rest on the CPU without a word.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

from autoscale.errors import InvalidTarget, ModelError, TargetUnavailable, UnsupportedModel, one_of
from autoscale.query.target import Target
from autoscale_runtime.backends.onnxruntime import (
    CPU_PROVIDER,
    OnnxRunner,
    OnnxRuntime,
    inference_session_class,
    load_error,
    onnx_runtime,
    session_options,
)
from autoscale_runtime.backends.providers import PROCESSORS

ASSIGNMENT: Final = "session.record_ep_graph_assignment_info"


class OrtProvider(OnnxRuntime):
    """One execution provider.

    Attributes:
        provider: ONNX Runtime's name of it.
        module: the package that plugs it in, where there is one.
        options: processor to the options that lead the provider there.
    """

    provider: ClassVar[str]
    module: ClassVar[str] = ""
    options: ClassVar[dict[str, dict[str, str]]] = {}
    extra: ClassVar[str] = ""
    may_kill: ClassVar[bool] = True

    @classmethod
    def is_available(cls) -> bool:
        """Whether ONNX Runtime is here, and has this provider."""
        return super().is_available() and (cls.provider in _built_in() or bool(cls.module and find_spec(cls.module)))

    def targets(self, precision: str) -> list[Target]:
        """The accelerators that it finds here."""
        return [Target("device", kind, precision) for kind in self._kinds()]

    def load(self, path: Path, target: Target) -> OnnxRunner:
        """Open a session, and refuse where nothing of the model would run on the accelerator."""
        one_of("target", str(target), map(str, self.targets(target.precision)), InvalidTarget)
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")
        options = session_options(1, path)
        options.add_session_config_entry(ASSIGNMENT, "1")
        try:
            session = self._session(path, options, target.processor)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise load_error(path, error) from error
        runner = OnnxRunner(session, path)
        runner.coverage = coverage(session)
        if runner.coverage == 0.0:
            raise UnsupportedModel(f"'{path}' would run on the CPU alone: {self.provider} took none of its nodes")
        return runner

    def _session(self, path: Path, options: Any, kind: str) -> Any:
        devices, keywords = self._devices(kind), self.options.get(kind, {})
        if devices:
            options.add_provider_for_devices(devices[:1], keywords)
            return inference_session_class()(str(path), options)
        return inference_session_class()(str(path), options, providers=[(self.provider, keywords), CPU_PROVIDER])

    def _kinds(self) -> list[str]:
        plugged = [kind for kind in ("gpu", "npu") if self._devices(kind)]
        usual = PROCESSORS.get(self.provider, "cpu")
        built_in = [*self.options] or [usual] if self.provider in _built_in() else []
        return plugged or [each for each in built_in if each != "cpu"]

    def _devices(self, kind: str) -> list[Any]:
        """The devices of that kind that the plug-in offers, by what each says of itself."""
        if self.module:
            _register(self.module)
        found: list[Any] = getattr(onnx_runtime(), "get_ep_devices", list)()
        return [each for each in found if each.ep_name == self.provider and self._is(each, kind)]

    def _is(self, device: Any, kind: str) -> bool:
        return bool(device.device.type.name.lower() == kind)


def coverage(session: Any) -> float | None:
    """Share of a session's nodes that run elsewhere than on the CPU; None where this ONNX Runtime does not say."""
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    if tell is None:
        return 0.0 if session.get_providers() == [CPU_PROVIDER] else None
    nodes = [(part.ep_name, len(part.get_nodes())) for part in tell()]
    total = sum(count for _, count in nodes)
    return sum(count for name, count in nodes if name != CPU_PROVIDER) / total if total else 0.0


@cache
def _built_in() -> tuple[str, ...]:
    return tuple(onnx_runtime().get_available_providers())


@cache
def _register(module: str) -> None:
    """Tell ONNX Runtime of a plug-in, once a process.

    Raises:
        TargetUnavailable: it cannot be loaded.
    """
    if not find_spec(module):
        return
    plugin = import_module(module)
    try:
        onnx_runtime().register_execution_provider_library(plugin.get_ep_name(), plugin.get_library_path())
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise TargetUnavailable(f"the plug-in '{module}' cannot be loaded: {error}") from error


class Cuda(OrtProvider):
    """NVIDIA's GPUs."""

    name = "onnxruntime-cuda"
    provider = "CUDAExecutionProvider"
    package = "onnxruntime-gpu"


class TensorRT(OrtProvider):
    """NVIDIA's GPUs through TensorRT."""

    name = "onnxruntime-tensorrt"
    provider = "TensorrtExecutionProvider"
    package = "onnxruntime-gpu"


class DirectML(OrtProvider):
    """Any GPU under Windows."""

    name = "onnxruntime-directml"
    provider = "DmlExecutionProvider"
    package = "onnxruntime-directml"


class CoreML(OrtProvider):
    """Apple's neural engine."""

    name = "onnxruntime-coreml"
    provider = "CoreMLExecutionProvider"
    package = "onnxruntime"


class MIGraphX(OrtProvider):
    """AMD's GPUs."""

    name = "onnxruntime-migraphx"
    provider = "MIGraphXExecutionProvider"
    package = "onnxruntime-migraphx"


class VitisAI(OrtProvider):
    """AMD's neural processors."""

    name = "onnxruntime-vitisai"
    provider = "VitisAIExecutionProvider"
    package = "onnxruntime-vitisai"


class NNAPI(OrtProvider):
    """Android's accelerators."""

    name = "onnxruntime-nnapi"
    provider = "NnapiExecutionProvider"
    package = "onnxruntime"


class WebGPU(OrtProvider):
    """Any GPU through WebGPU."""

    name = "onnxruntime-webgpu"
    provider = "WebGpuExecutionProvider"
    module = "onnxruntime_ep_webgpu"
    package = "onnxruntime-ep-webgpu"


class OrtOpenVINO(OrtProvider):
    """Intel's GPU and NPU, by ONNX Runtime."""

    name = "onnxruntime-openvino"
    provider = "OpenVINOExecutionProvider"
    module = "onnxruntime_ep_openvino"
    package = "onnxruntime-ep-openvino"
    options: ClassVar = {"gpu": {"device_type": "GPU"}, "npu": {"device_type": "NPU"}}


class Qnn(OrtProvider):
    """Qualcomm's Hexagon, on a machine that has one."""

    name = "onnxruntime-qnn"
    provider = "QNNExecutionProvider"
    module = "onnxruntime_qnn"
    package = "onnxruntime-qnn"
    extra = "qnn"
    options: ClassVar = {"npu": {"backend_type": "htp"}, "gpu": {"backend_type": "gpu"}}

    @classmethod
    def is_available(cls) -> bool:
        """Whether it is installed on a machine of Qualcomm's: elsewhere it would break ONNX Runtime's own policies."""
        return super().is_available() and is_arm()


def is_arm() -> bool:
    """Whether this machine is one that may have a Hexagon."""
    import platform

    return platform.machine().lower() in ("aarch64", "arm64")


ALL: Final[Sequence[type[OrtProvider]]] = (
    Cuda,
    TensorRT,
    DirectML,
    CoreML,
    MIGraphX,
    VitisAI,
    NNAPI,
    WebGPU,
    OrtOpenVINO,
    Qnn,
)

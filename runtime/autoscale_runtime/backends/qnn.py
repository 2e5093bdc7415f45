"""Qualcomm's simulator of the Hexagon tensor processor on x86: its arithmetic is the DSP's, its time means nothing.

It lives in a child: once the plug-in is registered, ONNX Runtime's own provider policies fail in that process. Nobody
has it without asking: ``SessionOptions(backends={"onnxruntime-qnn": QnnSimulator()})``.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from autoscale.errors import InvalidTarget, MissingExtra, ModelError, one_of
from autoscale.query.target import Target
from autoscale_runtime.backends.child import ChildRunner
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.backends.ort_providers import Qnn


class QnnSimulator(OnnxRuntime):
    """What int8 and fp16 variants answer on a Hexagon, on a machine that has none. Shapes must be fixed."""

    name: ClassVar[str] = "onnxruntime-qnn"
    package: ClassVar[str] = "onnxruntime-qnn"
    extra: ClassVar[str] = "qnn"
    is_simulator: ClassVar[bool] = True

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``onnxruntime-qnn`` is installed."""
        return super().is_available() and find_spec(Qnn.module) is not None

    def targets(self, precision: str) -> list[Target]:
        """The simulated processor."""
        return [Target("device", "npu", precision)]

    def load(self, path: Path, target: Target) -> Any:
        """Open it in a child."""
        one_of("target", str(target), map(str, self.targets(target.precision)), InvalidTarget)
        if not self.is_available():
            raise MissingExtra("onnxruntime-qnn", "qnn", "simulating a Hexagon")
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")
        return ChildRunner(f"{__name__}:_Simulated", path, target)


class _Simulated(Qnn):
    """The plug-in itself, in the child. The device that it offers is this machine's CPU, which simulates."""

    @classmethod
    def is_available(cls) -> bool:
        """In the child always."""
        return True

    def _is(self, device: Any, kind: str) -> bool:
        return kind == "npu"

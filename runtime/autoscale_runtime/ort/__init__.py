"""ONNX Runtime with a session that decides: every name of ``onnxruntime``, ``InferenceSession`` being ours.

>>> import autoscale_runtime.ort as ort  # doctest: +SKIP
>>> session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])  # doctest: +SKIP

``autoscale_runtime.install`` puts it where applications find it that are not to be changed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_OURS = {
    "InferenceSession": "autoscale_runtime.ort.inference_session",
    "goal_of": "autoscale_runtime.ort.policies",
    "selection_delegate": "autoscale_runtime.ort.policies",
}

if TYPE_CHECKING:
    from autoscale_runtime.ort.inference_session import InferenceSession as InferenceSession
    from autoscale_runtime.ort.policies import goal_of as goal_of
    from autoscale_runtime.ort.policies import selection_delegate as selection_delegate


def __getattr__(name: str) -> Any:
    if name in _OURS:
        return getattr(import_module(_OURS[name]), name)
    from autoscale_runtime.backends.onnxruntime import onnx_runtime

    return getattr(onnx_runtime(), name)


def __dir__() -> list[str]:
    from autoscale_runtime.backends.onnxruntime import onnx_runtime

    return sorted({*dir(onnx_runtime()), *_OURS})

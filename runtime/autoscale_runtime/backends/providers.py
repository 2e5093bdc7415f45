"""Execution providers of ONNX Runtime: to which kind of processor each leads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

PROCESSORS: Final = {
    "ACLExecutionProvider": "cpu",
    "AzureExecutionProvider": "cpu",
    "CANNExecutionProvider": "npu",
    "CPUExecutionProvider": "cpu",
    "CUDAExecutionProvider": "gpu",
    "CoreMLExecutionProvider": "npu",
    "DmlExecutionProvider": "gpu",
    "DnnlExecutionProvider": "cpu",
    "JsExecutionProvider": "gpu",
    "MIGraphXExecutionProvider": "gpu",
    "NnapiExecutionProvider": "npu",
    "NvTensorRTRTXExecutionProvider": "gpu",
    "QNNExecutionProvider": "npu",
    "RknpuExecutionProvider": "npu",
    "ROCMExecutionProvider": "gpu",
    "SNPEExecutionProvider": "npu",
    "TensorrtExecutionProvider": "gpu",
    "TvmExecutionProvider": "cpu",
    "VSINPUExecutionProvider": "npu",
    "VitisAIExecutionProvider": "npu",
    "WebGpuExecutionProvider": "gpu",
    "WebNNExecutionProvider": "gpu",
    "XnnpackExecutionProvider": "cpu",
}
"""What each drives, as ONNX Runtime's documentation of it says (onnxruntime.ai/docs/execution-providers). CoreML and
NNAPI choose for themselves; they are there for the neural processor."""

BY_OPTION: Final = {"OpenVINOExecutionProvider": "device_type", "QNNExecutionProvider": "backend_type"}
"""Providers of several processors, and the option that says which."""

_OPTIONS: Final = {"gpu": "gpu", "npu": "npu", "htp": "npu", "dsp": "npu", "cpu": "cpu"}


def processor_of(providers: Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """``cpu``, ``gpu`` or ``npu``: where the first of a session's providers that is no CPU leads.

    >>> processor_of(["CUDAExecutionProvider", "CPUExecutionProvider"])
    'gpu'
    >>> processor_of(["OpenVINOExecutionProvider"], {"OpenVINOExecutionProvider": {"device_type": "NPU"}})
    'npu'
    """
    kinds = (_kind(each, (options or {}).get(each, {})) for each in providers)
    return next((kind for kind in kinds if kind != "cpu"), "cpu")


def _kind(provider: str, options: Mapping[str, Any]) -> str:
    asked = str(options.get(BY_OPTION.get(provider, ""), "")).lower()
    named = next((kind for word, kind in _OPTIONS.items() if word in asked), None)
    return named or PROCESSORS.get(provider, "cpu")

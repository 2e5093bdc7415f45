"""ONNX Runtime on the CPU: .onnx and .ort files of any precision, at the thread counts of this host."""

import re
from collections.abc import Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from autoscale.errors import (
    AutoScaleError,
    DeadlineExceeded,
    FeedError,
    MissingExtra,
    ModelError,
    Overloaded,
    TargetError,
    TargetUnavailable,
    UnsupportedModel,
    one_of,
)
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Answer, Backend, Runner
from autoscale_runtime.backends.cancellation import CURRENT, Cancellation
from autoscale_runtime.backends.cpu import cpu_targets, cpu_threads
from autoscale_runtime.backends.onnx_file import OnnxFile, read_onnx
from autoscale_runtime.backends.onnx_random import draws_at_random
from autoscale_runtime.backends.onnx_values import run_of
from autoscale_runtime.backends.ort_file import IDENTIFIER, read_ort
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, bfloat16, check_feeds

DTYPES: Final = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
_BFLOAT16: Final = "tensor(bfloat16)"
"""ONNX Runtime's names of the tensor types that numpy has."""

CPU_PROVIDER: Final = "CPUExecutionProvider"

QUANTISED: Final = ("QuantizeLinear", "DequantizeLinear", "QLinear", "QGemm", "Integer")
"""What the names of ONNX's int8 operators contain."""

FLOAT32: Final = 1
FLOAT16: Final = 10
"""ONNX's numbers of the types of weights."""

_HEAD_BYTES: Final = 8
_FIRST_FIELD: Final = b"\x08"
_SECOND_FIELDS: Final = b"\x12\x1a\x22\x28\x32\x3a\x42"
"""How an ONNX file usually begins: its version, a small number, then any other field of the model."""

_CUSTOM: Final = (
    "; an operator of its own comes in a library, for which autoscale_runtime.ort.InferenceSession takes "
    "sess_options with register_custom_ops_library"
)

_UNSUPPORTED: Final = (
    "No Op registered",
    "not a registered",
    "Could not find an implementation",
    "NOT_IMPLEMENTED",
    "opset",
    "Unsupported model IR version",
)

_TERMINATED: Final = "terminate flag"
_NO_MEMORY: Final = ("Failed to allocate memory", "bad_alloc", "BFCArena")
_CALLERS: Final = re.compile(
    r"broadcast|dimension|shape|\brank\b|\baxis\b|indices|out of (data )?bounds|division by zero"
)
"""What a kernel says of feeds that fit one by one but not together, or not by their values."""

_SOURCE: Final = re.compile(r"\S+\.(?:cc|cpp|cu|h|hpp):\d+ (?:[\w:&<>*, ]+\([^)]*\)(?: const)?(?: \[[^]]*\])? |\S+ )")
"""Where in the runtime's own sources an error was raised: of no use to whoever asked."""


class OnnxRuntime(Backend):
    """The CPU, by ONNX Runtime's own provider."""

    name: ClassVar[str] = "onnxruntime"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx", ".ort")
    platform: ClassVar[str] = "onnxruntime_onnx"
    inspector: ClassVar[str] = "autoscale_runtime.models.inspection.onnx_model:inspect_onnx"
    package: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str] = "ort"

    @classmethod
    def is_available(cls) -> bool:
        """Whether ONNX Runtime is installed, in any of its flavours."""
        spec = find_spec("onnxruntime")
        # Two flavours own the same files: removing one leaves a folder without the package's own module.
        return spec is not None and spec.origin is not None

    def targets(self, precision: str) -> list[Target]:
        """The CPU at each useful thread count."""
        return cpu_targets(precision)

    def suffix_of(self, head: bytes) -> str:
        """ONNX Runtime's format has an identifier; ONNX none, but its files begin alike."""
        if head[4:8] == IDENTIFIER:
            return ".ort"
        if len(head) < _HEAD_BYTES or head[:1] != _FIRST_FIELD:
            return ""
        return ".onnx" if head[1] < 0x80 and head[2] in _SECOND_FIELDS else ""

    def data_files(self, path: Path) -> list[str]:
        """The locations of external data."""
        return list(_read(path).data_files)

    def precision_of(self, path: Path) -> str:
        """int8 where an operator quantises, fp16 where no weight is wider."""
        found = _read(path)
        if any(name in operator for operator in found.operators for name in QUANTISED):
            return "int8"
        is_half = FLOAT16 in found.weight_types and FLOAT32 not in found.weight_types
        return "fp16" if is_half else "fp32"

    def load(self, path: Path, target: Target) -> "OnnxRunner":
        """Open a session; an int8 or fp16 target expects a file of that precision, it converts nothing."""
        threads = cpu_threads(target)
        onnx_runtime()
        if not path.is_file():
            raise ModelError(f"model file '{path}' does not exist")
        try:
            return OnnxRunner(self.open(path, threads), path)
        except AutoScaleError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise load_error(path, error) from error

    def open(self, path: Path, threads: int) -> Any:
        """ONNX Runtime's own session of a file on so many threads; raises whatever that raises."""
        return inference_session_class()(str(path), session_options(threads, path), providers=[CPU_PROVIDER])


class OnnxRunner(Runner):
    """One ONNX Runtime session. ``timeout_s`` is ignored: who waits for an answer may call it off.

    A query ends between two of its nodes, or iterations of a loop: an operator that has begun is not ended.
    """

    def __init__(self, session: Any, path: Path) -> None:
        self.inputs = tuple(_spec(each, path) for each in session.get_inputs())
        self.outputs = tuple(_spec(each, path) for each in session.get_outputs())
        self._run = run_of(session, self.inputs, self.outputs)
        self._options: Any = onnx_runtime().RunOptions
        self._path = path

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        """Answer one query; the feeds are checked only once ONNX Runtime refuses them."""
        cancellation = CURRENT.get()
        try:
            if cancellation is not None:
                return Answer(self._run_until(cancellation, output_names, feeds))
            return Answer(self._run(output_names, feeds))
        except AutoScaleError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise self._run_error(output_names, feeds, error) from error

    def _run_until(self, cancellation: Cancellation, output_names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        """Answer, unless it is called off before: kernels end, the next one does not begin."""
        options = self._options()
        cancellation.begin(partial(setattr, options, "terminate", True))
        try:
            outputs: list[Array] = self._run(output_names, feeds, options)
            return outputs
        finally:
            cancellation.end()

    def is_random(self) -> bool:
        """Whether a node of the file draws at random; a Dropout that trains is not looked for."""
        return draws_at_random(self._path)

    def close(self) -> None:
        """Let the session go as soon as the queries under way have their answers."""
        self._run = _closed

    def _run_error(self, output_names: Sequence[str] | None, feeds: Feeds, error: Exception) -> AutoScaleError:
        if _TERMINATED in str(error):
            return DeadlineExceeded("the query was ended while it ran")
        if any(sign in str(error) for sign in _NO_MEMORY):
            return Overloaded(f"ONNX Runtime: {_reason(error)}")
        if isinstance(error, UnicodeDecodeError):
            return TargetError("an output has a string that is not UTF-8, which ONNX Runtime's Python cannot give")
        try:
            check_feeds(self.inputs, feeds)
            for name in output_names or ():
                one_of("output", name, [each.name for each in self.outputs], FeedError)
        except FeedError as wrong:
            return wrong
        # The feeds fit one by one, but not together: two inputs that share an open dimension.
        reason = _reason(error)
        refused = type(error).__name__ == "InvalidArgument" or _CALLERS.search(reason) is not None
        return (FeedError if refused else TargetError)(f"ONNX Runtime: {reason}")


def onnx_runtime() -> Any:
    """The package ``onnxruntime``, whichever flavour brings it: onnxruntime-gpu, -openvino, -directml, -qnn, ...

    Raises:
        MissingExtra: none is installed.
    """
    if not OnnxRuntime.is_available():
        raise MissingExtra("onnxruntime", "ort", "running .onnx files")
    return import_module("onnxruntime")


@cache
def inference_session_class() -> Any:
    """ONNX Runtime's own session class, as it was when first asked for: whoever puts another in its place stands on it.

    Raises:
        MissingExtra: no ONNX Runtime is installed.
    """
    return onnx_runtime().InferenceSession


def _is_ort(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)[4:] == IDENTIFIER


def _read(path: Path) -> OnnxFile:
    return read_ort(path) if path.is_file() and _is_ort(path) else read_onnx(path)


def _closed(*_: object) -> list[Array]:
    raise TargetUnavailable("the model was closed; load it again")


def session_options(threads: int, path: Path) -> Any:
    """ONNX Runtime's options for so many threads of a file."""
    options = onnx_runtime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A thread that spins while it waits burns energy for microseconds of latency.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _is_ort(path):  # by its content: the runtime itself goes by the suffix
        options.add_session_config_entry("session.load_model_format", "ORT")
    return options


def _spec(node: Any, path: Path) -> TensorSpec:
    if node.type not in (*DTYPES, _BFLOAT16):
        raise UnsupportedModel(f"'{path}': '{node.name}' is a {node.type}; allowed: a tensor")
    shape = tuple(each if isinstance(each, int) else None for each in node.shape)
    dtype = bfloat16() if node.type == _BFLOAT16 else np.dtype(DTYPES[node.type])
    return TensorSpec(node.name, dtype, shape)


def load_error(path: Path, error: Exception) -> ModelError:
    """What ONNX Runtime raised when it opened a file, as one of ours."""
    reason = _reason(error)
    if type(error).__name__ == "InvalidProtobuf" or "No graph was found" in reason:
        return ModelError(f"'{path}' is not an ONNX model, or a truncated one ({path.stat().st_size} bytes)")
    kind = UnsupportedModel if any(sign in str(error) for sign in _UNSUPPORTED) else ModelError
    hint = _CUSTOM if "is not a registered function/op" in reason else ""
    return kind(f"ONNX Runtime cannot load '{path}': {reason}{hint}")


def _reason(error: Exception) -> str:
    """The first line of ONNX Runtime's message without its ``[ONNXRuntimeError] : 7 : NAME :`` head and its sources."""
    text = str(error).strip()
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return _SOURCE.sub("", text.partition("\n")[0])

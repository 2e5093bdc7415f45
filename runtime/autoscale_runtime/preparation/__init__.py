"""Makes a bundle of an fp32 ONNX model: static int8 and fp16 variants, each with its measured accuracy."""

from autoscale_runtime.preparation.prepare import Prepared, Row, prepare
from autoscale_runtime.preparation.samples import Samples, read_labels, read_samples

__all__ = ["Prepared", "Row", "Samples", "prepare", "read_labels", "read_samples"]

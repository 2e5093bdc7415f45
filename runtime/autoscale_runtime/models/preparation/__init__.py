"""Makes a bundle of an fp32 ONNX model: static int8 and fp16 variants, each with its measured accuracy."""

from autoscale_runtime.models.preparation.prepare import Prepared, VariantResult, prepare
from autoscale_runtime.models.preparation.samples import Samples, read_labels, read_samples

__all__ = ["Prepared", "Samples", "VariantResult", "prepare", "read_labels", "read_samples"]

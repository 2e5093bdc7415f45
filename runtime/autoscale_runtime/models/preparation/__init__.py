"""Makes a bundle of an fp32 ONNX model: static int8 and fp16 variants, each compared with it at every step.

Files of other formats are bundled as they are.
"""

from autoscale_runtime.models.preparation.prepare import Prepared, prepare
from autoscale_runtime.models.preparation.samples import Samples, read_labels, read_samples
from autoscale_runtime.models.preparation.work import VariantResult

__all__ = ["Prepared", "Samples", "VariantResult", "prepare", "read_labels", "read_samples"]

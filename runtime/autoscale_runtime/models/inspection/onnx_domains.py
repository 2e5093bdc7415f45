"""Which operators have no multiply-accumulates, and which have some that nobody can state."""

from onnx import defs

UNCOUNTABLE = {
    ("", "DFT"): "a Fourier transform's multiplications depend on the algorithm",
    ("", "STFT"): "a Fourier transform's multiplications depend on the algorithm",
    ("", "LinearAttention"): "its multiplications depend on the algorithm",
    ("ai.onnx.preview", "FlexAttention"): "its multiplications depend on the functions it is given",
    ("ai.onnx.ml", "SVMClassifier"): "the products with its support vectors are not counted",
    ("ai.onnx.ml", "SVMRegressor"): "the products with its support vectors are not counted",
}

# ONNX Runtime's own operators, of its fused and quantised graphs, that only normalise, move or scale.
_CONTRIB = """
    BiasAdd BiasDropout BiasGelu BiasSoftmax BiasSplitGelu BitmaskBiasDropout BitmaskDropout CropAndResize
    DequantizeBFP DequantizeLinear DynamicQuantizeLinear DynamicTimeWarping EmbedLayerNormalization ExpandDims
    FastGelu GatherBlockQuantized GatherND Gelu GridSample GroupNorm Inverse IsAllFinite MaxpoolWithMask
    MulInteger MurmurHash3 NhwcMaxPool Pad QEmbedLayerNormalization QLinearAdd QLinearAveragePool QLinearConcat
    QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid QLinearSoftmax
    QLinearWhere QuantizeBFP QuantizeLinear QuickGelu Range ReduceSumInteger RelativePositionBias
    RemovePadding RestorePadding GatedRelativePositionBias RotaryEmbedding SimplifiedLayerNormalization
    SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization Tokenizer
    Trilu UnfoldTensor Unique
"""
CONTRIB = frozenset(_CONTRIB.split())
# Registered by ONNX Runtime in ONNX's own domain.
RUNTIME_ONLY = frozenset({"SimplifiedLayerNormalization", "FusedActivation", "Scale", "Affine", "ImageScaler"})
COUNTLESS_DOMAINS = ("", "ai.onnx.ml")


def without_macs(domain: str, op_type: str) -> bool:
    """Whether the operator is known, and known to multiply-accumulate nothing."""
    if domain == "com.microsoft":
        return op_type in CONTRIB
    if domain not in COUNTLESS_DOMAINS:
        return False
    return defs.has(op_type, domain) or (domain == "" and op_type in RUNTIME_ONLY)

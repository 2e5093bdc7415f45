"""A quantised file has the layers and MACs of its float twin, and smaller weights."""

import logging

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from autoscale_runtime.models.inspection import inspect

CONV, DEPTHWISE, DENSE = (8, 3, 3, 3), (8, 1, 3, 3), (8 * 16, 10)


def tensor(name, shape, elem_type=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, elem_type, shape)


def save(path, nodes, inputs, output, held):
    draw = np.random.default_rng(7)
    initializers = [
        numpy_helper.from_array(draw.normal(size=shape).astype(np.float32), name) for name, shape in held.items()
    ]
    outputs = [helper.make_tensor_value_info(*output)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def float_model(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "k", "kb"], ["a"], pads=[1] * 4, name="conv"),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "d"], ["b"], pads=[1] * 4, strides=[2, 2], group=8, name="deep"),
        helper.make_node("Flatten", ["b"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"], name="dense"),
    ]
    held = {"k": CONV, "kb": (8,), "d": DEPTHWISE, "w": DENSE}
    return save(tmp_path / "f.onnx", nodes, [tensor("x", [1, 3, 8, 8])], ("y", TensorProto.FLOAT, [1, 10]), held)


class Samples(CalibrationDataReader):
    def __init__(self):
        draw = np.random.default_rng(3)
        self._left = [{"x": draw.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]

    def get_next(self):
        return self._left.pop() if self._left else None


def same_work(one, other):
    layers = ("conv", "depthwise_conv", "fully_connected", "recurrent")
    counted = (*layers, "macs", "uncounted", "macs_by_kind", "spatial_macs")
    return {each: getattr(one, each) for each in counted} == {each: getattr(other, each) for each in counted}


WEIGHTS = 8 * 27 + 8 * 9 + 1280


def test_the_float_model(float_model):
    report = inspect(float_model)
    assert (report.conv, report.depthwise_conv, report.fully_connected) == (1, 1, 1)
    assert report.macs == 64 * 8 * 27 + 16 * 8 * 9 + 1280
    assert report.parameters == WEIGHTS + 8
    assert report.parameter_bytes == 4 * (WEIGHTS + 8)


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("per_channel", [False, True])
def test_static_int8(float_model, form, per_channel, tmp_path):
    logging.disable(logging.WARNING)
    path = tmp_path / "q.onnx"
    quantize_static(
        float_model, path, Samples(), quant_format=form, per_channel=per_channel,
        weight_type=QuantType.QInt8, activation_type=QuantType.QInt8,
    )  # fmt: skip
    logging.disable(logging.NOTSET)
    report = inspect(path)
    assert same_work(report, inspect(float_model))
    assert report.parameters == WEIGHTS + 8
    assert report.parameter_bytes == WEIGHTS + 4 * 8


def test_dynamic_int8(float_model, tmp_path):
    logging.disable(logging.WARNING)
    path = tmp_path / "q.onnx"
    quantize_dynamic(float_model, path, weight_type=QuantType.QUInt8)
    logging.disable(logging.NOTSET)
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert {"ConvInteger", "MatMulInteger"} <= operators
    report = inspect(path)
    assert same_work(report, inspect(float_model))
    assert report.parameter_bytes == WEIGHTS + 4 * 8


def test_a_dynamically_quantised_lstm(tmp_path):
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=6, direction="bidirectional", name="lstm")
    path = save(
        tmp_path / "f.onnx", [node], [tensor("x", [5, 2, 4])], ("y", TensorProto.FLOAT, [5, 2, 2, 6]),
        {"w": (2, 24, 4), "r": (2, 24, 6)},
    )  # fmt: skip
    logging.disable(logging.WARNING)
    quantised = tmp_path / "q.onnx"
    quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM"])
    logging.disable(logging.NOTSET)
    assert onnx.load(quantised).graph.node[0].op_type == "DynamicQuantizeLSTM"
    report = inspect(quantised)
    assert same_work(report, inspect(path))
    assert (report.recurrent, report.macs) == (1, 5 * 2 * 2 * 24 * 10)
    assert (report.parameters, report.parameter_bytes) == (2 * 24 * 10, 2 * 24 * 10)


def test_int4_weights_are_half_a_byte(tmp_path):
    node_list = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    held = [
        helper.make_tensor("q", TensorProto.INT4, [5, 3], [1] * 15),
        numpy_helper.from_array(np.float32(1), "scale"),
    ]
    outputs = [tensor("y", [2, 3])]
    graph = helper.make_graph(node_list, "g", [tensor("x", [2, 5])], outputs, held)
    path = tmp_path / "q.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    report = inspect(path)
    assert (report.fully_connected, report.macs) == (1, 30)
    assert (report.parameters, report.parameter_bytes) == (15, 8)

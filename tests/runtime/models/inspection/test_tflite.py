"""Counts of .tflite files that the test builds, against counts worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import FeedError, ModelError
from autoscale_runtime.models.inspection import inspect
from tests.runtime.tflite_builder import BOOL, INT32, OPS, Builder, schema


def conv_options(stride=1, multiplier=None):
    options = schema.Conv2DOptionsT() if multiplier is None else schema.DepthwiseConv2DOptionsT()
    options.strideH = options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = 1
    options.padding = schema.Padding.SAME
    if multiplier is not None:
        options.depthMultiplier = multiplier
    return options


def layers(report):
    return report.conv, report.depthwise_conv, report.fully_connected, report.recurrent


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 2), st.integers(1, 2), st.integers(5, 9))
def test_convolutions_and_dense(tmp_path_factory, channels, out, multiplier, stride, side):
    b = Builder()
    x = b.input("x", [1, side, side, channels])
    small = -(-side // stride)
    h = b.add(
        OPS.DEPTHWISE_CONV_2D, [x, b.weight(1, 3, 3, channels * multiplier), b.weight(channels * multiplier)],
        [1, small, small, channels * multiplier], conv_options(stride, multiplier),
    )  # fmt: skip
    h = b.add(
        OPS.CONV_2D, [h, b.weight(out, 2, 2, channels * multiplier), b.weight(out)], [1, small, small, out],
        conv_options(),
    )  # fmt: skip
    rows = small * small * out
    dense = schema.FullyConnectedOptionsT()
    y = b.add(OPS.FULLY_CONNECTED, [h, b.weight(7, rows), -1], [1, 7], dense)
    report = inspect(b.save(tmp_path_factory.mktemp("m") / "m.tflite", y))
    deep = small * small * channels * multiplier * 9
    assert report.macs == deep + small * small * out * 4 * channels * multiplier + 7 * rows
    assert layers(report) == ((1, 1, 1, 0) if channels > 1 else (2, 0, 1, 0))
    weights = channels * multiplier * 10 + out * (4 * channels * multiplier + 1) + 7 * rows
    assert (report.parameters, report.parameter_bytes) == (weights, 4 * weights)
    activations = side * side * channels + 2 * small * small * channels * multiplier + 2 * rows + 7
    assert sum(report.values_by_kind.values()) == activations + weights
    assert report.spatial_macs == report.macs_by_kind["conv"]
    assert report.inputs[0].shape == (1, side, side, channels)
    assert report.outputs[0].bytes == 28
    assert report.uncounted == ()


def test_a_transposed_convolution(tmp_path):
    b = Builder()
    x = b.input("x", [1, 4, 4, 3])
    options = schema.TransposeConvOptionsT()
    options.strideH = options.strideW = 2
    y = b.add(OPS.TRANSPOSE_CONV, [b.ints(1, 8, 8, 5), b.weight(5, 3, 3, 3), x], [1, 8, 8, 5], options)
    report = inspect(b.save(tmp_path / "m.tflite", y))
    assert (report.macs, report.conv, report.parameters) == (16 * 3 * 9 * 5, 1, 135)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_batch_matmul(tmp_path, constant, adjoint):
    b = Builder()
    x = b.input("x", [2, 5, 3] if adjoint else [2, 3, 5])
    w = b.weight(2, 5, 4) if constant else b.input("w", [2, 5, 4])
    options = schema.BatchMatMulOptionsT()
    options.adjX, options.adjY = adjoint, False
    report = inspect(b.save(tmp_path / "m.tflite", b.add(OPS.BATCH_MATMUL, [x, w], [2, 3, 4], options)))
    assert report.macs == 2 * 3 * 5 * 4
    assert layers(report) == (0, 0, int(constant), 0)


def test_a_recurrent_layer(tmp_path):
    b = Builder()
    x, steps, width, hidden = b.input("x", [1, 6, 4]), 6, 4, 3
    state = b.tensor("state", [1, hidden])
    b.at.tensors[state].isVariable = True
    options = schema.SequenceRNNOptionsT()
    options.timeMajor = False
    inputs = [x, b.weight(hidden, width), b.weight(hidden, hidden), b.weight(hidden), state]
    y = b.add(OPS.UNIDIRECTIONAL_SEQUENCE_RNN, inputs, [1, steps, hidden], options)
    report = inspect(b.save(tmp_path / "m.tflite", y))
    assert (report.macs, layers(report)) == (steps * hidden * (width + hidden), (0, 0, 0, 1))
    assert report.parameters == hidden * (width + hidden + 1)


def test_shapes_that_only_a_run_tells(tmp_path):
    """The file says [1, 1] after the reshape; the interpreter knows better once it has run."""
    b = Builder()
    x = b.input("x", [1, 4, 6])
    options = schema.ShapeOptionsT()
    options.outType = INT32
    shape = b.add(OPS.SHAPE, [x], [3], options, kind=INT32)
    part = b.add(OPS.SLICE, [shape, b.ints(1), b.ints(2)], [2], kind=INT32)
    scaled = b.add(OPS.MUL, [part, b.ints(1, 1)], [2], schema.MulOptionsT(), kind=INT32)
    flat = b.add(OPS.RESHAPE, [x, scaled], [1, 1], schema.ReshapeOptionsT(), signature=[-1, -1])
    dense = schema.FullyConnectedOptionsT()
    y = b.add(OPS.FULLY_CONNECTED, [flat, b.weight(5, 6), -1], [1, 5], dense, signature=[-1, 5])
    report = inspect(b.save(tmp_path / "m.tflite", y))
    assert report.macs == 4 * 6 * 5
    assert report.outputs[0].shape == (4, 5)


def test_open_dimensions_are_given(tmp_path):
    b = Builder()
    x = b.input("x", [1, 1, 1, 3], signature=[-1, -1, -1, 3])
    y = b.add(OPS.CONV_2D, [x, b.weight(4, 3, 3, 3), b.weight(4)], [1, 1, 1, 4], conv_options())
    path = b.save(tmp_path / "m.tflite", y)
    assert inspect(path, {"x": (2, 8, 8, 3)}).macs == 2 * 64 * 4 * 27
    with pytest.raises(FeedError, match=r"input 'x' .*--shape x=1x3x224x3"):
        inspect(path)
    with pytest.raises(FeedError, match="does not fit"):
        inspect(path, {"x": (2, 8, 8, 4)})


def test_only_the_batch_open_is_one(tmp_path):
    b = Builder()
    x = b.input("x", [1, 6], signature=[-1, 6])
    y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(5, 6), -1], [1, 5], schema.FullyConnectedOptionsT())
    path = b.save(tmp_path / "m.tflite", y)
    report = inspect(path)
    assert (report.macs, len(report.notes)) == (30, 1)
    assert inspect(path, {"x": (4, 6)}).macs == 120


def branch(b, columns):
    b.subgraph()
    x = b.input("x", [1, 6])
    h = b.add(OPS.FULLY_CONNECTED, [x, b.weight(columns, 6), -1], [1, columns], schema.FullyConnectedOptionsT())
    b.at.outputs = [b.add(OPS.SUM, [h, b.ints(1)], [1], schema.ReducerOptionsT())]


def test_if_counts_the_heavier_branch(tmp_path):
    b = Builder()
    c, x = b.input("c", [1], kind=BOOL), b.input("x", [1, 6])
    options = schema.IfOptionsT()
    options.thenSubgraphIndex, options.elseSubgraphIndex = 1, 2
    b.at.outputs = [b.add(OPS.IF, [c, x], [1], options)]
    branch(b, 4)
    branch(b, 7)
    report = inspect(b.save(tmp_path / "m.tflite"))
    assert (report.macs, report.fully_connected, report.parameters) == (42, 1, 66)
    assert "24 and 42" in report.notes[0]


def test_a_custom_operator_is_named_and_the_rest_counted(tmp_path):
    b = Builder()
    x = b.input("x", [1, 6])
    h = b.add(OPS.CUSTOM, [x], [1, 6], custom="Magic")
    y = b.add(OPS.FULLY_CONNECTED, [h, b.weight(5, 6), -1], [1, 5], schema.FullyConnectedOptionsT())
    report = inspect(b.save(tmp_path / "m.tflite", y))
    assert (report.macs, report.fully_connected) == (30, 1)
    assert any("'Magic'" in each for each in report.uncounted)


def test_damaged_files(tmp_path):
    b = Builder()
    x = b.input("x", [1, 60])
    y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(50, 60), -1], [1, 50], schema.FullyConnectedOptionsT())
    path = b.save(tmp_path / "m.tflite", y)
    whole = path.read_bytes()
    for size in (0, 3, 9, 100, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"m\.tflite"):
            inspect(path)
    path.write_bytes(b"PK\x03\x04" + bytes(500))
    with pytest.raises(ModelError, match=r"not a \.tflite model"):
        inspect(path)


def counting(path, limit=7, step=2, start=1, code=OPS.LESS, fixed=True):
    """A counter i and a row h: while i < limit, i += step and h = h W."""
    b = Builder()
    x = b.input("x", [1, 6])
    i = b.tensor("start", [], INT32, data=start) if fixed else b.input("i", [], kind=INT32)
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    b.add(OPS.WHILE, [i, x], [], options, kind=INT32)
    row = b.tensor("row", [1, 6])
    b.at.operators[-1].outputs.append(row)
    b.at.outputs = [row]
    b.subgraph()
    i, x = b.input("ci", [], kind=INT32), b.input("ch", [1, 6])
    to = b.tensor("limit", [], INT32, data=limit)
    b.at.outputs = [b.add(code, [i, to], [], kind=BOOL)]
    b.subgraph()
    i, x = b.input("bi", [], kind=INT32), b.input("bh", [1, 6])
    more = b.add(OPS.ADD, [i, b.tensor("step", [], INT32, data=step)], [], schema.AddOptionsT(), kind=INT32)
    h = b.add(OPS.FULLY_CONNECTED, [x, b.weight(6, 6), -1], [1, 6], schema.FullyConnectedOptionsT())
    b.at.outputs = [more, h]
    return b.save(path)


@pytest.mark.parametrize(
    ("code", "limit", "step", "start", "rounds"),
    [
        (OPS.LESS, 7, 2, 1, 3),
        (OPS.LESS, 8, 2, 1, 4),
        (OPS.LESS_EQUAL, 7, 2, 1, 4),
        (OPS.LESS, 1, 1, 1, 0),
        (OPS.GREATER, 0, -1, 5, 5),
        (OPS.GREATER_EQUAL, 0, -1, 5, 6),
    ],
)
def test_a_loop_with_a_constant_trip_count(tmp_path, code, limit, step, start, rounds):
    report = inspect(counting(tmp_path / "m.tflite", limit, step, start, code))
    assert report.macs == 36 * rounds
    assert report.uncounted == ()


@pytest.mark.parametrize("case", [{"fixed": False}, {"step": -1}, {"step": 0}])
def test_a_loop_without_one_is_counted_once(tmp_path, case):
    # The file is not run: two of these loops never end.
    from autoscale_runtime.backends.tflite_file import read_graphs
    from autoscale_runtime.models.inspection.tflite_loop import trip_count

    graphs = read_graphs(counting(tmp_path / "m.tflite", **case))
    assert trip_count(graphs, graphs[0], graphs[0].operators[0]) is None


def test_signatures_name_the_tensors_and_are_counted_together(tmp_path):
    b = Builder()
    for at, (key, out) in enumerate({"small": 2, "big": 5}.items()):
        if at:
            b.subgraph()
        x = b.input(f"{key}_x:0", [1, 6])
        y = b.add(OPS.FULLY_CONNECTED, [x, b.weight(out, 6), -1], [1, out], schema.FullyConnectedOptionsT())
        b.at.outputs = [y]
        b.signature(key, {"x": x}, {key: y}, subgraph=at)
    report = inspect(b.save(tmp_path / "m.tflite"), {"x": (1, 6)})
    assert (report.macs, report.fully_connected) == (6 * 7, 2)
    assert ([each.name for each in report.inputs], [each.name for each in report.outputs]) == (["x"], ["small"])
    assert "2 signatures, counted together: 'small', 'big'" in report.notes

"""Counts of ONNX files against counts worked out by hand from the sizes the test itself chose."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from autoscale_runtime.models.inspection import inspect

SIZES = st.integers(1, 5)
FEW = settings(max_examples=25)
F32 = TensorProto.FLOAT


def tensor(name, shape, elem_type=F32):
    return helper.make_tensor_value_info(name, elem_type, shape)


def weight(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def graph(nodes, inputs, outputs, initializers=(), name="g"):
    outputs = [helper.make_empty_tensor_value_info(each) for each in outputs]
    return helper.make_graph(nodes, name, inputs, outputs, initializers)


def model_of(main, opset=20, domains=(), functions=()):
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(each, 1) for each in domains)]
    return helper.make_model(main, opset_imports=imports, functions=functions, ir_version=10)


def count(model, shapes=None):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(model, path)
        return inspect(path, shapes or {})


def count_nodes(nodes, inputs, outputs, initializers=(), shapes=None, **options):
    return count(model_of(graph(nodes, inputs, outputs, initializers), **options), shapes)


def layers(report):
    return report.conv, report.depthwise_conv, report.fully_connected, report.recurrent


@FEW
@given(
    st.sampled_from(["conv", "grouped", "depthwise"]), SIZES, SIZES, st.integers(1, 3), st.integers(1, 2),
    st.integers(0, 2), st.integers(1, 2), st.integers(9, 14),
)  # fmt: skip
def test_a_convolution_costs_each_output_its_kernel(kind, batch, m, kernel, stride, pad, dilation, size):
    group, per_group = {"conv": (1, 3), "grouped": (2, 3), "depthwise": (4, 1)}[kind]
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], group=group, strides=[stride] * 2, pads=[pad] * 4,
        dilations=[dilation] * 2,
    )  # fmt: skip
    channels, out = group * per_group, group * m
    report = count_nodes(
        [node], [tensor("x", [batch, channels, size, size])], ["y"],
        [weight("w", out, per_group, kernel, kernel), weight("b", out)],
    )  # fmt: skip
    side = (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    assert report.macs == batch * out * side * side * per_group * kernel * kernel
    assert layers(report) == ((0, 1, 0, 0) if kind == "depthwise" else (1, 0, 0, 0))
    assert report.parameters == out * per_group * kernel * kernel + out
    assert report.parameter_bytes == 4 * report.parameters
    assert report.outputs[0].shape == (batch, out, side, side)
    assert report.outputs[0].bytes == 4 * batch * out * side * side


@FEW
@given(SIZES, SIZES, st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2]))
def test_a_transposed_convolution_costs_each_input_its_kernel(c, m, kernel, stride, group):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[stride], group=group)
    w = weight("w", 2 * c, m, kernel)
    report = count_nodes([node], [tensor("x", [2, 2 * c, 7])], ["y"], [w])
    assert report.macs == 2 * (2 * c) * 7 * m * kernel
    assert layers(report) == ((0, 1, 0, 0) if group == 2 == 2 * c else (1, 0, 0, 0))


def test_one_input_channel_is_a_plain_convolution():
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=1)
    report = count_nodes([node], [tensor("x", [1, 1, 8, 8])], ["y"], [weight("w", 1, 1, 3, 3)])
    assert layers(report) == (1, 0, 0, 0)
    assert report.macs == 36 * 9


@FEW
@given(SIZES, SIZES, SIZES, st.booleans(), st.booleans())
def test_gemm_in_all_its_transpositions(m, k, n, trans_a, trans_b):
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], transA=int(trans_a), transB=int(trans_b))
    a = tensor("a", [k, m] if trans_a else [m, k])
    b = weight("b", *((n, k) if trans_b else (k, n)))
    report = count_nodes([node], [a], ["y"], [b, weight("c", n)])
    assert (report.macs, layers(report)) == (m * k * n, (0, 0, 1, 0))
    assert report.parameters == k * n + n


@FEW
@given(SIZES, SIZES, SIZES, SIZES)
def test_a_product_of_activations_has_macs_but_is_no_layer(batch, m, k, n):
    inputs = [tensor("a", [batch, m, k]), tensor("b", [1, k, n])]
    report = count_nodes([helper.make_node("MatMul", ["a", "b"], ["y"])], inputs, ["y"])
    assert (report.macs, layers(report)) == (batch * m * k * n, (0, 0, 0, 0))
    assert report.macs_by_kind["other"] == report.macs


@pytest.mark.parametrize(("a", "b", "macs"), [((5,), (5,), 5), ((5,), (5, 3), 15), ((2, 4, 5), (5,), 40)])
def test_matmul_of_vectors(a, b, macs):
    report = count_nodes([helper.make_node("MatMul", ["a", "b"], ["y"])], [tensor("a", a)], ["y"], [weight("b", *b)])
    assert (report.macs, report.fully_connected) == (macs, 1)


def test_a_weight_stays_a_weight_through_cast_transpose_and_reshape():
    nodes = [
        helper.make_node("Constant", [], ["raw"], value=weight("", 3, 2, 2, dtype=np.float16)),
        helper.make_node("Cast", ["raw"], ["wide"], to=F32),
        helper.make_node("Reshape", ["wide", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    report = count_nodes(nodes, [tensor("x", [7, 4])], ["y"], [ints("shape", 3, 4)])
    assert (report.macs, report.fully_connected) == (7 * 4 * 3, 1)
    assert (report.parameters, report.parameter_bytes) == (12, 24)


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        ("...ij,jk->...ik", [(2, 6, 3, 4), (4, 5)], 2 * 6 * 3 * 4 * 5),
        ("ij,jk", [(3, 4), (4, 5)], 60),
        ("ij,ij->ij", [(3, 4), (3, 4)], 0),
        ("ij->ji", [(3, 4)], 0),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 6)], 3 * 4 * 5 + 3 * 5 * 6),
    ],
)
def test_einsum_counts_contractions(equation, shapes, macs):
    names = [f"i{at}" for at in range(len(shapes))]
    inputs = [tensor(*each) for each in zip(names, shapes, strict=True)]
    report = count_nodes([helper.make_node("Einsum", names, ["y"], equation=equation)], inputs, ["y"])
    assert report.macs == macs


@FEW
@given(st.sampled_from([("LSTM", 4), ("GRU", 3), ("RNN", 1)]), SIZES, SIZES, SIZES, SIZES, st.booleans())
def test_recurrent_layers_cost_all_gates_each_step(kind, steps, batch, width, hidden, both):
    operator, gates = kind
    ways = 2 if both else 1
    node = helper.make_node(
        operator, ["x", "w", "r", "b"], ["y"], hidden_size=hidden,
        direction="bidirectional" if both else "forward",
    )  # fmt: skip
    held = [
        weight("w", ways, gates * hidden, width),
        weight("r", ways, gates * hidden, hidden),
        weight("b", ways, 2 * gates * hidden),
    ]
    report = count_nodes([node], [tensor("x", [steps, batch, width])], ["y"], held)
    assert report.macs == steps * batch * ways * gates * hidden * (width + hidden)
    assert layers(report) == (0, 0, 0, 1)
    assert report.parameters == ways * gates * hidden * (width + hidden + 2)


def dense(name, rows, columns, source="x", target="y"):
    return [helper.make_node("MatMul", [source, name], [target])], [weight(name, rows, columns)]


def branch(columns, name):
    nodes, held = dense(f"w{name}", 4, columns, target=f"h{name}")
    nodes.append(helper.make_node("ReduceSum", [f"h{name}"], [f"o{name}"], keepdims=0))
    return graph(nodes, [], [f"o{name}"], held, name)


def test_if_counts_the_heavier_branch_and_says_so():
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch(3, "t"), else_branch=branch(5, "e"))
    report = count_nodes([node], [tensor("c", [], TensorProto.BOOL), tensor("x", [2, 4])], ["y"])
    assert (report.macs, report.fully_connected) == (2 * 4 * 5, 1)
    assert "24 MACs (then) and 40 (else)" in report.notes[0]
    assert not report.uncounted
    assert report.parameters == 4 * 3 + 4 * 5


def test_if_that_shapes_decide_counts_the_branch_taken():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["rows"]),
        helper.make_node("Equal", ["rows", "two"], ["c"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch(3, "t"), else_branch=branch(5, "e")),
    ]
    held = [numpy_helper.from_array(np.array(0), "first"), numpy_helper.from_array(np.array(2), "two")]
    report = count_nodes(nodes, [tensor("x", ["n", 4])], ["y"], held, shapes={"x": (2, 4)})
    assert (report.macs, report.notes) == (24, ())
    assert count_nodes(nodes, [tensor("x", ["n", 4])], ["y"], held, shapes={"x": (3, 4)}).macs == 60


def loop(body_nodes, *, trips=None, state="x", going="keep", initializers=(), outer=()):
    body = graph(body_nodes, [tensor("i", [], 7), tensor("cond", [], 9), tensor("s", None)], [going, "s2"], name="body")
    nodes = [*outer, helper.make_node("Loop", ["trips", "", state], ["y"], body=body)]
    held = [*initializers] if trips is None else [*initializers, numpy_helper.from_array(np.array(trips), "trips")]
    return nodes, held


STEP = [
    helper.make_node("Identity", ["cond"], ["keep"]),
    helper.make_node("MatMul", ["s", "w"], ["s2"]),
]


def test_loop_with_a_fixed_trip_count():
    nodes, held = loop(STEP, trips=100_000, initializers=[weight("w", 4, 4)])
    report = count_nodes(nodes, [tensor("x", [3, 4])], ["y"], held)
    assert (report.macs, report.fully_connected) == (100_000 * 3 * 16, 1)
    assert (report.uncounted, report.parameters) == ((), 16)


def test_loop_whose_trips_are_an_input_counts_one_and_says_so():
    nodes, held = loop(STEP, initializers=[weight("w", 4, 4)])
    report = count_nodes(nodes, [tensor("trips", [], 7), tensor("x", [3, 4])], ["y"], held)
    assert report.macs == 3 * 16
    assert "Loop" in report.uncounted[0] and "one iteration" in report.uncounted[0]


def test_loop_that_grows_is_followed_step_by_step():
    grow = [
        helper.make_node("Identity", ["cond"], ["keep"]),
        helper.make_node("MatMul", ["s", "w"], ["p"]),
        helper.make_node("Concat", ["s", "p"], ["s2"], axis=0),
    ]
    nodes, held = loop(grow, trips=4, initializers=[weight("w", 4, 4)])
    report = count_nodes(nodes, [tensor("x", [1, 4])], ["y"], held)
    assert report.macs == (1 + 2 + 4 + 8) * 16
    assert report.outputs[0].shape == (16, 4)
    assert report.fully_connected == 1


def test_loop_that_ends_itself_by_a_counter():
    nodes, held = loop(
        [helper.make_node("Less", ["i", "last"], ["keep"]), helper.make_node("MatMul", ["s", "w"], ["s2"])],
        trips=50, initializers=[weight("w", 4, 4), numpy_helper.from_array(np.array(6), "last")],
    )  # fmt: skip
    assert count_nodes(nodes, [tensor("x", [1, 4])], ["y"], held).macs == 7 * 16


def test_loop_with_a_branch_that_the_data_choose_counts_the_heavier_each_time():
    step = [
        helper.make_node("Identity", ["cond"], ["keep"]),
        helper.make_node("If", ["c"], ["h"], then_branch=branch(3, "t"), else_branch=branch(5, "e")),
        helper.make_node("Add", ["s", "h"], ["s2"]),
    ]
    nodes, held = loop(step, trips=3000)
    report = count_nodes(nodes, [tensor("c", [], TensorProto.BOOL), tensor("x", [2, 4])], ["y"], held)
    assert (report.macs, report.fully_connected) == (3000 * 40, 1)


def test_loop_with_a_branch_that_the_counter_chooses():
    step = [
        helper.make_node("Identity", ["cond"], ["keep"]),
        helper.make_node("Less", ["i", "last"], ["c"]),
        helper.make_node("If", ["c"], ["h"], then_branch=branch(3, "t"), else_branch=branch(5, "e")),
        helper.make_node("Add", ["s", "h"], ["s2"]),
    ]
    nodes, held = loop(step, trips=10, initializers=[numpy_helper.from_array(np.array(4), "last")])
    report = count_nodes(nodes, [tensor("x", [2, 4])], ["y"], held)
    assert (report.macs, report.fully_connected) == (4 * 24 + 6 * 40, 2)


def test_scan_runs_once_per_slice():
    body = graph(
        [
            helper.make_node("Gemm", ["slice", "w", "state"], ["next"]),
            helper.make_node("Identity", ["next"], ["out"]),
        ],
        [tensor("state", [2, 5]), tensor("slice", [2, 3])], ["next", "out"],
    )  # fmt: skip
    node = helper.make_node("Scan", ["h", "x"], ["hn", "y"], body=body, num_scan_inputs=1, scan_input_axes=[1])
    report = count_nodes([node], [tensor("h", [2, 5]), tensor("x", [2, 9, 3])], ["hn", "y"], [weight("w", 3, 5)])
    assert (report.macs, report.fully_connected, report.parameters) == (9 * 2 * 3 * 5, 1, 15)
    assert report.outputs[1].shape == (9, 2, 5)


def test_local_functions_are_unfolded_at_every_call():
    function = helper.make_function(
        "mine", "Dense", ["x", "w"], ["y"], [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    calls = [helper.make_node("Dense", [a, "w"], [b], domain="mine") for a, b in (("x", "h"), ("h", "y"))]
    main = graph(calls, [tensor("x", [2, 4])], ["y"], [weight("w", 4, 4)])
    report = count(model_of(main, domains=["mine"], functions=[function]))
    assert (report.macs, report.fully_connected, report.parameters) == (2 * 32, 2, 16)
    assert report.uncounted == ()


def test_a_shape_computed_from_a_shape_is_followed():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Slice", ["s", "zero", "one"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        *dense("w", 12, 5, source="flat")[0],
    ]
    held = [ints("zero", 0), ints("one", 1), ints("rest", 12), weight("w", 12, 5)]
    report = count_nodes(nodes, [tensor("x", ["n", 3, 4])], ["y"], held)
    assert (report.macs, report.parameters) == (60, 60)
    assert "batch of 1" in report.notes[0]
    assert count_nodes(nodes, [tensor("x", ["n", 3, 4])], ["y"], held, shapes={"x": (8, 3, 4)}).macs == 480


def test_a_size_that_depends_on_the_data_is_named():
    nodes = [
        helper.make_node("NonZero", ["x"], ["where"], name="pick"),
        helper.make_node("Cast", ["where"], ["f"], to=F32),
        helper.make_node("Transpose", ["f"], ["t"]),
        *dense("w", 2, 5, source="t")[0],
    ]
    report = count_nodes(nodes, [tensor("x", [3, 4])], ["y"], [weight("w", 2, 5)])
    assert (report.macs, report.fully_connected) == (0, 1)
    assert "MatMul" in report.uncounted[0] and "NonZero 'pick'" in report.uncounted[0]
    assert report.outputs[0].bytes is None
    assert report.profile("m").output_bytes == 0


def test_a_custom_operator_is_named_and_the_rest_counted():
    nodes = [helper.make_node("Magic", ["x"], ["h"], domain="acme", name="m"), *dense("w", 4, 5, source="h")[0]]
    main = graph(nodes, [tensor("x", [2, 4])], ["y"], [weight("w", 4, 5)])
    blind = count(model_of(main, domains=["acme"]))
    assert blind.uncounted[0].startswith("acme:Magic 'm'")
    assert blind.macs == 0
    main.value_info.append(tensor("h", [2, 4]))
    assert count(model_of(main, domains=["acme"])).macs == 40


def test_onnx_runtimes_own_operators():
    nodes = [
        helper.make_node("FusedMatMul", ["x", "w"], ["h"], domain="com.microsoft", transB=1),
        helper.make_node("Gelu", ["h"], ["g"], domain="com.microsoft"),
        helper.make_node("FusedConv", ["g", "k"], ["y"], domain="com.microsoft", activation="Relu"),
    ]
    report = count_nodes(
        nodes, [tensor("x", [1, 2, 6, 4])], ["y"], [weight("w", 5, 4), weight("k", 3, 2, 1, 1)],
        domains=["com.microsoft"],
    )  # fmt: skip
    assert report.macs == 2 * 6 * 4 * 5 + 3 * 6 * 5 * 2
    assert layers(report) == (1, 0, 1, 0)
    assert report.uncounted == ()


def test_four_bit_weights_are_half_a_byte():
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft", K=32, N=3, bits=4, block_size=32
    )
    packed = [weight("w", 3, 1, 16, dtype=np.uint8), weight("scales", 3)]
    report = count_nodes([node], [tensor("x", [2, 32])], ["y"], packed, domains=["com.microsoft"])
    assert (report.macs, report.fully_connected) == (2 * 32 * 3, 1)
    assert (report.parameters, report.parameter_bytes) == (96, 48)


@pytest.mark.parametrize("past", [0, 6])
def test_attention_multiplies_with_every_key_and_value(past):
    heads, queries, keys, width = 2, 3, 5, 4
    inputs = [tensor("q", [1, heads, queries, width])]
    inputs += [tensor(name, [1, heads, keys, width]) for name in "kv"]
    names, outputs = ["q", "k", "v"], ["y"]
    if past:
        inputs += [tensor(name, [1, heads, past, width]) for name in ("pk", "pv")]
        names, outputs = ["q", "k", "v", "", "pk", "pv"], ["y", "a", "b"]
    report = count_nodes([helper.make_node("Attention", names, outputs)], inputs, ["y"], opset=23)
    assert report.macs == 2 * heads * queries * (keys + past) * width
    assert layers(report) == (0, 0, 0, 0)


def test_onnx_runtimes_attention_projects_inside():
    node = helper.make_node("Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=2)
    held = [weight("w", 8, 24), weight("b", 24)]
    report = count_nodes([node], [tensor("x", [2, 3, 8])], ["y"], held, domains=["com.microsoft"])
    assert report.macs_by_kind["fully_connected"] == 2 * 3 * 8 * 24
    assert report.macs_by_kind["other"] == 2 * (2 * 3 * 3 * 8)
    assert (report.fully_connected, report.parameters, report.uncounted) == (1, 8 * 24 + 24, ())


def test_multi_head_attention():
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=2)
    inputs = [tensor("q", [1, 3, 8]), tensor("k", [1, 5, 8]), tensor("v", [1, 5, 8])]
    report = count_nodes([node], inputs, ["y"], domains=["com.microsoft"])
    assert (report.macs, layers(report), report.uncounted) == (2 * 3 * 5 * 8, (0, 0, 0, 0), ())


def test_group_query_attention():
    node = helper.make_node(
        "GroupQueryAttention", ["q", "k", "v", "pk", "pv", "last", "total"], ["y", "nk", "nv"],
        domain="com.microsoft", num_heads=4, kv_num_heads=2,
    )  # fmt: skip
    inputs = [tensor("q", [1, 1, 64]), tensor("k", [1, 1, 32]), tensor("v", [1, 1, 32])]
    inputs += [tensor(name, [1, 2, 6, 16]) for name in ("pk", "pv")]
    held = [
        numpy_helper.from_array(np.array([6], np.int32), "last"),
        numpy_helper.from_array(np.array([7], np.int32), "total"),
    ]
    report = count_nodes([node], inputs, ["y"], held, domains=["com.microsoft"])
    assert (report.macs, report.uncounted) == (2 * 7 * 64, ())


@pytest.mark.parametrize("is_packed", [False, True])
def test_attention_of_a_decoder_whose_lengths_follow_from_its_mask(is_packed):
    """What runs on ones is refused here: the mask's own sum says how long the past is."""
    heads, kept, width, steps, past, layers = 4, 2, 8, 6, 4, 2
    inner = heads * width
    nodes = [
        helper.make_node("ReduceSum", ["mask", "axis"], ["ones"], keepdims=0),
        helper.make_node("Sub", ["ones", "one"], ["last64"]),
        helper.make_node("Cast", ["last64"], ["last"], to=TensorProto.INT32),
        helper.make_node("Shape", ["mask"], ["lengths"]),
        helper.make_node("Gather", ["lengths", "one"], ["total64"], axis=0),
        helper.make_node("Cast", ["total64"], ["total"], to=TensorProto.INT32),
    ]
    held = [ints("axis", 1), numpy_helper.from_array(np.array(1), "one")]
    inputs = [tensor("x0", [1, steps, inner]), tensor("mask", [1, steps + past], TensorProto.INT64)]
    for layer in range(layers):
        at = lambda name, layer=layer: f"{name}{layer}"  # noqa: E731
        split = {"qkv": heads + 2 * kept} if is_packed else {"q": heads, "k": kept, "v": kept}
        for name, count in split.items():
            held.append(weight(at(f"w{name}"), inner, count * width))
            nodes.append(helper.make_node("MatMul", [at("x"), at(f"w{name}")], [at(name)]))
        given = [at("qkv"), "", ""] if is_packed else [at("q"), at("k"), at("v")]
        nodes.append(
            helper.make_node(
                "GroupQueryAttention", [*given, at("pk"), at("pv"), "last", "total"], [at("a"), at("nk"), at("nv")],
                domain="com.microsoft", num_heads=heads, kv_num_heads=kept,
            )
        )  # fmt: skip
        held.append(weight(at("g"), inner))
        nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization", [at("x"), at("a"), at("g")], [at("n"), "", "", f"x{layer + 1}"],
                domain="com.microsoft",
            )
        )  # fmt: skip
        inputs += [tensor(at(name), [1, kept, past, width]) for name in ("pk", "pv")]
    outputs = [f"x{layers}", *(f"n{name}{layer}" for layer in range(layers) for name in "kv")]
    report = count_nodes(nodes, inputs, outputs, held, domains=["com.microsoft"])
    attended = 2 * heads * steps * (steps + past) * width
    assert report.macs == layers * (steps * inner * (heads + 2 * kept) * width + attended)
    assert report.uncounted == ()
    assert [each.shape for each in report.outputs[1:]] == [(1, kept, steps + past, width)] * 2 * layers


def test_linear_regression_of_scikit_learn():
    node = helper.make_node(
        "LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[1.0] * 6, intercepts=[0.0] * 2,
        targets=2,
    )  # fmt: skip
    report = count_nodes([node], [tensor("x", [5, 3])], ["y"], domains=["ai.onnx.ml"])
    assert (report.macs, report.fully_connected, report.parameters) == (30, 1, 8)


def test_a_pipeline_of_scikit_learn_is_counted_past_the_operators_that_nobody_has_a_rule_for():
    ml = {"domain": "ai.onnx.ml"}
    nodes = [
        helper.make_node("Imputer", ["x"], ["i"], imputed_value_floats=[0.0], replaced_value_float=-1.0, **ml),
        helper.make_node("Scaler", ["i"], ["s"], offset=[0.0] * 3, scale=[1.0] * 3, **ml),
        helper.make_node(
            "LinearClassifier", ["s"], ["label", "raw"], coefficients=[1.0] * 6, intercepts=[0.0] * 2,
            classlabels_ints=[0, 1], **ml,
        ),
        helper.make_node("Normalizer", ["raw"], ["p"], norm="L1", **ml),
    ]  # fmt: skip
    report = count_nodes(nodes, [tensor("x", [5, 3])], ["label", "p"], domains=["ai.onnx.ml"])
    assert (report.macs, report.fully_connected) == (30, 1)
    assert [each.shape for each in report.outputs] == [(5,), (5, 2)]
    assert report.uncounted == ()


def test_weights_generated_from_a_shape_count_as_parameters():
    nodes = [helper.make_node("ConstantOfShape", ["dims"], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    report = count_nodes(nodes, [tensor("x", [2, 4])], ["y"], [ints("dims", 4, 5)])
    assert (report.parameters, report.fully_connected, report.macs) == (20, 1, 40)


def test_shapes_limits_and_literals_are_no_parameters():
    nodes = [
        helper.make_node("Reshape", ["x", "target"], ["a"]),
        helper.make_node("Clip", ["a", "low"], ["b"]),
        helper.make_node("Mul", ["b", "half"], ["c"]),
        helper.make_node("Add", ["c", "bias"], ["y"]),
    ]
    half, low = (numpy_helper.from_array(np.float32(v), n) for v, n in ((0.5, "half"), (0, "low")))
    unused = weight("unused", 9)
    report = count_nodes(nodes, [tensor("x", [2, 4])], ["y"], [ints("target", 8), low, half, weight("bias", 8), unused])
    assert (report.parameters, report.macs) == (8, 0)


def test_external_data_may_be_missing(tmp_path):
    held = weight("w", 64, 32)
    main = graph(dense("w", 64, 32)[0], [tensor("x", [2, 64])], ["y"], [held])
    path = tmp_path / "m.onnx"
    onnx.save(model_of(main), path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").stat().st_size >= 64 * 32 * 4
    (tmp_path / "m.data").unlink()
    report = inspect(path)
    assert (report.macs, report.parameters, report.parameter_bytes) == (2 * 64 * 32, 2048, 8192)


def test_small_external_constants_are_read(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "target"], ["h"]), *dense("w", 8, 3, source="h")[0]]
    main = graph(nodes, [tensor("x", [2, 4])], ["y"], [ints("target", 1, 8), weight("w", 8, 3)])
    path = tmp_path / "m.onnx"
    onnx.save(model_of(main), path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert inspect(path).macs == 24

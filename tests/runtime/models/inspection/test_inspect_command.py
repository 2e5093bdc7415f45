"""``autoscale inspect`` as a person and as a script call it, and what it says of bad input."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from autoscale.errors import AutoScaleError, FeedError, InvalidInput, ModelError
from autoscale.profiles.networks import load_network
from autoscale_runtime.models.inspection import inspect, parse_shape
from autoscale_runtime.models.inspection.inspect_command import inspect_command

KEYS = {
    "conv", "depthwise_conv", "fully_connected", "recurrent", "macs", "parameters", "parameter_bytes",
    "inputs", "outputs", "uncounted",
}  # fmt: skip


@pytest.fixture
def network(tmp_path):
    """A dense layer over an input [n, t, 4]."""
    held = [numpy_helper.from_array(np.ones((4, 5), np.float32), "w")]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["in:0", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("in:0", TensorProto.FLOAT, ["n", "t", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], held,
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def run(*arguments):
    app = typer.Typer()
    app.command()(inspect_command)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_json_has_the_fixed_keys(network):
    result = run(network, "--shape", "in:0=2x3x4", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert set(report) == KEYS
    assert (report["macs"], report["fully_connected"], report["parameters"]) == (120, 1, 20)
    assert report["inputs"] == [{"name": "in:0", "dtype": "float32", "shape": [2, 3, 4], "bytes": 96}]
    assert report["outputs"] == [{"name": "y", "dtype": "float32", "shape": [2, 3, 5], "bytes": 120}]
    assert report["uncounted"] == []


def test_the_table_for_people(network):
    result = run(network, "--shape", "in:0=2x3x4")
    assert "fully connected" in result.stdout
    assert "120" in result.stdout
    assert "in:0: float32[2x3x4], 96 bytes" in result.stdout


def test_help_teaches():
    text = " ".join(run("--help").stdout.split())
    assert "multiply-accumulate" in text
    assert "--shape input=1x3x224x224" in text


def test_a_mistake_is_one_line_and_exit_code_2(network):
    """Through the real command line's rule: errors of ours end with code 2."""
    program = (
        "import sys\n"
        "from autoscale.errors import AutoScaleError\n"
        "import typer\n"
        "from autoscale_runtime.models.inspection.inspect_command import inspect_command\n"
        "try:\n    typer.run(inspect_command)\n"
        "except AutoScaleError as error:\n    print(error, file=sys.stderr)\n    sys.exit(2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(network)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'in:0' [n, t, 4]" in done.stderr
    assert "--shape in:0=1x1x4" in done.stderr


def test_without_onnx_the_message_says_what_to_install(network):
    program = (
        "import sys\n"
        "sys.modules['onnx'] = None\n"
        "from autoscale.errors import MissingExtra\n"
        "from autoscale_runtime.models.inspection import inspect\n"
        "try:\n    inspect(sys.argv[1])\n"
        "except MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(network)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'autoscale-inference[prepare]'" in done.stdout


def test_an_open_shape_is_asked_for(network):
    asked = []

    def answer(declared):
        asked.append(declared.name)
        return (1, 7, 4)

    assert inspect(network, ask=answer).macs == 140
    assert asked == ["in:0"]
    with pytest.raises(FeedError, match="does not fit"):
        inspect(network, ask=lambda declared: (1, 7, 5))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"in0": (1, 2, 4)}, "did you mean 'in:0'"),
        ({"in:0": (1, 2)}, "in:0=1x2 does not fit"),
        ({"in:0": (1, 2, 5)}, "the file allows: 'in:0' .n, t, 4."),
    ],
)
def test_a_shape_that_does_not_fit(network, shape, message):
    with pytest.raises(FeedError, match=message):
        inspect(network, shape)


@pytest.mark.parametrize("text", ["1x2", "a=1xb", "=1x2", "a=1x-2", "a=1xx2", "a=1.5", "a=²", "a=0x2", f"a=1x{2**31}"])
def test_a_shape_that_cannot_be_read(text):
    with pytest.raises(FeedError, match="--shape"):
        parse_shape(text)


@given(st.text(min_size=1), st.lists(st.integers(0, 10**6), max_size=5))
def test_any_name_and_shape_is_read_back(name, dims):
    dims[:1] = [max(each, 1) for each in dims[:1]]
    assert parse_shape(f"{name}={'x'.join(map(str, dims))}") == (name, tuple(dims))


@pytest.mark.parametrize("content", [b"", b"hello, this is no model", b"\x00" * 64, b"\x08\x07", b"\x89PNG\r\n\x1a\n"])
def test_not_a_model(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        inspect(path)


def test_every_truncation_is_an_error_of_ours(network):
    whole = network.read_bytes()
    for size in range(len(whole)):
        network.write_bytes(whole[:size])
        with pytest.raises(AutoScaleError):
            inspect(network, {"in:0": (1, 1, 4)})


def test_a_node_that_reads_nothing(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["ghost"], ["y"], name="r")], "g", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    with pytest.raises(ModelError, match="Relu 'r' reads 'ghost'"):
        inspect(path)


def test_a_folder_a_missing_file_and_another_format(tmp_path):
    with pytest.raises(ModelError, match="is a folder"):
        inspect(tmp_path)
    with pytest.raises(ModelError, match="is missing"):
        inspect(tmp_path / "none.onnx")
    other = tmp_path / "m.pt"
    other.write_bytes(b"x")
    with pytest.raises(ModelError, match=r"'\.pt'.*allowed: '\.onnx', '\.ort', '\.tflite'"):
        inspect(other)


def test_a_network_of_the_simulator_is_written(network, tmp_path):
    path = tmp_path / "mine.toml"
    result = run(network, "--shape", "in:0=2x3x4", "--network", path, "--json")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == KEYS
    assert f"wrote {path}: network 'mine', 120 MACs" in result.stderr
    assert load_network(path) == inspect(network, {"in:0": (2, 3, 4)}).profile("mine")
    assert "SHA-256" in path.read_text()
    assert "in:0: float32[2x3x4]" in path.read_text()


def test_what_is_not_counted_is_reported_and_stays_with_the_network(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Secret", ["x"], ["y"], domain="nobody")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )  # fmt: skip
    model, path = tmp_path / "m.onnx", tmp_path / "mine.toml"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    result = run(model, "--network", path)
    assert "nobody:Secret" in result.stderr
    assert "nobody:Secret" in path.read_text()
    assert load_network(path).values_by_kind == {}


@pytest.mark.parametrize("name", ["mine.json", "none/mine.toml"])
def test_a_network_that_cannot_be_written_is_an_error_and_leaves_nothing(network, tmp_path, name):
    result = run(network, "--shape", "in:0=2x3x4", "--network", tmp_path / name)
    assert isinstance(result.exception, InvalidInput)
    assert "mine" in str(result.exception)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.onnx"]

"""A model format nobody here knows is one backend: sessions, ``inspect`` and a server's repository take it."""

import logging
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import ModelError, RepositoryError, UnsupportedModel
from autoscale_runtime import Session
from autoscale_runtime.backends.engines import engines, suffixes
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.inspection import inspect
from autoscale_runtime.models.variant import Variant
from tests.runtime.backends.plug_in_parts import plugged_in
from tests.runtime.serving_parts import load_repository
from tests.runtime.session_parts import QUIET, network, written

TOY = '''
class Toy(Backend):
    """Files that hold a factor: y = factor * x."""

    name = "toy"; suffixes = (".toy",); platform = "toy_text"; inspector = "toys:count"

    @classmethod
    def is_available(cls): return True
    def targets(self, precision): return [Target("device", "cpu", precision, threads=1)]
    def precision_of(self, path): return "fp16" if "half" in path.read_text() else "fp32"
    def load(self, path, target):
        try: return Times(float(path.read_text().split()[0]))
        except (OSError, ValueError, IndexError): raise ModelError(f"'{path}' is no toy") from None

class Silent(Toy):
    """The same, of whose files nothing can be counted."""

    suffixes = (".mute",); platform = ""; inspector = ""

class Times(Runner):
    inputs = (TensorSpec("x", np.dtype("f4"), (None, 4)),)
    outputs = (TensorSpec("y", np.dtype("f4"), (None, 4)),)
    def __init__(self, factor): self.factor = np.float32(factor)
    def run(self, output_names, feeds, timeout_s=None): return Answer([feeds["x"] * self.factor])

def count(path, shapes, ask):
    from autoscale_runtime.models.inspection.report import Inspection, Tally, TensorInfo, Weights
    tally = Tally()
    tally.add_layer("times", "fully_connected", 8)
    tally.add("fully_connected", 4)
    tensors = [[TensorInfo(name, "float32", (1, 4), 16)] for name in "xy"]
    return Inspection.of(tally, Weights(1, 4), *tensors)
'''
X = {"x": np.ones((2, 4), np.float32)}


@pytest.fixture(autouse=True)
def toys(tmp_path: Path) -> object:
    with plugged_in(tmp_path / "sites", "toys", TOY, toy="Toy", mute="Silent"):
        yield


def toy(path: Path, text: str = "3") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_formats_that_ship_come_first() -> None:
    assert suffixes() == [".onnx", ".ort", ".tflite", ".mute", ".toy"]
    assert [(each.name, each.is_shipped) for each in engines(".onnx")] == [("onnxruntime", True)]
    assert [(each.name, each.is_shipped) for each in engines(".TOY")] == [("toy", False)]


def test_a_session_runs_it(tmp_path: Path) -> None:
    with Session(toy(tmp_path / "net.toy"), options=QUIET) as session:
        assert [str(target) for target in session.targets] == ["device:cpu/fp32@1t#toy"]
        np.testing.assert_array_equal(session.run(None, X)[0], 3 * X["x"])
        assert session.last is not None
        assert session.last.selected == session.targets[0]


def test_its_file_says_what_it_is(tmp_path: Path) -> None:
    bundle = Bundle.read(toy(tmp_path / "net.toy", "2 half"))
    assert [each.precision for each in bundle.variants] == ["fp16"]
    assert (bundle.profile.fully_connected, bundle.profile.macs, bundle.profile.parameters) == (1, 4, 1)


def test_inspect_counts_it_with_the_backends_own_inspector(tmp_path: Path) -> None:
    report = inspect(toy(tmp_path / "net.toy"))
    assert (report.fully_connected, report.macs, report.parameter_bytes) == (1, 4, 4)


def test_one_of_which_nothing_can_be_counted_runs_all_the_same(tmp_path: Path) -> None:
    path = toy(tmp_path / "net.mute")
    with pytest.raises(UnsupportedModel, match=r"net\.mute' cannot be counted: backend 'mute' runs \.mute files"):
        inspect(path)
    bundle = Bundle.read(path)
    assert (bundle.profile.macs, bundle.profile.input_bytes) == (0, 16)
    with Session(path, options=QUIET) as session:
        np.testing.assert_array_equal(session.run(None, X)[0], 3 * X["x"])


def test_a_server_serves_it(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    toy(root / "net" / "1" / "model.toy")
    toy(root / "quiet" / "7" / "model.mute", "5")
    models = load_repository(root, threads=1)
    net, quiet = models["net"][1], models["quiet"][7]
    assert (net.served.platform, str(net.served.target)) == ("toy_text", "device:cpu/fp32@1t#toy")
    assert (quiet.served.platform, quiet.served.version) == ("mute", 7)
    np.testing.assert_array_equal(quiet.runner.run(None, X).outputs[0], 5 * X["x"])


def test_where_a_folder_has_several_formats_the_one_that_ships_is_served(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    toy(root / "net" / "1" / "model.toy")
    written(root / "net" / "1" / "model.onnx", network())
    [model] = load_repository(root, threads=1)["net"].values()
    assert (model.served.platform, str(model.served.target)) == ("onnxruntime_onnx", "device:cpu/fp32@1t")


def test_a_bundle_of_it_is_served(tmp_path: Path) -> None:
    bare = Bundle.read(toy(tmp_path / "net.toy"))
    half = toy(tmp_path / "half.toy", "3 half")
    variants = (Variant("fp32", tmp_path / "net.toy"), Variant("fp16", half))
    Bundle("net", bare.profile, bare.inputs, bare.outputs, variants).write(tmp_path / "bundle")
    models = load_repository(tmp_path / "bundle", threads=1)
    assert {name: [each.served.platform for each in versions.values()] for name, versions in models.items()} == {
        "net": ["toy_text"],
        "net-fp16": ["toy_text"],
    }


def test_a_format_that_nothing_reads_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = toy(tmp_path / "net.tyo")
    with pytest.raises(ModelError, match=r"allowed: .*'\.onnx', '\.ort', '\.tflite', '\.mute', '\.toy'"):
        Bundle.read(path)
    with pytest.raises(ModelError, match=r"did you mean '\.toy'"):
        inspect(path)
    with pytest.raises(RepositoryError, match="holds no version of a model"):
        load_repository(toy(tmp_path / "repository" / "net" / "1" / "model.tyo").parents[2], threads=1)


def test_a_damaged_one_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no toy"):
        Session(toy(tmp_path / "net.toy", "roses are red"), options=QUIET)


BROKEN = """
raise RuntimeError("built for another machine")
"""


def test_a_plug_in_that_cannot_be_imported_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        plugged_in(tmp_path / "broken", "broken", BROKEN, broken="Missing"),
        caplog.at_level(logging.WARNING, "autoscale.backends"),
    ):
        assert [each.name for each in engines(".onnx")] == ["onnxruntime"]
    assert "backend 'broken' is left out: it cannot be imported" in caplog.text
    assert "built for another machine" in caplog.text

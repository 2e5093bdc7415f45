import shutil
from dataclasses import replace
from pathlib import Path

import grpc
import onnx
import pytest
from onnx import TensorProto, helper

from autoscale.errors import InvalidTarget, ModelError, RepositoryError
from autoscale.profiles import load_device
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from autoscale_runtime.server.execution.served_model import Models
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import serve
from tests.waiting import LONGEST_WAIT_S


def load_repository(repository: Path, threads: int) -> Models:
    """What a server of it serves."""
    with serve(repository, limits=Limits(threads), account=ServerAccount(load_device("laptop"))) as server:
        return server.models


def test_every_version_of_every_model_is_loaded(repository: Path) -> None:
    models = load_repository(repository, threads=1)
    assert {name: list(versions) for name, versions in models.items()} == {
        "identity": [1],
        "scale": [1, 3, 10],
        "slow": [1],
        "two": [1],
    }
    assert str(models["scale"][10].target) == "device:cpu/fp32@1t"


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"none' is not a folder.*<model>/<version>/model\.onnx"):
        load_repository(tmp_path / "none", 1)


def test_a_repository_without_models_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "README").write_text("models to come")
    with pytest.raises(RepositoryError, match=f"'{tmp_path}' holds no models"):
        load_repository(tmp_path, 1)


@pytest.mark.parametrize("version", ["", "v1", "1.0", "01", "²"])
def test_a_model_without_a_version_is_named(tmp_path: Path, version: str) -> None:
    (tmp_path / "net" / version).mkdir(parents=True)
    (tmp_path / "net" / version / "model.onnx").write_bytes(b"")
    with pytest.raises(RepositoryError, match="net' holds no version of a model"):
        load_repository(tmp_path, 1)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x09"])
def test_a_broken_model_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net" / "1").mkdir(parents=True)
    (tmp_path / "net" / "1" / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"net/1/model\.onnx"):
        load_repository(tmp_path, 1)


def test_what_cannot_be_served_does_not_hide_the_rest(
    repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = shutil.copytree(repository, tmp_path / "repository")
    (root / "empty").mkdir()
    for name in ("broken/1", "scale/11"):
        (root / name).mkdir(parents=True)
        (root / name / "model.onnx").write_bytes(b"not a model")
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x"], ["s"])], "g", [x], [sequence])
    (root / "sequence" / "1").mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, root / "sequence" / "1" / "model.onnx")

    models = load_repository(root, threads=1)

    assert {name: list(versions) for name, versions in models.items()} == {
        "identity": [1],
        "scale": [1, 3, 10],
        "slow": [1],
        "two": [1],
    }
    for left_out in ("broken/1/model.onnx", "empty", "sequence/1/model.onnx", "scale/11/model.onnx"):
        assert f"{left_out}' is not served: " in caplog.text


def test_the_index_tells_what_is_left_out_by_its_name_and_version(tmp_path: Path, repository: Path) -> None:
    root = tmp_path / "models"
    shutil.copytree(repository / "scale", root / "scale")
    for broken in ("scale/11", "broken/1"):
        (root / broken).mkdir(parents=True)
        (root / broken / "model.onnx").write_bytes(b"no model")
    (root / "foreign").mkdir()
    (root / "foreign" / "config.pbtxt").write_text("ensemble_scheduling { }")
    with serve(root) as server, grpc.insecure_channel(server.address) as channel:
        listed = GRPCInferenceServiceStub(channel).RepositoryIndex(pb.RepositoryIndexRequest(), timeout=LONGEST_WAIT_S)
    told = {(each.name, each.version): each.state for each in listed.models}
    assert told.pop(("scale", "3")) == "READY"
    left_out = {each for each, state in told.items() if state == "UNAVAILABLE"}
    assert left_out == {("scale", "11"), ("broken", "1"), ("foreign", "")}
    assert all(each.reason for each in listed.models if each.state == "UNAVAILABLE")


def test_more_threads_than_cores_are_refused(repository: Path) -> None:
    with pytest.raises(InvalidTarget, match="4096t"):
        load_repository(repository, 4096)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for name in ("fp32.onnx", "int8.onnx"):
        onnx.save(model, tmp_path / name)
    bare = Bundle.read(tmp_path / "fp32.onnx")
    variants = (Variant("fp32", tmp_path / "fp32.onnx"), Variant("int8", tmp_path / "int8.onnx"))
    return replace(bare, name="net", variants=variants).write(tmp_path / "repository" / "net")


def test_every_variant_of_a_bundle_is_loaded(bundle: Bundle) -> None:
    folder = bundle.variants[0].path.parent
    for repository in (folder, folder.parent):
        models = load_repository(repository, threads=1)
        assert {name: str(versions[1].target) for name, versions in models.items()} == {
            "net": "device:cpu/fp32@1t",
            "net-int8": "device:cpu/int8@1t",
        }


def test_of_two_models_of_one_name_the_second_is_left_out(
    bundle: Bundle, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = bundle.variants[0].path.parent.parent
    shutil.copytree(repository / "scale", folder / "net-int8")
    assert sorted(load_repository(folder, 1)) == ["net", "net-int8"]
    assert "both hold a model 'net-int8'" in caplog.text

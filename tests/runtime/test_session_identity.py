"""Whose answers are these? No other model's is ever given, whether its server reports what it serves or not."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import InvalidInput, TargetError, WrongAnswer
from autoscale.query.goal import Goal
from autoscale_runtime import RemoteModel, Session
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.routes import remote
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.server.server import serve
from tests.runtime.foreign_parts import Foreign, foreign
from tests.runtime.session_parts import QUIET, bundle, network, written
from tests.waiting import LONGEST_WAIT_S, until

WIDTH, CLASSES = 24, 10
PATIENT = Goal(latency_s=LONGEST_WAIT_S)
KINDS = ("logits", "high scores", "class", "label", "over", "byte", "scalar")
MODES = ("PREFER_IN_CLOUD", "ONLY_IN_CLOUD")
SERVERS = ("ours", "foreign")


def network_of(kind: str, seed: int, shift: float = 0.0) -> onnx.ModelProto:
    """x [n, 24] to y: ten scores, or what a network makes of them; another seed has other weights."""
    rng = np.random.default_rng(seed)
    width = 1 if kind == "scalar" else CLASSES
    shift = {"high scores": 6.0}.get(kind, shift)
    weights = {"w": rng.normal(size=(WIDTH, width)).astype(np.float32) / 3, "b": np.full(width, shift, np.float32)}
    last = {
        "high scores": [helper.make_node("Sigmoid", ["s"], ["y"])],
        "class": [helper.make_node("ArgMax", ["s"], ["y"], axis=1, keepdims=0)],
        "label": [
            helper.make_node("ArgMax", ["s"], ["k"], axis=1, keepdims=0),
            helper.make_node(
                "LabelEncoder",
                ["k"],
                ["y"],
                domain="ai.onnx.ml",
                keys_int64s=list(range(CLASSES)),
                values_strings=[f"class {each}" for each in range(CLASSES)],
            ),
        ],
        "over": [helper.make_node("Greater", ["s", "zero"], ["y"])],
        "byte": [helper.make_node("QuantizeLinear", ["s", "scale", "point"], ["y"])],
    }.get(kind, [helper.make_node("Identity", ["s"], ["y"])])
    dtype, shape = {
        "class": (TensorProto.INT64, ["n"]),
        "label": (TensorProto.STRING, ["n"]),
        "over": (TensorProto.BOOL, ["n", width]),
        "byte": (TensorProto.UINT8, ["n", width]),
    }.get(kind, (TensorProto.FLOAT, ["n", width]))
    if kind == "over":
        weights["zero"] = np.zeros(1, np.float32)
    if kind == "byte":
        weights |= {"scale": np.array(0.05, np.float32), "point": np.array(128, np.uint8)}
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["s"]), *last],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("y", dtype, shape)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def queries(count: int = 20, seed: int = 5) -> list[dict[str, Array]]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(size=(1, WIDTH)).astype(np.float32)} for _ in range(count)]


ZEROS = {"x": np.zeros((1, WIDTH), np.float32)}


def right_answers(path: Path) -> Callable[[dict[str, Array]], Array]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)[0]


def same(one: Array, other: Array) -> bool:
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-4, atol=1e-5))
    return bool(one.tolist() == other.tolist())


@contextmanager
def served(kind: str, path: Path, folder: Path, port: int = 0) -> Iterator[str]:
    """The file behind a server of ours, which reports its digest, or of another maker's, which reports nothing."""
    if kind == "foreign":
        with foreign(Foreign(path), port) as address:
            yield address
    else:
        written(folder / "net" / "1" / "model.onnx", onnx.load(str(path)))
        with serve(folder, port=port) as server:
            yield server.address


def wrong(session: Session, right: Callable[[dict[str, Array]], Array], asked: Sequence[dict[str, Array]]) -> list[int]:
    """Of which queries the answer was another model's; an error is none."""
    found = []
    for number, feeds in enumerate(asked):
        try:
            [answer] = session.run(None, feeds)
        except TargetError:
            continue
        if not same(answer, right(feeds)):
            found.append(number)
    return found


@pytest.fixture
def files(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """The network, and one of other weights."""
    kind = getattr(request, "param", "logits")
    return written(tmp_path / "net.onnx", network_of(kind, 1)), written(tmp_path / "other.onnx", network_of(kind, 2))


def session_of(path: Path, address: str | RemoteModel, mode: str = "PREFER_IN_CLOUD") -> Session:
    remote_model = RemoteModel(address, "net") if isinstance(address, str) else address
    return Session(path, PATIENT, remotes={"cloud": remote_model}, mode=mode, options=QUIET)


@pytest.mark.parametrize("files", KINDS, indirect=True)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("mode", MODES)
def test_other_weights_answer_nothing(files: tuple[Path, Path], tmp_path: Path, server: str, mode: str) -> None:
    here, other = files
    with served(server, other, tmp_path / "r") as address, session_of(here, address, mode) as session:
        assert wrong(session, right_answers(here), [ZEROS, *queries()]) == []
        with pytest.raises(WrongAnswer) if mode == "ONLY_IN_CLOUD" else nullcontext():
            session.run(None, queries()[0])
        assert session.last is not None
        assert (session.last.inference_source == "on_device") == (mode != "ONLY_IN_CLOUD")  # zeros are both's answer


@pytest.mark.parametrize("files", KINDS, indirect=True)
@pytest.mark.parametrize("server", SERVERS)
def test_the_right_weights_answer_whatever_they_give(files: tuple[Path, Path], tmp_path: Path, server: str) -> None:
    here, _ = files
    with served(server, here, tmp_path / "r") as address, session_of(here, address) as session:
        assert wrong(session, right_answers(here), [ZEROS, *queries()]) == []
        assert session.last is not None
        assert session.last.inference_source == "in_cloud"
        assert session.last.left_out == {}


@pytest.mark.parametrize("files", ["logits", "class"], indirect=True)
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("between", [0, 3])
def test_a_server_that_comes_back_with_other_weights_answers_nothing(
    files: tuple[Path, Path], tmp_path: Path, server: str, mode: str, between: int
) -> None:
    """Whether queries met it while it was away or not."""
    here, other = files
    right, asked = right_answers(here), queries()
    with served(server, here, tmp_path / "r") as address:
        session = session_of(here, address, mode)
        assert wrong(session, right, asked) == []
        assert session.last is not None
        assert session.last.inference_source == "in_cloud"
    port = int(address.rpartition(":")[2])
    assert wrong(session, right, asked[:between]) == []
    with session, served(server, other, tmp_path / "o", port):
        for _ in range(3):
            assert wrong(session, right, asked) == []


@pytest.mark.parametrize("server", SERVERS)
def test_weights_that_were_trained_on_are_others(files: tuple[Path, Path], tmp_path: Path, server: str) -> None:
    here, _ = files
    model = onnx.load(here)
    weights = next(each for each in model.graph.initializer if each.name == "w")
    rng, array = np.random.default_rng(3), numpy_helper.to_array(weights)
    moved = array + 0.15 * array.std() * rng.standard_normal(array.shape).astype(np.float32)
    weights.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), "w"))
    other = written(tmp_path / "later.onnx", model)
    with served(server, other, tmp_path / "r") as address, session_of(here, address) as session:
        assert wrong(session, right_answers(here), queries()) == []


def test_arithmetic_of_half_the_digits_is_still_the_model(files: tuple[Path, Path], tmp_path: Path) -> None:
    here, _ = files
    model = onnx.load(here)
    for each in model.graph.initializer:
        bits = numpy_helper.to_array(each).view(np.uint32) & np.uint32(0xFFFF0000)  # bfloat16
        each.CopyFrom(numpy_helper.from_array(bits.view(np.float32), each.name))
    other = written(tmp_path / "bfloat16.onnx", model)
    with foreign(Foreign(other)) as address, session_of(here, address) as session:
        for feeds in queries(3):
            session.run(None, feeds)
            assert session.last is not None
            assert session.last.inference_source == "in_cloud"


def test_an_answer_of_another_version_than_wanted_is_none(files: tuple[Path, Path]) -> None:
    here, _ = files
    server = Foreign(here, "2")
    with foreign(server) as address, session_of(here, RemoteModel(address, "net", version="1")) as session:
        session.run(None, queries()[0])
        assert session.last is not None
        assert session.last.inference_source == "on_device"
        assert "version '2'; allowed: '1'" in str([*session.last.left_out.values()])
        server.version = "1"
        until(lambda: _in_cloud(session))
        server.version = ""  # what reports none may be any
        assert _in_cloud(session)


def _in_cloud(session: Session) -> bool:
    session.run(None, queries()[0])
    return session.last is not None and session.last.inference_source == "in_cloud"


def test_a_new_version_of_a_foreign_server_is_looked_at(files: tuple[Path, Path]) -> None:
    here, other = files
    server = Foreign(here, "1")
    with foreign(server) as address, session_of(here, address, "ONLY_IN_CLOUD") as session:
        assert wrong(session, right_answers(here), queries()) == []
        server.load(other)
        server.version = "2"
        with pytest.raises(WrongAnswer, match="version '2'"):
            session.run(None, queries()[0])
        server.load(here)
        server.version = "3"
        until(lambda: not wrong(session, right_answers(here), queries()) and _answered(session))


def _answered(session: Session) -> bool:
    try:
        session.run(None, queries()[0])
    except TargetError:
        return False
    return True


def test_a_foreign_server_is_asked_again_from_time_to_time(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change what it serves under one connection and one version; then nothing but its answers shows it."""
    here, other = files
    monkeypatch.setattr(remote, "REPLAY_EVERY_S", 0.0)
    server = Foreign(here)
    with foreign(server) as address, session_of(here, address) as session:
        session.run(None, queries()[0])
        assert session.last is not None
        assert session.last.inference_source == "in_cloud"
        server.load(other)
        until(lambda: session.run(None, queries()[0]) and session.last and session.last.left_out)
        assert wrong(session, right_answers(here), queries()) == []


def test_a_digest_may_be_demanded(files: tuple[Path, Path], tmp_path: Path) -> None:
    here, other = files
    digest = hashlib.sha256(here.read_bytes()).hexdigest()
    with served("ours", here, tmp_path / "r") as address:
        wanted = RemoteModel(address, "net", sha256=hashlib.sha256(other.read_bytes()).hexdigest())
        with session_of(here, wanted, "ONLY_IN_CLOUD") as session:
            session.warm_up(ZEROS)
            with pytest.raises(WrongAnswer, match=f"reports model_sha256 {digest}; allowed: "):
                session.run(None, ZEROS)
        with session_of(here, RemoteModel(address, "net", sha256=digest.upper()), "ONLY_IN_CLOUD") as session:
            session.run(None, ZEROS)
    with pytest.raises(InvalidInput, match="sha256 is 'latest'; allowed: 64 hexadecimal digits"):
        RemoteModel("127.0.0.1:1", sha256="latest")


def test_a_version_may_be_demanded(files: tuple[Path, Path], tmp_path: Path) -> None:
    here, other = files
    for version, path in (("1", here), ("2", other)):
        written(tmp_path / "net" / version / "model.onnx", onnx.load(str(path)))
    with serve(tmp_path) as server:
        for version, source in (("", "on_device"), ("1", "in_cloud"), ("2", "on_device")):
            with session_of(here, RemoteModel(server.address, "net", version=version)) as session:
                assert wrong(session, right_answers(here), queries()) == []
                assert session.last is not None
                assert session.last.inference_source == source


def test_another_conversion_is_decided_by_its_answers_and_that_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = network_of("logits", 1)
    here = written(tmp_path / "net.onnx", model)
    model.doc_string = "converted elsewhere"
    with (
        served("ours", written(tmp_path / "again.onnx", model), tmp_path / "r") as address,
        session_of(here, address) as session,
    ):
        assert wrong(session, right_answers(here), queries()) == []
        assert session.last is not None
        assert session.last.inference_source == "in_cloud"
    assert caplog.text.count("none of this bundle's: its answers decide") == 1


@pytest.mark.parametrize(("int8_seed", "source"), [(0, "in_cloud"), (3, "on_device")])
def test_another_precision_over_there_is_no_other_model(tmp_path: Path, int8_seed: int, source: str) -> None:
    here = Bundle.read(written(tmp_path / "net.onnx", network()))
    there = written(tmp_path / "int8.onnx", network(seed=int8_seed, is_int8=True))
    with served("ours", there, tmp_path / "r") as address:
        cloud = RemoteModel(address, "net", precision="int8")
        with Session(here, PATIENT, remotes={"cloud": cloud}, mode="PREFER_IN_CLOUD", options=QUIET) as session:
            for seed in range(10):
                session.run(None, {"x": np.random.default_rng(seed).normal(size=(2, 16)).astype(np.float32)})
            assert session.last is not None
            assert session.last.inference_source == source


def test_a_bundles_own_variant_is_known_by_its_digest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = bundle(tmp_path / "files").write(tmp_path / "net")
    with (
        serve(tmp_path / "net") as server,
        Session(
            whole,
            PATIENT,
            remotes={"cloud": RemoteModel(server.address, precision="int8")},
            options=replace(QUIET, target="cloud:cpu/int8"),
        ) as session,
    ):
        session.run(None, {"x": np.zeros((1, 16), np.float32)})
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_a_feed_that_its_caller_writes_over_is_no_evidence(files: tuple[Path, Path]) -> None:
    """What is replayed after an outage is the query as it was."""
    here, _ = files
    with foreign(Foreign(here)) as address:
        session = session_of(here, address)
        reused = queries()[0]
        session.run(None, reused)
        reused["x"] += 1.0
    session.run(None, reused)
    with session, foreign(Foreign(here), int(address.rpartition(":")[2])):
        until(lambda: session.run(None, reused) and session.last and session.last.inference_source == "in_cloud")


def test_a_remote_that_does_not_know_the_model_is_reported_once_and_in_every_decision(
    files: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, _ = files
    with served("ours", here, tmp_path / "r") as address:
        with session_of(here, RemoteModel(address, "model")) as session:
            for feeds in queries():
                session.run(None, feeds)
                assert session.last is not None
                [(target, reason)] = session.last.left_out.items()
                assert str(target) == "cloud:cpu/fp32"
                assert "unknown model 'model'" in reason
        assert caplog.text.count("target cloud:cpu/fp32 is left out") == 1


def test_a_remote_with_another_model_is_used_once_it_has_the_right_one(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    here, _ = files
    stranger = network_of("logits", 1)
    stranger.graph.input[0].name = stranger.graph.node[0].input[0] = "pixels"
    elsewhere = written(tmp_path / "stranger.onnx", stranger)
    with served("ours", elsewhere, tmp_path / "r") as address:
        session = session_of(here, address)
        assert wrong(session, right_answers(here), queries()) == []
        assert session.last is not None
        assert session.last.inference_source == "on_device"
    with session, served("ours", here, tmp_path / "s", int(address.rpartition(":")[2])):
        until(lambda: session.run(None, ZEROS) and session.last and session.last.inference_source == "in_cloud")

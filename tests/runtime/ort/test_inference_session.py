"""The session where applications find ONNX Runtime's: all that one takes and answers, and a decision for each query."""

import copy
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import autoscale_runtime.ort as ort
from autoscale.errors import InvalidGoal, TargetError, UnknownName
from autoscale.query.goal import Goal
from autoscale.query.record import Record
from autoscale_runtime import SessionOptions, install, uninstall
from autoscale_runtime.host.cores import usable_cores
from tests.runtime.session_parts import QUIET, bundle, network, rows, written
from tests.waiting import until

CPU = ["CPUExecutionProvider"]
Bare = onnxruntime.InferenceSession
X = rows(3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def right(path: Path) -> list[Any]:
    return Bare(str(path), providers=CPU).run(None, {"x": X})  # type: ignore[no-any-return]


@pytest.fixture
def session(path: Path) -> Iterator[Any]:
    session = ort.InferenceSession(str(path), providers=CPU, options=QUIET)
    yield session
    session.deciding.close()


def same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


MADE: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: ort.InferenceSession(path),
    "str": lambda path: ort.InferenceSession(str(path)),
    "bytes": lambda path: ort.InferenceSession(path.read_bytes()),
    "positional": lambda path: ort.InferenceSession(str(path), ort.SessionOptions(), CPU, [{}]),
    "named": lambda path: ort.InferenceSession(path_or_bytes=str(path), sess_options=ort.SessionOptions()),
    "pairs": lambda path: ort.InferenceSession(str(path), providers=[("CPUExecutionProvider", {})]),
    "keyword": lambda path: ort.InferenceSession(str(path), enable_fallback=0),
}


@pytest.mark.parametrize("made", MADE)
def test_it_is_made_as_onnx_runtimes_is(path: Path, right: list[Any], made: str) -> None:
    session = MADE[made](path)
    assert isinstance(session, onnxruntime.InferenceSession)
    same(session.run(None, {"x": X}), right)
    assert session.undecided == ""
    assert session.last.handed_through == ""
    assert session.last.selected in session.deciding.targets


def test_every_member_is_there_and_says_the_same(path: Path, session: Any) -> None:
    bare = Bare(str(path), providers=CPU)
    assert [each for each in dir(bare) if not each.startswith("_") and not hasattr(session, each)] == []
    for name in ("get_inputs", "get_outputs", "get_overridable_initializers"):
        told = [(each.name, each.type, each.shape) for each in getattr(session, name)()]
        assert told == [(each.name, each.type, each.shape) for each in getattr(bare, name)()]
        assert type(getattr(session, name)()) is list
    assert session.get_providers() == bare.get_providers()
    assert session.get_provider_options() == bare.get_provider_options()
    assert session.get_modelmeta().graph_name == bare.get_modelmeta().graph_name
    assert session.get_session_options().intra_op_num_threads == bare.get_session_options().intra_op_num_threads
    assert session._model_path == str(path)


def test_the_module_has_onnx_runtimes_names() -> None:
    assert ort.SessionOptions is onnxruntime.SessionOptions
    assert ort.GraphOptimizationLevel is onnxruntime.GraphOptimizationLevel
    assert ort.__version__ == onnxruntime.__version__
    assert set(dir(onnxruntime)) <= set(dir(ort))
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        ort.Sesion  # noqa: B018


HANDED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "run options": (lambda s: s.run(None, {"x": X}, ort.RunOptions())[0], "run options"),
    "an OrtValue": (lambda s: s.run(None, {"x": ort.OrtValue.ortvalue_from_numpy(X)})[0], "neither an array"),
    "OrtValues": (
        lambda s: s.run_with_ort_values(None, {"x": ort.OrtValue.ortvalue_from_numpy(X)})[0].numpy(),
        "OrtValues",
    ),
    "bound buffers": (lambda s: _bound(s), "buffers"),
    "run_async with options": (lambda s: _by_callback(s, ort.RunOptions())[0][0], "run options"),
}


@pytest.mark.parametrize("way", HANDED)
def test_what_it_does_not_decide_onnx_runtime_runs_and_it_says_so(session: Any, right: list[Any], way: str) -> None:
    call, reason = HANDED[way]
    session.run(None, {"x": X})
    np.testing.assert_allclose(call(session), right[0], rtol=1e-5, atol=1e-6)
    assert reason in session.last.handed_through
    assert session.last.outcome.energy_j.device > 0.0
    session.run(None, {"x": X})
    assert session.last.handed_through == ""


def _bound(session: Any) -> Any:
    binding = session.io_binding()
    binding.bind_cpu_input("x", X)
    binding.bind_output("logits")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()[0]


def _by_callback(session: Any, options: Any = None, feeds: Any = None, names: Any = ("logits",)) -> Any:
    """What run_async told: the answer, the caller's own, what was wrong, and the session's last in the callback."""
    done, told = threading.Event(), []

    def tell(answer: Any, data: Any, problem: str) -> None:
        told.append((answer, data, problem, getattr(session, "last", None)))
        done.set()

    session.run_async(names, {"x": X} if feeds is None else feeds, tell, 7, options)
    assert done.wait(60.0)
    return told[0]


def test_run_async_is_decided_and_its_callback_sees_what(session: Any, right: list[Any]) -> None:
    answers = [_by_callback(session) for _ in range(5)]
    for answer, data, problem, last in answers:
        np.testing.assert_allclose(answer[0], right[0], rtol=1e-5, atol=1e-6)
        assert (data, problem, last.handed_through) == (7, "", "")
        assert last.selected in session.deciding.targets
    assert len(_by_callback(session, names=None)[0]) == len(right)


@pytest.mark.parametrize(
    ("feeds", "names"),
    [({"x": X[:, :2]}, ["logits"]), ({"x": np.float64(X)}, ["logits"]), ({"x": X}, ["no such"]), ({}, ["logits"])],
)
def test_wrong_async_queries_are_told_as_onnx_runtime_tells_them(
    path: Path, session: Any, feeds: Any, names: Any
) -> None:
    def told(asked: Any) -> Any:
        try:
            return _by_callback(asked, feeds=feeds, names=names)[:3]
        except Exception as error:
            return type(error)

    assert told(session) == told(Bare(str(path), providers=CPU))


def test_a_callback_that_fails_is_logged_and_the_next_is_called(session: Any, right: list[Any], caplog: Any) -> None:
    failed = threading.Event()

    def fail(*_: Any) -> None:
        failed.set()
        raise ValueError("no room")

    session.run_async(["logits"], {"x": X}, fail, None)
    assert failed.wait(60.0)
    np.testing.assert_allclose(_by_callback(session)[0][0], right[0], rtol=1e-5, atol=1e-6)
    until(lambda: "the callback of run_async failed" in caplog.text)


WRONG: dict[str, tuple[Any, Any]] = {
    "no feeds": (None, {}),
    "another name": (None, {"y": X}),
    "another dtype": (None, {"x": X.astype(np.float64)}),
    "another rank": (None, {"x": X[0]}),
    "another width": (None, {"x": X[:, :3]}),
    "another output": (["no such"], {"x": X}),
    "text": (None, {"x": "text"}),
    "nothing": (None, {"x": None}),
    "a name in bytes": (None, {b"x": X}),
    "a list of pairs": (None, [("x", X)]),
    "objects": (None, {"x": np.array([object()])}),
    "outputs as text": ("logits", {"x": X}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_feeds_get_onnx_runtimes_own_error(path: Path, session: Any, right: list[Any], wrong: str) -> None:
    with pytest.raises(Exception) as theirs:
        Bare(str(path), providers=CPU).run(*WRONG[wrong])
    with pytest.raises(type(theirs.value)) as ours:
        session.run(*WRONG[wrong])
    assert _without_addresses(ours.value) == _without_addresses(theirs.value)
    same(session.run(None, {"x": X}), right)


def test_a_thread_that_asked_nothing_sees_the_last_query_of_all_decided_or_not(session: Any) -> None:
    def seen() -> str:
        with ThreadPoolExecutor(1) as pool:
            return str(pool.submit(lambda: session.last.handed_through).result())

    session.run(None, {"x": X}, onnxruntime.RunOptions())
    assert seen() == "run options are given"
    session.run(None, {"x": X})
    assert seen() == ""


def test_text_in_bytes_is_what_onnx_runtime_takes_it_for(tmp_path: Path) -> None:
    text = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", text[:1], text[1:])
    opset = helper.make_opsetid("", 17)
    path = written(tmp_path / "text.onnx", helper.make_model(graph, opset_imports=[opset], ir_version=9))
    session, bare = ort.InferenceSession(str(path)), Bare(str(path), providers=CPU)
    for feeds in ({"x": np.array(["a", "\u00e9"], object)}, {"x": np.array([b"a"], object)}):
        assert [each.tolist() for each in session.run(None, feeds)] == [each.tolist() for each in bare.run(None, feeds)]
    assert "bytes" in session.last.handed_through


def test_a_record_that_nobody_can_take_costs_no_answer_that_was_handed_through(
    path: Path, right: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def full(record: Record) -> None:
        raise OSError("the disk is full")

    session = ort.InferenceSession(str(path), options=replace(QUIET, on_record=full))
    same(session.run(None, {"x": X}, onnxruntime.RunOptions()), right)
    assert "run options" in session.last.handed_through
    assert "the disk is full" in caplog.text
    session.deciding.close()


def test_all_records_of_a_servers_model_say_its_name(tmp_path: Path) -> None:
    (tmp_path / "small" / "1").mkdir(parents=True)
    lying = written(tmp_path / "small" / "1" / "model.onnx", network())
    records: list[Record] = []
    session = ort.InferenceSession(str(lying), options=replace(QUIET, on_record=records.append))
    session.run(None, {"x": X})
    session.run(None, {"x": X}, onnxruntime.RunOptions())
    session.deciding.close()
    assert [each.model for each in records] == ["small", "small"]


def _without_addresses(error: BaseException) -> str:
    return re.sub("0x[0-9a-f]+", "", str(error))


def test_files_that_are_no_models_get_onnx_runtimes_own_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    for content in (b"", b"text\n" * 50):
        bad.write_bytes(content)
        for given in (str(bad), content):
            with pytest.raises(Exception) as theirs:
                Bare(given, providers=CPU)
            with pytest.raises(type(theirs.value)):
                ort.InferenceSession(given, providers=CPU)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile):
        ort.InferenceSession(str(tmp_path / "none.onnx"))
    with pytest.raises(TypeError, match="Unable to load from type"):
        ort.InferenceSession(7)


def test_how_it_shall_decide_is_checked(path: Path) -> None:
    with pytest.raises(InvalidGoal, match="unknown inference mode 'ONLY_HERE'"):
        ort.InferenceSession(str(path), mode="ONLY_HERE")
    with pytest.raises(UnknownName, match="corrector"):
        ort.InferenceSession(str(path), agent="cost-modl")
    with pytest.raises(InvalidGoal, match="goal is 'energy', of type str"):
        ort.InferenceSession(str(path), goal="energy")  # type: ignore[arg-type]


def _graph(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any] | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights or [])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _sequence() -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    out = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    return _graph([helper.make_node("SplitToSequence", ["x"], ["s"], axis=0)], [x], [out])


def _map() -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    )
    node = helper.make_node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_int64s=list(range(16)))
    return _graph([node], [x], [helper.make_value_info("m", kind)])


def _bfloat16() -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    y = helper.make_tensor_value_info("y", TensorProto.BFLOAT16, ["n", 16])
    return _graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)], [x], [y])


def _optional() -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 16]))
    node = helper.make_node("Optional", ["x"], ["y"])
    return _graph([node], [x], [helper.make_value_info("y", kind)])


@pytest.mark.parametrize(("kind", "message"), [(_sequence, "seq"), (_map, "map"), (_optional, "optional")])
def test_values_that_are_no_tensors_are_handed_through(tmp_path: Path, kind: Any, message: str) -> None:
    path = written(tmp_path / "other.onnx", kind())
    session = ort.InferenceSession(str(path), providers=CPU)
    theirs = Bare(str(path), providers=CPU).run(None, {"x": X})
    assert str(session.run(None, {"x": X})) == str(theirs)
    assert session.deciding is None
    assert message in session.undecided
    assert session.last.handed_through == session.undecided


def test_bfloat16_is_handed_through(tmp_path: Path) -> None:
    session = ort.InferenceSession(str(written(tmp_path / "half.onnx", _bfloat16())), providers=CPU)
    answer = session.run_with_ort_values(None, {"x": ort.OrtValue.ortvalue_from_numpy(X)})
    assert answer[0].data_type() == "tensor(bfloat16)"
    assert "bfloat16" in session.undecided


def test_an_overridable_initializer_may_be_given_and_left_out(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    b = helper.make_tensor_value_info("b", TensorProto.FLOAT, [16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16])
    weights = [numpy_helper.from_array(np.ones(16, np.float32), "b")]
    path = written(tmp_path / "b.onnx", _graph([helper.make_node("Add", ["x", "b"], ["y"])], [x, b], [y], weights))
    session = ort.InferenceSession(str(path), providers=CPU)
    assert [each.name for each in session.get_overridable_initializers()] == ["b"]
    np.testing.assert_array_equal(session.run(None, {"x": X})[0], X + 1.0)
    np.testing.assert_array_equal(session.run(None, {"x": X, "b": np.zeros(16, np.float32)})[0], X)


def test_profiling_is_one_sessions_and_handed_through(path: Path, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
    session = ort.InferenceSession(str(path), options, providers=CPU)
    session.run(None, {"x": X})
    assert "profiling" in session.last.handed_through
    profile = Path(session.end_profiling())
    assert profile.parent == tmp_path
    assert "MatMul" in profile.read_text()
    assert len(list(tmp_path.iterdir())) == 1


def test_the_applications_options_hold_on_every_target(tmp_path: Path, path: Path, right: list[Any]) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    session = ort.InferenceSession(str(path), options, providers=CPU)
    same(session.run(None, {"x": X}), right)
    assert {each.threads for each in session.deciding.targets} == {1}
    assert options.optimized_model_filepath == str(tmp_path / "optimised.onnx")
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"


def test_initializers_that_options_bring_are_those_of_every_target(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16])
    weights = [numpy_helper.from_array(np.ones(16, np.float32), "b")]
    path = written(tmp_path / "b.onnx", _graph([helper.make_node("Add", ["x", "b"], ["y"])], [x], [y], weights))
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="b.data", size_threshold=0)
    value, options = ort.OrtValue.ortvalue_from_numpy(np.full(16, 2.0, np.float32)), ort.SessionOptions()
    options.add_initializer("b", value)
    session = ort.InferenceSession(str(path), options, providers=CPU)
    for _ in range(8):
        np.testing.assert_array_equal(session.run(None, {"x": X})[0], X + 2.0)


def test_a_bundle_takes_a_models_place(tmp_path: Path) -> None:
    session = ort.InferenceSession(bundle(tmp_path, accuracies=(0.9, 0.9)), providers=CPU)
    session.run(None, {"x": X})
    assert {each.precision for each in session.deciding.targets} == {"fp32", "int8"}


def test_numbers_that_a_type_cannot_hold_are_not_wrapped(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.INT8, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.INT8, ["n"])
    path = written(tmp_path / "i.onnx", _graph([helper.make_node("Identity", ["x"], ["y"])], [x], [y]))
    session = ort.InferenceSession(str(path), providers=CPU)
    assert session.run(None, {"x": [-3, 4]})[0].tolist() == [-3, 4]
    with pytest.raises(RuntimeError):
        Bare(str(path), providers=CPU).run(None, {"x": [300]})
    with pytest.raises(RuntimeError):
        session.run(None, {"x": [300]})


@pytest.mark.parametrize("threads", [-1, 0])
def test_thread_counts_below_1_mean_all_cores(path: Path, right: list[Any], threads: int) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=CPU)
    same(session.run(None, {"x": X}), right)
    assert session.undecided == ""


def test_a_model_that_memory_holds_once_is_not_loaded_beside_the_applications(
    path: Path, right: list[Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("autoscale_runtime.ort.as_asked.MOST_SHARE", 0.0)
    session = ort.InferenceSession(str(path), providers=CPU, options=QUIET)
    same(session.run(None, {"x": X}), right)
    [only] = session.deciding.targets
    assert only.threads == usable_cores()
    assert session.last.handed_through == ""


def test_what_is_no_session_options_is_onnx_runtimes_to_take_or_refuse(path: Path, right: list[Any]) -> None:
    same(ort.InferenceSession(str(path), {}).run(None, {"x": X}), right)
    with pytest.raises(TypeError):
        Bare(str(path), 7)
    with pytest.raises(TypeError):
        ort.InferenceSession(str(path), 7)


def test_a_model_of_a_relative_path_stays_when_the_process_goes_elsewhere(
    path: Path, right: list[Any], monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.chdir(path.parent)
    session = ort.InferenceSession(path.name, providers=CPU)
    monkeypatch.chdir(path.parent.parent)
    for _ in range(5):
        same(session.run(None, {"x": X}), right)
    assert not caplog.records
    assert session._model_path == path.name


def test_a_copy_is_of_the_same_model(session: Any, right: list[Any]) -> None:
    same(copy.copy(session).run(None, {"x": X}), right)
    with pytest.raises(TypeError):
        copy.deepcopy(session)


def test_lists_are_decided_as_arrays_are(session: Any, right: list[Any]) -> None:
    same(session.run(None, {"x": X.tolist()}), right)
    assert session.last.handed_through == ""


def test_set_providers_looks_anew(session: Any, right: list[Any]) -> None:
    session.run(None, {"x": X})
    session.set_providers(CPU)
    same(session.run(None, {"x": X}), right)
    assert session.last.handed_through == ""


def test_records_hold_what_was_decided_and_what_was_not(path: Path) -> None:
    records: list[Record] = []
    options = SessionOptions(sensors=(), on_record=records.append)
    session = ort.InferenceSession(str(path), providers=CPU, options=options)
    session.run(None, {"x": X})
    session.run(None, {"x": X}, ort.RunOptions())
    assert [bool(each.decision.handed_through) for each in records] == [False, True]
    assert {each.model for each in records} == {"net"}


def test_where_only_the_cloud_may_answer_nothing_is_handed_through(path: Path) -> None:
    goal = Goal(latency_s=0.2, mode="ONLY_IN_CLOUD")  # type: ignore[arg-type]  # text is taken
    options = SessionOptions(sensors=(), timeout_s=0.2)
    session = ort.InferenceSession(str(path), goal=goal, remotes={"cloud": "127.0.0.1:9"}, options=options)
    with pytest.raises(TargetError):
        session.run(None, {"x": X})


def test_each_thread_sees_its_own_last(session: Any) -> None:
    session.run(None, {"x": X})
    seen = []

    def ask() -> None:
        session.run(None, {"x": X}, ort.RunOptions())
        seen.append(session.last.handed_through)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == ["run options are given"]
    assert session.last.handed_through == ""


def test_it_says_why_it_cannot_be_pickled(session: Any) -> None:
    with pytest.raises(TypeError, match="send the model's path"):
        pickle.dumps(session)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_opens_its_own(path: Path) -> None:
    code = FORKED.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["child", "True", "parent", "True"], done.stderr


FORKED = """
import os, numpy as np, warnings
warnings.simplefilter("ignore")
import autoscale_runtime.ort as ort
session = ort.InferenceSession({path!r})
x = np.ones((1, 16), np.float32)
want = session.run(None, {{"x": x}})
child = os.fork()
if not child:
    same = np.allclose(session.run(None, {{"x": x}})[0], want[0])
    print("child", same and session.last.handed_through == "", flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent", np.allclose(session.run(None, {{"x": x}})[0], want[0]), flush=True)
"""


def test_install_puts_it_in_place_and_uninstall_undoes_that(path: Path, right: list[Any]) -> None:
    from onnxruntime.capi import onnxruntime_inference_collection as collection

    install(Goal(latency_s=1.0), options=QUIET)
    try:
        install(Goal(latency_s=2.0))
        assert onnxruntime.InferenceSession is ort.InferenceSession is collection.InferenceSession
        session = onnxruntime.InferenceSession(str(path), providers=CPU)
        same(session.run(None, {"x": X}), right)
        assert session.deciding.goal.latency_s == 2.0
        assert session.deciding.options is QUIET or session.deciding.options.sensors == ()
        uninstall()
        assert onnxruntime.InferenceSession is ort.InferenceSession
        assert onnxruntime.InferenceSession(str(path)).deciding.goal.latency_s == 1.0
    finally:
        uninstall()
    assert onnxruntime.InferenceSession is Bare is collection.InferenceSession
    uninstall()
    assert ort.InferenceSession(str(path)).deciding.goal.latency_s == Goal().latency_s

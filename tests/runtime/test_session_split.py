"""A session whose network is cut: the head runs here, its tail on a real server behind a link whose rate is known."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import InvalidTarget, ModelError
from autoscale.query.goal import Goal
from autoscale_runtime import RemoteModel, Session
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_split
from autoscale_runtime.server.server import serve
from tests.runtime.session_parts import PATIENT, QUIET, written

SIDE, MAPS, CLASSES = 64, 2, 10
CUT = 2


def picture_network(seed: int = 0) -> onnx.ModelProto:
    """A convolution that leaves an eighth of the picture's bytes, then two wide layers, over any number of pictures."""
    rng = np.random.default_rng(seed)
    shapes = {"w": (MAPS, 3, 4, 4), "b": (MAPS * 16 * 16, 512), "c": (512, CLASSES)}
    weights = [
        numpy_helper.from_array((rng.normal(size=shape) / 8).astype(np.float32), name) for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["maps"], strides=[4, 4]),
        helper.make_node("Flatten", ["maps"], ["flat"]),
        helper.make_node("MatMul", ["flat", "b"], ["wide"]),
        helper.make_node("MatMul", ["wide", "c"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CLASSES])
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def pictures(count: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    return {"x": np.random.default_rng(seed).normal(size=(count, 3, SIDE, SIDE)).astype(np.float32)}


class Place(NamedTuple):
    model: Path
    split: Path
    link: ShapedLink
    address: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The network, its two parts, and a server of the whole and the tail behind a link."""
    folder = tmp_path_factory.mktemp("split")
    model = written(folder / "net.onnx", picture_network())
    found = find_cuts(model, {"x": (1, 3, SIDE, SIDE)})
    split = write_split(found, found.at(CUT), "fp32", folder / "parts")
    repository = folder / "repository"
    written(repository / "net" / "1" / "model.onnx", picture_network())
    tail = folder / "parts" / "tail"
    (repository / "net-tail2").mkdir()
    for each in tail.iterdir():
        (repository / "net-tail2" / each.name).write_bytes(each.read_bytes())
    assert split.tail.name == "net-tail2"
    with ExitStack() as stack:
        server = stack.enter_context(serve(repository))
        link = stack.enter_context(ShapedLink(server.address))
        yield Place(model, folder / "parts", link, link.address)


def opened(place: Place, goal: Goal = PATIENT, target: str | None = None, agent: str = "corrector") -> Session:
    remote = RemoteModel(place.address, splits=[place.split])
    return Session(place.model, goal, remotes={"cloud": remote}, agent=agent, options=replace(QUIET, target=target))


def test_head_here_and_tail_there_answer_as_the_whole_and_both_are_paid_for(place: Place) -> None:
    with Session(place.model, PATIENT, options=QUIET) as whole, opened(place, target="cloud:cpu/fp32@cut2") as split:
        for count in (1, 3):
            feeds = pictures(count, seed=count)
            [right] = whole.run(None, feeds)
            [answer] = split.run(None, feeds)
            np.testing.assert_allclose(answer, right, rtol=1e-4, atol=1e-4)
        last = split.last
        assert last is not None
        assert str(last.selected) == "cloud:cpu/fp32@cut2"
        assert last.outcome.energy_j.device > 0.0
        assert last.outcome.energy_j.remote > 0.0


def test_what_crosses_is_what_is_left(place: Place) -> None:
    network_j = {}
    for target in ("cloud:cpu/fp32@cut2", "cloud:cpu/fp32"):
        with opened(place, target=target) as session:
            session.run(None, pictures(1))
            assert session.last is not None
            network_j[target] = session.last.outcome.energy_j.network  # so much a byte
    whole_bytes, sent_bytes = 3 * SIDE * SIDE * 4, MAPS * 16 * 16 * 4
    assert network_j["cloud:cpu/fp32@cut2"] / network_j["cloud:cpu/fp32"] < 1.5 * sent_bytes / whole_bytes


def test_over_a_slow_link_the_cut_is_chosen_and_where_it_is_vain_it_is_left_out(place: Place) -> None:
    place.link.conditions = LinkConditions(rate_bps=2e6, round_trip_s=0.02)
    try:
        away = replace(PATIENT, objective="latency", mode="ONLY_IN_CLOUD")
        with opened(place, away) as session:
            session.warm_up(pictures(1))
            chosen = []  # it learns how slow the link is from the first, and looks at the other way now and then
            for seed in range(40):
                session.run(None, pictures(1, seed))
                assert session.last is not None
                chosen.append(str(session.last.selected))
            assert chosen[-15:].count("cloud:cpu/fp32@cut2") >= 10
        with opened(place, replace(PATIENT, objective="latency")) as session:
            session.warm_up(pictures(1))
            session.run(None, pictures(1))
            assert session.last is not None
            assert not session.last.selected.is_remote
            left_out = {str(target): why for target, why in session.last.left_out.items()}
            assert left_out["cloud:cpu/fp32@cut2"] == "cutting the network is not expected to pay"
    finally:
        place.link.conditions = LinkConditions()


def test_a_tail_of_another_network_answers_nobody(place: Place, tmp_path: Path) -> None:
    stranger = written(tmp_path / "net.onnx", picture_network(seed=1))
    found = find_cuts(stranger, {"x": (1, 3, SIDE, SIDE)})
    write_split(found, found.at(CUT), "fp32", tmp_path / "parts")
    with serve(tmp_path / "parts" / "tail") as server:
        remote = RemoteModel(server.address, splits=[place.split])
        goal = replace(PATIENT, mode="PREFER_IN_CLOUD")
        with Session(place.model, goal, remotes={"cloud": remote}, options=QUIET) as session:
            session.warm_up(pictures(1))
            [answer] = session.run(None, pictures(2))
            assert session.last is not None
            assert not session.last.selected.is_remote
            left_out = {str(target): why for target, why in session.last.left_out.items()}
            assert "cloud:cpu/fp32@cut2" in left_out
        with Session(place.model, PATIENT, options=QUIET) as whole:
            np.testing.assert_allclose(answer, whole.run(None, pictures(2))[0], rtol=1e-4, atol=1e-4)


def test_consent_keeps_what_crosses_here_too(place: Place) -> None:
    with opened(place, replace(PATIENT, mode="PREFER_IN_CLOUD")) as session:
        answer = session.query(pictures(1), consent=False)
        assert answer.decision is not None
        assert not answer.decision.selected.is_remote
        assert "consent" in answer.decision.left_out[next(each for each in session.targets if each.cut)]


def test_what_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InvalidTarget, match="another machine"):
        opened(place, target="device:cpu/fp32@cut2")
    with pytest.raises(InvalidTarget, match="cut3"):
        opened(place, target="cloud:cpu/fp32@cut3")
    other = picture_network()
    other.graph.input[0].name = "image"
    other.graph.node[0].input[0] = "image"
    path = written(tmp_path / "other.onnx", other)
    remote = RemoteModel(place.address, splits=[place.split])
    with pytest.raises(ModelError, match="no input 'x'"):
        Session(path, PATIENT, remotes={"cloud": remote}, options=QUIET)
    with pytest.raises(ModelError):
        Session(path, PATIENT, remotes={"cloud": RemoteModel(place.address, splits=[tmp_path])}, options=QUIET)

"""A bare file with open dimensions: its layers are counted once somebody tells their size."""

from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.device.routes.local import LocalRoute
from tests.runtime.session_parts import QUIET, WIDTH, network, rows, written

MACS = WIDTH * WIDTH + WIDTH * 8
"""Of one row."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = network()
    for tensor in (*model.graph.input, *model.graph.output):  # two open dimensions: no batch of 1 is assumed
        shape = tensor.type.tensor_type.shape
        shape.dim.insert(1, shape.dim[0].__class__(dim_param="time"))
    return written(tmp_path_factory.mktemp("model") / "net.onnx", model)


def test_the_first_query_tells(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        assert session.bundle.profile.macs == 0
        session.run(None, {"x": rows(6).reshape(2, 3, WIDTH)})
        profile = session.bundle.profile
        assert (profile.macs, profile.fully_connected, profile.parameters) == (6 * MACS, 2, MACS)
        assert (profile.input_bytes, profile.output_bytes) == (6 * WIDTH * 4, 6 * (WIDTH + 8) * 4)
        session.run(None, {"x": rows(1).reshape(1, 1, WIDTH)})
        assert session.bundle.profile == profile


def test_agents_see_it_too(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        session.warm_up({"x": rows(1).reshape(1, 1, WIDTH)})
        assert session.bundle.profile.macs == MACS
        assert session._decider.world.model == session.bundle.profile


def test_the_caller_may_tell_beforehand(path: Path) -> None:
    options = SessionOptions(sensors=(), shapes={"x": (1, 5, WIDTH)})
    with Session(path, options=options) as session:
        assert session.bundle.profile.macs == 5 * MACS
        session.run(None, {"x": rows(1).reshape(1, 1, WIDTH)})
        assert session.bundle.profile.macs == 5 * MACS


def test_a_length_that_was_taken_for_a_batch_of_1_is_the_querys(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", network())
    with Session(path, options=QUIET) as session:
        assert session.bundle.profile.macs == MACS
        session.run(None, {"x": rows(40)})
        assert session.bundle.profile.macs == 40 * MACS
    with Session(path, options=SessionOptions(sensors=(), shapes={"x": (3, WIDTH)})) as session:
        session.run(None, {"x": rows(40)})
        assert session.bundle.profile.macs == 3 * MACS


@pytest.mark.parametrize("length", ["n", -1, 2.0])
def test_a_length_is_a_whole_number(path: Path, length: object) -> None:
    with pytest.raises(FeedError, match=r"allowed: lengths, integers of 0 or more"):
        Session(path, options=SessionOptions(sensors=(), shapes={"x": (1, length, WIDTH)}))  # type: ignore[dict-item]


def test_a_shape_that_does_not_fit_is_refused(path: Path) -> None:
    with pytest.raises(FeedError, match="does not fit; the file allows"):
        Session(path, options=SessionOptions(sensors=(), shapes={"x": (1, 5, WIDTH + 1)}))


def test_each_size_is_forecast_by_itself(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        sizes = {session._asking.usual(None, {"x": np.zeros((1, n, WIDTH), np.float32)}).size for n in (1, 40, 4000)}
        assert len(sizes) == 3


def test_agents_correct_what_was_expected_before_the_session_learned(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        query = session._asking.usual(None, {"x": rows(40).reshape(1, 40, WIDTH)})
        session.warm_up(query.feeds)
        first = session._decider.world.observe(query).first_forecast
        assert first is not None
        for route in session._decider.world.routes:
            if isinstance(route, LocalRoute):
                for _ in range(30):
                    route.learn(0.5, 0.5, 0.0, query.size)
        context = session._decider.world.observe(query)
        assert context.forecast is not None
        assert context.first_forecast is not None
        assert context.forecast.latency_s.min() > 0.4
        assert context.first_forecast.latency_s.max() < 0.4

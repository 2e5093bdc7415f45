"""The links of a calibration: measured over real sockets, written, read again, and said where they cannot be."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from onnx import helper, numpy_helper
from typer.testing import CliRunner, Result

from autoscale.errors import InvalidInput, InvalidTarget
from autoscale.profiles import load_link
from autoscale.query.outcome import Method
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink
from autoscale_runtime.models.forecast_command import forecast
from autoscale_runtime.profiling.calibrate_command import calibrate
from tests.runtime.session_parts import network, repository, serving, written

FLOAT = onnx.TensorProto.FLOAT
QUICK = ("--seconds", "1", "--no-probes")
RATE_BPS = 20e6
ROUND_TRIP_S = 0.02
WIDTH = 8192


def wide() -> onnx.ModelProto:
    """A network whose answers, of 32 kB, tell at what rate they come."""
    x, y = (helper.make_tensor_value_info(*each) for each in (("x", FLOAT, [1, 1]), ("y", FLOAT, [1, WIDTH])))
    weights = numpy_helper.from_array(np.ones((1, WIDTH), np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def called(*arguments: object, command=calibrate) -> Result:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(each) for each in arguments])


@contextmanager
def nobody() -> Iterator[str]:
    """An address at which nobody listens, nor can anybody else meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def test_a_link_is_measured_both_ways_and_written_with_its_spread(tmp_path: Path) -> None:
    model, conditions = written(tmp_path / "net.onnx", wide()), LinkConditions(RATE_BPS, ROUND_TRIP_S)
    served = repository(tmp_path / "served", wide())
    with serving(served) as (_, server), ShapedLink(server, conditions) as link, nobody() as tablet:
        remotes = f"cloud={link.address},edge:tablet={tablet}"
        done = called(model, "--out", tmp_path / "mine.toml", *QUICK, "--json", "--remotes", remotes)
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    times = found["links"]["cloud"]
    assert times["round_trip_s"]["mid"] >= ROUND_TRIP_S
    for way in ("uplink_bps", "downlink_bps"):
        assert 0.0 < times[way]["low"] <= times[way]["mid"] <= times[way]["high"]
        assert times[way]["mid"] < 1.5 * RATE_BPS  # one transfer may be faster: what a stalled link held comes at once
    assert "edge:tablet" not in found["links"]
    assert "link edge:tablet" in found["left_out"]
    read = load_link(tmp_path / "mine-cloud.toml")
    assert read.round_trip_s == times["round_trip_s"]["mid"]
    assert float(read.uplink_bps(-90.0)) == pytest.approx(times["uplink_bps"]["mid"])
    assert read.source_of("rate.downlink_mbps").method is Method.MEASURED
    assert read.source_of("delay.round_trip_s").high == times["round_trip_s"]["high"]
    assert not (tmp_path / "mine-edge-tablet.toml").exists()
    arguments = ("net.onnx", "--device", tmp_path / "mine.toml", "--remotes", "cloud=gpu-server", "--json")
    plain, linked = (
        json.loads(called(tmp_path / arguments[0], *arguments[1:], *more, command=forecast).stdout)["targets"]
        for more in ((), ("--links", f"cloud={tmp_path / 'mine-cloud.toml'}"))
    )
    assert linked["cloud:gpu/fp32"]["latency_s"]["mid"] > plain["cloud:gpu/fp32"]["latency_s"]["mid"]


def test_what_comes_down_is_said_to_be_unknown_where_answers_are_small(tmp_path: Path) -> None:
    model = written(tmp_path / "net.onnx", network())
    with serving(repository(tmp_path / "served")) as (_, server):
        done = called(model, "--out", tmp_path / "mine.toml", *QUICK, "--remotes", f"edge={server}")
    assert "link edge: round trip" in done.output
    assert "left out: link edge, rate to here: the answers of 'net' are too small" in done.output
    assert load_link(tmp_path / "mine-edge.toml").source_of("rate.downlink_mbps").method is Method.DEFAULT


@pytest.mark.parametrize(
    ("remotes", "error", "message"),
    [
        ("cloud", InvalidInput, "'cloud' is no remote"),
        ("cloud=gpu-server", InvalidInput, "'gpu-server' is not an address"),
        ("cloud=a:1,cloud=b:2", InvalidInput, "remote 'cloud' is given twice"),
        ("cloud:gpu/fp32=a:1", InvalidTarget, "allowed: the link alone"),
        ("device=a:1", InvalidTarget, "'device' is no remote"),
        ("edge:a-b=a:1,edge-a:b=a:1", InvalidTarget, "no remote"),
    ],
)
def test_wrong_links_are_named_before_anything_is_measured(
    remotes: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    done = called(written(tmp_path / "net.onnx", network()), "--out", tmp_path / "mine.toml", "--remotes", remotes)
    assert isinstance(done.exception, error), (done.output, done.exception)
    assert message in str(done.exception)
    assert not list(tmp_path.glob("*.toml"))


def test_a_link_that_was_measured_before_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "mine-cloud.toml").write_text("mine")
    done = called(
        written(tmp_path / "net.onnx", network()), "--out", tmp_path / "mine.toml", "--remotes", "cloud=127.0.0.1:1"
    )
    assert "mine-cloud.toml' exists" in str(done.exception)

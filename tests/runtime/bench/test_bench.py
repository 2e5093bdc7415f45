"""``autoscale bench serve``: the real LoadGen, a real server, and what is told where one of them cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from autoscale.errors import AutoScaleError, InvalidInput
from autoscale_runtime.bench.bench_command import app
from autoscale_runtime.bench.loadgen import Run
from autoscale_runtime.bench.plan import SCENARIOS, Plan
from autoscale_runtime.server.server import serve
from autoscale_runtime.wire.client import OffloadClient
from autoscale_runtime.wire.sender import Sender, Tally
from tests.runtime.session_parts import WIDTH, repository

pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario(tmp_path: Path, scenario: str) -> None:
    rate = ["--qps", "50"] if scenario == "Server" else []
    options = ["serve", str(repository(tmp_path / "models")), "--scenario", scenario, "--seconds", "0.5", *rate]
    done = CliRunner().invoke(app, [*options, "--logs", str(tmp_path / "logs"), "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["is_valid"] else 1)
    assert bool(told["why_not"]) != told["is_valid"]
    assert (told["scenario"], told["errors"]) == (scenario, {})
    assert told["energy_j"]["of_samples"] == told["samples"] > 0
    assert told["energy_j"]["methods"] == {"modelled": told["samples"]}
    assert 0.0 < told["latency_s"]["p50"] <= told["latency_s"]["p99"]
    assert 0.0 < told["compute_s"]["mean"] < told["latency_s"]["p99"]
    (name, result), *_ = told["result"].items()
    assert result > 0.0, name
    assert (tmp_path / "logs" / "mlperf_log_summary.txt").read_text()


def test_it_is_shown_to_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", str(repository(tmp_path)), "--seconds", "0.3"])
    assert "SingleStream of" in done.stdout
    assert "energy a sample" in done.stdout
    assert "modelled" in done.stdout


def test_a_server_that_does_not_know_the_model_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", str(repository(tmp_path)), "--model", "nobody"])
    assert isinstance(done.exception, AutoScaleError)
    assert "unknown model 'nobody'" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenario": "Sever", "qps": 1.0}, "did you mean 'Server'"),
        ({"scenario": "Server"}, "qps is None in the scenario Server"),
        ({"qps": 3.0}, "qps is 3.0 in the scenario SingleStream"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"clients": 0}, "clients is 0"),
    ],
)
def test_a_plan_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Plan("127.0.0.1:1", "net", **options)  # type: ignore[arg-type]


def test_samples_without_an_answer_are_counted_and_make_the_run_invalid(tmp_path: Path) -> None:
    with serve(repository(tmp_path)) as server:
        client, name = OffloadClient(server.address), next(iter(server.models))
        sender = Sender(client, name, "", {"x": np.zeros((1, WIDTH + 1), np.float32)}, 4)
        ended: list[None] = []
        for _ in range(20):
            sender.send(lambda: ended.append(None))
        sender.close()
        client.close()
    assert len(ended) == sender.tally.count == sender.tally.errors.total() == 20
    run = Run(sender.tally, {"result_validity": "VALID"})
    assert not run.is_valid
    assert "20 samples had no answer" in run.why_not


def test_why_a_run_is_invalid() -> None:
    late = Run(Tally(), {"result_validity": "INVALID", "result_perf_constraints_met": False})
    short = Run(Tally(), {"result_validity": "INVALID", "result_invalid_reason": ""})
    assert "after the limit" in late.why_not
    assert "let it run longer" in short.why_not
    assert Run(Tally(), {"result_validity": "VALID"}).is_valid

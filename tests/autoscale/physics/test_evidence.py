"""The sources of measured rows and how they are judged, on a board of this test's own; with the data, on the rest."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.interval import Interval
from autoscale.physics.compute import compute
from autoscale.profiles import load_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import load_network, measured_networks
from autoscale.query.target import Target
from benchmarks import evidence
from benchmarks.calibration import judging, sources
from benchmarks.calibration.architectures import PAPER, mobilenet_v1, mobilenet_v2, mobilenet_v3
from benchmarks.calibration.judging import CHECK, Judged
from benchmarks.rows import shipped

ROOT = Path(__file__).resolve().parents[3]
DATA = pytest.mark.skipif(not sources.DATA.is_dir(), reason="no measurements beside the checkout")
RUN = {
    "round": "v2.0",
    "submitter": "Krai",
    "system": "rpi4-tflite-v2.7.1-ruy",
    "model": "mobilenet-v2-0.5-160-quantized",
    "scenario": "singlestream",
    "weight_data_types": "int8",
    "avg_watts": "6.0",
    "min_watts_in_log": "2.8",
    "mj_per_sample": "60",
    "p50_ms": "10",
    "p90_ms": "11",
    "top1_accuracy_pct": "60.5",
}


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two rounds of one run, one of another scenario, and one of a network that differs from round to round."""
    file = tmp_path / "inference_energy" / "mlperf_power" / "runs.csv"
    file.parent.mkdir(parents=True)
    rows = [
        RUN,
        {**RUN, "round": "v2.1", "p50_ms": "12", "p90_ms": "12.5", "mj_per_sample": "72"},
        {**RUN, "scenario": "offline"},
        {**RUN, "model": "3d-unet-99"},
    ]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(RUN))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.setattr(sources, "DATA", tmp_path)
    return file


def test_the_newest_round_wins_and_the_others_widen_it(logs: Path) -> None:
    (row,) = sources.measured("rpi4")
    assert (row.network, str(row.target)) == ("mobilenet-v2-0.5-160", "device:cpu/int8#tflite")
    assert row.latency_s == pytest.approx(Interval(0.010, 0.012, 0.0125)) or row.latency_s.mid == pytest.approx(0.012)
    assert row.latency_s.low == pytest.approx(0.010)
    assert row.energy_j is not None and row.energy_j.low == pytest.approx(0.060)
    assert row.accuracy == pytest.approx(0.605)
    assert "inference_results_v2.1" in row.source and "Krai, rpi4:" in row.source
    assert sources.idle_w("rpi4") == pytest.approx(2.8)


def test_few_networks_are_all_shipped_and_many_are_split() -> None:
    def row(network: str) -> MeasuredRow:
        return MeasuredRow(network, Target.parse("device:cpu/fp32"), Interval.about(1.0, 0.1))

    few, many = [row("a"), row("b")], [row(str(number)) for number in range(100)]
    assert all(sources.is_fit(few, each.network) for each in few)
    assert 30 < sum(sources.is_fit(many, each.network) for each in many) < 70


@pytest.mark.parametrize(
    ("counted", "name"),
    [
        (mobilenet_v1(1.0, 224), PAPER["mobilenet-v1-1.0-224"]),
        (mobilenet_v2(1.0, 224), PAPER["mobilenet-v2-1.0-224"]),
        (mobilenet_v3("large", 1.0, 224), PAPER["mobilenet-v3-large-1.0-224"]),
    ],
)
def test_what_is_counted_from_the_architecture_is_what_the_graph_has(counted, name) -> None:
    graph = load_network(name)
    assert (counted.conv, counted.depthwise_conv, counted.other) == (graph.conv, graph.depthwise_conv, graph.other)
    assert counted.spatial_macs == graph.spatial_macs
    assert counted.macs == pytest.approx(graph.macs, rel=1e-4)
    assert sum(counted.values_by_kind.values()) == pytest.approx(sum(graph.values_by_kind.values()), rel=1e-3)


def test_the_networks_that_ship_are_those_that_are_counted() -> None:
    from benchmarks.calibration.architectures import measured_networks as counted

    assert {each.name: replace(each, accuracies={}) for each in counted()} == dict(measured_networks())


def test_the_page_says_what_misses_and_what_lies_inside() -> None:
    target, model = Target.parse("device:cpu/fp32"), load_network("resnet-50")
    board = load_device("rpi5")
    cost = compute(board, model, target)
    row = MeasuredRow(model.name, target, Interval.about(2.0 * cost.latency_s, 0.01))
    found = Judged("rpi5", CHECK, row, Interval(cost.low_s, cost.latency_s, cost.high_s), Interval.about(1.0, 0.1))
    page = evidence.page(evidence.parts([found]), [])
    assert "| rpi5 | cpu | 1 check | 1 | **50 %** | **0 %** | - | - |" in page
    assert "Of 1 check rows 0 %" in page and "<!--" not in page
    assert "1 rows are of devices with few networks, of whose 1 processors 1 miss a target" in page
    assert (
        "or 20 % on a GPU: rpi5 cpu 50.0 %. Energy, beyond 20 %: none. Fewer than 90 % inside: rpi5 cpu 0.0 %" in page
    )


def test_without_the_data_the_page_stands_and_it_says_so(tmp_path: Path) -> None:
    code = "from pathlib import Path; import benchmarks.evidence as e; e.DATA = Path('absent'); e.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "absent does not exist; docs/evidence.md stays as it is" in done.stderr


@DATA
@pytest.mark.parametrize("device", ["rpi4", "jetson-xavier", "pixel9"])
def test_the_rows_that_ship_are_those_of_the_source(device: str) -> None:
    assert list(load_device(device).measured) == shipped(device)


@DATA
def test_a_boards_unseen_networks_lie_where_they_are_predicted() -> None:
    unseen = [each for each in judging.judged("rpi4") if each.part == CHECK]
    assert np.median([abs(each.latency_off) for each in unseen]) <= 0.15
    assert np.median([abs(each.energy_off or 0.0) for each in unseen]) <= 0.20
    inside = [each.latency_s.low <= each.row.latency_s.mid <= each.latency_s.high for each in unseen]
    assert np.mean(inside) >= 0.9

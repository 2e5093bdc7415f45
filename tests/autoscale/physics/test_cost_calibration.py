"""The speeds that ship against latencies that others measured, transcribed here so that no data folder is needed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoscale.physics.compute import compute
from autoscale.physics.fitting import Problem, Sample, errors, fit, left_out_errors, speed_of
from autoscale.profiles import load_device
from autoscale.profiles.networks import load_network
from autoscale.query.target import Target
from benchmarks.calibration import samples
from benchmarks.calibration.samples import family, networks
from benchmarks.calibration.studies import STUDIES
from benchmarks.fit import run

ROOT = Path(__file__).resolve().parents[3]

# TensorFlow Lite on Pixel 3 (2.5 GHz, hence the frequency) and Pixel 4: its hosted models and benchmarks pages; ncnn's
# benchmark page for the MSM8994 and the Raspberry Pi 5; "62 ms on a Pixel 4": Sun et al., MobileBERT, ACL 2020.
MEASURED_MS = [
    ("mi8pro", "cpu/fp32@2500MHz", "mobilenet-v1", 24.0),
    ("mi8pro", "cpu/fp32@2500MHz", "mobilenet-v2", 17.5),
    ("mi8pro", "cpu/fp32@2500MHz", "inception-v3", 249.0),
    ("mi8pro", "cpu/int8@2500MHz", "mobilenet-v1", 13.0),
    ("mi8pro", "cpu/int8@2500MHz", "inception-v1", 39.0),
    ("mi8pro", "cpu/int8@2500MHz", "inception-v3", 148.0),
    ("mi8pro", "gpu/fp16", "mobilenet-v1", 6.5),
    ("mi8pro", "gpu/fp16", "inception-v3", 56.0),
    ("mi8pro", "npu/int8", "mobilenet-v1", 6.0),
    ("mi8pro", "npu/int8", "mobilenet-v2", 6.9),
    ("mi8pro", "npu/int8", "inception-v3", 74.0),
    ("moto-x-force", "cpu/fp32@4t", "mobilenet-v1", 59.04),
    ("moto-x-force", "cpu/fp32@4t", "mobilenet-v2", 43.38),
    ("moto-x-force", "cpu/fp32@1t", "resnet-50", 502.8),
    ("moto-x-force", "cpu/int8@4t", "resnet-50", 215.57),
    ("moto-x-force", "gpu/fp32", "mobilenet-v3", 45.97),
    ("moto-x-force", "gpu/fp32", "resnet-50", 299.76),
    ("tab-s6", "cpu/fp32", "mobilenet-v1", 14.0),
    ("tab-s6", "cpu/fp32", "mobilebert", 62.0),
    ("tab-s6", "cpu/int8", "mobilenet-v1", 5.0),
    ("tab-s6", "gpu/fp16", "mobilenet-v1", 9.0),
    ("tab-s6", "npu/int8", "mobilenet-v1", 3.2),
    ("rpi5", "cpu/fp16@4t", "mobilenet-v3", 7.30),
    ("rpi5", "cpu/int8@4t", "mobilenet-v1", 8.68),
]


@pytest.mark.parametrize(("device", "where", "network", "measured_ms"), MEASURED_MS)
def test_shipped_speeds_reproduce_published_latencies(device, where, network, measured_ms):
    cost = compute(load_device(device), load_network(network), Target.parse(f"device:{where}"))
    assert cost.latency_s * 1e3 == pytest.approx(measured_ms, rel=0.25)


def synthetic(noise: float) -> Problem:
    """A processor whose parameters are known, measured with some noise."""
    truth = {"rate": 2e10, "launch_s": 2e-4, "layer_s": 1e-5, "bandwidth": 9e9, "depthwise_conv": 0.2, "int8": 2.0}
    known, cpu = networks(), load_device("rpi5").processors["cpu"]
    names = (
        "mobilenet-v1-1-224",
        "mobilenet-v2-1-224",
        "resnet18-224",
        "resnet50-224",
        "squeezenet-1.1-227",
        "vgg16-224",
    )
    seen = [Sample(n, Target("device", "cpu", p), 1.0) for p in ("fp32", "int8") for n in names]
    problem = Problem(cpu, seen, known, ["fp32", "int8"], {name: (3 * value, 1.5) for name, value in truth.items()})
    scatter = np.exp(noise * np.random.default_rng(0).standard_normal(len(seen)))
    exact_s = errors(problem, speed_of(truth, problem.precisions)) + 1.0
    seen = [Sample(s.network, s.target, ms) for s, ms in zip(seen, (exact_s * scatter).tolist(), strict=True)]
    return Problem(cpu, seen, known, problem.precisions, problem.prior)


def test_the_fit_finds_a_known_speed():
    found = fit(synthetic(noise=0.0))
    assert found["rate"] == pytest.approx(2e10, rel=0.1)
    assert found["int8"] == pytest.approx(2.0, rel=0.1)


def test_networks_left_out_are_predicted_nearly_as_well():
    problem = synthetic(noise=0.05)
    inside = np.median(np.abs(errors(problem, speed_of(fit(problem), problem.precisions))))
    outside = np.median(np.abs(left_out_errors(problem)))
    assert inside <= outside < 0.12


def test_one_absurd_measurement_does_not_bend_the_fit():
    problem = synthetic(noise=0.0)
    first, *rest = problem.samples
    bent = [Sample(first.network, first.target, 5 * first.latency_s), *rest]
    found = fit(Problem(problem.processor, bent, problem.networks, problem.precisions, problem.prior))
    assert found["rate"] == pytest.approx(2e10, rel=0.15)


def test_threads_that_were_measured_to_cost_more_than_they_gain_share_nothing():
    """Other work had the second core: a profile with shares below 0 would be refused by all who read it."""
    alone = synthetic(noise=0.0)
    seen = [
        Sample(each.network, Target("device", "cpu", each.target.precision, threads=count), slower * each.latency_s)
        for each in alone.samples
        for count, slower in ((1, 1.0), (4, 4.0))
    ]
    prior = {**alone.prior, "serial": (0.9, 0.8), "serial_traffic": (0.9, 0.8)}
    speed = speed_of(fit(Problem(alone.processor, seen, alone.networks, alone.precisions, prior)), alone.precisions)
    assert speed.parallel_fraction == 0.0
    assert 0.0 <= speed.traffic_parallel_fraction <= 0.1


def test_the_ten_networks_are_counted_as_those_of_the_fit():
    counted = networks()
    for here, there in (("resnet50-224", "resnet-50"), ("mobilenet-v3-large-1-224", "mobilenet-v3")):
        theirs = load_network(there)
        assert counted[here].values_by_kind == {
            **dict.fromkeys(counted[here].values_by_kind, 0),
            **theirs.values_by_kind,
        }
        assert (counted[here].macs, counted[here].spatial_macs) == (theirs.macs, theirs.spatial_macs)
    assert {family(name) for name in counted} >= {"mobilenet-v1", "mobilenet-v2", "efficientnet-lite"}


def test_without_the_data_the_report_says_so(tmp_path: Path):
    code = "from pathlib import Path; import benchmarks.fit as f; f.FOLDER = Path('absent'); f.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no measured latencies: absent does not exist" in done.stderr


@pytest.mark.skipif(not samples.FOLDER.is_dir(), reason="no measured latencies beside the checkout")
def test_on_the_papers_devices_a_network_left_out_is_off_by_15_percent_or_less():
    devices = ("mi8pro", "moto-x-force", "tab-s6")
    for row in run([each for each in STUDIES if each.device in devices and each.processor != "npu"]):
        assert np.median(np.abs(row.left_out)) <= 0.15, row.study.name
        assert np.median(np.abs(row.shipped)) <= 0.13, row.study.name

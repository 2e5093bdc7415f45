"""The parts of a calibration: what tells quiet runs, when it stops, what it asks, what joules and speeds come to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale.interval import Interval
from autoscale.physics.compute import compute
from autoscale.profiles import load_device
from autoscale.profiles.device_text import device_text
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import load_network, network_names
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.host.fingerprint import fingerprint, processor_name
from autoscale_runtime.models.example_feeds import example_feeds
from autoscale_runtime.models.inspection import inspect
from autoscale_runtime.profiling.core_waits import CoreWaits
from autoscale_runtime.profiling.guard import Guard, Limits
from autoscale_runtime.profiling.host_profile import host_profile, written
from autoscale_runtime.profiling.joules import Joules
from autoscale_runtime.profiling.probes import PRECISIONS, PROBES, write_probes
from autoscale_runtime.profiling.runs import DISTURBED, VISITS, Runs
from autoscale_runtime.profiling.speeds import fitted
from tests.runtime.meters.meters_parts import Rapl
from tests.runtime.sensors.sensors_parts import battery, zone


def test_runs_that_waited_for_a_core_do_not_count() -> None:
    runs = Runs(2, [0.010, 0.011, 0.050, 0.040, 0.012, 0.013], [0.0, 0.0, 0.040, 0.0, 0.0, 0.0])
    assert runs.quiet_s.tolist() == [0.010, 0.012, 0.013, 0.040]  # the one before the wait ended with a thread waiting
    ends = runs.interval()
    assert (ends.low, ends.mid) == (0.010, pytest.approx(0.0106))  # nothing speeds a run up, and much slows it down


def test_runs_are_enough_after_some_bursts_that_lie_apart() -> None:
    runs, seen = Runs(0), []
    while not runs.is_enough:
        runs.take(lambda: None, 1e-4)
        seen.append(len(runs.latency_s))
    assert len(seen) >= VISITS


def test_of_one_thread_what_it_waited_is_taken_off() -> None:
    runs = Runs(1, [0.015, 0.018, 0.016, 0.002], [0.005, 0.008, 0.006, 0.040], VISITS)
    assert not runs.is_quiet
    assert not runs.gap
    ends = runs.interval()  # the last run's wait began before it: that tells nothing
    assert (ends.low, ends.mid, ends.high) == pytest.approx((0.010, 0.010, 0.010))
    assert "taken off" in runs.how


@pytest.mark.parametrize("threads", [1, 4])
def test_runs_that_mostly_waited_and_too_few_bursts_are_a_gap(threads: int) -> None:
    waited = Runs(threads, [0.046] * 3, [0.045] * 3, VISITS)
    assert "other work had the cores" in waited.gap
    assert (waited.how, waited.interval().low) == (DISTURBED, 0.046)
    assert "it had 1 of 3 bursts" in Runs(threads, [0.001] * 9, [0.0] * 9, 1).gap
    assert not Runs(threads, [0.001] * 3, [float("nan")] * 3, VISITS).gap


def test_of_several_threads_that_never_had_their_cores_the_fastest_is_told() -> None:
    runs = Runs(4, [0.030, 0.050, 0.041], [0.010, 0.020, 0.015])
    assert (runs.interval().low, runs.how) == (0.030, DISTURBED)
    assert runs.interval().mid < 0.031


def test_where_the_system_tells_nothing_every_run_counts() -> None:
    runs = Runs(4, [0.030, 0.050, 0.041], [float("nan")] * 3)
    assert runs.interval().mid == pytest.approx(0.0322)
    assert runs.how == "runs that waited for no core"


def test_waiting_is_told_by_linux_and_by_nothing_else(tmp_path: Path) -> None:
    with CoreWaits(tasks=tmp_path / "absent") as waits:
        assert waits.now_s() is None
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text("5000000000 1500000000 3\n")
    with CoreWaits(tasks=tmp_path) as waits:
        assert waits.now_s() == 1.5


def test_it_stops_on_heat_and_on_a_low_battery(tmp_path: Path) -> None:
    guard = Guard(Limits(), root=tmp_path)
    assert guard.why_stop() == ""
    zone(tmp_path, 0, "x86_pkg_temp", "85000")
    assert Guard(Limits(), root=tmp_path).why_stop() == "the processor is at 85 °C"
    assert Guard(Limits(hottest_c=90.0), root=tmp_path).why_stop() == ""
    battery(tmp_path, status="Discharging", capacity="12")
    assert Guard(Limits(hottest_c=90.0), root=tmp_path).why_stop() == "the battery is at 12% and nothing charges it"
    assert Guard(Limits(), lambda: True, tmp_path).why_stop() == "it was ended"


def test_giving_way_ends_with_the_patience() -> None:
    guard = Guard(Limits(patience_s=0.0))
    assert guard.give_way(60.0) < 30.0


def spec(name: str, dtype: object, *shape: int | None) -> TensorSpec:
    return TensorSpec(name, np.dtype(dtype), shape)


def test_what_a_network_is_asked_is_of_its_types_and_shapes() -> None:
    inputs = [spec("x", np.float16, None, 3), spec("ids", np.int64, 1, None), spec("text", object, 2), spec("n", bool)]
    feeds = example_feeds(inputs, {"ids": (1, 5)})
    assert {name: (each.dtype, each.shape) for name, each in feeds.items()} == {
        "x": (np.float16, (1, 3)),
        "ids": (np.int64, (1, 5)),
        "text": (np.dtype(object), (2,)),
        "n": (np.bool_, ()),
    }
    assert (feeds["ids"] == 1).all()
    with pytest.raises(FeedError, match="--shape ids="):
        example_feeds(inputs, {})


def test_joules_of_a_run_are_what_a_counter_counts_beyond_its_rest(tmp_path: Path) -> None:
    tree = Rapl(tmp_path)
    joules = Joules(tree.meter(), idle_w=3.0)

    def spend(watts: float, seconds: float) -> None:
        tree.clock.now_s += seconds
        tree.spend("package-0", round(watts * seconds * 1e6))

    joules.rest_w = 2.0  # of the package, within the device's 3 W
    spent = joules.spent(lambda: spend(12.0, 0.02))
    assert spent is not None
    assert "package-0" in spent.scope
    assert spent.energy_j.mid == pytest.approx(0.02 * (12.0 + 3.0 - 2.0))  # 1 W idle is not within the package
    assert Joules(tree.meter(), 3.0).spent(lambda: spend(12.0, 0.02)) is None


@pytest.mark.parametrize("precision", PRECISIONS)
def test_probes_are_small_networks_of_every_kind(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("onnx")
    counts = {path.stem: inspect(path) for path in write_probes(tmp_path, precision)}
    assert len(counts) >= len(PROBES) - 2
    assert not any(each.uncounted for each in counts.values())
    for kind in ("conv", "depthwise_conv", "fully_connected", "other"):
        assert any(getattr(each, kind) for each in counts.values())
    assert write_probes(tmp_path, "fp16") == []


def rows(device, names: list[str]) -> tuple[list[MeasuredRow], dict[str, ModelProfile]]:
    """What a machine with that device's speeds would measure."""
    known = {name: load_network(name) for name in names}
    targets = [each for each in device.targets("threads") if each.processor == "cpu" and each.precision != "fp16"]
    return [
        MeasuredRow(name, target, Interval.exactly(compute(device, model, target).latency_s), source="made")
        for name, model in known.items()
        for target in targets
    ], known


def test_speeds_are_found_again_from_what_they_make() -> None:
    truth = load_device("rpi5")
    start = written(replace(load_device("laptop"), name="mine"))
    start = written(replace(start, figures={**start.figures, "cpu.cores": truth.figures["cpu.cores"]}))
    names = network_names()
    measured, networks = rows(truth, names[::2])
    left, _ = rows(truth, names[1::2])
    found = written(fitted(start, measured, networks))
    off = [
        compute(found, load_network(row.network), row.target).latency_s / row.latency_s.mid - 1.0
        for row in left
        if row.network != "mobilebert"
    ]
    assert np.median(np.abs(off)) < 0.1
    assert "fitted to 5 networks" in found.figures["cpu.speed.fp32.conv_mac_per_s"].source
    assert "in proportion" in found.figures["cpu.speed.fp16.conv_mac_per_s"].source


def test_two_networks_tell_nothing_of_a_processor() -> None:
    device = load_device("laptop")
    measured, networks = rows(device, network_names()[:2])
    assert fitted(device, measured, networks) is device


@pytest.mark.parametrize("like", [None, "pixel9", "rpi5"])
@pytest.mark.parametrize("processors", [(), ("gpu",), ("npu", "gpu")])
def test_a_host_is_a_device_before_anything_is_measured(like: str | None, processors: tuple[str, ...]) -> None:
    host = host_profile("mine", like, processors)
    assert {"cpu", *processors} <= host.processors.keys()
    assert host.fingerprint == fingerprint()
    assert all(len(each.frequencies_hz) <= 1 for each in host.processors.values())
    assert device_text(written(host)) == device_text(host)
    assert device_text(host).startswith('schema = 1\nname = "mine"')
    assert compute(host, load_network("mobilenet-v1"), Target.parse("device:cpu/fp32")).latency_s > 0.0


def test_a_processor_goes_by_the_name_that_its_system_has(tmp_path: Path) -> None:
    info = tmp_path / "proc" / "cpuinfo"
    info.parent.mkdir()
    info.write_text("processor\t: 0\nCPU part\t: 0xd0b\n\nprocessor\t: 1\n")
    (tmp_path / "proc" / "device-tree").mkdir()
    (tmp_path / "proc" / "device-tree" / "model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    assert processor_name(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0 (0xd0b)"
    info.write_text("model name\t: Big CPU @ 2 GHz\ncpu family\t: 6\nmodel\t\t: 9\n")
    assert processor_name(tmp_path) == "Big CPU @ 2 GHz (6 9)"
    assert processor_name(tmp_path / "absent")

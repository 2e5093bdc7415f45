"""RAPL by perf events: a PMU in a folder with counters that a test sets, and the system call itself where it is let."""

import pytest

from autoscale_runtime.meters.checks import check_meter
from autoscale_runtime.meters.perf_event import PerfEvent
from autoscale_runtime.meters.rapl_perf import RaplPerfMeter, energy_events
from tests.runtime.meters.meters_parts import PerfPower

PACKAGE, MEMORY = 2, 3


@pytest.fixture
def power(tmp_path):
    return PerfPower(tmp_path)


def test_packages_and_their_memory_count_once_each(power):
    meter = power.meter()
    mark = meter.begin()
    assert sorted(power.opened) == [(9, PACKAGE, 0), (9, PACKAGE, 24), (9, MEMORY, 0), (9, MEMORY, 24)]
    for config, cpu, joules in ((PACKAGE, 0, 30.0), (PACKAGE, 24, 20.0), (MEMORY, 0, 4.0), (MEMORY, 24, 1.0)):
        power.spend(config, cpu, joules)
    power.clock.now_s = 0.5
    reading = meter.end(mark)
    assert reading.energy_j == pytest.approx(55.0, rel=1e-9)
    assert reading.source == "RAPL by perf events, energy-pkg + energy-ram"
    assert reading.sampling_s == 1e-3
    assert reading.uncertainty_j == pytest.approx(55.0 / 0.5 * 1e-3)


def test_it_conforms_and_tells_what_was_spent(power):
    def spend():
        power.clock.now_s += 1.0
        power.spend(PACKAGE, 0, 3.0)
        power.spend(MEMORY, 24, 1.0)
        return 4.0 if power.is_there else None

    def unplug():
        power.is_there = False

    meter = power.meter()
    meter.read_j()
    check_meter(meter, spend, unplug=unplug)


def test_a_host_without_memory_events_counts_packages(power):
    for each in ("", ".scale", ".unit"):
        (power.folder / f"events/energy-ram{each}").unlink()
    meter = power.meter()
    assert meter.is_available()
    assert meter.scope == "RAPL by perf events, energy-pkg"


def test_who_may_not_is_told_how(power, tmp_path):
    power.refusal = PermissionError("perf event 0x2 of PMU 9 on CPU 0: Permission denied")
    assert "kernel.perf_event_paranoid=0, or CAP_PERFMON" in power.meter().why_unavailable()
    assert "no RAPL events in" in RaplPerfMeter(tmp_path / "nowhere").why_unavailable()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("events/energy-pkg.unit", "Watts", "counts Watts; allowed: Joules"),
        ("events/energy-pkg", "config=2", "an event is 'config=2'"),
        ("events/energy-pkg.scale", "much", "could not convert"),
        ("type", "power", "invalid literal"),
        ("cpumask", "all", "invalid literal"),
    ],
)
def test_a_pmu_that_is_garbage_says_what(power, name, text, message):
    power.set(name, text)
    with pytest.raises(ValueError, match=message):
        energy_events(power.folder)
    assert message in power.meter().why_unavailable()


def test_the_kernel_counts_what_this_process_does():
    """A counter that every kernel has (software PMU, cpu-clock in ns) proves the call where no RAPL is."""
    try:
        counter = PerfEvent(pmu=1, config=0, cpu=0)
    except OSError as error:
        pytest.skip(f"no perf events here: {error}")
    before = counter.count()
    while counter.count() <= before:
        pass
    with pytest.raises(OSError, match="perf event 0x2 of PMU 4095 on CPU 0"):
        PerfEvent(pmu=4095, config=2, cpu=0)

"""What a machine draws: arithmetic against the profiles, for every processor that ships."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import UnknownName
from autoscale.physics.carbon import embodied_g_per_s, g_per_j
from autoscale.physics.power import Watts, computing_j, energy_j, held_share, initialising, threads_of, watts_of
from autoscale.profiles import device_names, load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale.units import J_PER_KWH, SECONDS_PER_YEAR

MACHINES = {name: load_device(name) for name in device_names()}
PROCESSORS = [(name, kind) for name, machine in MACHINES.items() for kind in machine.processors]
amounts = st.floats(0.0, 1e6)


@pytest.mark.parametrize(("name", "kind"), PROCESSORS)
def test_a_processor_that_computes_all_the_while_draws_its_busy_power(name, kind):
    machine = MACHINES[name]
    processor = machine.processors[kind]
    for precision in processor.precisions:
        target = Target("device", kind, precision)
        busy_w = processor.busy_w(processor.cores)
        assert computing_j(machine, target, 2.0) == pytest.approx(2.0 * (machine.idle_w + busy_w))


@pytest.mark.parametrize("name", MACHINES)
def test_threads_carry_their_share_of_idle_power(name):
    machine = MACHINES[name]
    cpu = machine.processors["cpu"]
    for threads in range(1, cpu.cores + 1):
        target = Target("device", "cpu", "fp32", threads=threads)
        assert held_share(machine, target) == threads / cpu.cores
        watts = machine.idle_w * threads / cpu.cores + cpu.busy_w(threads)
        assert computing_j(machine, target, 3.0) == pytest.approx(3.0 * watts)
    assert threads_of(machine, Target("device", "cpu", "fp32", threads=cpu.cores + 7)) == cpu.cores


@given(amounts, amounts, amounts, amounts, amounts)
def test_energy_of_arrays_is_that_of_each_entry(idle_w, busy_w, core_w, held_s, core_s):
    one = energy_j(Watts(idle_w, busy_w, core_w), held_s, core_s)
    many = energy_j(Watts(np.array([idle_w]), busy_w, core_w), np.array([[held_s], [held_s]]), core_s)
    assert many.tolist() == [[one], [one]]


def test_a_processor_the_table_lacks_is_not_known():
    with pytest.raises(UnknownName, match="processor of laptop"):
        watts_of(MACHINES["laptop"], Target("device", "npu", "int8"))


def test_the_sci_standards_example():
    """1000 kg over 4 years, reserved for an hour: 28.5 g (SCI specification); and a kilowatt-hour at 400 g."""
    assert 3600.0 * embodied_g_per_s(1000.0, 4 * SECONDS_PER_YEAR) == pytest.approx(28.5, abs=0.05)
    assert J_PER_KWH * g_per_j(400.0, pue=1.1) == pytest.approx(440.0)
    shares = embodied_g_per_s(1000.0, SECONDS_PER_YEAR, np.array([0.25, 0.5, 1.0]))
    assert shares.tolist() == [embodied_g_per_s(1000.0, SECONDS_PER_YEAR, each) for each in (0.25, 0.5, 1.0)]


@pytest.mark.parametrize("name", MACHINES)
def test_getting_a_model_ready_has_a_range_and_says_how_it_is_known(name):
    machine = MACHINES[name]
    for kind in machine.processors:
        init = initialising(machine, kind)
        assert 0.0 < init.latency_s.low <= init.latency_s.mid <= init.latency_s.high
        assert init.energy_j.low >= 0.9 * machine.idle_w * init.latency_s.low
        assert init.method is (Method.MODELLED if f"{kind}.init_s" in machine.figures else Method.DEFAULT)


def test_a_gpu_that_has_to_compile_takes_longer_than_a_cpu():
    phone = MACHINES["galaxy-s25"]
    assert initialising(phone, "gpu").latency_s.mid > 10.0 * initialising(phone, "cpu").latency_s.mid

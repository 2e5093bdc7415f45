"""The power table: arithmetic against the profile, measured time on this machine."""

import math
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.errors import InvalidInput, UnknownName
from autoscale.profiles import device_names, load_device
from autoscale.profiles.default_processor import SHARE_OF_CPU
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters import ModelledMeter

PHONE = load_device("mi8pro")
METER = ModelledMeter(PHONE)
CPU = PHONE.processors["cpu"]
targets = st.sampled_from(
    [None]
    + [
        Target.parse(text)
        for text in (
            "device:cpu/fp32",
            "device:cpu/fp32@1t",
            "device:cpu/int8@4t",
            "device:cpu/int8@826MHz",
            "device:gpu/fp16",
            "device:npu/int8",
            "cloud:gpu/fp32",
            "edge:tab-s6:npu/int8",
        )
    ]
)
seconds = st.floats(0.0, 1e4)


def test_one_thread_and_four():
    one = METER.energy_j(2.0, 1.5, Target.parse("device:cpu/fp32@1t"))
    assert one == pytest.approx(2.0 * PHONE.idle_w + 1.5 * CPU.busy_w(1))
    four = METER.energy_j(2.0, 8.0, Target.parse("device:cpu/fp32@4t"))
    assert four == pytest.approx(2.0 * (PHONE.idle_w + CPU.busy_w(4)))


def test_no_thread_count_means_all_cores_and_more_than_all_too():
    every = METER.energy_j(1.0, CPU.cores, Target.parse("device:cpu/fp32"))
    assert every == pytest.approx(PHONE.idle_w + CPU.busy_w(CPU.cores))
    assert METER.energy_j(1.0, CPU.cores, Target.parse("device:cpu/fp32@99t")) == pytest.approx(every)


def test_a_low_frequency_draws_less():
    step = f"{CPU.frequencies_hz[0] / 1e6:g}"
    slow = METER.energy_j(1.0, 1.0, Target.parse(f"device:cpu/fp32@{step}MHz"))
    assert slow < METER.energy_j(1.0, 1.0, Target.parse("device:cpu/fp32"))


def test_a_gpu_works_all_the_while():
    energy_j = METER.energy_j(1.0, 0.0, Target.parse("device:gpu/fp16"))
    assert energy_j == pytest.approx(PHONE.idle_w + PHONE.processors["gpu"].busy_w())


def test_waiting_for_the_cloud_costs_idle_power():
    assert METER.energy_j(1.0, 0.0, Target.parse("cloud:gpu/fp32")) == pytest.approx(PHONE.idle_w)


@given(seconds, seconds, seconds, seconds, targets)
def test_energy_is_not_negative_and_adds_up(wall_s, cpu_s, more_wall_s, more_cpu_s, target):
    first, second = METER.energy_j(wall_s, cpu_s, target), METER.energy_j(more_wall_s, more_cpu_s, target)
    assert first >= 0.0
    whole = METER.energy_j(wall_s + more_wall_s, cpu_s + more_cpu_s, target)
    assert whole == pytest.approx(first + second)


@pytest.mark.parametrize("busy_s", [0.0, 0.05])
def test_a_window_costs_its_length_idle_and_its_work_above_that(busy_s):
    target, before_s = Target.parse("device:cpu/fp32@1t"), time.process_time()
    mark, start_s = METER.begin(), time.process_time()
    while time.process_time() - start_s < busy_s:
        pass
    reading = METER.end(mark, target)
    after_s = time.process_time()
    # Whatever else runs here: the meter's two looks at the process lie around the work and within ours.
    least_j, most_j = (METER.energy_j(reading.window_s, spent_s, target) for spent_s in (busy_s, after_s - before_s))
    assert least_j * (1 - 1e-9) <= reading.energy_j <= most_j * (1 + 1e-9)
    assert (reading.method, reading.source) == (Method.MODELLED, "power table 'mi8pro'")


WIFI = PHONE.radios["wifi"]


def radio_j(
    sent_bytes, received_bytes, up_bps=10e6, down_bps=40e6, rssi_dbm=None, latency_s=1.0, rest_s=0.0, computing_s=0.0
):
    return METER.radio_j(sent_bytes, received_bytes, up_bps, down_bps, rssi_dbm, latency_s, rest_s, computing_s)


def test_the_radio_follows_the_papers_formula_and_pays_its_tail():
    bases_w = float(WIFI.tx_base_at(-60.0)), float(WIFI.rx_base_at(-60.0))
    moving_j = (bases_w[0] + 10e6 * WIFI.tx_w_per_bps) * 0.8 + (bases_w[1] + 40e6 * WIFI.rx_w_per_bps) * 0.02
    waiting_j = WIFI.tail_w * min(0.18, WIFI.tail_s) + WIFI.idle_w * max(0.18 - WIFI.tail_s, 0.0)
    assert radio_j(1_000_000, 100_000, rssi_dbm=-60.0) == pytest.approx(moving_j + waiting_j)
    rested_j = radio_j(1_000_000, 100_000, rssi_dbm=-60.0, rest_s=math.inf)
    assert rested_j == pytest.approx(moving_j + waiting_j + WIFI.tail_w * WIFI.tail_s)
    assert radio_j(1_000_000, 0, rssi_dbm=-88.0) > radio_j(1_000_000, 0, rssi_dbm=-50.0)
    assert radio_j(1_000_000, 0, up_bps=8e6) > radio_j(1_000_000, 0, up_bps=10e6)


def test_a_radio_cannot_have_moved_bytes_for_longer_than_the_query_took():
    waits_nothing = radio_j(1_000_000, 0, up_bps=8e6, latency_s=1.0)
    assert radio_j(1_000_000, 0, up_bps=1e3, latency_s=1.0) == pytest.approx(waits_nothing)
    assert radio_j(0, 0, latency_s=0.0) == 0.0


@pytest.mark.parametrize("up_bps", [1e3, 1e6, 10e6])
def test_nor_while_machines_computed(up_bps: float) -> None:
    """Whoever believes the link slower than it was tells no more joules for the same transfer."""
    moved_in_the_rest = radio_j(1_000_000, 0, up_bps=8e6 / 0.4)
    assert radio_j(1_000_000, 0, up_bps=up_bps, computing_s=0.6) == pytest.approx(moved_in_the_rest)
    nothing_left = radio_j(
        1_000_000, 0, up_bps=up_bps, computing_s=1.0
    )  # as no machine computes: what it tells is wrong
    assert nothing_left == radio_j(1_000_000, 0, up_bps=up_bps)


@pytest.mark.parametrize("processor", ["gpu", "npu"])
def test_a_processor_the_table_lacks_draws_default_watts_and_says_so(processor: str) -> None:
    laptop = load_device("laptop")
    target = Target("device", processor, "fp16", engine="mine")
    assert processor not in laptop.processors
    meter = ModelledMeter(laptop)
    reading = meter.end(meter.begin(), target)
    assert reading.method is Method.DEFAULT
    assert reading.source == f"power table 'laptop', default watts of a {processor}"
    idle_j, core_j = meter.energy_j(1.0, 0.0), meter.energy_j(1.0, 1.0) - meter.energy_j(1.0, 0.0)
    cpu = laptop.processors["cpu"]
    busy_j = SHARE_OF_CPU[processor] * cpu.busy_w(cpu.cores)
    assert meter.energy_j(1.0, 0.5, target) == pytest.approx(idle_j + busy_j + 0.5 * core_j)


def test_a_processor_the_table_has_is_modelled() -> None:
    for text in ("device:gpu/fp16", "device:cpu/int8@2t#mine", "cloud:npu/int8"):
        assert METER.end(METER.begin(), Target.parse(text)).method is Method.MODELLED


def test_default_watts_are_the_usual_share_of_what_ships() -> None:
    for kind, share in SHARE_OF_CPU.items():
        machines = [load_device(name).processors for name in device_names()]
        shares = [each[kind].busy_w() / each["cpu"].busy_w(each["cpu"].cores) for each in machines if kind in each]
        assert share == pytest.approx(float(np.median(shares)), abs=0.02)


def test_rates_must_be_known_to_charge_the_radio():
    with pytest.raises(InvalidInput, match=r"0\.0 and 1\.0 bit/s"):
        METER.radio_j(1, 1, 0.0, 1.0, None, 1.0)


def test_an_unknown_radio_is_refused():
    with pytest.raises(UnknownName, match="radio of mi8pro"):
        ModelledMeter(PHONE, radio="wfii")


def test_what_was_metered_on_the_device_comes_before_the_table():
    board, target = load_device("rk3588s"), Target.parse("device:gpu/int8#armnn")
    row = next(each for each in board.measured if each.target == target)
    spent = {
        network: ModelledMeter(board, network=network).reading(1.0, 0.0, target)
        for network in (row.network, "never measured")
    }
    assert spent[row.network].energy_j == pytest.approx(row.mean_w, rel=1e-6)
    assert spent["never measured"].energy_j == pytest.approx(row.mean_w, rel=0.3)
    assert "its measured rows" in spent[row.network].source
    assert "measured rows" not in ModelledMeter(replace(board, measured=())).reading(1.0, 0.0, target).source


def test_no_more_is_drawn_than_all_cores_can() -> None:
    target, most_s = Target.parse("device:cpu/fp32"), float(os.cpu_count() or 1)
    assert METER.clocked(0.001, 0.001 * most_s, target).energy_j == METER.energy_j(0.001, 0.001 * most_s, target)
    assert METER.clocked(0.001, 1.0, target) == METER.clocked(0.001, 0.001 * most_s, target)

"""A device's radio between queries: it rests from its last use on, whichever query that was."""

import math
import threading
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.carbon import Electricity
from autoscale.profiles import load_device
from autoscale.query.goal import Goal
from autoscale.query.target import Target
from autoscale_runtime.device.assemble import account_of
from autoscale_runtime.device.commons import commons
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.query_cost import REST_STEPS, DeviceAccount, Transfer
from autoscale_runtime.device.radio_rest import RadioRest
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.meters import ModelledMeter
from autoscale_runtime.wire.cost import RemoteCost

CLOUD = Target.parse("cloud:cpu/fp32")
LTE = load_device("mi8pro").radios["lte"]
SENT = Transfer(150_000, 4_000, 10e6, 20e6, -85.0)


def test_a_radio_rests_since_its_last_use_and_not_since_the_first() -> None:
    now_s = [100.0]
    radio = RadioRest(lambda: now_s[0])
    assert radio.now_s() == math.inf
    assert radio.used(latency_s=0.5) == math.inf
    now_s[0] = 103.0
    assert radio.now_s() == 3.0
    assert radio.used(latency_s=1.0) == 2.0, "from the answer to the next call"
    now_s[0] = 103.2
    assert radio.used(latency_s=2.0) == 0.0, "one that began while another used it"


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.01, 3.0)), min_size=1, max_size=10))
def test_queries_in_a_row_pay_for_the_time_in_a_tail_once(queries: list[tuple[float, float]]) -> None:
    """Against the same queries alone, each of which pays a whole tail: only what another's tail covers is saved."""
    now_s = [0.0]
    meter = ModelledMeter(load_device("mi8pro"), "lte", lambda: now_s[0], lambda: 0.0)
    account = DeviceAccount(meter, meter, GridWatch(Electricity(source=100.0)), RadioRest(lambda: now_s[0]))
    spent_j = alone_j = saved_s = 0.0
    for number, (gap_s, latency_s) in enumerate(queries):
        now_s[0] += gap_s
        mark = account.begin()
        now_s[0] += latency_s
        spent_j += account.end(mark, CLOUD, latency_s, transfer=SENT).energy_j.device
        alone_j += meter.energy_j(latency_s, 0.0) + meter.radio_j(150_000, 4_000, 10e6, 20e6, -85.0, latency_s)
        saved_s += max(LTE.tail_s - gap_s, 0.0) if number else 0.0
    assert spent_j == pytest.approx(alone_j - LTE.tail_w * saved_s, rel=1e-6)


def test_what_a_query_would_cost_now_takes_no_note_of_itself() -> None:
    now_s = [0.0]
    meter = ModelledMeter(load_device("mi8pro"), "lte", lambda: now_s[0], lambda: 0.0)
    account = DeviceAccount(meter, meter, GridWatch(Electricity(source=100.0)), RadioRest(lambda: now_s[0]))
    rested_j = account.radio_j(SENT, 0.3, account.rest_s())
    assert rested_j == account.radio_j(SENT, 0.3, account.rest_s())
    account.end(account.begin(), CLOUD, 0.0, transfer=SENT)
    assert rested_j - account.radio_j(SENT, 0.3, account.rest_s()) == pytest.approx(LTE.tail_w * LTE.tail_s)


def test_whoever_believes_a_link_slow_tells_no_more_than_it_can_have_taken() -> None:
    """Two devices send the same over the same link, in 0.122 s; one of them believes it five times slower."""
    spent_j = []
    for transfer in (SENT, replace(SENT, uplink_bps=2e6, downlink_bps=4e6)):
        now_s = [0.0]
        meter = ModelledMeter(load_device("mi8pro"), "lte", partial(now_s.__getitem__, 0), lambda: 0.0)
        account = DeviceAccount(meter, meter, GridWatch(Electricity(source=100.0)), RadioRest(lambda: 0.0))
        mark, now_s[0] = account.begin(), 0.6
        reported = RemoteCost(150_000, 4_000, queue_s=0.1, compute_s=0.3)
        told = account.end(mark, CLOUD, 0.6, transfer=transfer, reported=reported, here_s=0.0784)
        spent_j.append(told.energy_j.device)
    assert spent_j[1] == pytest.approx(spent_j[0], rel=1e-3)


def test_a_rest_is_told_in_steps_that_are_finer_than_a_tail_is_known() -> None:
    now_s = [0.0]
    meter = ModelledMeter(load_device("mi8pro"), "lte", lambda: now_s[0], lambda: 0.0)
    account = DeviceAccount(meter, meter, GridWatch(Electricity(source=100.0)), RadioRest(lambda: now_s[0]))
    assert account.rest_s() == math.inf
    account.end(account.begin(), CLOUD, 0.0, transfer=SENT)
    step_s = LTE.tail_s / REST_STEPS
    for now_s[0] in (0.0, 0.1, 1.0, 5.0, 9.9):
        assert account.rest_s() == pytest.approx(now_s[0], abs=0.51 * step_s)
        assert account.rest_s(1.0) == pytest.approx(now_s[0] + 1.0, abs=0.51 * step_s) or now_s[0] + 1.0 >= LTE.tail_s
        assert account.rest_s(0.01 * step_s) == account.rest_s()
    assert account.rest_s(LTE.tail_s) == math.inf


def test_of_queries_that_end_together_one_finds_the_radio_at_rest() -> None:
    radio, found = RadioRest(lambda: 5.0), []
    threads = [threading.Thread(target=lambda: found.append(radio.used(0.1))) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [0.0] * 15 + [math.inf]


def test_two_sessions_of_a_device_use_one_radio() -> None:
    options = SessionOptions(power_table="mi8pro", meters=("modelled",), radio="lte")
    one, other = (account_of(Goal(), options)[0] for _ in range(2))
    one.end(one.begin(), CLOUD, 0.0, transfer=SENT)
    assert other.rest_s() == pytest.approx(one.rest_s(), abs=0.5)
    assert commons().radio("lte") is not commons().radio("wifi")

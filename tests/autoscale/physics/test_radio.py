"""A radio's energy: the paper's formula, and a tail that is paid once however queries follow each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.physics import radio
from autoscale.physics.compute import compute
from autoscale.physics.power import energy_j, watts_of
from autoscale.profiles import link_names, load_device, load_link
from autoscale.profiles.networks import load_network
from autoscale.query.target import Target

LINKS = {name: load_link(name) for name in link_names()}
links = st.sampled_from(sorted(LINKS))
sizes = st.floats(0.0, 1e7)
signals = st.floats(-120.0, -30.0)


def query_j(name: str, sent: float, received: float, rssi_dbm: float, wait_s: float = 0.01, rest_s: float = 0.0):
    """Energy and latency of a query over a link at its middle rates."""
    link = LINKS[name]
    rates = float(link.uplink_bps(rssi_dbm)), float(link.downlink_bps(rssi_dbm))
    latency_s = radio.airtime_s(sent, rates[0]) + radio.airtime_s(received, rates[1]) + wait_s
    return radio.query_j(link.radio, sent, received, *rates, rssi_dbm, latency_s, rest_s), latency_s


@given(links, sizes, sizes, signals, st.floats(0.0, 2.0))
def test_energy_is_that_of_sending_receiving_and_waiting(name, sent, received, rssi_dbm, wait_s):
    link, own = LINKS[name], LINKS[name].radio
    whole_j, _ = query_j(name, sent, received, rssi_dbm, wait_s)
    moving_j = 0.0
    for size, rate, base_w, slope in (
        (sent, link.uplink_bps(rssi_dbm), own.tx_base_at(rssi_dbm), own.tx_w_per_bps),
        (received, link.downlink_bps(rssi_dbm), own.rx_base_at(rssi_dbm), own.rx_w_per_bps),
    ):
        moving_j += (base_w + slope * rate) * 8.0 * size / rate
    low_w, high_w = sorted((own.idle_w, own.tail_w))
    slack_j = 1e-9 * (1.0 + whole_j)
    assert moving_j + low_w * wait_s - slack_j <= whole_j <= moving_j + high_w * wait_s + slack_j


@given(links, st.floats(1.0, 1e7), sizes, st.floats(-120.0, -50.0), st.floats(0.0, 30.0))
def test_a_stronger_signal_is_never_slower_or_dearer(name, sent, received, rssi_dbm, better_db):
    weak, strong = (query_j(name, sent, received, each) for each in (rssi_dbm, rssi_dbm + better_db))
    assert strong[0] <= weak[0] * (1 + 1e-9)
    assert strong[1] <= weak[1] * (1 + 1e-9)


@given(links, st.lists(st.floats(0.0, 30.0), min_size=1, max_size=12), st.floats(0.001, 3.0))
def test_a_tail_is_paid_once_interrupted_or_not(name, gaps_s, wait_s):
    """Over any row of queries the tails charged are the time within a tail after some query, and no more."""
    own = LINKS[name].radio
    rests_s = [math.inf, *gaps_s]
    charged_j = sum(float(radio.tail_j(own.tail_w, own.tail_s, rest_s)) for rest_s in rests_s)
    in_tail_s = sum(min(gap_s, own.tail_s) for gap_s in gaps_s) + own.tail_s
    assert charged_j == pytest.approx(own.tail_w * in_tail_s)


@pytest.mark.parametrize("name", LINKS)
def test_a_used_radio_need_not_be_woken(name):
    link = LINKS[name]
    tail_s = link.radio.tail_s
    assert radio.wake_s(link.promotion_s, tail_s, np.array([0.0, tail_s, tail_s + 1e-6, math.inf])).tolist() == (
        [0.0, 0.0, link.promotion_s, link.promotion_s]
    )


@given(links, sizes, sizes, signals, st.floats(1e-6, 1e3))
def test_bytes_move_no_longer_than_the_query_lasted(name, sent, received, rssi_dbm, longest_s):
    """However poor the rates are known: the radio's busy power for all of the latency, and the joules of the bits."""
    own = LINKS[name].radio
    spent_j = radio.query_j(own, sent, received, 1.0, 1.0, rssi_dbm, longest_s, 0.0)
    most_w = max(float(own.tx_base_at(rssi_dbm)), float(own.rx_base_at(rssi_dbm)), own.tail_w, own.idle_w)
    assert 0.0 <= spent_j <= (most_w * longest_s + radio.per_bit_j(own, sent, received)) * (1.0 + 1e-9)


@given(links, sizes, sizes, st.lists(st.floats(0.0, 100.0), min_size=3, max_size=3))
def test_arrays_give_what_numbers_give(name, sent, received, waits_s):
    own = LINKS[name].radio
    many = radio.waiting_j(own.tail_w, own.tail_s, own.idle_w, np.array(waits_s))
    assert many.tolist() == [radio.waiting_j(own.tail_w, own.tail_s, own.idle_w, each) for each in waits_s]
    both = radio.per_bit_j(own, np.array([sent, received]), np.array([received, sent]))
    assert both.tolist() == [radio.per_bit_j(own, sent, received), radio.per_bit_j(own, received, sent)]


@pytest.mark.parametrize("name", ["mi8pro", "s10e", "moto-x-force"])
def test_mobilebert_is_too_heavy_for_a_phone_and_cheap_in_the_cloud(name):
    phone, model, link = load_device(name), load_network("mobilebert"), LINKS["wifi"]
    remote_s = compute(load_device("xeon-p100"), model, Target.parse("cloud:gpu/fp32")).latency_s
    rates = float(link.uplink_bps(-55.0)), float(link.downlink_bps(-55.0))
    airtime_s = radio.airtime_s(model.input_bytes, rates[0]) + radio.airtime_s(model.output_bytes, rates[1])
    latency_s = float(airtime_s + link.round_trip_s + remote_s)
    radio_j = radio.query_j(
        phone.radios["wifi"], model.input_bytes, model.output_bytes, *rates, -55.0, latency_s, rest_s=0.0
    )
    local_j = min(compute(phone, model, target).energy_j for target in phone.targets())
    assert radio_j + energy_j(watts_of(phone, None), latency_s, 0.0) < local_j / 2
    assert latency_s < 0.1

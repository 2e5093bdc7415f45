"""Moving a query over a link: the paper's formula, over arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale.physics import compute, transfer
from autoscale.profiles import link_names, load_device, load_link
from autoscale.profiles.networks import load_network
from autoscale.query.target import Target

LINKS = {name: load_link(name) for name in link_names()}
links = st.sampled_from(sorted(LINKS))
sizes = st.floats(0.0, 1e7)


@given(links, sizes, sizes, st.floats(-120.0, -30.0), st.floats(0.0, 2.0))
def test_energy_is_that_of_sending_receiving_and_waiting(name, sent, received, rssi_dbm, remote_s):
    link, radio = LINKS[name], LINKS[name].radio
    moved = transfer(link, radio, sent, received, rssi_dbm, remote_s=remote_s)
    up_bps, down_bps = float(link.uplink_bps(rssi_dbm)), float(link.downlink_bps(rssi_dbm))
    assert moved.send_s == pytest.approx(8 * sent / up_bps)
    assert moved.wait_s == pytest.approx(link.round_trip_s + remote_s)
    busy_j = radio.tx_w(up_bps, rssi_dbm) * moved.send_s + radio.rx_w(down_bps, rssi_dbm) * moved.receive_s
    low_w, high_w = sorted((radio.idle_w, radio.tail_w))
    assert busy_j + low_w * moved.wait_s - 1e-12 <= moved.energy_j <= busy_j + high_w * moved.wait_s + 1e-12


@given(links, st.floats(1.0, 1e7), sizes, st.floats(-120.0, -50.0), st.floats(0.0, 30.0))
def test_a_stronger_signal_is_never_slower_or_dearer(name, sent, received, rssi_dbm, better_db):
    link = LINKS[name]
    weak, strong = (transfer(link, link.radio, sent, received, each) for each in (rssi_dbm, rssi_dbm + better_db))
    assert strong.latency_s <= weak.latency_s * (1 + 1e-12)
    assert strong.energy_j <= weak.energy_j * (1 + 1e-12)


def test_arguments_broadcast():
    link = LINKS["wifi"]
    sent = np.array([1e3, 1e5])[:, None]
    moved = transfer(link, link.radio, sent, 4000.0, np.array([-80.0, -60.0, -50.0]), rate_factor=np.array([0.5, 1, 1]))
    for name in ("send_s", "wait_s", "energy_j", "tail_j", "latency_s"):
        assert getattr(moved, name).shape == (2, 3), name
    assert moved.receive_s.shape in ((3,), (2, 3))
    single = transfer(link, link.radio, 1e5, 4000.0, -60.0)
    assert moved.energy_j[1, 1] == pytest.approx(float(single.energy_j))


def test_half_the_rate_takes_twice_as_long():
    link = LINKS["lte"]
    full, half = (transfer(link, link.radio, 1e5, 1e5, -90.0, rate_factor=each) for each in (1.0, 0.5))
    assert half.send_s == pytest.approx(2 * full.send_s)
    assert half.wait_s == full.wait_s


@pytest.mark.parametrize("name", ["mi8pro", "s10e", "moto-x-force"])
def test_mobilebert_is_too_heavy_for_a_phone_and_cheap_in_the_cloud(name):
    phone, model, link = load_device(name), load_network("mobilebert"), LINKS["wifi"]
    remote_s = compute(load_device("xeon-p100"), model, Target.parse("cloud:gpu/fp32")).latency_s
    moved = transfer(link, phone.radios["wifi"], model.input_bytes, model.output_bytes, -55.0, remote_s=remote_s)
    local_j = min(compute(phone, model, target).energy_j for target in phone.targets())
    assert float(moved.energy_j) + phone.idle_w * float(moved.latency_s) < local_j / 2
    assert float(moved.latency_s) < 0.1

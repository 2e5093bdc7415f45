"""What a radio draws for a query above the idle device: sending, receiving, waiting, and the tail it leaves.

The paper's model (Kim and Wu, MICRO 2020): ``P_tx(S) t_tx + P_rx(S) t_rx + P_idle (latency - t_tx - t_rx)``. A radio
that waits for the answer is in its tail until that is over, and then idle. After a transfer it stays awake for the tail
(Huang et al., MobiSys 2012): a query is charged for as much of it as it adds to the tail of the one before, so that a
tail is paid once, interrupted or not.

>>> from autoscale.profiles import load_link
>>> lte = load_link("lte").radio
>>> alone, soon_after = (query_j(lte, 150_528, 4004, 10e6, 20e6, -85.0, 0.3, rest_s) for rest_s in (60.0, 0.5))
>>> round(alone - soon_after - lte.tail_w * (lte.tail_s - 0.5), 9)
0.0
"""

import numpy as np

from autoscale.arrays import Numbers, least
from autoscale.profiles import Radio

BITS_PER_BYTE = 8.0


def airtime_s(size_bytes: Numbers, rate_bps: Numbers) -> Numbers:
    """How long a message is on the air."""
    return BITS_PER_BYTE * size_bytes / rate_bps


def per_bit_j(radio: Radio, sent_bytes: Numbers, received_bytes: Numbers) -> Numbers:
    """The part of moving that goes with the bits and not with the time: power's slope on the rate is joules a bit."""
    return BITS_PER_BYTE * (radio.tx_w_per_bps * sent_bytes + radio.rx_w_per_bps * received_bytes)


def moving_j(tx_base_w: Numbers, send_s: Numbers, rx_base_w: Numbers, receive_s: Numbers, bits_j: Numbers) -> Numbers:
    """Sending and receiving.

    Args:
        tx_base_w: power while sending at that signal and a rate near 0 (``Radio.tx_base_at``).
        send_s: how long it sends.
        rx_base_w: likewise receiving.
        receive_s: how long it receives.
        bits_j: what the bits take beside, from ``per_bit_j``.
    """
    return tx_base_w * send_s + rx_base_w * receive_s + bits_j


def waiting_j(tail_w: Numbers, tail_s: Numbers, idle_w: Numbers, wait_s: Numbers) -> Numbers:
    """Waiting ``wait_s`` for the answer: in the tail at first, then connected and idle."""
    in_tail_s = least(wait_s, tail_s)
    return tail_w * in_tail_s + idle_w * (wait_s - in_tail_s)


def tail_j(tail_w: Numbers, tail_s: Numbers, rest_s: Numbers) -> Numbers:
    """The tail that a use adds to that of the last one, which ended ``rest_s`` before this one began."""
    return tail_w * least(rest_s, tail_s)


def wake_s(promotion_s: Numbers, tail_s: Numbers, rest_s: Numbers) -> Numbers:
    """How long it takes to wake a radio; nothing while the last use's tail lasts."""
    return promotion_s * (rest_s > tail_s)


def query_j(
    radio: Radio,
    sent_bytes: float,
    received_bytes: float,
    uplink_bps: float,
    downlink_bps: float,
    rssi_dbm: float | None,
    latency_s: float,
    rest_s: float,
    computing_s: float = 0.0,
) -> float:
    """All that one query takes of a radio, its tail with it.

    Args:
        radio: its powers by signal and rate.
        sent_bytes: of the query.
        received_bytes: of the answer.
        uplink_bps: rate from the device, above 0.
        downlink_bps: rate to it, above 0.
        rssi_dbm: signal; None takes the strongest of the table.
        latency_s: from the call to the answer.
        rest_s: how long the radio had not been used when the query began; infinite where it never was.
        computing_s: of the latency, what machines are known to have computed. In what is left of it, or in all where
            nothing is, bytes were moved, and for no longer, however poor the rates are known.
    """
    send_s, receive_s = airtime_s(sent_bytes, uplink_bps), airtime_s(received_bytes, downlink_bps)
    moving_s = latency_s - computing_s if computing_s < latency_s else latency_s
    fitting = moving_s / max(moving_s, send_s + receive_s, np.finfo(np.float64).tiny)
    send_s, receive_s = fitting * send_s, fitting * receive_s
    signal_dbm = radio.rssi_dbm[-1] if rssi_dbm is None else rssi_dbm
    bases_w = radio.tx_base_at(signal_dbm), radio.rx_base_at(signal_dbm)
    moved_j = moving_j(bases_w[0], send_s, bases_w[1], receive_s, per_bit_j(radio, sent_bytes, received_bytes))
    waited_j = waiting_j(radio.tail_w, radio.tail_s, radio.idle_w, max(latency_s - send_s - receive_s, 0.0))
    return float(moved_j + waited_j + tail_j(radio.tail_w, radio.tail_s, rest_s))

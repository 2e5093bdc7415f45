"""Time and energy of moving a query to another machine and its answer back."""

from dataclasses import dataclass

import numpy as np

from autoscale.profiles import LinkProfile, Radio
from autoscale.query.forecast import Floats


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moving costs the device, each array of the arguments' broadcast shape.

    Attributes:
        send_s: the radio sends.
        receive_s: the radio receives.
        wait_s: neither: round trip, promotion, the remote machine at work.
        energy_j: of the radio, above the idle device, from the call to the answer.
        tail_j: and after it, until the radio rests; due once if the next query comes later than that.
    """

    send_s: Floats
    receive_s: Floats
    wait_s: Floats
    energy_j: Floats
    tail_j: Floats

    @property
    def latency_s(self) -> Floats:
        """From the call to the answer."""
        return self.send_s + self.receive_s + self.wait_s


def transfer(
    link: LinkProfile,
    radio: Radio,
    sent_bytes: Floats | float,
    received_bytes: Floats | float,
    rssi_dbm: Floats | float,
    *,
    rate_factor: Floats | float = 1.0,
    remote_s: Floats | float = 0.0,
    delay_s: Floats | float = 0.0,
) -> Transfer:
    """Predict one query over one link; every argument from ``sent_bytes`` on is a number or an array.

    The energy is that of the paper (Kim and Wu, MICRO 2020): ``P_tx(S) t_tx + P_rx(S) t_rx + P_idle (latency - t_tx -
    t_rx)``, where a radio that waits draws its tail's power until the tail is over, and then its idle power.

    Args:
        link: rates by signal, and round trip.
        radio: the device's powers by signal and rate; ``link.radio`` where its own was not measured.
        sent_bytes: of the query.
        received_bytes: of the answer.
        rssi_dbm: signal, in the link's sense.
        rate_factor: what the link gives now, as a factor of its middle rates at that signal.
        remote_s: how long the remote machine takes.
        delay_s: anything else to wait for, as a promotion or a longer round trip.
    """
    uplink_bps = link.uplink_bps(np.asarray(rssi_dbm, dtype=np.float64)) * rate_factor
    downlink_bps = link.downlink_bps(np.asarray(rssi_dbm, dtype=np.float64)) * rate_factor
    send_s = 8.0 * sent_bytes / uplink_bps
    receive_s = 8.0 * received_bytes / downlink_bps
    wait_s = link.round_trip_s + remote_s + delay_s + 0.0 * (send_s + receive_s)
    signal = np.asarray(rssi_dbm, dtype=np.float64)
    in_tail_s = np.minimum(wait_s, radio.tail_s)
    waiting_j = radio.tail_w * in_tail_s + radio.idle_w * (wait_s - in_tail_s)
    moving_j = radio.tx_w(uplink_bps, signal) * send_s + radio.rx_w(downlink_bps, signal) * receive_s
    tail_j = np.full_like(wait_s, radio.tail_w * radio.tail_s)
    return Transfer(send_s, receive_s, wait_s, moving_j + waiting_j, tail_j)

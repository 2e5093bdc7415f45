"""The day that nobody made: what was recorded, in the order it was."""

from pathlib import Path

import pytest

from autoscale_runtime.demo.recorded import DOWNLINK_MBPS, GAPS_S, UPLINK_MBPS, recorded_day
from tests.runtime.demo.demo_parts import task_in


def test_each_query_comes_when_a_request_came_under_the_next_second_of_the_link(tmp_path: Path) -> None:
    steps = recorded_day([task_in(tmp_path)], 130, seed=1)
    assert len(steps) == 130
    assert [step.gap_s for step in steps[: len(GAPS_S)]] == list(GAPS_S)
    links = [step.phase.link for step in steps]
    assert links[0].rate_bps == pytest.approx(1e6 * DOWNLINK_MBPS[0])
    assert links[0].uplink == pytest.approx(1e6 * UPLINK_MBPS[0])
    assert links[120] == links[0]  # the drive begins again
    assert [link.is_down for link in links[:120]] == [
        0.0 in rates for rates in zip(UPLINK_MBPS, DOWNLINK_MBPS, strict=True)
    ]
    assert {step.phase.spread_db for step in steps} == {0.0}


def test_what_was_recorded_is_of_one_length_and_in_range() -> None:
    assert len(UPLINK_MBPS) == len(DOWNLINK_MBPS) == 120
    assert all(0.0 <= rate <= 100.0 for rate in (*UPLINK_MBPS, *DOWNLINK_MBPS))
    assert all(gap_s >= 0.0 for gap_s in GAPS_S)

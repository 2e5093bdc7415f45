"""A second day that nobody made: the link of a drive and the requests of a service, as they were recorded.

Neither was chosen for what it does to AutoScale, nor is anything fitted to it: the first seconds of the one, and the
requests of the other from its hundredth on. A second of the link goes by with each query, so that a short day has all
it did. The radio is the power table's LTE, whose tail is ten seconds long.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Final

import numpy as np

from autoscale_runtime.demo.day import Phase
from autoscale_runtime.demo.play import Step, Task, questions
from autoscale_runtime.link.conditions import LinkConditions

RADIO: Final = "lte"

UPLINK_MBPS: Final = (
    9.2, 6.6, 8, 5.5, 8, 8.4, 8.2, 8.8, 7, 6.2, 5.6, 4.1, 4.2, 6.9, 3, 3, 2.4, 1.9, 8.3, 12.2, 10.6, 12.9, 11.4, 10.5,
    9.6, 8.8, 7.4, 9.2, 9.5, 9.2, 11.1, 6.1, 4.8, 4.9, 9.2, 9.2, 10.6, 6.7, 3.4, 1.4, 0.8, 0.7, 0.7, 1.2, 2.4, 1.9,
    2.4, 2.7, 3.8, 3.9, 3, 3.8, 3.1, 4.3, 4, 3.2, 2.3, 3.8, 3.5, 2.4, 1.3, 7.4, 6.4, 2.7, 3.8, 2.8, 0, 0.6, 2.2, 1.2,
    0.4, 3.9, 5.2, 3.3, 6.5, 8.2, 5.9, 6.6, 5.8, 5, 2.5, 2.9, 4.3, 3, 7.6, 6, 3.1, 3.9, 3.7, 4.2, 4.7, 4.3, 5.7, 6.9,
    5.1, 6.9, 6.8, 6, 6.3, 8.9, 6, 5.7, 11.4, 9.3, 6.8, 5, 11.7, 8.8, 9.8, 10.7, 12.5, 9.9, 8.4, 8.8, 10.7, 11.1, 8.6,
    10.8, 8.4, 6.3,
)  # fmt: skip
DOWNLINK_MBPS: Final = (
    12.2, 10.7, 9.2, 8.3, 6.2, 6.1, 4.8, 4.2, 3.4, 4.1, 2.9, 1.2, 2, 2.1, 1.1, 0.8, 0.8, 6, 6.1, 7, 5.2, 6.1, 7, 7,
    5.1, 6.7, 6.7, 7.5, 6.2, 7.3, 6.4, 6.5, 5.4, 6.7, 4.8, 5.2, 3.4, 3.7, 3.4, 3.6, 3.3, 2.4, 1.3, 4.1, 4.9, 6, 5.4,
    5.6, 5.5, 4.3, 3.1, 4.1, 4.4, 5.8, 3.4, 1.9, 1.6, 2.6, 0.8, 1.8, 3.6, 5, 4.1, 2.5, 1.1, 0.3, 1.5, 1.3, 0.8, 2.8,
    2.7, 1.1, 2.4, 2.8, 3.4, 3.5, 3.9, 3.4, 2.1, 1.5, 2.7, 2.3, 4, 3.6, 4.4, 3.3, 4, 4.5, 5, 6.6, 4.1, 6.4, 9.8, 9.7,
    13.4, 11.1, 10, 8.5, 5.2, 3.4, 5.5, 9.8, 6.9, 4.3, 10.8, 11.7, 10.8, 12.3, 16.8, 13.9, 10.8, 8.5, 8.7, 6.6, 8.7,
    7.9, 9.2, 8.2, 2.6, 1.6,
)  # fmt: skip
"""Each second of a drive with Verizon's LTE: deliveries of 1500 bytes in ``Verizon-LTE-short`` of the emulator
Mahimahi, recorded with Saturator (Winstein et al., NSDI 2013; ravinet/mahimahi, commit ae477d43)."""

GAPS_S: Final = (
    0.01, 0.02, 0.09, 0.19, 0.19, 0.4, 0.02, 0.18, 0.1, 0.03, 0.12, 0.02, 0.77, 0.18, 0.02, 0.08, 0.02, 0.05, 0.07,
    0.26, 0.03, 0.45, 0.12, 0.09, 0.04, 0.18, 0.22, 0.05, 0.53, 0.25, 0.27, 0.19, 0.11, 0.01, 0.09, 0.16, 0.41, 0.29,
    0.23, 0.33, 0.03, 0.07, 0.06, 0.02, 0, 0.09, 0.05, 0.35, 0.26, 0.15, 0.02, 0, 0.08, 0.15, 0.01, 0.09, 0.13, 0.24,
    0.11, 0.14,
)  # fmt: skip
"""Between two requests of a chat service in Azure, from its hundredth on: AzureLLMInferenceTrace_conv (Patel et al.,
"Splitwise", ISCA 2024; Azure/AzurePublicDataset, commit b469a113, CC-BY 4.0)."""

ROUND_TRIP_S: Final = 0.021
JITTER_S: Final = 0.008
"""Of LTE to a server of the same city, as ``autoscale devices lte`` has them; the trace tells of rates alone."""


def recorded_day(tasks: Sequence[Task], queries: int, seed: int) -> list[Step]:
    """So many queries, each of a task drawn at random, as they came and under the link's next second."""
    drawn = np.random.default_rng(seed).integers(0, len(tasks), queries).tolist()
    asked = questions(tasks, drawn, seed + 1)
    rates = zip(cycle(UPLINK_MBPS), cycle(DOWNLINK_MBPS), islice(cycle(GAPS_S), queries), drawn, strict=False)
    return [Step(_phase(up, down), tasks[which], next(asked[which]), gap_s) for up, down, gap_s, which in rates]


def _phase(up_mbps: float, down_mbps: float) -> Phase:
    """A second of the drive; nothing passes where one direction stands still."""
    is_down = min(up_mbps, down_mbps) == 0.0
    rate_bps = 0.0 if is_down else 1e6 * down_mbps
    link = LinkConditions(rate_bps, ROUND_TRIP_S, JITTER_S, uplink_bps=None if is_down else 1e6 * up_mbps)
    return Phase("recorded", link, spread_db=0.0)

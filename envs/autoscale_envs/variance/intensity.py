"""The grid's carbon intensity by the hour, where the device is charged and where the cloud stands.

Hourly means of 2022, life cycle, gCO2e/kWh, average (not marginal), location-based, from 00:00 UTC:
umassos/decarbonization-potential (commit 3493a630, data of Electricity Maps), zones US-CAL-CISO and US-MIDA-PJM, and
the standard deviation of the logarithm of their daily means.
"""

from typing import Final

import numpy as np

from autoscale.query.forecast import Floats, Indices

# fmt: off
DEVICE_G_PER_KWH: Final = np.array([
    252, 287, 309, 313, 315, 318, 317, 315, 312, 310, 309, 310,
    309, 302, 276, 236, 203, 190, 187, 186, 186, 189, 196, 216,
], dtype=np.float64)
"""California: much sun, so noon in the west (20:00 UTC) is clean."""
CLOUD_G_PER_KWH: Final = np.array([
    438, 439, 438, 435, 423, 416, 412, 410, 410, 413, 418, 421,
    424, 426, 427, 429, 428, 427, 426, 425, 426, 428, 432, 436,
], dtype=np.float64)
"""The grid of northern Virginia, where data centres are many."""
# fmt: on
DEVICE_DAY_SPREAD: Final = 0.21
CLOUD_DAY_SPREAD: Final = 0.09
SECONDS_PER_HOUR: Final = 3600.0
HOURS: Final = 24
PUE: Final = 1.1
"""Power usage effectiveness of a large data centre."""


def hour_of_day(time_s: Floats) -> Indices:
    """Which hour of the curves holds at times since midnight UTC."""
    return (time_s / SECONDS_PER_HOUR).astype(np.intp) % HOURS

"""What accounting a query's carbon, with its two ends, costs, against the 5 us that the hot path can spare.

Run from the root: ``python -m benchmarks.carbon``.
"""

import gc
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from autoscale.carbon import CarbonAccount, Machine, YearlyAverages, load_network_share, product_footprint

Row = dict[str, Any]

CALLS: Final = 2000
REPEATS: Final = 9
LIMIT_US: Final = 5.0


def account() -> CarbonAccount:
    """A phone in France, a mobile network, a shared server in Ireland."""
    grid = YearlyAverages()
    phone = Machine(grid.at("FR", 0.0), product_footprint("phone").g_per_s())
    server = Machine(grid.at("IE", 0.0), product_footprint("server").g_per_s(0.5, 0.1), pue=1.1)
    return CarbonAccount(phone, load_network_share("mobile"), grid.at("FR", 0.0), server)


def p50_us(call: Callable[[int], object]) -> float:
    """The least of several medians of a call's time: other work on the machine can only add to it."""
    gc.disable()
    medians = [np.median([_timed_ns(call, i) for i in range(CALLS)]) for _ in range(REPEATS)]
    gc.enable()
    return float(min(medians)) / 1e3


def run() -> list[Row]:
    """Time a query that stays and one that goes."""
    grams, ends = account().grams, account().ends
    calls: dict[str, Callable[[int], object]] = {
        "carbon of a query here": lambda i: (grams(0.08 + 1e-6 * i, 0.05), ends(0.08 + 1e-6 * i, 0.05)),
        "carbon of a query there": lambda i: (
            grams(0.08 + 1e-6 * i, 0.05, 150e3, 0.5, 0.01),
            ends(0.08 + 1e-6 * i, 0.05, 150e3, 0.5, 0.01),
        ),
    }
    return [
        {"name": name, "value": p50_us(call), "unit": "us", "target": LIMIT_US, "peer": ""}
        for name, call in calls.items()
    ]


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:24} {row['value']:8.3f} {row['unit']:4} <= {row['target']:g}")


def _timed_ns(call: Callable[[int], object], number: int) -> int:
    start = perf_counter_ns()
    call(number)
    return perf_counter_ns() - start


if __name__ == "__main__":
    main()

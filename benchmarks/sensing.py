"""What seeing the world and metering a query costs each query, beside reading the sensors and the counters anew.

Run from the root: ``python -m benchmarks.sensing``.
"""

import timeit
from collections.abc import Callable
from typing import Any, Final

from autoscale.profiles import load_device
from autoscale.query.target import Target
from autoscale_runtime.meters import ModelledMeter
from autoscale_runtime.sensors import SensorHub, host_sensors

Row = dict[str, Any]

CALLS: Final = 500
REPEATS: Final = 9
LIMIT_US: Final = 5.0
TARGET: Final = Target.parse("device:cpu/fp32@2t")


def run() -> list[Row]:
    """An observation with a link, and a window of the power table's meter."""
    meter, circuits = ModelledMeter(load_device("mi8pro")), {"cloud": True}
    with SensorHub(host_sensors(["cloud"]), links=["cloud"]) as hub:
        hub.transferred("cloud", 1000, 1000, 0.1)
        seen_us, read_us = best_us(lambda: hub.now(circuits)), best_us(hub.refresh, calls=20)
    metered_us = best_us(lambda: meter.end(meter.begin(), TARGET))
    return [
        _row("observation of a query", seen_us, f"{read_us:.0f} us to read the sensors"),
        _row("energy of a query, modelled", metered_us, ""),
    ]


def best_us(call: Callable[[], object], calls: int = CALLS) -> float:
    """The least of several rounds: other work on the machine can only add to it."""
    return 1e6 * min(timeit.repeat(call, number=calls, repeat=REPEATS)) / calls


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:30} {row['value']:8.3f} {row['unit']:4} <= {row['target']:g}  {row['peer']}")


def _row(name: str, value_us: float, peer: str) -> Row:
    return {"name": name, "value": value_us, "unit": "us", "target": LIMIT_US, "peer": peer}


if __name__ == "__main__":
    main()

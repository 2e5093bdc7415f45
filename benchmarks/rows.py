"""The measured rows that ship with a device, as its file holds them: ``python -m benchmarks.rows rpi4``."""

import argparse
from dataclasses import replace

from autoscale.interval import Interval
from autoscale.profiles.measured import MeasuredRow, measured_lines, watts_between
from autoscale.profiles.model_profile_codec import toml_string
from benchmarks.calibration.sources import BOARDS, SYSTEMS, is_fit, measured


def shipped(device: str) -> list[MeasuredRow]:
    """Its fit rows by network and target, in four digits."""
    rows = measured(device)
    kept = [_rounded(row) for row in rows if is_fit(rows, row.network)]
    return sorted(kept, key=lambda row: (row.network, str(row.target)))


def text(device: str) -> str:
    """Lines for ``[sources]``, then the rows."""
    rows = shipped(device)
    keys = {
        source: f"rows_{number}" for number, source in enumerate(dict.fromkeys(row.source for row in rows), start=1)
    }
    return "\n".join([*(f"{key} = {toml_string(source)}" for source, key in keys.items()), *measured_lines(rows, keys)])


def _rounded(row: MeasuredRow) -> MeasuredRow:
    latency_s, energy_j = _interval(row.latency_s), None if row.energy_j is None else _interval(row.energy_j)
    power_w = None if row.power_w is None else _digits(row.power_w)
    if energy_j is not None and power_w is not None:
        agreed_w = watts_between(latency_s, energy_j)
        power_w = power_w if agreed_w.low <= power_w <= agreed_w.high else None  # a log's joules are the closer count
    return replace(row, latency_s=latency_s, energy_j=energy_j, power_w=power_w)


def _interval(figure: Interval) -> Interval:
    return Interval(_digits(figure.low), _digits(figure.mid), _digits(figure.high))


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", choices=sorted([*SYSTEMS, *BOARDS]))
    print(text(parser.parse_args().device))

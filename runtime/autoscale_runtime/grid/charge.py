"""What is in this device's battery, kept across runs: where and when it was charged counts, not where it is used.

On mains power the socket's electricity counts, through the charger. Off it, that of the battery's mix: what came in at
each intensity, less what went out, as of water from a stirred tank. A gain that nobody watched, as the app did not
run, counts at the mean of the hours in which it may have come in, at most ``LONGEST_CHARGE_S`` before now. What was in
the battery before anybody watched counts as charged then.
"""

import json
import math
import os
from pathlib import Path
from typing import Any, Final

from autoscale.carbon import ChargeMix, Intensity, IntensitySource, Interval
from autoscale.carbon.intensity.base import KINDS
from autoscale.carbon.intensity.charge_mix import EFFICIENCY
from autoscale.errors import AutoScaleError
from autoscale.files import write_file
from autoscale.query.outcome import Method, worst
from autoscale.units import SECONDS_PER_HOUR

VERSION: Final = 1
LONGEST_CHARGE_S: Final = 8 * 3600.0


def charge_file() -> Path:
    """``autoscale/charge.json`` in the user's state folder (XDG base directories)."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "autoscale" / "charge.json"


class ChargeLog:
    """The mix in a battery. Energies are fractions of a full one: the mix does not ask how large it is.

    Args:
        path: where it is kept; None keeps it in memory only. A damaged file counts as none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._mix: ChargeMix | None = None
        self._time_s = 0.0
        self._kept_s = 0.0
        self._load()

    def update(
        self, source: IntensitySource, place: str, charge: float, is_charging: bool | None, now_s: float
    ) -> Intensity:
        """Take note of the gauge, and tell the intensity of what the device draws now.

        Args:
            source: tells intensities.
            place: where the device is.
            charge: fraction left.
            is_charging: whether mains power is connected; None counts as not.
            now_s: since 1970 UTC.
        """
        mix = self._follow(source, place, charge, now_s)
        self._keep(mix, now_s)
        if is_charging or charge <= 0.0:
            return _through_charger(source.at(place, now_s))
        return mix.intensity(now_s)

    def _follow(self, source: IntensitySource, place: str, charge: float, now_s: float) -> ChargeMix:
        now, mix = source.at(place, now_s), self._mix
        if mix is None or not _mixes(mix, now):
            return ChargeMix.filled(charge, now)
        if charge <= mix.energy_j:
            return mix.drawn(mix.energy_j - charge)
        return mix.charged(charge - mix.energy_j, _mean(source, place, self._time_s, now_s))

    def _load(self) -> None:
        if self._path is None or not self._path.is_file():
            return
        try:
            self._mix, self._time_s = _read(json.loads(self._path.read_bytes()))
            self._kept_s = self._time_s
        except (OSError, ValueError, OverflowError, KeyError, TypeError, AutoScaleError):
            self._mix = None

    def _keep(self, mix: ChargeMix, now_s: float) -> None:
        # A charge that stays is kept each hour too: what comes in after a restart came in after it was last seen.
        is_due = mix != self._mix or not 0.0 <= now_s - self._kept_s < SECONDS_PER_HOUR
        self._mix, self._time_s = mix, now_s
        if self._path is not None and is_due:
            self._kept_s = now_s
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_file(self._path, json.dumps(_plain(mix, now_s)))
            except OSError:
                self._path = None  # a disk that cannot keep it is no reason to stop accounting


def _mixes(mix: ChargeMix, now: Intensity) -> bool:
    """Not after the source was changed: average and marginal do not mix, but for a default that stands in."""
    return mix.kind == now.kind or Method.DEFAULT in (mix.method, now.method)


def _mean(source: IntensitySource, place: str, since_s: float, now_s: float) -> Intensity:
    """The mean over the hours from ``since_s`` on, the longest charge before now at most."""
    hours = int(min(max(now_s - since_s, 0.0), LONGEST_CHARGE_S) // SECONDS_PER_HOUR)
    seen = [source.at(place, now_s - hour * SECONDS_PER_HOUR) for hour in range(hours + 1)]
    if any(each.kind != seen[0].kind for each in seen):
        seen = seen[:1]
    total = sum((each.range_g_per_kwh for each in seen[1:]), seen[0].range_g_per_kwh)
    method = worst(*(each.method for each in seen))
    return Intensity.of(total * (1.0 / len(seen)), seen[0].kind, seen[0].source, now_s, method)


def _through_charger(at: Intensity) -> Intensity:
    source = f"{at.source}, through a charger"
    return Intensity.of(at.range_g_per_kwh * (1.0 / EFFICIENCY), at.kind, source, at.time_s, at.method)


def _plain(mix: ChargeMix, time_s: float) -> dict[str, Any]:
    return {
        "version": VERSION,
        "time_s": time_s,
        "charge": mix.energy_j,
        "carbon": [mix.carbon_g.low, mix.carbon_g.mid, mix.carbon_g.high],
        "kind": mix.kind,
        "method": str(mix.method),
    }


def _read(document: Any) -> tuple[ChargeMix | None, float]:
    if document["version"] != VERSION:
        return None, 0.0
    low, mid, high = (float(each) for each in document["carbon"])
    charge, time_s, kind = float(document["charge"]), float(document["time_s"]), document["kind"]
    if not (0.0 <= charge <= 1.0 and math.isfinite(time_s) and kind in KINDS):
        raise ValueError(f"charge is {charge} at {time_s}, {kind}; allowed: a fraction, a time, average or marginal")
    return ChargeMix(charge, Interval(low, mid, high), kind, Method(document["method"])), time_s

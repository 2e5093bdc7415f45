"""What an intensity source that is plugged in must do: call this from the tests of one of your own.

>>> from autoscale.carbon.intensity.yearly import YearlyAverages
>>> check_intensity_source(YearlyAverages(), place="DE", time_s=1.7e9)

Every check raises AssertionError, with a message that says what was asked and what was wrong with the answer.
"""

from typing import Final

from autoscale.carbon.intensity.base import KINDS, Intensity, IntensitySource
from autoscale.checks.require import require
from autoscale.errors import UnknownName
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

_FAR_S: Final = 50 * 365 * 24 * SECONDS_PER_HOUR
_DIRTIEST_G_PER_KWH: Final = 3000.0
"""No plant that burns anything comes to more; what does has its unit wrong."""


def check_intensity_source(source: IntensitySource, place: str, time_s: float) -> None:
    """Check a source against everything its interface promises.

    Args:
        source: is asked a few dozen times.
        place: one it knows.
        time_s: a time it has a figure for.
    """
    require(source.kind in KINDS, f"kind is {source.kind!r}; allowed: {KINDS}")
    for offset_s in (0.0, SECONDS_PER_HOUR, 24 * SECONDS_PER_HOUR, -SECONDS_PER_HOUR, _FAR_S, -_FAR_S):
        _check_answer(source, place, time_s + offset_s)
    require(source.at(place, time_s) == source.at(place, time_s), "the same question was answered in two ways")
    _check_forecast(source, place, time_s)
    _knows_what_it_does_not_know(source, time_s)


def _check_answer(source: IntensitySource, place: str, time_s: float) -> None:
    answer = source.at(place, time_s)
    asked = f"at({place!r}, {time_s}) is {answer}"
    require(isinstance(answer, Intensity), f"{asked}; allowed: an Intensity")
    require(0.0 <= answer.g_per_kwh <= _DIRTIEST_G_PER_KWH, f"{asked}; allowed: gCO2e/kWh, 0 to 3000")
    require(answer.time_s <= time_s, f"{asked}: the figure holds only from later on")
    require(bool(answer.source), f"{asked}: nobody is named as its source")
    replaced = answer.method is Method.DEFAULT
    require(replaced or answer.kind == source.kind, f"{asked}; allowed: {source.kind}, unless it fell back")


def _check_forecast(source: IntensitySource, place: str, time_s: float) -> None:
    expected = source.forecast(place, time_s, 24 * SECONDS_PER_HOUR)
    times = [each.time_s for each in expected]
    require(times == sorted(set(times)), f"forecast of {place!r} is not in the order of time: {times}")
    for each in expected:
        require(each.method is not Method.MEASURED, f"a forecast says it was measured: {each}")
        require(each.time_s < time_s + 24 * SECONDS_PER_HOUR, f"a forecast beyond the span asked for: {each}")


def _knows_what_it_does_not_know(source: IntensitySource, time_s: float) -> None:
    try:
        answer = source.at("nowhere-at-all", time_s)
    except UnknownName:
        return
    require(answer.method is Method.DEFAULT, f"a place that does not exist was answered with {answer}")

"""The conformance suite of meters: run it over your own and over every registered one.

::

    check_meter(MyMeter(root=tree, clock=clock), spend, unplug=lambda: rmtree(tree))

where ``spend`` lets time pass and joules be spent, and says how many they were.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from autoscale.checks.logged import logged
from autoscale.checks.require import require
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters.base import Mark, Meter, Reading

PARALLEL: Final = 4
WINDOWS: Final = 40
TOLERANCE: Final = 1e-6
TARGET: Final = Target("device", "cpu", "fp32", threads=1)

Spend = Callable[[], float | None]
"""Lets time pass and energy be spent; returns the joules, or None where nobody knows them."""


def work() -> None:
    """Twenty milliseconds of this process's time: what a query is to a meter of this machine."""
    start_s = time.process_time()
    while time.process_time() - start_s < 0.02:
        pass


def check_meter(
    meter: Meter, spend: Spend = work, target: Target = TARGET, unplug: Callable[[], object] | None = None
) -> None:
    """Check that a meter keeps the promises of ``Meter``.

    Args:
        meter: the one to check.
        spend: is called a few times, each longer than the meter's resolution if it is to give a reading.
        target: where the queries run that are measured.
        unplug: takes away what it reads; called last. None where that cannot be done.

    Raises:
        AssertionError: a promise it breaks.
    """
    require(bool(meter.name), f"{type(meter).__name__} has no name")
    _check_radio(meter)
    _check_availability(meter)
    _check_windows(meter, spend, target)
    _check_threads(meter, spend, target)
    if unplug is not None:
        _check_without(meter, spend, target, unplug)


def _check_availability(meter: Meter) -> None:
    why: object = meter.why_unavailable()
    require(why is None or (isinstance(why, str) and bool(why)), f"{meter.name} is unavailable because of {why!r}")
    require(meter.is_available() == (why is None), f"{meter.name} is available: {meter.is_available()}, yet says {why}")


def _check_radio(meter: Meter) -> None:
    """What it does not see of the radio is told apart, and what it sees is not told twice."""
    sees: object = meter.sees_radio
    require(isinstance(sees, bool), f"{meter.name}.sees_radio is {sees!r}; allowed: True or False")
    asked_j = 0.0 if sees else 1.0
    beside_j = meter.radio_beside_j(asked_j)
    problem = f"{meter.name} sees_radio is {sees}, yet of {asked_j} J of a radio it lacks {beside_j}"
    require(beside_j == asked_j, problem)


def _check_windows(meter: Meter, spend: Spend, target: Target) -> None:
    """Windows overlap, each knows its own beginning, and what was spent is what is reported."""
    outer = _begin(meter)
    first_j = spend()
    inner = _begin(meter)
    second_j = spend()
    part, whole = _end(meter, inner, target), _end(meter, outer, target)
    if part is not None and whole is not None:
        require(
            part.window_s <= whole.window_s, f"{meter.name}: a window within another is the longer: {part}, {whole}"
        )
        if part.method is whole.method:
            problem = f"{meter.name}: a window within another cost more: {part}, {whole}"
            require(part.energy_j <= whole.energy_j * (1.0 + TOLERANCE), problem)
    for reading, spent_j in ((part, second_j), (whole, None if first_j is None else first_j + (second_j or 0.0))):
        if spent_j is not None:
            require(reading is not None, f"{meter.name} reported nothing of {spent_j} J")
            is_right = reading is not None and math.isclose(reading.energy_j, spent_j, rel_tol=TOLERANCE)
            require(is_right, f"{meter.name} reported {reading} of {spent_j} J")


def _check_threads(meter: Meter, spend: Spend, target: Target) -> None:
    """One meter serves queries side by side."""

    def query(_: int) -> None:
        mark = _begin(meter)
        _end(meter, mark, target)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(query, range(WINDOWS)))
    mark = _begin(meter)
    spend()
    _end(meter, mark, target)


def _check_without(meter: Meter, spend: Spend, target: Target, unplug: Callable[[], object]) -> None:
    """What cannot be measured is not reported as measured, nor as nothing; and that is logged at most once."""
    mark = _begin(meter)
    unplug()
    with logged("autoscale.meters") as messages:
        for begun in (mark, _begin(meter), _begin(meter)):
            spend()
            reading = _end(meter, begun, target)
            is_honest = reading is None or reading.method is not Method.MEASURED
            require(is_honest, f"{meter.name} reported {reading} after what it reads was taken away")
    require(len(messages) <= 1, f"{meter.name} logged {len(messages)} times that it cannot be read; allowed: once")
    require(not meter.is_available(), f"{meter.name} is available though what it reads was taken away")


def _begin(meter: Meter) -> Mark:
    try:
        mark: object = meter.begin()
    except Exception as error:  # any error is what this check is for: hardware comes and goes
        raise AssertionError(f"{meter.name}.begin() raised {type(error).__name__}: {error}") from error
    require(isinstance(mark, Mark), f"{meter.name}.begin() gave {mark!r}; allowed: a Mark")
    assert isinstance(mark, Mark)
    return mark


def _end(meter: Meter, mark: Mark, target: Target) -> Reading | None:
    try:
        reading = meter.end(mark, target)
    except Exception as error:  # as above
        raise AssertionError(f"{meter.name}.end() raised {type(error).__name__}: {error}") from error
    if reading is not None:
        reported = f"{meter.name} reported {reading}"
        require(0.0 <= reading.energy_j < math.inf, f"{reported}; allowed: 0 or more joules, finite, or None")
        require(0.0 <= reading.window_s < math.inf, f"{reported}; allowed: a window of 0 or more seconds")
        for value in (reading.sampling_s, reading.uncertainty_j):
            is_told = value is None or 0.0 <= value < math.inf
            require(is_told, f"{reported}; allowed: a sampling period and an uncertainty of 0 or more, or None")
        require(isinstance(reading.method, Method), f"{reported}; allowed: a Method")
        require(bool(reading.source), f"{reported}: nobody is named as its source")
        measured = reading.method is Method.MEASURED
        require(not measured or meter.is_available(), f"{reported} as measured, though it is not available")
    return reading

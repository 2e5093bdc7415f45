"""The conformance suite of sensors: run it over your own and over every registered one.

::

    check_sensor(MySensor(root=tree), senses={"temperature_c"}, unplug=lambda: rmtree(tree))
"""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Final

from autoscale.checks.logged import logged
from autoscale.checks.require import require
from autoscale.query.observation import UNKNOWN_LINK, Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor

EVERYTHING: Final = frozenset(each.name for each in fields(Observation))
LOGGER: Final = "autoscale.sensors"
PARALLEL: Final = 4
READINGS: Final = 40


def check_sensor(
    sensor: Sensor,
    senses: Collection[str] = EVERYTHING,
    links: Collection[str] = (),
    unplug: Callable[[], object] | None = None,
) -> None:
    """Check that a sensor keeps the promises of ``Sensor``.

    Args:
        sensor: the one to check; it is read some fifty times.
        senses: the fields of an observation that it may fill.
        links: the names of the links it was made for, where it senses links.
        unplug: takes away what it reads, which is whole until then; called last. None where that cannot be done.

    Raises:
        AssertionError: a promise it breaks.
    """
    require(bool(sensor.name), f"{type(sensor).__name__} has no name")
    with logged(LOGGER) as messages:
        for _ in range(3):
            _check_reading(sensor, senses, links)
        _check_availability(sensor)
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda _: _check_reading(sensor, senses, links), range(READINGS)))
    if unplug is not None:
        require(not messages, f"of what is whole it logged: {messages[:1]}")
        _check_without(sensor, unplug)


def filled(observation: Observation) -> set[str]:
    """The fields that say something."""
    values = {each.name: getattr(observation, each.name) for each in fields(Observation)}
    empty = {"links": all(state == UNKNOWN_LINK for state in observation.links.values())}
    return {name for name, value in values.items() if value is not None and value != {} and not empty.get(name)}


def _check_reading(sensor: Sensor, senses: Collection[str], links: Collection[str]) -> None:
    reading = _read(sensor)
    beyond = filled(reading) - set(senses)
    require(not beyond, f"{sensor.name} fills {sorted(beyond)}; allowed: {sorted(senses)}")
    strange = set(reading.links) - set(links)
    require(not strange, f"{sensor.name} tells of links {sorted(strange)}; allowed: {sorted(links)}")


def _read(sensor: Sensor) -> Observation:
    try:
        reading: object = sensor.read()
    except Exception as error:  # any error is what this check is for: hardware comes and goes
        raise AssertionError(f"{sensor.name} raised {type(error).__name__} on being read: {error}") from error
    require(isinstance(reading, Observation), f"{sensor.name} read {reading!r}; allowed: an Observation")
    assert isinstance(reading, Observation)
    return reading


def _check_availability(sensor: Sensor) -> None:
    available: object = sensor.is_available()
    require(available is True or available is False, f"{sensor.name}.is_available() is {available!r}; allowed: a bool")
    if not available:
        reading = _read(sensor)
        require(reading == NOTHING_SENSED, f"{sensor.name} is not available and yet read {reading}")


def _check_without(sensor: Sensor, unplug: Callable[[], object]) -> None:
    """Absent rather than zero, rather than what it was; and logged at most once."""
    require(_read(sensor) != NOTHING_SENSED, f"{sensor.name} reads nothing, so there is nothing to take away")
    unplug()
    with logged(LOGGER) as messages:
        for _ in range(3):
            reading = _read(sensor)
            require(reading == NOTHING_SENSED, f"{sensor.name} read {reading} after what it reads was taken away")
    require(len(messages) <= 1, f"{sensor.name} logged {len(messages)} times that it cannot be read; allowed: once")
    require(not sensor.is_available(), f"{sensor.name} is available though what it reads was taken away")

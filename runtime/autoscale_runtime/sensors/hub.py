"""All sensors and links of a session in one observation, for next to nothing per query.

Reading the kernel's files takes hundreds of microseconds, so a daemon thread does it: at most every
``max_age_s``, and only while queries come or somebody else asks, as a session does once a minute where there is a
battery whose charge counts. A query that finds nothing but readings older than ten times that, after a pause, waits for
fresh ones itself.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple, Self

from autoscale.agents.paper_state import WEAK_RSSI_DBM
from autoscale.closing import Closing
from autoscale.errors import one_of
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor
from autoscale_runtime.sensors.links import LinkEstimator, TransferTime, usual_link

STALE: Final = 10.0
"""How many times the maximum age a reading may have before a query waits for a new one."""

NO_CIRCUITS: Final[Mapping[str, bool | None]] = {}


class _Seen(NamedTuple):
    version: int
    circuits: Mapping[str, bool | None]
    observation: Observation


class SensorHub(Closing):
    """What a session sees. Thread-safe; a context manager.

    Args:
        sensors: what is read; where two sense the same thing, the later one counts.
        links: names of the links (``Target.link``) whose transfers the session will report.
        max_age_s: how often the sensors are read, at most.
        clock: seconds, monotonic.
        estimator_of: gives what is known of a link by its name, and whether its signal is weak; None where no other
            session uses it.
    """

    def __init__(
        self,
        sensors: Iterable[Sensor],
        links: Sequence[str] = (),
        max_age_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        estimator_of: Callable[[str, bool], LinkEstimator] | None = None,
    ) -> None:
        self.sensors = tuple(sensors)
        self.links = tuple(links)
        # A link behaves as two, with a regular signal and with a weak one: what was learned of the one must not
        # be believed of the other, and must be there again when the signal returns.
        made = estimator_of or (lambda name, weak: estimator(weak, clock))
        self._estimators = {(name, weak): made(name, weak) for name in links for weak in (False, True)}
        self.max_age_s = max_age_s
        self._clock = clock
        self._version = 0
        self._seen = _Seen(-1, NO_CIRCUITS, NOTHING_SENSED)
        self._asked = Event()
        self._closed = Event()
        self._reading = Lock()
        self._thread: Thread | None = None
        self.refresh()

    def now(self, circuits: Mapping[str, bool | None] = NO_CIRCUITS, keeps_awake: bool = True) -> Observation:
        """The current observation.

        Args:
            circuits: link name to whether its circuit breaker lets queries through, None if never tried.
            keeps_awake: whether the sensors are read again for it.
        """
        if keeps_awake and not self._asked.is_set():
            self._ask()
        seen, version = self._seen, self._version + sum([each.lessons for each in self._estimators.values()])
        if seen.version == version and seen.circuits == circuits:
            return seen.observation
        observation = self._compose(circuits)
        self._seen = _Seen(version, dict(circuits), observation)
        return observation

    def transferred(
        self, link: str, sent_bytes: int, received_bytes: int, elapsed_s: float, remote_busy_s: float = 0.0
    ) -> None:
        """Learn from an answered remote query; see ``LinkEstimator.observe``.

        Raises:
            UnknownName: no link of that name.
        """
        self._link(link).observe(sent_bytes, received_bytes, elapsed_s, remote_busy_s)

    def failed(self, link: str, sent_bytes: int, elapsed_s: float) -> None:
        """Learn from a remote query without an answer; see ``LinkEstimator.fail``.

        Raises:
            UnknownName: no link of that name.
        """
        self._link(link).fail(sent_bytes, elapsed_s)

    def probed(self, link: str, sent_bytes: int, received_bytes: int, elapsed_s: float) -> None:
        """Learn from a few bytes that came back; see ``LinkEstimator.probe``.

        Raises:
            UnknownName: no link of that name.
        """
        self._link(link).probe(sent_bytes, received_bytes, elapsed_s)

    def awaits_news(self, link: str) -> bool:
        """Count a query that waits for news of a link; whether to probe it. See ``LinkEstimator.wait``.

        Raises:
            UnknownName: no link of that name.
        """
        return self._link(link).wait()

    def standing(self, link: str) -> tuple[int, float, bool]:
        """What predictions of a link go by, whichever session learned it; see ``LinkEstimator.standing``.

        Raises:
            UnknownName: no link of that name.
        """
        return self._link(link).standing()

    def predict_s(self, link: str, sent_bytes: int, received_bytes: int) -> TransferTime | None:
        """How long a transfer will take; None while nothing is known of the link.

        Raises:
            UnknownName: no link of that name.
        """
        return self._link(link).predict_s(sent_bytes, received_bytes)

    def refresh(self) -> None:
        """Read every sensor now, in this thread."""
        with self._reading:
            self._read = merged(sensor.read() for sensor in self.sensors)
            self._read_s = self._clock()
            self._version += 1

    def freshen(self, within_s: float) -> None:
        """Have every sensor read that the hub's thread would read within so many seconds, or is reading."""
        if self._asked.is_set() and self._read_s + self.max_age_s < self._clock() + within_s:
            self._asked.clear()
            self.refresh()
        elif self._reading.locked():
            with self._reading:
                return

    def start(self) -> Self:
        """Start the thread that keeps the readings fresh; without it they stay as ``refresh`` left them."""
        if self._thread is None and not self._closed.is_set():
            self._thread = Thread(target=self._keep_fresh, name="autoscale-sensors", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop the thread; calling it twice is harmless."""
        self._closed.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def _ask(self) -> None:
        if self._thread is not None:
            if self._clock() - self._read_s > STALE * self.max_age_s:
                self.refresh()
            self._asked.set()

    def _keep_fresh(self) -> None:
        while not self._closed.wait(self._due_in_s()):
            self._asked.wait()
            if not self._closed.is_set() and self._due_in_s() <= 0.0:  # nobody else has read meanwhile
                self._asked.clear()
                self.refresh()

    def _due_in_s(self) -> float:
        """In how many seconds the readings are as old as they may be."""
        return max(self._read_s + self.max_age_s - self._clock(), 0.0)

    def _compose(self, circuits: Mapping[str, bool | None]) -> Observation:
        read = self._read
        links = dict(read.links)
        for name in self.links:
            sensed = read.link(name)
            links[name] = overlaid(sensed, self._link(name).state(sensed.rssi_dbm, circuits.get(name)))
        return replace(read, links=links) if links else read

    def _link(self, name: str) -> LinkEstimator:
        if name not in self.links:
            one_of("link", name, self.links)
        rssi_dbm = self._read.link(name).rssi_dbm
        return self._estimators[name, rssi_dbm is not None and rssi_dbm <= WEAK_RSSI_DBM]


def estimator(is_weak: bool, clock: Callable[[], float] = time.monotonic) -> LinkEstimator:
    """Of a link with a regular signal or a weak one, of which nothing is known yet."""
    return LinkEstimator(clock=clock, usual=usual_link(WEAK_RSSI_DBM if is_weak else None))


def merged(readings: Iterable[Observation]) -> Observation:
    """One observation of several: each fills what it sensed, the later over the earlier."""
    values: dict[str, Any] = {}
    links: dict[str, LinkState] = {}
    for reading in readings:
        present = {each.name: getattr(reading, each.name) for each in fields(Observation)}
        values |= {name: value for name, value in present.items() if value is not None and value != {}}
        for name, state in reading.links.items():
            links[name] = overlaid(links[name], state) if name in links else state
    return Observation(**(values | {"links": links}))


def overlaid(below: LinkState, above: LinkState) -> LinkState:
    """A link's state with what ``above`` knows, and where it does not, what ``below`` knows."""
    known = {each.name: getattr(above, each.name) for each in fields(LinkState)}
    return replace(below, **{name: value for name, value in known.items() if value is not None})

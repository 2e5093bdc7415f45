"""Signal strength of the wireless interface, as Linux tells it in /proc/net/wireless."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor

WEAKEST_DBM: Final = -120.0
"""Below the thermal noise of any Wi-Fi channel; -256 stands for no reading in the kernel's wireless extensions."""


class WifiSensor(Sensor):
    """RSSI of the links that leave this device by Wi-Fi.

    Args:
        links: names of those links (``Target.link``); each gets the same RSSI.
        interface: which interface, as in ``wlan0``; None for the first that tells a level in dBm.
        root: where ``proc`` is found.
    """

    name: ClassVar[str] = "wifi"

    def __init__(
        self, links: Sequence[str] = ("cloud", "edge"), interface: str | None = None, root: Path = Path("/")
    ) -> None:
        self.links = tuple(links)
        self.interface = interface
        self._path = root / "proc" / "net" / "wireless"

    @classmethod
    def on_this_host(cls, links: Sequence[str]) -> Self:
        """All of a session's links are taken to leave by Wi-Fi, where there is a Wi-Fi."""
        return cls(links)

    def sense(self) -> Observation:
        """The RSSI of every link; absent where there is no wireless interface."""
        if not self._path.exists():
            return NOTHING_SENSED
        levels = levels_dbm(self._path.read_text(), self.gap)
        name = next(iter(levels), None) if self.interface is None else self.interface
        if name is None or name not in levels:
            return NOTHING_SENSED
        state = LinkState(rssi_dbm=levels[name])
        return Observation(links=dict.fromkeys(self.links, state))


def levels_dbm(text: str, skip: Callable[[str], object]) -> Mapping[str, float]:
    r"""Interface to signal level of a /proc/net/wireless file, for the interfaces that tell it in dBm.

    A level of 0 or above is a driver's own scale and not in dBm, or none.

    Args:
        text: two lines of headings, then a line for each interface.
        skip: called with what is wrong with a line that does not follow the format.

    >>> levels_dbm(" head | head\n face | face\n wlan0: 0000   54.  -56.  -256   0 0 0 0 0 0\n", print)
    {'wlan0': -56.0}
    """
    levels = {}
    for line in text.splitlines()[2:]:
        try:
            interface, level_dbm = _level_dbm(line)
        except ValueError as error:
            skip(str(error))
            continue
        if WEAKEST_DBM <= level_dbm < 0.0:
            levels[interface] = level_dbm
    return levels


def _level_dbm(line: str) -> tuple[str, float]:
    interface, separator, rest = line.partition(":")
    columns = rest.split()
    if not separator or len(columns) < 3:
        raise ValueError(f"'{line.strip()}' is no line of /proc/net/wireless")
    return interface.strip(), float(columns[2])

"""RAPL: the energy counters of x86 processors, as Linux tells them in /sys/class/powercap.

They count what the whole package (and its DRAM, where there is such a domain) spent, idle power and other
processes included, in steps of about 1 ms; hence no reading below 50 ms. Since Linux 5.10 only root may
read them (CVE-2020-8694).
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar, Final, Self

from autoscale_runtime.meters.base import CounterMeter
from autoscale_runtime.meters.counter_sum import CounterSum

MEMORY: Final = "dram"

REFRESH_S: Final = 1e-3
"""Intel's Software Developer's Manual, volume 3B, on the energy status registers: renewed about every millisecond.

It tells no accuracy; others found RAPL's packages within a few percent of a wall meter's change (Khan et al., "RAPL in
Action", 2018). A reading's uncertainty is of the sampling alone.
"""


class RaplMeter(CounterMeter):
    """All packages of the machine and their DRAM.

    Without one of its packages the sum would not be the machine's, so there is none then; memory that cannot be read
    is left out, and ``scope`` says what is in.

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "rapl"
    shortest_s: ClassVar[float] = 0.05
    refresh_s = REFRESH_S

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._folder = root / "sys" / "class" / "powercap"
        self._domains = counted_domains(self._folder)
        self._lock = Lock()
        self._sum = CounterSum()
        self.scope = self._scope()

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The counters of this machine; they need no power table."""
        return cls()

    def why_unavailable(self) -> str | None:
        """No counters, or none that this user may read."""
        if not self._domains:
            return f"no RAPL counters in {self._folder}"
        try:
            self.read_j()
        except PermissionError as error:
            return f"{error.filename} is readable by root alone: sudo chmod a+r {self._folder}/*/energy_uj"
        except (OSError, ValueError) as error:
            return str(error)
        return None

    def read_j(self) -> float:
        """Joules since the first call, over the wrapping of the counters.

        A counter wraps after minutes to hours; more than one wrap between two calls cannot be seen. One that falls
        otherwise was reset, as by a suspended machine or a reloaded driver: a gap.

        Raises:
            OSError: a counter has vanished, or may not be read.
            ValueError: a counter holds garbage.
        """
        with self._lock:
            now_j = self._read()
            if now_j.keys() != self._domains.keys():
                self._domains = {name: self._domains[name] for name in now_j}
                self.scope = self._scope()
            for problem in self._sum.add(now_j, self.clock(), self._wraps_at_j):
                self.gap(problem)
            return self._sum.total_j

    def _read(self) -> dict[str, float]:
        read = {}
        for name, domain in self._domains.items():
            try:
                read[name] = _microjoules(domain / "energy_uj") / 1e6
            except (OSError, ValueError):
                if not _name(domain).startswith(MEMORY):
                    raise
        return read

    def _wraps_at_j(self, name: str) -> float | None:
        """A counter that wraps says where: it counts from 0 to there and starts again."""
        try:
            return (_microjoules(self._domains[name] / "max_energy_range_uj") + 1) / 1e6
        except (OSError, ValueError):
            return None

    def _scope(self) -> str:
        return f"RAPL {' + '.join(_name(domain) for domain in self._domains.values())}"


def counted_domains(powercap: Path) -> dict[str, Path]:
    """Folders of the packages and of their DRAM, by their names; cores and uncore are within a package.

    The platform domain (``psys``) contains the packages, so it is left out, and so is a domain without a counter.
    """
    domains = [each.parent for each in sorted(powercap.glob("intel-rapl:*/energy_uj"))]
    return {each.name: each for each in domains if _name(each).startswith(("package", MEMORY))}


def _microjoules(path: Path) -> int:
    count_uj = int(path.read_text())
    if count_uj < 0:
        raise ValueError(f"{path} is {count_uj}; allowed: 0 or more")
    return count_uj


def _name(domain: Path) -> str:
    try:
        return (domain / "name").read_text().strip()
    except OSError:
        return ""

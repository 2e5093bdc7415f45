"""RAPL: the energy counters of x86 processors, as Linux tells them in /sys/class/powercap.

They count what the whole package (and its DRAM, where there is such a domain) spent, idle power and other
processes included, in steps of about 1 ms; hence no reading below 50 ms. Since Linux 5.10 only root may
read them (CVE-2020-8694).
"""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

from autoscale_runtime.meters.base import CounterMeter


class RaplMeter(CounterMeter):
    """All packages of the machine and their DRAM.

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
    """

    name: ClassVar[str] = "rapl"
    shortest_s: ClassVar[float] = 0.05

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._folder = root / "sys" / "class" / "powercap"
        self._domains = counted_domains(self._folder)
        self._lock = Lock()
        self._last_uj: list[int] = []
        self._total_uj = 0
        self.scope = f"RAPL {' + '.join(_name(domain) for domain in self._domains)}"

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

        A counter wraps after minutes to hours; more than one wrap between two calls cannot be seen.

        Raises:
            OSError: a counter has vanished, or may not be read.
            ValueError: a counter holds garbage.
        """
        with self._lock:
            now_uj = [int((domain / "energy_uj").read_text()) for domain in self._domains]
            for domain, before, now in zip(self._domains, self._last_uj, now_uj, strict=False):
                if now < before:
                    # A counter that wraps says where: it counts from 0 to there and starts again.
                    now += int((domain / "max_energy_range_uj").read_text()) + 1
                self._total_uj += max(now - before, 0)
            self._last_uj = now_uj
            return self._total_uj / 1e6


def counted_domains(powercap: Path) -> list[Path]:
    """Folders of the packages and of their DRAM; cores and uncore are within a package.

    The platform domain (``psys``) contains the packages, so it is left out.
    """
    domains = sorted(powercap.glob("intel-rapl:*"))
    return [each for each in domains if _name(each).startswith(("package", "dram"))]


def _name(domain: Path) -> str:
    try:
        return (domain / "name").read_text().strip()
    except OSError:
        return ""

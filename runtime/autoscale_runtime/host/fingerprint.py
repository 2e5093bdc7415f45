"""Which machine this is, in words that are the same tomorrow and differ on a machine that computes otherwise."""

import logging
import platform
from pathlib import Path
from typing import Final

import psutil

from autoscale.profiles import DeviceProfile
from autoscale_runtime.host.cores import usable_cores

_LOG: Final = logging.getLogger("autoscale.profiles")

_NAMES: Final = ("model name", "hardware", "cpu model")
"""Keys of /proc/cpuinfo under which a processor goes by a name people know."""
_BUILDS: Final = ("cpu family", "model", "cpu part")
"""Those that tell two builds of one name apart."""


def fingerprint(root: Path = Path("/")) -> str:
    """Processor, architecture, cores that may be used and memory: a profile that was measured here fits such a machine.

    Args:
        root: where ``proc`` is found.
    """
    memory_gb = round(psutil.virtual_memory().total / 2**30)
    cores = usable_cores()
    return f"{processor_name(root)}, {platform.machine()}, {cores} core{'s' * (cores > 1)}, {memory_gb} GiB"


def tell_if_foreign(device: DeviceProfile) -> DeviceProfile:
    """The same profile, after a warning where its rows were measured on a machine that is not like this one."""
    if device.fingerprint and device.fingerprint != (here := fingerprint()):
        _LOG.warning(
            "profile '%s' was measured on another machine, '%s'; this one is '%s': calibrate it here",
            device.name,
            device.fingerprint,
            here,
        )
    return device


def processor_name(root: Path = Path("/")) -> str:
    """The processor as Linux names it, else the board, else what Python knows."""
    facts = _cpuinfo(root)
    board = _text(root / "proc" / "device-tree" / "model").strip("\0 \n")
    name = next((facts[key] for key in _NAMES if key in facts), "") or board or platform.processor() or "processor"
    build = " ".join(facts[key] for key in _BUILDS if key in facts)
    return f"{name} ({build})" if build else name


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's lines, by their keys in lower case."""
    first = _text(root / "proc" / "cpuinfo").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon and value.strip()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

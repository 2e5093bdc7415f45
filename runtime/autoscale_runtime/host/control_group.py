"""What a container may use of its machine: the CPU quotas and memory limits of Linux's control groups, v1 and v2.

A limit may stand at any level from the process's own group up to the root of what is mounted: the tightest counts. A
level that cannot be read, or that says ``max``, limits nothing. Files and units are those of the kernel's
``admin-guide/cgroup-v2.rst``, ``scheduler/sched-bwc.rst`` and ``admin-guide/cgroup-v1/memory.rst``.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

V2: Final = ""
"""The controller that /proc/self/cgroup writes for version 2, whose one tree has them all."""


UNLIMITED_BYTES: Final = 1 << 60
"""Version 1 writes no limit as the largest number of pages that it can count."""


class MemoryLimit(NamedTuple):
    """The most that a group may hold, and what it holds without the files that the kernel can drop at once.

    ``used_bytes`` is None where it cannot be read.
    """

    limit_bytes: int
    used_bytes: int | None


class ControlGroup:
    """The group this process was in when this was made; its limits are read anew each time.

    Args:
        root: where ``proc`` is found, and the folders that are mounted.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        mounted = list(_mounted(root))
        self._cpu = [folder for controller, folders in mounted if controller in (V2, "cpu") for folder in folders]
        self._memory = [folder for controller, folders in mounted if controller in (V2, "memory") for folder in folders]

    def cpu_quota(self) -> float | None:
        """Cores' worth of CPU time, as in 1.5; None where there is no quota."""
        return min((quota for quota in map(_cpu_quota, self._cpu) if quota is not None), default=None)

    def memory(self) -> MemoryLimit | None:
        """The tightest limit; None where there is none."""
        limits = [
            (limit_bytes, folder) for folder in self._memory if (limit_bytes := _memory_limit(folder)) is not None
        ]
        if not limits:
            return None
        limit_bytes, folder = min(limits, key=lambda limit: limit[0])
        return MemoryLimit(limit_bytes, _memory_used(folder))


def _mounted(root: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each controller, and the folders of this process's group and of those above it."""
    paths = dict(_groups(_text(root / "proc" / "self" / "cgroup")))
    for line in _text(root / "proc" / "self" / "mountinfo").splitlines():
        before, separator, after = line.partition(" - ")
        mount, kind = before.split(), after.split()
        if not separator or len(mount) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        top = root / _unescaped(mount[4]).lstrip("/")
        for controller in [V2] if kind[0] == "cgroup2" else kind[2].split(","):
            if controller in paths:
                yield controller, _upwards(top, _unescaped(mount[3]), paths[controller])


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Controller to path, from lines as ``4:cpu,cpuacct:/docker/1f2e`` or, of version 2, ``0::/docker/1f2e``."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        for controller in controllers.split(",") if separator else ():
            yield controller, path


def _upwards(top: Path, mounted: str, path: str) -> list[Path]:
    """The group's folder and those above it, up to the mount point.

    A path that does not lie in what is mounted is another namespace's name for it: then it is the mount point.
    """
    inner = PurePosixPath(path)
    if ".." in inner.parts or not inner.is_relative_to(mounted):
        return [top]
    relative = inner.relative_to(mounted)
    return [top / each for each in (relative, *relative.parents)]


def _cpu_quota(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split()
    quota, period = words if len(words) == 2 else (_text(folder / f"cpu.cfs_{each}_us") for each in ("quota", "period"))
    quota_us, period_us = _whole(quota), _whole(period)
    return quota_us / period_us if quota_us and period_us else None


def _memory_limit(folder: Path) -> int | None:
    limit_bytes = _whole(_text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes"))
    return limit_bytes if limit_bytes and limit_bytes < UNLIMITED_BYTES else None


def _memory_used(folder: Path) -> int | None:
    used_bytes = _whole(_text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes"))
    stat = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    # Version 1 has a figure of this group alone too, as ``inactive_file``; its total stands beside that.
    cache_bytes = _whole(stat.get("total_inactive_file", stat.get("inactive_file", ""))) or 0
    return None if used_bytes is None else max(used_bytes - cache_bytes, 0)


def _whole(text: str) -> int | None:
    """A number of 0 or more; None for ``max``, for v1's -1 and for garbage."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _unescaped(path: str) -> str:
    """A path of /proc/self/mountinfo, which writes white space as an octal number."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""Frequency steps of the CPU through Linux's cpufreq, where that is permitted; what was set is always put back.

Files and units are those of the kernel's ``Documentation/admin-guide/pm/cpufreq.rst``: kHz, one folder a policy, each
for some of the cores. A held step is both limits of every policy. They are put back by this process when it lets go; by
a child of a few kilobytes when this process ends in any way that it cannot do so (a signal, an exception, ``kill -9``);
and, should both have been killed, by the next process that looks, which says so.
"""

import atexit
import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple

import psutil

from autoscale.errors import InvalidInput
from autoscale.units import mhz_from_hz
from autoscale_runtime.host.cache import cache_folder

_LOG: Final = logging.getLogger("autoscale.host")

_GUARD: Final = """
trap '' INT TERM HUP
cat > /dev/null
[ -f "$1" ] || exit 0
{
    read -r boot pid created
    [ "$pid" = "$2" ] || exit 0
    while read -r lowest least most folder; do
        echo "$lowest" > "$folder/scaling_min_freq"
        echo "$most" > "$folder/scaling_max_freq"
        echo "$least" > "$folder/scaling_min_freq"
    done
} < "$1"
rm -f "$1"
"""
"""Waits for the end of its input, which is the end of whoever holds the other end; then, where that one's note is still
there, puts back what it tells and takes it away."""


class Limits(NamedTuple):
    """Between which frequencies a policy's cores may run, in kHz."""

    least_khz: int
    most_khz: int


class _Note(NamedTuple):
    """Who holds a step, and what is to be put back: a line of boot, process and its beginning, then one a policy."""

    boot: str
    pid: int
    created_s: str
    before: Mapping[Path, Limits]

    def written(self) -> str:
        lines = [f"{self.boot} {self.pid} {self.created_s}"]
        lines += [f"{_lowest_khz(policy)} {limits[0]} {limits[1]} {policy}" for policy, limits in self.before.items()]
        return "\n".join(lines) + "\n"

    @classmethod
    def read(cls, text: str) -> "_Note":
        """Raises ValueError unless it was written so."""
        first, *rest = text.splitlines() or [""]
        boot, pid, created_s = first.split()
        each = [line.split(maxsplit=3) for line in rest]
        return cls(boot, int(pid), created_s, {Path(path): Limits(int(low), int(top)) for _, low, top, path in each})


class CpuFrequency:
    """The frequency of all cores together. Thread-safe; one process of a machine holds a step at a time.

    Making it puts back what a process left behind that was killed together with its guard, and logs that.

    Args:
        root: where ``sys`` and ``proc`` are found.
        note: the file that tells what is to be put back, while a step is held.
    """

    def __init__(self, root: Path = Path("/"), note: Path | None = None) -> None:
        self._policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
        self._note = cache_folder() / "cpufreq.json" if note is None else note
        self._boot = _text(root / "proc/sys/kernel/random/boot_id") or "unknown"
        self._lock = RLock()
        self._before: Mapping[Path, Limits] = {}
        self._guard: subprocess.Popen[bytes] | None = None
        self._recover()

    def why_unavailable(self) -> str | None:
        """What keeps steps from being set on this host, for people to read; None where they can be."""
        if not self._policies:
            return "no cpufreq here: /sys/devices/system/cpu/cpufreq has no policy"
        closed = [each for each in self._policies if not os.access(each / "scaling_max_freq", os.W_OK)]
        if closed:
            return f"{closed[0]}/scaling_max_freq is writable by root alone"
        return None

    def steps_hz(self) -> list[int]:
        """The frequencies that every policy has, lowest first; of one that lists none, its lowest and its highest.

        Raises:
            OSError: a file cannot be read.
            ValueError: a file holds garbage.
        """
        each_khz = [_steps_khz(policy) for policy in self._policies]
        return sorted(1000 * step for step in set.intersection(*each_khz)) if each_khz else []

    @contextmanager
    def held(self, frequency_hz: int) -> Iterator[None]:
        """All cores run at this step within the block, and as before after it.

        Args:
            frequency_hz: one of the steps.

        Raises:
            InvalidInput: it is none of the steps, or this host or another process does not permit it.
        """
        self.hold(frequency_hz)
        try:
            yield
        finally:
            self.let_go()

    def hold(self, frequency_hz: int) -> None:
        """Let all cores run at this step until :meth:`let_go`; arguments and errors as of :meth:`held`."""
        with self._lock:
            self._check(frequency_hz)
            try:
                if not self._before:
                    self._before = {policy: _limits(policy) for policy in self._policies}
                    self._leave_note()
                    self._be_guarded()
                for policy in self._policies:
                    _set(policy, Limits(frequency_hz // 1000, frequency_hz // 1000))
            except OSError as error:
                self.let_go()
                raise InvalidInput(f"cannot set {mhz_from_hz(frequency_hz):g} MHz: {error}") from error

    def let_go(self) -> None:
        """Put the limits back that were there before the first :meth:`hold`; harmless where nothing is held."""
        with self._lock:
            before, self._before = self._before, {}
            if before:
                _restore(before)
                self._note.unlink(missing_ok=True)

    def _check(self, frequency_hz: int) -> None:
        why = self.why_unavailable()
        if why is not None:
            raise InvalidInput(f"no frequency can be set: {why}")
        steps_hz = self.steps_hz()
        if frequency_hz not in steps_hz:
            allowed = ", ".join(f"{mhz_from_hz(each):g}" for each in steps_hz)
            raise InvalidInput(f"{mhz_from_hz(frequency_hz):g} MHz is no step of this CPU; allowed: {allowed} MHz")
        told = self._noted()
        if told is not None and told.pid != os.getpid() and _is_alive(told):
            raise InvalidInput(f"process {told.pid} holds this CPU's frequency; one at a time can")

    def _be_guarded(self) -> None:
        """By one child for all steps that this process will hold."""
        if self._guard is None or self._guard.poll() is not None:
            command = ["/bin/sh", "-c", _GUARD, "autoscale-cpufreq", str(self._note), str(os.getpid())]
            # A session of its own: what ends this process from a terminal does not end it.
            guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            self._guard = guard
            os.register_at_fork(after_in_child=lambda: _close(guard))
            atexit.register(_end, guard)

    def _leave_note(self) -> None:
        me = psutil.Process()
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(_Note(self._boot, me.pid, repr(me.create_time()), self._before).written())

    def _noted(self) -> _Note | None:
        """What the note says, if it is of this boot: the kernel forgets limits with the next."""
        try:
            told = _Note.read(self._note.read_text())
        except (OSError, ValueError):
            return None
        return told if told.boot == self._boot else None

    def _recover(self) -> None:
        told = self._noted()
        if told is not None and not _is_alive(told):
            _restore(told.before)
            self._note.unlink(missing_ok=True)
            _LOG.warning("process %s was killed while it held the CPU's frequency: its limits are put back", told.pid)


def _is_alive(told: _Note) -> bool:
    try:
        return repr(psutil.Process(told.pid).create_time()) == told.created_s
    except (ValueError, psutil.Error):
        return False


def _steps_khz(policy: Path) -> set[int]:
    listed = _text(policy / "scaling_available_frequencies").split()
    return {int(each) for each in listed or (_text(policy / f"cpuinfo_{end}_freq") for end in ("min", "max"))}


def _limits(policy: Path) -> Limits:
    return Limits(int(_text(policy / "scaling_min_freq")), int(_text(policy / "scaling_max_freq")))


def _restore(before: Mapping[Path, Limits]) -> None:
    """All that can be put back, whatever one policy says: a core may have gone offline."""
    for policy, limits in before.items():
        with suppress(OSError, ValueError):
            _set(policy, limits)


def _set(policy: Path, limits: Limits) -> None:
    """The lower limit may never be above the upper one, so it goes down first."""
    for name, khz in (("min", _lowest_khz(policy)), ("max", limits.most_khz), ("min", limits.least_khz)):
        (policy / f"scaling_{name}_freq").write_text(f"{khz}\n")


def _lowest_khz(policy: Path) -> int:
    return int(_text(policy / "cpuinfo_min_freq"))


def _close(guard: "subprocess.Popen[bytes]") -> None:
    """Also in a forked child: the guard waits for the parent alone."""
    if guard.stdin is not None:
        with suppress(OSError):
            guard.stdin.close()


def _end(guard: "subprocess.Popen[bytes]") -> None:
    """Let it put back what is held, if anything is."""
    _close(guard)
    guard.wait()


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""

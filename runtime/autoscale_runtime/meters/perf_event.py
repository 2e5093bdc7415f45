"""One counter of Linux's perf events, over all processes, on one CPU: ``perf_event_open(2)``.

The call has no wrapper in any C library. Its first argument is a structure of which all but type, size and config
may be 0; the first published size, 64 bytes, is taken by every kernel.
"""

import ctypes
import os
import platform
import struct
import weakref
from typing import Final, Protocol

SYSCALLS: Final = {"x86_64": 298, "aarch64": 241}
"""The call's number by machine, of the kernel's ``syscall.tbl`` and ``asm-generic/unistd.h``."""

_ATTRIBUTES_BYTES: Final = 64
_CLOSE_ON_EXEC: Final = 1 << 3
_EVERYBODY: Final = -1
_NO_GROUP: Final = -1


class Counter(Protocol):
    """Something that counts."""

    def count(self) -> int:
        """What it has counted since it was opened."""


class PerfEvent:
    """A counter that runs until this is dropped.

    Args:
        pmu: number of the kind of counter, as a PMU's ``type`` says it.
        config: which of its events.
        cpu: where it counts.

    Raises:
        PermissionError: this user may not open it.
        OSError: the kernel has no such event, or this is no Linux.
    """

    def __init__(self, pmu: int, config: int, cpu: int) -> None:
        number = SYSCALLS.get(platform.machine())
        if number is None or not hasattr(os, "sched_getaffinity"):
            raise OSError(f"perf events are known of Linux on {', '.join(SYSCALLS)}, not of {platform.platform()}")
        attributes = struct.pack("=IIQ", pmu, _ATTRIBUTES_BYTES, config).ljust(_ATTRIBUTES_BYTES, b"\0")
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = int(libc.syscall(number, attributes, _EVERYBODY, cpu, _NO_GROUP, _CLOSE_ON_EXEC))
        if self._file < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"perf event {config:#x} of PMU {pmu} on CPU {cpu}: {os.strerror(code)}")
        weakref.finalize(self, os.close, self._file)

    def count(self) -> int:
        """What it has counted since it was opened.

        Raises:
            OSError: it cannot be read.
        """
        return int.from_bytes(os.read(self._file, 8), byteorder="little")

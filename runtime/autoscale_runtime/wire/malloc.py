"""Keeps freed memory in the process, so that large messages are not paid for in page faults.

glibc gives a freed block of a message's size back to the kernel and asks for it again with the next message. On a
602 kB request that is more than half of what gRPC costs over loopback.
"""

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8


def keep_freed_memory() -> bool:
    """Tell glibc to hold up to 512 MiB of freed memory; False where the C library is another.

    In one arena for all threads: else each of gRPC's holds as much as it ever had under way, and a server of 602 kB
    queries grows for many minutes.

    For a whole process, so for programs, never for a library to call on its own.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError):  # a library of another make; on Windows none is the process's own
        return False
    settings = ((_TRIM_THRESHOLD, 1 << 29), (_MMAP_THRESHOLD, 1 << 29), (_TOP_PAD, 1 << 26), (_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in settings)

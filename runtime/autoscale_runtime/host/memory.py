"""Memory that is free but still held by this process."""

import ctypes

import psutil


def give_back_freed_memory() -> bool:
    """Tell glibc to give freed pages back to the kernel; False where the C library is another.

    A model that was read and let go leaves its size in freed blocks between others, which glibc keeps by itself.
    """
    try:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # Windows has no library of that kind
        return False
    return trim is not None and trim(0) >= 0


def resident_bytes() -> int:
    """What this process holds of the machine's memory."""
    return int(psutil.Process().memory_info().rss)


def machine_bytes() -> int:
    """All the memory of this machine."""
    return int(psutil.virtual_memory().total)

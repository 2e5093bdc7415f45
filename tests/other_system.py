"""A process as Windows or macOS would have it: what only Linux has is hidden, whatever was imported before.

``python -m tests.other_system SCRIPT ARGUMENTS`` runs a script so.
"""

import ctypes
import errno
import os
import runpy
import select
import selectors
import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

GONE_FROM_OS = (
    "O_CLOEXEC O_DIRECTORY O_NOFOLLOW fork getloadavg geteuid getuid killpg pread pwrite register_at_fork "
    "sched_getaffinity sched_setaffinity setsid statvfs sysconf"
)
GONE_FROM_SIGNAL = "SIGHUP SIGUSR1 SIGUSR2 pause sigwait pthread_kill setitimer"
GONE_FROM_PSUTIL = "sensors_temperatures sensors_fans"
GONE_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
PACKAGES = "numpy grpc onnx onnxruntime pyarrow duckdb rich.console typer"
"""Others' packages look for Linux by its name, which stays: they are imported while everything is there."""

FOLDERS = ("/proc", "/sys")


def hide() -> None:
    """Take it all away from this process, for good."""
    for package in PACKAGES.split():
        if find_spec(package.partition(".")[0]):
            import_module(package)
    sys.modules["msvcrt"] = _msvcrt()
    for name in GONE_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # what makes an import fail
    for module, names in ((os, GONE_FROM_OS), (signal, GONE_FROM_SIGNAL), (psutil, GONE_FROM_PSUTIL)):
        for name in filter(lambda each, module=module: hasattr(module, each), names.split()):
            delattr(module, name)
    del psutil.Process.cpu_affinity, select.epoll, selectors.EpollSelector
    selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc, assignment]
    ctypes.CDLL = _library(ctypes.CDLL)  # type: ignore[assignment, misc]
    os.stat = _stat(os.stat)
    sys.addaudithook(_refuse)


def _msvcrt() -> ModuleType:
    """Windows' lock, as far as a handle's can be had here."""
    import fcntl

    def locking(handle: int, mode: int, size: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    module = ModuleType("msvcrt")
    vars(module).update(LK_NBLCK=2, locking=locking)
    return module


def _library(real: Any) -> Any:
    def library(name: str | None, *rest: Any, **options: Any) -> Any:
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        return real(name, *rest, **options)

    return library


def _stat(real: Any) -> Any:
    def stat(path: Any, *rest: Any, **options: Any) -> Any:
        _refuse("open", (path,))
        return real(path, *rest, **options)

    return stat


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Linux's own files are there for psutil alone, which elsewhere asks the system in other ways."""
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(FOLDERS) and not _is_psutil():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), arguments[0])


def _is_psutil() -> bool:
    frame = sys._getframe()
    while (frame := frame.f_back) is not None:  # type: ignore[assignment]
        if frame.f_globals.get("__name__", "").startswith("psutil"):
            return True
    return False


if __name__ in ("__main__", "__mp_main__"):  # in the script's process and in those that it spawns, never in pytest's
    hide()

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")

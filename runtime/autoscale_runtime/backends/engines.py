"""Which engines read a model format: backends under the names they are registered by, the one that ships first.

What a plug-in breaks is its own: one that cannot be imported, or that fails where a backend must not, is left out with
a warning, and nobody who did not ask for it is worse off.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from autoscale.errors import AutoScaleError, ModelError, listing
from autoscale.query.target import Target
from autoscale_runtime.backends.base import BACKENDS, Backend, Runner
from autoscale_runtime.backends.guarded import GuardedRunner
from autoscale_runtime.backends.tensors import TensorSpec

Specs = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""A model's inputs and outputs."""

OFF: Final = "AUTOSCALE_BACKENDS_OFF"
"""The environment variable that names backends to leave alone, separated by commas."""

HEAD_BYTES: Final = 64
"""As much of a file is looked at to tell its format."""

_LOG: Final = logging.getLogger("autoscale.backends")


@dataclass(frozen=True, slots=True)
class Engine:
    """One backend, as it stands to a model format.

    Attributes:
        name: by which it is registered.
        backend: what does the work.
        is_shipped: whether it is the engine that ships for the format: the one whose answers others are held to.
    """

    name: str
    backend: Backend
    is_shipped: bool

    @property
    def is_available(self) -> bool:
        """Whether what it needs is installed here."""
        try:
            return self.backend.is_available()
        except Exception as error:  # a plug-in may raise anything
            self._leave_out(error)
            return False

    def targets(self, precision: str) -> list[Target]:
        """The targets of this device that it offers for a file of that precision, as it names them itself."""
        try:
            offered = self.backend.targets(precision)
            return [each for each in offered if each.precision == precision and not each.is_remote]
        except Exception as error:  # a plug-in may raise anything
            self._leave_out(error)
            return []

    def named(self, target: Target) -> Target:
        """A target of this engine with its name on it.

        Raises:
            InvalidTarget: the engine is registered by a name that no target can carry.
        """
        return replace(target, engine=self.name)

    def on_cpu(self, precision: str, threads: int) -> Target:
        """The CPU at that many threads; its first target where it has none on the CPU.

        Raises:
            ModelError: it has no target for that precision.
        """
        targets = self.targets(precision)
        if not targets:
            raise ModelError(f"engine '{self.name}' runs no {precision} files on this host")
        if any(each.processor == "cpu" for each in targets):
            return Target("device", "cpu", precision, threads=threads)
        return targets[0]

    def load(self, path: Path, target: Target, specs: Specs | None = None) -> Runner:
        """Load a file for one of its targets, guarded unless it ships and is ours.

        Args:
            path: the file.
            target: as ``targets`` or ``on_cpu`` gave it.
            specs: what the model takes and gives, where that is known.

        Raises:
            ModelError: not a model, truncated, or beyond this engine.
            MissingExtra: its package is not installed.
        """
        if self.backend.may_kill and target.processor != "cpu" and path.is_file():
            from autoscale_runtime.backends.trial import check_survives  # here: few hosts have what needs it

            check_survives(self.backend, path, target)
        if self.is_shipped and type(self.backend).__module__.startswith("autoscale_runtime."):
            return self._load(path, target, specs)
        try:
            return GuardedRunner(self.name, self._load(path, target, specs), *(specs or (None, None)))
        except AutoScaleError:
            raise
        except (Exception, SystemExit) as error:  # a plug-in may raise anything
            raise ModelError(f"engine '{self.name}' cannot load '{path}': {error!r}") from error

    def _load(self, path: Path, target: Target, specs: Specs | None) -> Runner:
        runner = self.backend.load(path, target)
        if specs is not None:
            runner.fit(*specs)
        return runner

    def _leave_out(self, error: Exception) -> None:
        if self.is_shipped:
            raise error
        _complain(self.name, repr(error))


def format_of(path: Path) -> str:
    """The suffix of a file's format, in lower case: that of its name where some engine reads it, else by its content.

    Where no engine knows either, what its name says.
    """
    suffix = path.suffix.lower()
    known = made().values()
    if any(suffix in each.suffixes for each in known) or not path.is_file():
        return suffix
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return next(filter(None, (each.suffix_of(head) for each in known)), suffix)


def data_files(path: Path) -> list[str]:
    """Further files that hold a file's weights, relative to its folder, as the first engine that knows tells."""
    return next(filter(None, (each.backend.data_files(path) for each in engines(format_of(path)))), [])


def keeps_state(path: Path) -> bool:
    """Whether a file remembers one query in the next, as the engine that ships says."""
    able = [each for each in engines(format_of(path)) if each.is_shipped and each.is_available]
    return any(each.backend.keeps_state(path) for each in able)


def engines(suffix: str, own: Mapping[str, Backend] | None = None) -> Iterator[Engine]:
    """The engines that read files of a suffix, installed or not: the one that ships for it, then the others by name.

    Args:
        suffix: of the format.
        own: backends that stand in the place of those registered by these names.
    """
    shipped = None
    for name, backend in {**made(), **(own or {})}.items():
        if suffix.lower() in backend.suffixes:
            is_shipped = shipped is None and name in BACKENDS.builtin
            shipped = name if is_shipped else shipped
            yield Engine(name, backend, is_shipped)


def installed(suffix: str) -> list[Engine]:
    """The engines for a suffix that can run here; where none can, the first, which says what it lacks when it loads."""
    known = list(engines(suffix))
    return [each for each in known if each.is_available] or known[:1]


def suffixes() -> list[str]:
    """Every suffix that some engine reads, those that ship first."""
    return list(dict.fromkeys(suffix for backend in made().values() for suffix in backend.suffixes))


def load(path: Path) -> tuple[Engine, Runner]:
    """The file in the first engine that can load it, on one thread where that is on the CPU.

    Raises:
        ModelError: not a model, or in a format no engine reads.
        MissingExtra: the package that runs the format is not installed.
    """
    refusal: ModelError | None = None
    for engine in installed(format_of(path)):
        try:
            return engine, engine.load(path, engine.on_cpu("fp32", 1))
        except ModelError as error:
            refusal = refusal or error
    raise refusal or ModelError(
        f"no backend reads '{path}'; allowed: a bundle's folder, or a file that ends in {listing(suffixes())}"
    )


def made() -> dict[str, Backend]:
    """Every backend by its name, those that ship first."""
    found: dict[str, Backend] = {}
    off = {each.strip() for each in os.environ.get(OFF, "").split(",")}
    for name in (*BACKENDS.builtin, *(each for each in BACKENDS.names() if each not in BACKENDS.builtin)):
        if name in off:
            continue
        try:
            found[name] = BACKENDS.get(name)()
        except Exception as error:  # a plug-in may be anybody's
            if name in BACKENDS.builtin:
                raise
            _complain(name, f"it cannot be imported: {error!r}")
    return found


@cache
def _complain(name: str, reason: str) -> None:
    """Once a process: every session, bundle and inspection asks the same plug-in again."""
    _LOG.warning("backend '%s' is left out: %s", name, reason)

"""What getting to know this device's own targets told, kept in a file: the next session of the model starts from it.

It holds as long as model, engines, machine and meter are what they were: then the same kernels answer the same, and as
fast. Of other machines nothing is kept: a link is another every day. Nothing of a query is in it. After a week it is
made anew: what was measured in a bad moment, as twice as slow, is not looked at again by a session that believes it.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from autoscale.errors import ModelError
from autoscale.files import is_stream, write_file
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Backend
from autoscale_runtime.backends.engines import engines, format_of
from autoscale_runtime.host.fingerprint import fingerprint
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.splitting.split_model import HEAD, TAIL
from autoscale_runtime.models.variant import digest

SCHEMA: Final = 1

MOST: Final = 1e6
"""Seconds or joules: no query takes more."""

OLDEST_S: Final = 7 * 86400.0
"""How long it is believed."""

MOST_BYTES: Final = 1 << 20
"""Of some hundred targets it has not a tenth of that; a file that is larger is no such file."""

_LOG: Final = logging.getLogger("autoscale.session")


@dataclass(frozen=True, slots=True)
class KeptTarget:
    """What is known of one target.

    Attributes:
        latency_s: how long a query took while nothing else ran.
        cpu_s: how long this process's cores worked on it.
        energy_j: what it took of the device.
        method: how that is known.
        distrusted: why its answer failed verification; empty where it did not.
    """

    latency_s: float
    cpu_s: float
    energy_j: float
    method: Method
    distrusted: str = ""


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """What is known of all of them.

    Attributes:
        reference: to whose answers all others were held.
        is_random: whether the network was found to draw at random.
        targets: each target of this device.
    """

    reference: Target
    is_random: bool
    targets: Mapping[Target, KeptTarget] = field(default_factory=dict)


class ModelFiles:
    """The files of a model, as they are when this is made: before they are loaded.

    Args:
        bundle: the model.
        splits: folders of the same in two parts.
    """

    def __init__(self, bundle: Bundle, splits: Sequence[str | Path] = ()) -> None:
        try:
            parts = [Bundle.read(Path(folder) / part) for folder in splits for part in (HEAD, TAIL)]
            variants = [each for whole in (bundle, *parts) for each in whole.variants]
            self._files = [(each.precision, each.files) for each in variants]
        except (OSError, ModelError):  # who loads them says so
            variants, self._files = [*bundle.variants], []
        self.formats = sorted({format_of(each.path) for each in variants})
        self._were = self._stamps()

    @property
    def are_as_they_were(self) -> bool:
        """Whether what was loaded meanwhile is what is there now."""
        return None not in (now := self._stamps()) and now == self._were

    def digests(self) -> list[str]:
        """Each variant's precision and the SHA-256 of its bytes.

        Raises:
            OSError: a file cannot be read.
        """
        return sorted(f"{precision} {digest(files)}" for precision, files in self._files)

    def _stamps(self) -> list[tuple[int, ...] | None]:
        return [_stamp(path) for _, files in self._files for path in files]


class CalibrationFile:
    """Where it is kept, and what it must be of.

    Args:
        path: of the file; it need not be there yet.
        model: whose targets these are.
        meter: what tells this device's energy, power table included.
        own: backends that stand in the place of those registered by these names.
    """

    def __init__(self, path: Path, model: ModelFiles, meter: str, own: Mapping[str, Backend]) -> None:
        self._path, self._model = path, model
        self._is_of: dict[str, Any] | None = None
        known = {
            each.name: each.backend for suffix in model.formats for each in engines(suffix, own) if each.is_available
        }
        try:
            self._is_of = {
                "schema": SCHEMA,
                "autoscale": _installed("autoscale-inference"),
                "model": model.digests(),
                "machine": fingerprint(),
                "meter": meter,
                "engines": {name: _version(backend, name in own) for name, backend in known.items()},
            }
        except OSError as error:
            _LOG.warning("calibration '%s' is left alone: the model cannot be read again: %s", path, error)
        if is_stream(path):
            _LOG.warning("calibration '%s' is left alone: it is no file", path)
            self._is_of = None

    def read(self, size: tuple[int, ...]) -> KeptCalibration | None:
        """What was kept of queries of that size; None where there is no such file, or it is of something else."""
        if self._is_of is None or not self._model.are_as_they_were:
            return None
        try:
            with self._path.open("rb") as file:
                content = file.read(MOST_BYTES)
            if not _is_ours(content):
                _LOG.warning("calibration '%s' is left alone: it is another kind of file", self._path)
                self._is_of = None
                return None
            told = json.loads(content)
            is_new = 0.0 <= time.time() - told["made_s"] <= OLDEST_S  # a clock may have been set back since
            return _read(told) if is_new and told["of"] == {**self._is_of, "size": list(size)} else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            _LOG.warning("calibration '%s' cannot be read, and is made anew: %r", self._path, error)
            return None

    def write(self, known: KeptCalibration | None, size: tuple[int, ...]) -> None:
        """Keep it, if anything; a file that cannot be written is told."""
        if known is None or self._is_of is None or not self._model.are_as_they_were:
            return
        told = {
            "of": {**self._is_of, "size": list(size)},
            "made_s": time.time(),
            "reference": str(known.reference),
            "is_random": known.is_random,
            "targets": {str(target): asdict(each) for target, each in known.targets.items()},
        }
        try:
            write_file(self._path, json.dumps(told, indent=2))
        except OSError as error:
            _LOG.warning("calibration '%s' cannot be written: %s", self._path, error.strerror or error)


def _is_ours(content: bytes) -> bool:
    """Whether it may be such a file, whole or not: what took its path by mistake, a model or a policy, is kept."""
    return content.lstrip(b" \t\r\n\0")[:1] in (b"", b"{")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What differs once a file has been replaced or written to; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(told: Mapping[str, Any]) -> KeptCalibration:
    targets = {Target.parse(name): _target(each) for name, each in told["targets"].items()}
    reference = Target.parse(told["reference"])
    if targets[reference].distrusted or type(told["is_random"]) is not bool:
        raise ValueError("a reference that is distrusted, or an is_random that is neither true nor false")
    return KeptCalibration(reference, told["is_random"], targets)


def _target(told: Mapping[str, Any]) -> KeptTarget:
    known = KeptTarget(**{**told, "method": Method(told["method"])})
    figures = known.latency_s, known.cpu_s, known.energy_j
    is_whole = all(type(each) is float and 0.0 <= each <= MOST for each in figures)
    if not is_whole or not known.latency_s or type(known.distrusted) is not str:
        raise ValueError(f"a target's figures or text; allowed: from 0 to {MOST:g}, a latency above 0")
    return known


def _version(backend: Backend, is_own: bool) -> str:
    """Of an engine's package; of one that the session was given, how it is set up too."""
    told = _installed(backend.package) if backend.package else ""
    return f"{told} {_set_up(backend)}" if is_own else told


def _set_up(backend: Backend) -> str:
    own = {name: _set_up(each) if isinstance(each, Backend) else each for name, each in vars(backend).items()}
    return f"{type(backend).__qualname__}({own})"


def _installed(package: str) -> str:
    """Its version; of another flavour of it, what the imported module says."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(getattr(sys.modules.get(package.replace("-", "_")), "__version__", ""))

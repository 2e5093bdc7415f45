"""What getting to know this device's own targets told, kept in a file: the next session of the model starts from it.

It holds as long as model, engines, machine and meter are what they were: then the same kernels answer the same, and as
fast. Of other machines nothing is kept: a link is another every day.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from autoscale.files import atomic_write
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.backends.engines import engines, format_of
from autoscale_runtime.host.fingerprint import fingerprint
from autoscale_runtime.models.bundle import Bundle

SCHEMA: Final = 1

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


class CalibrationFile:
    """Where it is kept, and what it must be of.

    Args:
        path: of the file; it need not be there yet.
        bundle: the model.
        meter: what tells this device's energy, power table included.
    """

    def __init__(self, path: Path, bundle: Bundle, meter: str) -> None:
        self._path = path
        known = {engine for each in bundle.variants for engine in engines(format_of(each.path))}
        self._is_of = {
            "schema": SCHEMA,
            "model": sorted(each.digest() for each in bundle.variants),
            "machine": fingerprint(),
            "meter": meter,
            "engines": {each.name: _version(each.backend.package) for each in known if each.is_available},
        }

    def read(self, size: tuple[int, ...]) -> KeptCalibration | None:
        """What was kept of queries of that size; None where there is no such file, or it is of something else."""
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            return _read(told) if told["of"] == {**self._is_of, "size": list(size)} else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _LOG.warning("calibration '%s' cannot be read, and is made anew: %r", self._path, error)
            return None

    def write(self, known: KeptCalibration, size: tuple[int, ...]) -> None:
        """Keep it; a file that cannot be written is told."""
        told = {
            "of": {**self._is_of, "size": list(size)},
            "reference": str(known.reference),
            "is_random": known.is_random,
            "targets": {str(target): asdict(each) for target, each in known.targets.items()},
        }
        try:
            with atomic_write(self._path) as file:
                file.write(json.dumps(told, indent=2).encode())
        except OSError as error:
            _LOG.warning("calibration '%s' cannot be written: %s", self._path, error.strerror or error)


def _read(told: Mapping[str, Any]) -> KeptCalibration:
    targets = {
        Target.parse(name): KeptTarget(**{**each, "method": Method(each["method"])})
        for name, each in told["targets"].items()
    }
    return KeptCalibration(Target.parse(told["reference"]), bool(told["is_random"]), targets)


def _version(package: str) -> str:
    """Of an engine's package; of another flavour of it, what the imported module says."""
    try:
        return version(package) if package else ""
    except PackageNotFoundError:
        return str(getattr(sys.modules.get(package.replace("-", "_")), "__version__", ""))

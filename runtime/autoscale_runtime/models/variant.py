"""One file of a network, and what vouches for it."""

import shutil
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path
from typing import Final

from autoscale.errors import ModelError, one_of
from autoscale.query.model_profile import Accuracy
from autoscale.query.target import PRECISIONS
from autoscale_runtime.backends.engines import data_files

SIDECAR: Final = ".data"
"""What ``autoscale prepare`` puts behind a model file's name for that of its external weights."""


def served_name(name: str, precision: str) -> str:
    """What a server calls a bundle's variant: fp32 by the bundle's name, the others with their precision behind it.

    >>> served_name("magika", "int8")
    'magika-int8'
    """
    return name if precision == "fp32" else f"{name}-{precision}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of the network, and whatever further files hold its weights.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        path: the file.
        sha256: of its bytes, then of its further files'; empty for a bare file nobody vouched for.
        accuracy: how well it answers, where somebody measured it.
    """

    precision: str
    path: Path
    sha256: str = ""
    accuracy: Accuracy | None = None

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS, ModelError)

    @property
    def files(self) -> list[Path]:
        """The file, then those that hold its weights: a sidecar first, the others by name."""
        sidecar = self.path.with_name(self.path.name + SIDECAR)
        named = {self.path.parent / each for each in data_files(self.path)}
        first = [sidecar] if sidecar in named or sidecar.is_file() else []
        return [self.path, *first, *sorted(named - {sidecar})]

    def digest(self) -> str:
        """The SHA-256 that vouches for it; of a bare file, counted now.

        Raises:
            OSError: a file cannot be read.
        """
        return self.sha256 or digest(self.files)

    def check(self) -> None:
        """Raise unless the file is there and whole.

        Raises:
            ModelError: it is missing, or its bytes are not those that were written.
        """
        for path in self.files:
            if not path.is_file():
                kind = "model" if path == self.path else f"weights of '{self.path}': the"
                raise ModelError(f"{kind} file '{path}' does not exist")
        if self.sha256 and digest(self.files) != self.sha256:
            raise ModelError(
                f"'{self.path}' is damaged: its SHA-256 is {digest(self.files)}, written was {self.sha256}"
            )

    def copied(self, folder: Path) -> "Variant":
        """The variant with all its files in a folder: what a link leads to, not the link. Two may share their weights.

        Raises:
            ModelError: a file is missing or damaged, lies outside the variant's folder, or another has its place.
        """
        self.check()
        for path in self.files:
            target = folder / self.place_of(path)
            if target.exists() and digest([target]) != digest([path]):
                raise ModelError(f"'{path}' and a file of another variant differ but share a name; rename one")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        copied = replace(self, path=folder / self.path.name)
        return replace(copied, sha256=digest(copied.files))

    def place_of(self, path: Path) -> Path:
        """Where one of its files lies in a bundle: as it lies in the variant's own folder.

        Raises:
            ModelError: it lies outside.
        """
        inside = Path(normpath(path.relative_to(self.path.parent)))
        if inside.is_absolute() or ".." in inside.parts:
            raise ModelError(f"'{self.path}' has weights in '{path}'; allowed: in its own folder, or below it")
        return inside


def digest(files: list[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other, as hexadecimal digits."""
    import hashlib  # here: a session that asks no server needs none

    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()

"""A bundle: one network in several precisions, a folder with ``model.toml`` and the model files.

::

    bundle = Bundle.read("magika")          # or "magika/model.toml", or a bare "model.onnx"
    [variant.precision for variant in bundle.variants]
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from autoscale.errors import ModelError, listing, one_of
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.target import PRECISIONS
from autoscale_runtime.backends.tensors import TensorSpec

MANIFEST: Final = "model.toml"
SIDECAR: Final = ".data"
"""What follows a model file's name in that of its external weights."""


def served_name(name: str, precision: str) -> str:
    """What a server calls a bundle's variant: fp32 by the bundle's name, the others with their precision behind it.

    >>> served_name("magika", "int8")
    'magika-int8'
    """
    return name if precision == "fp32" else f"{name}-{precision}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of the network. Weights outside it lie beside it, in the file's name and ``.data``.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        path: the file.
        sha256: of its bytes, then of its sidecar's; empty for a bare file nobody vouched for.
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
        """The file, and its sidecar where there is one."""
        sidecar = self.path.with_name(self.path.name + SIDECAR)
        return [self.path, sidecar] if sidecar.is_file() else [self.path]

    def check(self) -> None:
        """Raise unless the file is there and whole.

        Raises:
            ModelError: it is missing, or its bytes are not those that were written.
        """
        if not self.path.is_file():
            raise ModelError(f"model file '{self.path}' does not exist")
        if self.sha256 and digest(self.files) != self.sha256:
            raise ModelError(
                f"'{self.path}' is damaged: its SHA-256 is {digest(self.files)}, written was {self.sha256}"
            )


@dataclass(frozen=True, slots=True)
class Bundle:
    """One network and its variants.

    Several variants may share a precision in different formats (fp32 as ``.onnx`` and as ``.tflite``).

    Attributes:
        name: the network's name.
        profile: its layers and sizes, and the accuracy of each precision.
        inputs: in the network's order.
        outputs: in the network's order.
        variants: at least one.

    Raises:
        ModelError: no variant, or two of one precision in one format.
    """

    name: str
    profile: ModelProfile
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    variants: tuple[Variant, ...]

    def __post_init__(self) -> None:
        if not self.variants:
            raise ModelError(f"bundle '{self.name}' has no variant; allowed: one or more")
        kinds = Counter(f"{each.precision} {each.path.suffix}" for each in self.variants)
        twice = [kind for kind, count in kinds.items() if count > 1]
        if twice:
            raise ModelError(f"bundle '{self.name}' has more than one variant of {listing(twice)}")
        accuracies = {each.precision: each.accuracy for each in self.variants if each.accuracy}
        object.__setattr__(self, "profile", replace(self.profile, accuracies=accuracies))

    @classmethod
    def read(cls, path: Path | str, shapes: Mapping[str, tuple[int, ...]] | None = None) -> "Bundle":
        """Read a bundle's folder, its ``model.toml``, or a bare model file as a bundle of one variant.

        Args:
            path: what to read.
            shapes: for a bare file: input name to shape, where its inputs have open dimensions.

        Raises:
            ModelError: missing, damaged, of another schema, or not a model.
            FeedError: a shape that does not fit the file.
            MissingExtra: the package that runs a bare file is not installed.
        """
        path = Path(path)
        if path.is_dir() or path.name == MANIFEST:
            from autoscale_runtime.models.manifest import parse

            folder = path if path.is_dir() else path.parent
            bundle = parse(_text(folder / MANIFEST), folder)
            for variant in bundle.variants:
                variant.check()
            return bundle
        from autoscale_runtime.models.bare_model import bundle_of

        return bundle_of(path, shapes or {})

    def write(self, folder: Path | str) -> "Bundle":
        """Copy the files and the manifest to a folder, all or nothing, and return the bundle there.

        Raises:
            ModelError: a file is missing or damaged, two share a name, a stranger is in the folder, or the disk
                does not take it.
        """
        from autoscale_runtime.models.manifest import emit

        folder = Path(folder).resolve()
        if len({each.path.name for each in self.variants}) < len(self.variants):
            raise ModelError(f"two variants of '{self.name}' have files of one name; rename one")
        check_folder(folder)
        temporary = _beside(folder)
        try:
            written = replace(self, variants=tuple(_copy(each, temporary) for each in self.variants))
            (temporary / MANIFEST).write_text(emit(written), encoding="utf-8")
            temporary.chmod(0o755)
            _swap(temporary, folder)
        except OSError as error:
            raise ModelError(f"bundle '{folder}' cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        moved = tuple(replace(each, path=folder / each.path.name) for each in written.variants)
        return replace(written, variants=moved)


def digest(files: list[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other, as hexadecimal digits."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ModelError(f"bundle manifest '{path}' cannot be read: {reason}") from error


def _copy(variant: Variant, folder: Path) -> Variant:
    variant.check()
    for path in variant.files:
        shutil.copyfile(path, folder / path.name)
    copied = replace(variant, path=folder / variant.path.name)
    return replace(copied, sha256=digest(copied.files))


def check_folder(folder: Path) -> None:
    """Raise unless a bundle may be written there: absent, empty, or a bundle without a stranger's file in it.

    Raises:
        ModelError: naming what is in the way.
    """
    if not folder.exists():
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    own = {MANIFEST}
    if MANIFEST in found:
        from autoscale_runtime.models.manifest import parse

        bundle = parse(_text(folder / MANIFEST), folder)
        own |= {path.name for variant in bundle.variants for path in variant.files}
    if found - own:
        raise ModelError(
            f"'{folder}' holds {listing(sorted(found - own))}, which no bundle put there; "
            "allowed: a new or empty folder, or a bundle to replace"
        )


def _beside(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise ModelError(f"bundle '{folder}' cannot be written: {error.strerror}") from error


def _swap(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.replace(folder)
        return
    old = Path(mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    folder.replace(old)
    try:
        new.replace(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old)

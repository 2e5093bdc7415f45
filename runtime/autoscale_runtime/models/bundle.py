"""A bundle: one network in several precisions, a folder with ``model.toml`` and the model files.

::

    bundle = Bundle.read("magika")          # or "magika/model.toml", or a bare "model.onnx"
    [variant.precision for variant in bundle.variants]
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from autoscale.errors import ModelError, listing
from autoscale_runtime.models.bare_model import manifest_of
from autoscale_runtime.models.manifest import MANIFEST, Manifest, manifest_text, read_manifest


@dataclass(frozen=True, slots=True)
class Bundle(Manifest):
    """A manifest with its files, which can be read from a folder and written to one."""

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
            manifest = read_manifest(path if path.is_dir() else path.parent)
            for variant in manifest.variants:
                variant.check()
        else:
            manifest = manifest_of(path, shapes or {})
        return cls.of(manifest)

    @classmethod
    def of(cls, manifest: Manifest) -> "Bundle":
        """The bundle that a manifest describes."""
        return cls(
            manifest.name, manifest.profile, manifest.inputs, manifest.outputs, manifest.variants, manifest.state
        )

    def write(self, folder: Path | str) -> "Bundle":
        """Copy the files and the manifest to a folder, all or nothing, and return the bundle there.

        Raises:
            ModelError: a file is missing or damaged, two share a name, a stranger is in the folder, or the disk
                does not take it.
        """
        folder = Path(folder).resolve()
        if len({each.path.name for each in self.variants}) < len(self.variants):
            raise ModelError(f"two variants of '{self.name}' have files of one name; rename one")
        check_folder(folder)
        temporary = _beside(folder)
        try:
            written = replace(self, variants=tuple(each.copied(temporary) for each in self.variants))
            (temporary / MANIFEST).write_text(manifest_text(written), encoding="utf-8")
            temporary.chmod(0o755)
            _swap(temporary, folder)
        except OSError as error:
            raise ModelError(f"bundle '{folder}' cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        moved = tuple(replace(each, path=folder / each.path.name) for each in written.variants)
        return replace(written, variants=moved)


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
        files = [(each, path) for each in read_manifest(folder).variants for path in each.files]
        own |= {variant.place_of(path).parts[0] for variant, path in files}
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

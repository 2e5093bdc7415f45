"""The model that an application gives: a path or bytes, as ONNX Runtime takes them, or one of our bundles."""

import os
import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from autoscale_runtime.device.right_answers import reference_of
from autoscale_runtime.models.bare_model import MODEL_FILE, name_of
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import MANIFEST

MOST_BYTES: Final = (1 << 31) - 1


class ModelFile:
    """One model.

    Args:
        source: what ONNX Runtime is given: a path or bytes, or whatever it shall refuse.
        bundle: of which the source is the reference variant; None for a model that comes alone.
        suffix: of a file for bytes.
    """

    def __init__(self, source: object, bundle: Bundle | None = None, suffix: str = ".onnx") -> None:
        self._suffix = suffix
        self.source = source
        self.bundle = bundle
        self._path: Path | None = None

    @property
    def name(self) -> str:
        """Of the bundle or the file; of bytes ``model``."""
        if self.bundle is not None:
            return self.bundle.name
        return MODEL_FILE if isinstance(self.source, bytes) else name_of(Path(os.fspath(self.source)))  # type: ignore[call-overload]

    def path(self) -> Path:
        """Where the model lies, wherever the process goes; bytes are written to a folder that goes with this.

        Raises:
            OSError: there is no room for them.
        """
        if self._path is None:
            if isinstance(self.source, bytes):
                self._path = self._written(self.source)
            else:
                self._path = Path(os.fspath(self.source)).absolute()  # type: ignore[call-overload]  # ONNX Runtime took it
        return self._path

    def _written(self, content: bytes) -> Path:
        folder = mkdtemp(prefix="autoscale-model-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, f"model{self._suffix}")
        path.write_bytes(content)
        return path


def check_fits(source: object) -> None:
    """Raise unless bytes are few enough to be a model.

    Raises:
        RuntimeError: as ONNX Runtime does, with the reason.
    """
    if isinstance(source, bytes) and len(source) > MOST_BYTES:
        raise RuntimeError(
            f"a model of {len(source)} bytes in memory; allowed: {MOST_BYTES}, which is all that protobuf holds: "
            "give the path of a file whose weights lie outside it"
        )


def model_file(given: object) -> ModelFile:
    """What an application gave.

    Raises:
        ModelError: a bundle that is damaged.
    """
    if isinstance(given, str | os.PathLike) and _is_bundle(Path(given)):
        given = Bundle.read(Path(given))
    if isinstance(given, Bundle):
        return ModelFile(str(reference_of(given).path), given)
    return ModelFile(given)


def _is_bundle(path: Path) -> bool:
    return path.name == MANIFEST or (path / MANIFEST).is_file()

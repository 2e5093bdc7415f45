"""A network in two parts on disk: a folder with two bundles, ``head`` and ``tail``, that know where it was cut.

``autoscale serve FOLDER/tail`` serves the tail; a session that is given the folder runs the head. Of the tail it reads
the manifest alone, so that the device need not hold its weights.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from autoscale.errors import ModelError
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import Manifest, read_manifest
from autoscale_runtime.models.splitting.cuts import Cut, CutModel
from autoscale_runtime.models.variant import Variant

HEAD: Final = "head"
TAIL: Final = "tail"
_NAMED: Final = re.compile(r"(?P<network>.*)-head(?P<after>[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class SplitModel:
    """Both parts.

    Attributes:
        after: so many of the whole file's nodes are in the head.
        precision: of both parts.
        head: what runs first, with its file.
        tail: what runs where the head's answer is sent; its file may be elsewhere.
    """

    after: int
    precision: str
    head: Bundle
    tail: Manifest

    @classmethod
    def read(cls, folder: Path | str) -> "SplitModel":
        """Read what ``write`` wrote.

        Raises:
            ModelError: a part is missing or damaged, or the two are not of one cut.
        """
        folder = Path(folder)
        head, tail = Bundle.read(folder / HEAD), read_manifest(folder / TAIL)
        named = _NAMED.fullmatch(head.name)
        if named is None or tail.name != f"{named['network']}-tail{named['after']}":
            raise ModelError(f"'{folder}' holds '{head.name}' and '{tail.name}'; allowed: two parts of one cut")
        return cls(int(named["after"]), head.variants[0].precision, head, tail)


def write(model: CutModel, cut: Cut, precision: str, folder: Path) -> SplitModel:
    """Cut a file and write both parts as bundles.

    Args:
        model: the file.
        cut: one of its cuts.
        precision: of the file.
        folder: new, empty, or one that a split wrote.

    Raises:
        ModelError: something else is in the folder, or the disk does not take it.
    """
    from autoscale_runtime.models.splitting.parts import write_parts

    _check(folder)
    with TemporaryDirectory() as made:
        files = {name: Path(made) / name / f"{precision}.onnx" for name in (HEAD, TAIL)}
        for each in files.values():
            each.parent.mkdir()
        try:
            write_parts(model.path, cut, files[HEAD], files[TAIL])
        except OSError as error:
            raise ModelError(f"'{model.path}' cannot be cut: {error.strerror or error}") from error
        for name, profile in ((HEAD, cut.head), (TAIL, cut.tail)):
            bare = Bundle.read(files[name])
            variants = (Variant(precision, files[name]),)
            replace(bare, name=profile.name, profile=profile, variants=variants, state={}).write(folder / name)
    return SplitModel.read(folder)


def _check(folder: Path) -> None:
    found = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    if found - {HEAD, TAIL} or folder.is_file():
        raise ModelError(f"'{folder}' holds something else; allowed: a new or empty folder, or a split to replace")

"""A network in two parts on disk: a folder with two bundles, ``head`` and ``tail``, that know where it was cut.

``autoscale serve FOLDER/tail`` serves the tail; a session that is given the folder runs the head. Of the tail it reads
the manifest alone, so that the device need not hold its weights.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscale.errors import ModelError, listing
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.manifest import Manifest, read_manifest

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
        """Read what ``autoscale split --out`` wrote.

        Raises:
            ModelError: a part is missing or damaged, or the two are not of one cut.
        """
        folder = Path(folder)
        missing = [name for name in (HEAD, TAIL) if not (folder / name).is_dir()]
        if missing:
            raise ModelError(
                f"'{folder}' has no {listing(missing)}; allowed: a folder that 'autoscale split --out' wrote"
            )
        head, tail = Bundle.read(folder / HEAD), read_manifest(folder / TAIL)
        named = _NAMED.fullmatch(head.name)
        if named is None or tail.name != f"{named['network']}-tail{named['after']}":
            raise ModelError(f"'{folder}' holds '{head.name}' and '{tail.name}'; allowed: two parts of one cut")
        return cls(int(named["after"]), head.variants[0].precision, head, tail)

    def check(self, whole: Manifest) -> None:
        """Raise unless head and tail together take and give what a network does.

        Raises:
            ModelError: naming what is missing, or an input that the network has otherwise.
        """
        inputs = {each.name: each for each in whole.inputs}
        made = {each.name for each in self.head.outputs}
        for each in (*self.head.inputs, *(spec for spec in self.tail.inputs if spec.name not in made)):
            if inputs.get(each.name) != each:
                raise ModelError(f"'{self.head.name}' is no part of '{whole.name}': that has no input {each}")
        given = made | {each.name for each in self.tail.outputs}
        missing = [each.name for each in whole.outputs if each.name not in given]
        if missing:
            raise ModelError(
                f"'{self.head.name}' and '{self.tail.name}' do not give {listing(missing)} of '{whole.name}'"
            )

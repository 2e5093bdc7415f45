"""Whether an ONNX file draws at random, found without reading its graph."""

import mmap
from pathlib import Path
from typing import Final

OPERATORS: Final = (
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
    "Sampling",
)

_OP_TYPE: Final = 0x22
"""How the field ``op_type`` begins in a node's bytes (field 4, of a length)."""


def draws_at_random(path: Path) -> bool:
    """Whether a node anywhere in the file, branches and functions too, is an operator that draws at random.

    The name is looked for as a node's bytes hold it, with its length, so that no weight's name is taken for one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return any(held.find(bytes((_OP_TYPE, len(name))) + name.encode()) >= 0 for name in OPERATORS)

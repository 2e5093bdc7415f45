"""Magika: which of 214 types a file is of, from its first and last bytes.

The network and how its input is made are those of Fratantonio et al., "Magika: AI-Powered Content-Type Detection"
(arXiv 2409.13768), model ``standard_v3_3``. The questions are real files, which every Python brings along.
"""

import bz2
import gzip
import json
import lzma
import os
import sysconfig
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import cycle
from pathlib import Path
from typing import ClassVar

import numpy as np

from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.wheels import Wheel

HALF = 1024  # tokens taken from each end of the file
BLOCK = 4096  # bytes read at each end, of which white space at the border is dropped
PADDING = 256  # the token that stands for no byte

_PER_TYPE = 40  # files of one type at most, so that no type drowns the others
_LEAST_BYTES = 64
_TYPES = {
    ".c": "c", ".cc": "cpp", ".cpp": "cpp", ".css": "css", ".csv": "csv", ".exe": "pebin", ".f90": "fortran",
    ".gif": "gif", ".html": "html", ".ini": "ini", ".jpg": "jpeg", ".js": "javascript", ".json": "json",
    ".md": "markdown", ".npy": "npy", ".npz": "npz", ".onnx": "onnx", ".pdf": "pdf", ".png": "png",
    ".proto": "proto", ".py": "python", ".pyi": "python", ".rst": "rst", ".sh": "shell",
    ".so": "elf", ".svg": "svg", ".toml": "toml", ".ttf": "ttf", ".wav": "wav", ".whl": "zip", ".xml": "xml",
    ".zip": "zip",
}  # fmt: skip
_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "bzip": bz2.compress,
    "gzip": partial(gzip.compress, mtime=0),  # else the time of day would be among the tokens
    "xz": lzma.compress,
    "zlibstream": zlib.compress,
}
_SKIPPED = ("site-packages", "dist-packages", "__pycache__")  # a root of its own; and what grows as Python runs
_MODEL = "magika/models/standard_v3_3/model.onnx"
_CONFIG = "magika/models/standard_v3_3/config.min.json"


class FileType(Network):
    """Magika over the files of this very Python: its library and its site-packages.

    One int32[1, 2048] of tokens in, one float32[1, 214] of probabilities out.
    """

    name = "file-type"
    title = "Magika 1.0.3: the type of a file"
    model = _MODEL
    shapes: ClassVar = {"bytes": (1, 2 * HALF)}
    wheel = Wheel(
        package="magika",
        version="1.0.3",
        licence="Apache-2.0",
        sha256="3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
        members={
            _MODEL: "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
            _CONFIG: "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db",
            "magika-1.0.3.dist-info/METADATA": "b54a3585962103cacdd8782eb5c72751dbdc202a300469b54782a4824e5b7143",
        },
    )

    def score(self, outputs: Sequence[Array], sample: Sample) -> float:
        """1 for the right type, else 0."""
        return float(self._types[int(np.argmax(outputs[0]))] == sample.label)

    def _questions(self, random: np.random.Generator, calibration: bool) -> Iterator[Sample]:
        pool = self._pools[calibration]
        return (pool[each] for each in cycle(random.permutation(len(pool))))

    @cached_property
    def _types(self) -> list[str]:
        types: list[str] = json.loads((self.folder / _CONFIG).read_text())["target_labels_space"]
        return types

    @cached_property
    def _pools(self) -> tuple[list[Sample], list[Sample]]:
        """Files to validate with and files to calibrate with; what a file holds says which."""
        pools: tuple[list[Sample], list[Sample]] = ([], [])
        for digest, sample in _distinct_samples():
            pools[digest % 4 == 0].append(sample)
        return pools


def tokens(content: bytes) -> Array:
    """The network's input for a file's content: int32[2048], the first 1024 bytes and the last 1024.

    White space before the first and after the last byte does not count; what is missing is padded in the middle.

    >>> tokens(b"  ab ")[[0, 1, 2, 3, -4, -3, -2, -1]].tolist()
    [97, 98, 32, 256, 32, 32, 97, 98]
    """
    row = np.full(2 * HALF, PADDING, np.int32)
    first = content[:BLOCK].lstrip()[:HALF]
    last = content[-BLOCK:].rstrip()[-HALF:]
    row[: len(first)] = np.frombuffer(first, np.uint8)
    row[2 * HALF - len(last) :] = np.frombuffer(last, np.uint8)
    return row


def _distinct_samples() -> Iterator[tuple[int, Sample]]:
    """All samples of this machine with a digest of each; no two have the same tokens."""
    seen = set()
    for label, content in _labelled_files():
        row = tokens(content)
        digest = zlib.crc32(row.tobytes())
        if digest not in seen:
            seen.add(digest)
            yield digest, Sample({"bytes": row[None]}, label)


def _labelled_files() -> Iterator[tuple[str, bytes]]:
    """Type and content of up to 40 files of each type, then of Python sources once packed."""
    left = Counter({label: _PER_TYPE for label in _TYPES.values()})
    sources = []
    for path in _library_files():
        label = _TYPES[path.suffix]
        content = _ends(path) if left[label] else b""
        if len(content) >= _LEAST_BYTES:
            left[label] -= 1
            yield label, content
            if path.suffix == ".py":
                sources.append(path)
    for label, pack in _PACKERS.items():
        yield from ((label, pack(path.read_bytes())) for path in sources)


def _library_files() -> list[Path]:
    """Files of a known type in Python's library and site-packages, in an order that mixes all packages."""
    found = []
    for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
        for folder, inner, names in os.walk(root):
            inner[:] = [each for each in inner if each not in _SKIPPED]
            below = folder.removeprefix(root)
            known = (name for name in names if Path(name).suffix in _TYPES)
            found += [(zlib.crc32(f"{below}/{name}".encode()), folder, name) for name in known]
    return [Path(folder, name) for _, folder, name in sorted(found)]


def _ends(path: Path) -> bytes:
    """The first and last bytes of a file; nothing of one that cannot be read."""
    try:
        with path.open("rb") as file:
            first = file.read(2 * BLOCK)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(first), size - BLOCK))
            return first + file.read()
    except OSError:
        return b""

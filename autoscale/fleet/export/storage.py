"""Copies of a ledger's files somewhere else: a folder of this machine, or object storage, by pyarrow's file systems."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput, TargetUnavailable
from autoscale.files import write_file
from autoscale.fleet.ledger.arrow import arrow
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.ledgers import ledger_folder
from autoscale.fleet.ledger.view import LedgerView, read_ledger, verified

KINDS: Final = ("records", "sums", "sent", "devices")
_AT_ONCE: Final = 8


class Storage:
    """A place for copies.

    Args:
        address: a folder, or an address that pyarrow knows, as in ``s3://bucket/prefix?region=eu-west-1``.

    Raises:
        InvalidInput: it is none.
        MissingExtra: pyarrow is not installed.
    """

    def __init__(self, address: str) -> None:
        is_uri = "://" in address
        self.address = (address.partition("?")[0] if is_uri else address).rstrip("/")
        fs = arrow("fs")
        try:
            whole = address if is_uri else Path(address).absolute().as_uri()
            self._system, self._root = fs.FileSystem.from_uri(whole)
        except (arrow().ArrowException, OSError, ValueError) as error:
            raise InvalidInput(
                f"'{self.address}' is no place for copies: {error}; allowed: a folder, or an address as in s3://bucket/prefix"
            ) from error
        self._is_local = isinstance(self._system, fs.LocalFileSystem)

    def copy(self, sources: Mapping[str, Path]) -> None:
        """Copy files under names of this place; all of them, or none is left.

        Raises:
            TargetUnavailable: one of them could not be written.
            OSError: one of them could not be read.
        """
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(self._copy, sources.items()))
        except BaseException:
            self.remove(sources)
            raise

    def write(self, name: str, content: bytes) -> None:
        """Write one file; whole or not at all.

        Raises:
            TargetUnavailable: it could not be written.
        """
        path = f"{self._root}/{name}"
        try:
            if self._is_local:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_file(path, content)
                return
            with self._system.open_output_stream(path) as stream:  # object storage has it when this ends, or nothing
                stream.write(content)
        except (arrow().ArrowException, OSError) as error:
            raise TargetUnavailable(f"'{self.address}' does not take '{name}': {error}") from error

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, as far as the place still answers."""
        for name in names:
            with suppress(arrow().ArrowException, OSError):
                self._system.delete_file(f"{self._root}/{name}")

    def _copy(self, named: tuple[str, Path]) -> None:
        name, source = named
        self.write(name, source.read_bytes())


def live_files(ledger: Path | str, kind: str) -> tuple[LedgerView, Mapping[str, tuple[Path, Entry]]]:
    """The files of a kind that count and are as they were written, under names as Hive lays them out.

    The view says which are damaged.

    Raises:
        InvalidInput: there is no ledger, or no such kind.
    """
    if kind not in KINDS:
        raise InvalidInput(f"kind is '{kind}'; allowed: {', '.join(KINDS)}")
    view = read_ledger(ledger_folder(ledger))
    view = verified(view, [path for path, each in view.entries.items() if _is_of(each, kind)])
    return view, {_name(path, each): (path, each) for path, each in view.entries.items() if _is_of(each, kind)}


def left_out(view: LedgerView, files: Iterable[Path]) -> dict[str, int]:
    """Queries that some files of one kind are not of: the kind whose files have them, to how many they are."""
    stems, there = {each.stem for each in files}, {each.path for each in view.entries.values()}
    others = Counter[str]()
    for path, entry in view.entries.items():
        is_aged = entry.folder == "sums" and entry.beside("records") not in there
        if (entry.is_counted or is_aged) and path.stem not in stems:
            others[entry.folder] += entry.rows
    return dict(others)


def told_of(queries: Mapping[str, int]) -> list[str]:
    """A line for each kind of what ``left_out`` gives."""
    return [
        f"{count:,} queries are in none of these files; '--kind {kind}' has them" for kind, count in queries.items()
    ]


def damaged_of(view: LedgerView, kind: str) -> Sequence[Entry]:
    """What is left out of the copies of a kind."""
    return [each for each in view.damaged if _is_of(each, kind)]


def _is_of(entry: Entry, kind: str) -> bool:
    return bool(entry.day) and entry.folder == kind


def _name(path: Path, entry: Entry) -> str:
    return f"day={entry.day}/{path.stem}.parquet"

"""The manifest: which files of a ledger count, which rows of every log have arrived, what was counted.

An SQLite database, since one of its transactions is what makes a commit: before it nothing has happened, after it all.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.digest import resealed, sealed
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.log_state import LogState
from autoscale.units import SECONDS_PER_DAY

FILE: Final = "manifest.sqlite"
VERSION: Final = 3
"""2 added digests of files, the seals, and when a log's rows began and end; 3 keys of sums that devices sent, and what
the sums of a month are of."""

_TIER_BITS: Final = 4

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS files(path TEXT PRIMARY KEY, day TEXT, rows INTEGER, bytes INTEGER, retired_s REAL);
CREATE TABLE IF NOT EXISTS logs(device_id TEXT, log_id TEXT, high_water INTEGER, gaps TEXT, missing INTEGER,
    lost TEXT, PRIMARY KEY(device_id, log_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts(name TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;
"""
_SINCE_2: Final = (
    "ALTER TABLE files ADD COLUMN sha256 TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE logs ADD COLUMN first_us INTEGER",
    "ALTER TABLE logs ADD COLUMN last_us INTEGER",
    "CREATE TABLE seals(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
)
_SINCE_3: Final = (
    "CREATE TABLE taken(key BLOB PRIMARY KEY, day INTEGER) WITHOUT ROWID",
    "CREATE TABLE covers(path TEXT, covered TEXT, PRIMARY KEY(path, covered)) WITHOUT ROWID",
)
_LOST: Final = "lost:"
"""Before the cause of a loss that came with sums, among the counts."""

_ENTRY: Final = "path, day, rows, bytes, sha256"

LogKey = tuple[str, str]
"""device_id, log_id."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does; all of it or nothing.

    Attributes:
        added: files that count from now on.
        retired: paths of files that do not any more.
        is_erased: whether those go at once: where that is interrupted, with the next opening, and not after a grace.
        logs: what has arrived of logs.
        lost: what a log's device says it had to drop, cause to rows; it never falls, so the greatest reported counts.
        counts: what to add to the counts.
        forgotten: a device of whose logs nothing is known any more; empty for none.
        taken: keys of messages of sums that were taken, each once.
        covers: path of a file of a month's sums that is added, to the paths of the hourly sums that are in it; it is
            retired with the first of them.
        untold_days: so long ago such a key must have come to be dropped; 0 drops none.
    """

    added: tuple[Entry, ...] = ()
    retired: tuple[str, ...] = ()
    is_erased: bool = False
    logs: Mapping[LogKey, LogState] = field(default_factory=dict)
    lost: Mapping[LogKey, Mapping[str, int]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    forgotten: str = ""
    taken: Collection[bytes] = ()
    covers: Mapping[str, Collection[str]] = field(default_factory=dict)
    untold_days: int = 0


class LedgerManifest:
    """The manifest of one ledger, open.

    Args:
        folder: the ledger's.
        writes: whether to make it where there is none, and to bring an older version up to this one.

    Raises:
        InvalidInput: it cannot be read, or a later version wrote it.
    """

    def __init__(self, folder: Path, writes: bool = True) -> None:
        self._path = folder / FILE
        try:
            self._base = sqlite3.connect(self._path, timeout=30.0, isolation_level=None, check_same_thread=False)
            self._base.execute("PRAGMA synchronous=EXTRA")
            self._base.execute("PRAGMA secure_delete=ON")
            self._version = self._checked_version()
            if writes:
                self._prepare()
        except sqlite3.DatabaseError as error:
            raise InvalidInput(f"'{self._path}' is no manifest of a ledger: {error}") from error

    def close(self) -> None:
        """Let the database go."""
        self._base.close()

    def commit(self, change: Change, now_s: float) -> None:
        """Make a change, durably.

        Raises:
            OSError: the disk is full or fails; nothing has changed.
        """
        try:
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                self._write(change, now_s)
        except sqlite3.Error as error:
            raise OSError(f"{error}: {self._path}") from error

    @contextmanager
    def still(self) -> Iterator[None]:
        """What is read inside is of one moment, whatever a collector commits meanwhile."""
        with self._base:
            self._base.execute("BEGIN")
            yield

    def log(self, key: LogKey) -> LogState | None:
        """What has arrived of a log; None for nothing yet."""
        times = "coalesce(first_us, 0), coalesce(last_us, 0)" if self._version > 1 else "0, 0"
        known = f"SELECT high_water, gaps, {times} FROM logs WHERE device_id=? AND log_id=?"
        found = self._base.execute(known, key).fetchone()
        return None if found is None else LogState(found[0], tuple(map(tuple, json.loads(found[1]))), *found[2:])

    def entries(self, day: str | None = None) -> list[Entry]:
        """The files that count, those in quarantine too; of one day, where it is given."""
        columns = _ENTRY if self._version > 1 else _ENTRY.replace("sha256", "''")
        found = f"SELECT {columns} FROM files WHERE retired_s IS NULL"
        if day is None:
            return [Entry(*each) for each in self._base.execute(f"{found} ORDER BY path")]
        return [Entry(*each) for each in self._base.execute(f"{found} AND day=? ORDER BY path", (day,))]

    def has_taken(self, key: bytes) -> bool:
        """Whether a message of sums came before."""
        return self._base.execute("SELECT 1 FROM taken WHERE key=?", (key,)).fetchone() is not None

    def crowded_days(self, folder: str, below_bytes: int, many: int) -> list[str]:
        """Days with that many files of a folder and of about one size, below some size."""
        small = "SELECT day, bytes FROM files WHERE retired_s IS NULL AND path LIKE ? AND bytes < ?"
        like = Counter((day, tier(size)) for day, size in self._base.execute(small, (f"{folder}/%", below_bytes)))
        return sorted({day for (day, _), count in like.items() if count >= many})

    def retired(self, before_s: float) -> list[str]:
        """Paths of files that were retired before some time."""
        return [each for (each,) in self._base.execute("SELECT path FROM files WHERE retired_s < ?", (before_s,))]

    def forget(self, paths: Iterable[str]) -> None:
        """Drop files that are gone."""
        self._base.executemany("DELETE FROM files WHERE path=?", [(each,) for each in paths])

    def has(self, path: str) -> bool:
        """Whether a file counts or was retired."""
        return self._base.execute("SELECT 1 FROM files WHERE path=?", (path,)).fetchone() is not None

    def known(self) -> set[str]:
        """Paths of all files that count or were retired."""
        return {each for (each,) in self._base.execute("SELECT path FROM files")}

    def counts(self) -> dict[str, int]:
        """What was counted, and ``missing``: rows that devices numbered and that never came."""
        (missing,) = self._base.execute("SELECT coalesce(sum(missing), 0) FROM logs").fetchone()
        counted = "SELECT name, number FROM counts WHERE number != 0 OR name = 'accepted' ORDER BY name"
        named = {name: count for name, count in self._base.execute(counted) if not name.startswith(_LOST)}
        return {**named, "missing": missing}

    def covers(self) -> dict[str, frozenset[str]]:
        """Path of each file of a month's sums to the hourly ones that are in it."""
        covered: dict[str, set[str]] = {}
        known = "SELECT path, covered FROM covers" if self._version > 2 else "SELECT '', '' WHERE false"
        for path, each in self._base.execute(known):
            covered.setdefault(path, set()).add(each)
        return {path: frozenset(found) for path, found in covered.items()}

    def lost(self) -> dict[str, int]:
        """Cause to rows that devices say they had to drop."""
        causes = "SELECT key, sum(value) FROM logs, json_each(logs.lost) GROUP BY key ORDER BY key"
        lost = Counter(dict(self._base.execute(causes)))
        told = self._base.execute("SELECT name, number FROM counts WHERE name LIKE ?", (f"{_LOST}%",))
        return dict(lost + Counter({name.removeprefix(_LOST): count for name, count in told}))

    def is_sealed(self) -> bool:
        """Whether the list of files and the counts are those of the last commit; True of one from before seals."""
        if self._version < 2:
            return True
        seals: dict[str, str] = dict(self._base.execute("SELECT name, value FROM seals"))
        return seals == {name: f"{value:x}" for name, value in self._seals().items()}

    def _checked_version(self) -> int:
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise InvalidInput(f"'{self._path}' is of version {version}; allowed: up to {VERSION}; update AutoScale")
        return int(version)

    def _prepare(self) -> None:
        if self._version == VERSION:
            return
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._version = self._checked_version()  # nobody writes beside us, but another reader may have been first
            first = (*filter(str.strip, _TABLES.split(";")), *_SINCE_2) if self._version < 2 else ()
            for statement in (*first, *_SINCE_3) if self._version < VERSION else ():
                self._base.execute(statement)
            self._version = VERSION
            self._seal(self._seals())
            self._base.execute(f"PRAGMA user_version={VERSION}")

    def _seals(self) -> dict[str, int]:
        """Worked out anew from what the tables hold."""
        files = self._base.execute(f"SELECT {_ENTRY} FROM files WHERE retired_s IS NULL")
        return {"files": sealed(files), "counts": sealed(self._base.execute("SELECT name, number FROM counts"))}

    def _seal(self, seals: Mapping[str, int]) -> None:
        rows = [(name, f"{value:x}") for name, value in seals.items()]
        self._base.executemany("INSERT OR REPLACE INTO seals VALUES(?, ?)", rows)

    def _write(self, change: Change, now_s: float) -> None:
        run = self._base.executemany
        self._write_files(change, now_s)
        logs = [
            (*key, log.high_water, json.dumps(log.gaps), log.missing, log.first_us, log.last_us)
            for key, log in change.logs.items()
        ]
        run(
            "INSERT INTO logs(device_id, log_id, high_water, gaps, missing, first_us, last_us, lost)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, '{}')"
            " ON CONFLICT DO UPDATE SET high_water=excluded.high_water, gaps=excluded.gaps, missing=excluded.missing,"
            " first_us=excluded.first_us, last_us=excluded.last_us",
            logs,
        )
        lost = [(json.dumps(self._most_lost(key, causes)), *key) for key, causes in change.lost.items() if causes]
        run("UPDATE logs SET lost=? WHERE device_id=? AND log_id=?", lost)
        if change.forgotten:
            run("DELETE FROM logs WHERE device_id=?", [(change.forgotten,)])
        today = int(now_s // SECONDS_PER_DAY)
        run("INSERT INTO taken VALUES(?, ?)", [(each, today) for each in change.taken])
        if change.untold_days:
            run("DELETE FROM taken WHERE day < ?", [(today - change.untold_days,)])
        counts = list(change.counts.items())
        run("INSERT INTO counts VALUES(?, ?) ON CONFLICT DO UPDATE SET number=number+excluded.number", counts)
        self._seal({"counts": sealed(self._base.execute("SELECT name, number FROM counts"))})

    def _write_files(self, change: Change, now_s: float) -> None:
        run = self._base.executemany
        given = json.dumps(change.retired)
        stale = "SELECT DISTINCT path FROM covers WHERE covered IN (SELECT value FROM json_each(?))"
        retired = [*change.retired, *(path for (path,) in self._base.execute(stale, (given,)))]
        live = f"SELECT {_ENTRY} FROM files WHERE path IN (SELECT value FROM json_each(?)) AND retired_s IS NULL"
        gone = self._base.execute(live, (json.dumps(retired),)).fetchall()
        since_s = 0.0 if change.is_erased else now_s
        run("UPDATE files SET retired_s=? WHERE path=?", [(since_s, each) for each in retired])
        run("DELETE FROM covers WHERE path=?", [(each,) for each in retired])
        run("INSERT INTO covers VALUES(?, ?)", [(path, each) for path, of in change.covers.items() for each in of])
        added = [astuple(each) for each in change.added]
        run(f"INSERT INTO files({_ENTRY}) VALUES(?, ?, ?, ?, ?)", added)
        (seal,) = self._base.execute("SELECT value FROM seals WHERE name='files'").fetchone()
        self._seal({"files": resealed(int(seal, 16), added, gone)})

    def _most_lost(self, key: LogKey, causes: Mapping[str, int]) -> dict[str, int]:
        """What is known of a log's losses, and the news: a batch that is sent late or again tells old ones."""
        (reported,) = self._base.execute("SELECT lost FROM logs WHERE device_id=? AND log_id=?", key).fetchone()
        known: dict[str, int] = json.loads(reported)
        return known | {cause: max(rows, known.get(cause, 0)) for cause, rows in causes.items()}


def tier(size: int) -> int:
    """Files of one tier are of about one size: merged with their like, each byte is written a few times, not often."""
    return size.bit_length() // _TIER_BITS


def is_whole(folder: Path, entry: Entry) -> bool:
    """Whether a file is there and as long as it was."""
    path = folder / entry.path
    return path.is_file() and path.stat().st_size == entry.bytes


@dataclass(frozen=True, slots=True)
class ManifestRead:
    """What a manifest says at one moment, in the words of ``LedgerManifest``."""

    entries: list[Entry]
    counts: dict[str, int]
    lost: dict[str, int]
    covers: dict[str, frozenset[str]]
    is_sealed: bool


def read_ledger_manifest(folder: Path) -> ManifestRead:
    """The files that count, the counts, what devices lost, and whether its seals hold; also beside a collector.

    Raises:
        InvalidInput: there is no ledger there, or its manifest is damaged.
    """
    if not (folder / FILE).is_file():
        raise InvalidInput(f"'{folder}' is no ledger: it has no {FILE}")
    try:
        with closing(LedgerManifest(folder, writes=False)) as manifest, manifest.still():
            return ManifestRead(
                manifest.entries(), manifest.counts(), manifest.lost(), manifest.covers(), manifest.is_sealed()
            )
    except (sqlite3.Error, ValueError, TypeError) as error:  # whatever a flipped bit makes of a table
        raise InvalidInput(
            f"'{folder / FILE}' is damaged: {error}; allowed: a whole one, from a copy of the ledger"
        ) from error

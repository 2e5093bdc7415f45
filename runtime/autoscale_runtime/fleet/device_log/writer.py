"""The log on the device: every record appended as it comes, in some microseconds.

What holds, whatever happens:

- kill -9 loses at most the record being written, one for each thread that was just answered: each is one ``write`` to
  the kernel, made while the caller is busy with the answer; ``close`` and the process's end wait for those of sessions;
- a power cut loses what the system had not written out by itself (some 30 s), never the file: nothing is synced per
  record, but whatever was sent to a collector was synced before;
- the folder keeps to its size: segments that the collector has go first, then the oldest, which is counted;
- a full disk is counted, and never felt by a query;
- every record takes a number, so that whatever is lost leaves a gap that the collector sees; the number, not the
  clock, is the order;
- a folder that was copied, to a cloned machine or by a backup, goes on as a log of its own: what both have counts
  once, what each adds counts too.
"""

import json
import os
import threading
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from autoscale.closing import Closing
from autoscale.errors import InvalidInput
from autoscale.files import BINARY
from autoscale.fleet.ledger.lock import FolderLock
from autoscale.fleet.ledger.row_encoder import encode_record
from autoscale.fleet.ledger.schema import BY_NAME, TEXTS
from autoscale.query.record import Record
from autoscale_runtime.device.behind import settle_all
from autoscale_runtime.fleet.device_log.log_folder import LogFolder
from autoscale_runtime.fleet.device_log.loss_note import LossNote
from autoscale_runtime.fleet.device_log.segment import LOST, MOST_WORDS, ROW, WORD, Header, frame, row_struct

DEFAULT_BYTES: Final = 64 << 20
"""Some 50 000 queries, or 200 000 without what stood to be chosen: weeks of most apps."""

LEAST_BYTES: Final = 64 << 10
_SEGMENTS: Final = 16
_LONGEST: Final = [BY_NAME[name].longest for name in TEXTS]


class LedgerWriter(Closing):
    """Appends records to the log in a folder; thread-safe, one at a time for each folder.

    >>> with LedgerWriter("log", app_version="1.2") as log:  # doctest: +SKIP
    ...     session = Session("model.onnx", options=SessionOptions(on_record=log.append))

    Args:
        folder: made where there is none.
        app_version: of the app that asks, as its rows will say.
        max_bytes: what the folder may take.

    Raises:
        InvalidInput: another writer has the folder, or it is to be smaller than ``LEAST_BYTES``.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path | str, app_version: str = "", max_bytes: int = DEFAULT_BYTES) -> None:
        if max_bytes < LEAST_BYTES:
            raise InvalidInput(f"max_bytes is {max_bytes}; allowed: {LEAST_BYTES} or more")
        self._folder = LogFolder(folder)
        self._max_bytes, self._segment_bytes = max_bytes, max_bytes // _SEGMENTS
        self._texts = (uuid.uuid4().hex, app_version)
        self._guard = threading.Lock()
        self._lock = FolderLock(self._folder.path, "log", "writer")
        self._pack = row_struct(Header("", "", 0, {})).pack
        self._handle, self._size, self._next = -1, 0, 0
        self._codes: dict[str, int] = {}
        self._note = LossNote(self._folder.path / "full")
        try:
            self._go_on()
        except BaseException:
            self._note.close()
            self._lock.close()
            raise

    @property
    def lost(self) -> dict[str, int]:
        """Records of this log that are gone, by cause: ``space``, ``disk``, ``torn``."""
        return dict(self._lost)

    def append(self, record: Record) -> None:
        """Add a record; what cannot be written is counted in ``lost``, and nothing is raised.

        Raises:
            InvalidInput: the writer was closed.
        """
        numbers, texts = encode_record(record)
        with self._guard:
            if self._next < 0:
                raise InvalidInput(f"the log '{self._folder.path}' was closed; allowed: append before close")
            sequence = self._next
            self._next = sequence + 1
            try:
                self._write((sequence, *numbers), (*self._texts, *texts))
            except OSError:
                self._lose("disk", 1)
                self._note.write(self._log_id, self._lost["disk"])
                self._give_up_segment()

    def sync(self) -> None:
        """Make all that was appended durable now.

        Raises:
            OSError: the disk fails.
        """
        with self._guard:
            if self._handle >= 0:
                os.fsync(self._handle)

    def close(self) -> None:
        """Have what sessions answered so far recorded, sync, and let another writer have the folder."""
        settle_all()
        with suppress(OSError):  # as durable as a kill would leave it
            self.sync()
        with self._guard:
            self._close_segment()
            self._next = -1
            self._note.close()
            self._lock.close()

    def _go_on(self) -> None:
        """Take up the log where the last writer left it, however it ended."""
        last, cut = self._folder.recover()
        self._device_id = self._folder.device_id(last)
        place, kept = self._folder.place(), self._folder.acknowledged()
        untold = 0
        if last is not None:
            kept = max(kept, last.last)
            untold = max(0, self._note.read(last.header.log_id) - last.lost.get("disk", 0))
        if last is not None and last.header.place == place:
            log, self._lost = last.header, dict(last.lost)
        else:
            log, self._lost = Header(self._device_id, uuid.uuid4().hex, 0, {}, kept + 1, place), {}
        self._log_id, self._begins, self._place = log.log_id, log.begins, place
        # Numbers that a damaged end may have used are not used again: the collector may know them.
        self._next = kept + 1 + cut + untold
        self._is_reported = True
        self._lose("torn", cut)
        self._lose("disk", untold)
        self._note.write(self._log_id, self._lost.get("disk", 0))

    def _write(self, numbers: tuple[int, ...], texts: Sequence[str]) -> None:
        if self._handle < 0 or self._size > self._segment_bytes or len(self._codes) + len(texts) > MOST_WORDS:
            self._rotate(numbers[0])
        try:
            codes, fresh = [self._codes[text] for text in texts], {}
        except KeyError:
            fresh = self._fresh(texts)
            known = self._codes | fresh
            codes = [known[text] for text in texts]
        content = frame(ROW + self._pack(*numbers, *codes))
        if fresh or not self._is_reported:
            content = self._preface(fresh, texts) + content
        self._put(content)
        self._codes |= fresh
        self._is_reported = True

    def _fresh(self, texts: Sequence[str]) -> dict[str, int]:
        """Texts that this segment does not have yet, and the numbers they get."""
        new = [text for text in dict.fromkeys(texts) if text not in self._codes]
        return {text: len(self._codes) + i for i, text in enumerate(new)}

    def _preface(self, fresh: Iterable[str], texts: Sequence[str]) -> bytes:
        """What must stand before a row: its new texts, and what was lost since the last row."""
        longest = dict(zip(texts, _LONGEST, strict=True))
        words = b"".join(frame(WORD + text[: longest[text] + 1].encode(errors="replace")) for text in fresh)
        return words if self._is_reported else words + frame(LOST + json.dumps(self._lost).encode())

    def _put(self, content: bytes) -> None:
        written = os.write(self._handle, content)
        if written < len(content):
            raise OSError("the disk is full")
        self._size += written

    def _rotate(self, first: int) -> None:
        self._close_segment()
        self._make_room(first)
        header = Header(self._device_id, self._log_id, first, self._lost, self._begins, self._place)
        path = self._folder.path_of(first)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | BINARY, 0o644)
        self._size, self._codes = 0, {}
        try:
            self._put(header.frame())
        except OSError:
            self._close_segment()
            path.unlink(missing_ok=True)
            raise
        self._is_reported = True

    def _make_room(self, first: int) -> None:
        """Drop the oldest segments until one more has room: the uploader took away those that the collector has."""
        segments = self._folder.segments()
        sizes = [_size(each.path) for each in segments]
        acknowledged = self._folder.acknowledged()
        ends = [*(each.first for each in segments), first][1:]
        left = sum(sizes)
        for each, size, end in zip(segments, sizes, ends, strict=True):
            if left + self._segment_bytes <= self._max_bytes:
                return
            each.path.unlink(missing_ok=True)
            left -= size
            self._lose("space", max(0, end - max(each.first, acknowledged + 1)) if size else 0)

    def _lose(self, cause: str, rows: int) -> None:
        if rows:
            self._lost[cause] = self._lost.get(cause, 0) + rows
            self._is_reported = False

    def _give_up_segment(self) -> None:
        """Take back the half of a record that a full disk took."""
        if self._handle >= 0:
            try:
                os.ftruncate(self._handle, self._size)
            except OSError:  # the next record begins a new one, and whoever reads stops at the half
                self._close_segment()

    def _close_segment(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _size(path: Path) -> int:
    """Bytes of a file; 0 where the uploader took it away meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

"""Rows as the sums that leave a device in their place: made once, kept, and sent as they are until they arrived.

A message of sums says nothing by which its rows could be found again, so the same rows must never be summed twice: what
is made is written down, with the last row in it, before it is sent. It arrived once that row is acknowledged.
"""

import base64
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.fleet.ledger.hourly import hourly_sums
from autoscale.fleet.ledger.rollup import HOUR_US
from autoscale.fleet.ledger.rows import Ints, Rows, Texts, with_all_columns
from autoscale.fleet.ledger.validation import REASONS, Rules, validate
from autoscale_runtime.fleet.device_log.losses import Losses
from autoscale_runtime.fleet.device_log.segment import Segment
from autoscale_runtime.fleet.sums import KEY_BYTES, SumsMessage, message_of

FILE: Final = "sums.json"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is on its way, or was last.

    Attributes:
        message: as it is sent; empty where no row of it could be true.
        last: number of the last row in it.
        losses: what was told of rows that were dropped, this message included.
        left_out: rows that are in no sum.
    """

    message: bytes
    last: int
    losses: Losses
    left_out: int

    def write(self, folder: Path) -> None:
        """Write it down, durably.

        Raises:
            OSError: the disk is full or fails.
        """
        kept = {
            "message": base64.b64encode(self.message).decode(),
            "last": self.last,
            "losses": asdict(self.losses),
            "left_out": self.left_out,
        }
        write_file(folder / FILE, json.dumps(kept))

    @classmethod
    def read(cls, folder: Path) -> "Outgoing":
        """What was written down; of no row where nothing was.

        Raises:
            InvalidInput: it cannot be read: what it sums may have arrived, so it can neither be sent nor made anew.
            OSError: the disk fails.
        """
        path = folder / FILE
        if not path.is_file():
            return cls(b"", -1, Losses(), 0)
        try:
            kept = json.loads(path.read_bytes())
            losses = Losses(**kept["losses"]) if "losses" in kept else _as_once(kept)
            return cls(base64.b64decode(kept["message"]), kept["last"], losses, kept["left_out"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"'{path}' is damaged: {error!r}; allowed: to remove it, and the rows after the last acknowledged one "
                "are summed anew, though they may have arrived"
            ) from error


def summed_rows(segment: Segment, waiting: Ints, now_us: int) -> Ints:
    """Which of some rows are summed now: up to the first one of an hour that has not ended.

    Args:
        segment: of a log.
        waiting: indices of its rows, ascending.
        now_us: by the device's clock; a row that is later than an hour from now waits for nothing.
    """
    time_us = segment.rows.numbers["time_us"][waiting]
    is_open = (time_us >= now_us - now_us % HOUR_US) & (time_us <= now_us + HOUR_US)
    return waiting[: int(np.argmax(is_open))] if is_open.any() else waiting


def sums_of(segment: Segment, which: Ints, before: Outgoing, now_us: int) -> Outgoing:
    """Sums of some rows of a segment, as a collector takes them; those that cannot be true are counted as lost."""
    log = segment.header
    rows = _completed(segment.rows.take(which), log.device_id, log.log_id, log.schema)
    reasons = validate(rows, Rules(), now_us)
    last = int(segment.rows.numbers["sequence"][which[-1]])
    left_out = Counter(REASONS[each] for each in reasons[reasons >= 0].tolist())
    losses, message, is_good = before.losses.of(log.log_id, segment.lost, left_out), b"", reasons < 0
    if is_good.any():
        sent = SumsMessage(secrets.token_bytes(KEY_BYTES), hourly_sums(rows.take(is_good)), losses.untold)
        message, losses = message_of(sent).SerializeToString(), losses.told_by_sums()
    return Outgoing(message, last, losses, left_out.total())


def _as_once(kept: Mapping[str, Any]) -> Losses:
    """Losses as they were kept before those that rows told were."""
    return Losses(kept["log_id"], kept["lost"], kept["untold"], by_sums=kept["lost"])


def _completed(rows: Rows, device_id: str, log_id: str, schema: int) -> Rows:
    """With the columns that a batch says once, and those of later schemas."""
    count = len(rows)
    numbers = {**rows.numbers, "schema": np.full(count, schema, np.int64)}
    names = {"device_id": device_id, "log_id": log_id}
    return with_all_columns(
        Rows(numbers, {**rows.texts, **{name: Texts.same(of, count) for name, of in names.items()}})
    )

"""Rows as messages and back: columns as plain bytes, each number in as few of them as its column needs."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.rows import Codes, Ints, Rows, Texts, with_all_columns
from autoscale.fleet.ledger.schema import BATCH_COLUMNS, BY_NAME, SCHEMA, columns_of
from autoscale_runtime._proto import fleet_pb2 as pb

MOST_ROWS: Final = 16_384
"""In one batch."""

MOST_BYTES: Final = 8 << 20
"""In one message: with the number of batches taken at once, what bounds a collector's memory."""

MOST_SEQUENCE: Final = BY_NAME["sequence"].limit
_MOST_CAUSES: Final = 16

_WIDTHS: Final = (1, 2, 4, 8)
_DTYPES: Final = {width: np.dtype(f"<i{width}") for width in _WIDTHS}


class LaterSchema(InvalidInput):
    """A batch of a later schema than this collector reads; whoever sent it keeps it."""


def batch_of(
    rows: Rows, device_id: str, log_id: str, lost: Mapping[str, int], schema: int = SCHEMA, begins: int = 0
) -> pb.Batch:
    """Rows of one log, which begins with some number, as a message."""
    return pb.Batch(
        schema=schema,
        device_id=device_id,
        log_id=log_id,
        begins=begins,
        rows=len(rows),
        numbers=[_numbers(name, values) for name, values in rows.numbers.items()],
        texts=[_texts(name, texts.trimmed()) for name, texts in rows.texts.items()],
        lost=dict(lost),
    )


def read_batch(content: bytes) -> pb.Batch:
    """A message as it came.

    Raises:
        LaterSchema: its columns are not known here yet.
        InvalidInput: it is none, or says nothing of whose it is or how long.
    """
    try:
        batch = pb.Batch.FromString(content)
    except DecodeError as error:
        raise InvalidInput(f"a batch of {len(content)} bytes cannot be read: {error}") from error
    if batch.schema > SCHEMA:
        raise LaterSchema(f"schema is {batch.schema}; allowed: up to {SCHEMA}; update the collector")
    if batch.schema < 1 or not (batch.device_id and batch.log_id and 0 < batch.rows <= MOST_ROWS):
        given = f"schema {batch.schema}, device '{batch.device_id}', log '{batch.log_id}', {batch.rows} rows"
        raise InvalidInput(f"a batch says {given}; allowed: all of them, and up to {MOST_ROWS} rows")
    if len(batch.lost) > _MOST_CAUSES or not all(map(_is_loss, batch.lost.items())):
        raise InvalidInput(
            f"a batch names {len(batch.lost)} causes of loss; allowed: {_MOST_CAUSES}, each a word and up to 2^40 rows"
        )
    return batch


def reported_rows(content: bytes) -> int:
    """As how many rows an unreadable message counts: as it says, as far as so many can be in it, and one at least."""
    try:
        return max(1, min(pb.Batch.FromString(content).rows, len(content) // len(columns_of(1))))
    except DecodeError:
        return 1


def rows_of(batch: pb.Batch) -> Rows:
    """The rows of a message, its log's name in each, with what later schemas added absent or as they say.

    Raises:
        InvalidInput: a column of its schema is missing, one is unknown there, comes twice or is not as long as the
            batch says; a sequence number is none of the log's.
    """
    absent = _absent_texts(batch)
    _check_names(batch.schema, "numbers", tuple([each.name for each in batch.numbers if each.name not in absent]))
    _check_names(batch.schema, "texts", (*[each.name for each in batch.texts], *absent))
    numbers = _all_numbers(batch)
    for name in absent:
        del numbers[name]
    numbers["schema"] = np.full(batch.rows, batch.schema, np.int64)
    least, most = int(numbers["sequence"].min()), int(numbers["sequence"].max())
    if least < batch.begins or most > MOST_SEQUENCE:
        given = f"sequence is {least} to {most} in a batch of '{batch.device_id}'"
        raise InvalidInput(f"{given}; allowed: {batch.begins} to {MOST_SEQUENCE}")
    texts = {each.name: _words(each, batch.rows) for each in batch.texts}
    texts |= {name: Texts(_zeros(batch.rows), ("",)) for name in absent}
    texts |= {name: Texts(_zeros(batch.rows), (getattr(batch, name),)) for name in ("device_id", "log_id")}
    return with_all_columns(Rows(numbers, texts))


def _absent_texts(batch: pb.Batch) -> tuple[str, ...]:
    """Columns of text that come as numbers, absent (-1) throughout: who has no text there does not know its kind."""
    named = _texts_among(batch.schema, tuple([each.name for each in batch.numbers]))
    if not named:
        return ()
    return tuple(each.name for each in batch.numbers if each.name in named and not each.values.strip(b"\xff"))


@lru_cache(maxsize=64)
def _texts_among(schema: int, names: tuple[str, ...]) -> frozenset[str]:
    texts = {each.name for each in columns_of(schema) if each.is_text and each.name not in BATCH_COLUMNS}
    return frozenset(texts.intersection(names))


def _numbers(name: str, values: NDArray[np.int64]) -> pb.Numbers:
    width = next(each for each in _WIDTHS if _fits(values, each))
    return pb.Numbers(name=name, width=width, values=values.astype(f"<i{width}").tobytes())


def _texts(name: str, texts: Texts) -> pb.Texts:
    width = next(each for each in _WIDTHS if _fits(texts.codes, each))
    return pb.Texts(name=name, width=width, codes=texts.codes.astype(f"<i{width}").tobytes(), words=texts.words)


def _fits(values: NDArray[Any], width: int) -> bool:
    info = np.iinfo(f"<i{width}")
    return bool(values.min() >= info.min and values.max() <= info.max)


def _all_numbers(batch: pb.Batch) -> dict[str, Ints]:
    """The columns of numbers, those of one width in one piece: a small batch is many columns of few values."""
    alike: dict[int, list[pb.Numbers]] = {}
    for each in batch.numbers:
        _check_length(each.name, each.values, each.width, batch.rows)
        alike.setdefault(each.width, []).append(each)
    numbers: dict[str, Ints] = {}
    for width, columns in alike.items():
        values = _ints(b"".join([each.values for each in columns]), width).reshape(len(columns), batch.rows)
        numbers.update(zip([each.name for each in columns], values, strict=True))
    return numbers


def _words(column: pb.Texts, rows: int) -> Texts:
    words, codes = tuple(column.words), column.codes
    _check_length(column.name, codes, column.width, rows)
    if len(words) == 1 and codes.count(0) == len(codes):
        return Texts(_zeros(rows), words)
    if len(set(words)) < len(words):
        raise InvalidInput(f"'{column.name}' has a word twice; allowed: each once")
    numbers = _ints(codes, column.width)
    if numbers.min() < 0 or numbers.max() >= len(words):
        raise InvalidInput(f"'{column.name}' has {len(words)} words, and codes to {numbers.max()}; allowed: below")
    return Texts(numbers.astype(np.int32), words)


@lru_cache(maxsize=256)
def _zeros(rows: int) -> Codes:
    zeros = np.zeros(rows, np.int32)
    zeros.flags.writeable = False
    return zeros


def _check_length(name: str, content: bytes, width: int, rows: int) -> None:
    if width not in _DTYPES or len(content) != width * rows:
        raise InvalidInput(
            f"'{name}' has {len(content)} bytes of width {width}; allowed: {rows} values of 1, 2, 4 or 8"
        )


def _ints(content: bytes, width: int) -> Ints:
    return np.frombuffer(content, _DTYPES[width]).astype(np.int64)


@lru_cache(maxsize=64)
def _check_names(schema: int, kind: str, names: tuple[str, ...]) -> None:
    """Of a batch's columns; those that were right once are not looked at again."""
    columns = [each for each in columns_of(schema) if each.name not in BATCH_COLUMNS]
    allowed = [each.name for each in columns if each.is_text == (kind == "texts")]
    missing, strange = set(allowed).difference(names), set(names).difference(allowed)
    if missing:
        of = f"the columns {sorted(missing)} of schema {schema}"
        raise InvalidInput(f"a batch lacks {of}; allowed: all but {list(BATCH_COLUMNS)}")
    if strange or len(names) > len(allowed):
        what = f"the unknown {kind} {sorted(strange)[:8]}" if strange else f"{kind} twice"
        raise InvalidInput(f"a batch has {what}; allowed: the {len(allowed)} of schema {schema}, each once")


def _is_loss(loss: tuple[str, int]) -> bool:
    cause, rows = loss
    return cause.isidentifier() and len(cause) <= 64 and rows <= MOST_SEQUENCE

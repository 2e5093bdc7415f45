"""Rows as messages and back, many at once."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.column import ABSENT
from autoscale.fleet.ledger.rows import Ints, Rows, Texts, joined, with_all_columns
from autoscale.fleet.ledger.schema import BATCH_COLUMNS, BY_NAME, SCHEMA, columns_of
from autoscale_runtime._proto import fleet_pb2 as pb
from autoscale_runtime.fleet.columns import (
    coded_texts,
    each_once,
    number_message,
    text_column,
    text_message,
    whole_column,
)
from autoscale_runtime.fleet.laid_out import MANY, LaidOut, laid_out

MOST_ROWS: Final = 16_384
"""In one batch."""

MOST_BYTES: Final = 8 << 20
"""In one message: with the number of batches taken at once, what bounds a collector's memory."""

MOST_SEQUENCE: Final = BY_NAME["sequence"].limit
_MOST_CAUSES: Final = 16

_Layout = tuple[int, tuple[str, ...], tuple[str, ...]]
"""A batch's schema and the names of its columns, numbers and texts, as it orders them."""


class LaterSchema(InvalidInput):
    """A batch of a later schema than this collector reads; whoever sent it keeps it."""


def batch_of(
    rows: Rows, device_id: str, log_id: str, lost: Mapping[str, int], schema: int = SCHEMA, begins: int = 0
) -> pb.Batch:
    """Rows of one log, of which none before some number is due as a row, as a message."""
    return pb.Batch(
        schema=schema,
        device_id=device_id,
        log_id=log_id,
        begins=begins,
        rows=len(rows),
        numbers=[number_message(name, values) for name, values in rows.numbers.items()],
        texts=[text_message(name, texts.trimmed()) for name, texts in rows.texts.items()],
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
    check_lost(batch.lost)
    return batch


def check_lost(lost: Mapping[str, int]) -> None:
    """Refuse what cannot be the causes of losses.

    Raises:
        InvalidInput: too many, or one that is no word or has too many rows.
    """
    if len(lost) > _MOST_CAUSES or not all(map(_is_loss, lost.items())):
        raise InvalidInput(
            f"a batch names {len(lost)} causes of loss; allowed: {_MOST_CAUSES}, each a word and up to 2^40 rows"
        )


def reported_rows(content: bytes) -> int:
    """As how many rows an unreadable message counts: as it says, as far as so many can be in it, and one at least."""
    try:
        return max(1, min(pb.Batch.FromString(content).rows, len(content) // len(columns_of(1))))
    except DecodeError:
        return 1


def rows_of(*batches: pb.Batch, contents: Sequence[bytes] = ()) -> Rows:
    """The rows of messages, one message after the other, each log's name in its rows, with what later schemas added
    absent or as they say.

    Many small batches together cost a fraction of what each costs alone: a batch is many columns of few values.

    Args:
        batches: the messages.
        contents: of each as it came, where that is known: from it many that are alike are read at once.

    Raises:
        InvalidInput: in one of them a column of its schema is missing, one is unknown there, comes twice or is not as
            long as the batch says; a sequence number is none of the log's.
    """
    which_of_part: list[Sequence[int]] = []
    parts: list[Rows] = []
    rest: Sequence[int] = range(len(batches))
    if len(contents) >= MANY and _is_known(first := _columns(batches[0])):
        found = laid_out(contents, batches)
        if which := np.flatnonzero(found.which).tolist():
            which_of_part.append(which)
            parts.append(_rows_laid_out([batches[i] for i in which], found, _layout(batches[0], first)))
            rest = np.flatnonzero(~found.which).tolist()
    columns = {i: _columns(batches[i]) for i in rest}
    alike: dict[_Layout, list[int]] = {}
    for i in rest:
        alike.setdefault(_layout(batches[i], columns[i]), []).append(i)
    for layout, which in alike.items():
        which_of_part.append(which)
        parts.append(_rows_of_alike([batches[i] for i in which], [columns[i] for i in which], layout))
    if len(parts) == 1:
        return parts[0]
    lengths = _lengths(batches)
    batch_of_row = np.concatenate([np.repeat(which, lengths[which]) for which in which_of_part])
    return joined(parts).take(np.argsort(batch_of_row, kind="stable"))


def _rows_laid_out(batches: Sequence[pb.Batch], found: LaidOut, layout: _Layout) -> Rows:
    """Of batches that are laid out alike."""
    lengths = _lengths(batches)
    batch_of_row = np.repeat(np.arange(len(batches)), lengths)
    numbers = {name: whole_column(name, *values) for name, values in found.numbers.items()}
    texts = {
        name: coded_texts(name, whole_column(name, *codes), *words, batch_of_row)
        for name, (codes, words) in found.texts.items()
    }
    return _rows_of_columns(batches, layout, numbers, texts)


class _Columns(NamedTuple):
    """A batch's columns: held, since the message makes each anew whenever it is asked for."""

    numbers: list[pb.Numbers]
    texts: list[pb.Texts]


def _columns(batch: pb.Batch) -> _Columns:
    return _Columns(batch.numbers[:], batch.texts[:])


def _is_known(columns: _Columns) -> bool:
    """Whether the columns are all of this version, each once."""
    names = [each.name for each in columns.numbers] + [each.name for each in columns.texts]
    return len(set(names)) == len(names) and BY_NAME.keys() >= set(names)


def _layout(batch: pb.Batch, columns: _Columns) -> _Layout:
    return (
        batch.schema,
        tuple([each.name for each in columns.numbers]),
        tuple([each.name for each in columns.texts]),
    )


def _lengths(batches: Sequence[pb.Batch]) -> Ints:
    return np.fromiter([each.rows for each in batches], np.int64, len(batches))


def _rows_of_alike(batches: Sequence[pb.Batch], of_batches: Sequence[_Columns], layout: _Layout) -> Rows:
    """Of batches that have the same columns in the same order."""
    _, number_names, text_names = layout
    lengths = _lengths(batches)
    batch_of_row = np.repeat(np.arange(len(batches)), lengths)
    numbers = {
        name: whole_column(name, [each.values for each in of], [each.width for each in of], lengths)
        for name, of in zip(number_names, zip(*[each.numbers for each in of_batches], strict=True), strict=True)
    }
    texts = {
        name: text_column(name, of, lengths, batch_of_row)
        for name, of in zip(text_names, zip(*[each.texts for each in of_batches], strict=True), strict=True)
    }
    return _rows_of_columns(batches, layout, numbers, texts)


def _rows_of_columns(
    batches: Sequence[pb.Batch], layout: _Layout, numbers: dict[str, Ints], texts: dict[str, Texts]
) -> Rows:
    """Of columns of batches that have the same, with what the batches say of all their rows."""
    schema, number_names, text_names = layout
    lengths = _lengths(batches)
    absent = _absent_texts(schema, numbers)
    _check_names(schema, "numbers", tuple([each for each in number_names if each not in absent]))
    _check_names(schema, "texts", (*text_names, *absent))
    _check_sequence(numbers["sequence"], batches, lengths)
    count = int(lengths.sum())
    whole = {name: values for name, values in numbers.items() if name not in absent}
    whole["schema"] = np.full(count, schema, np.int64)
    named = texts | {name: Texts(np.zeros(count, np.int32), ("",)) for name in absent}
    for name in ("device_id", "log_id"):
        words, codes = each_once([getattr(each, name) for each in batches])
        named[name] = Texts(np.repeat(codes, lengths), words)
    return with_all_columns(Rows(whole, named))


def _check_sequence(sequence: Ints, batches: Sequence[pb.Batch], lengths: Ints) -> None:
    starts = np.cumsum(lengths) - lengths
    least, most = np.minimum.reduceat(sequence, starts), np.maximum.reduceat(sequence, starts)
    begins = np.array([min(each.begins, MOST_SEQUENCE + 1) for each in batches], np.int64)
    wrong = np.flatnonzero((least < begins) | (most > MOST_SEQUENCE))
    if len(wrong):
        first = int(wrong[0])
        given = f"sequence is {least[first]} to {most[first]} in a batch of '{batches[first].device_id}'"
        raise InvalidInput(f"{given}; allowed: {batches[first].begins} to {MOST_SEQUENCE}")


def _absent_texts(schema: int, numbers: Mapping[str, Ints]) -> tuple[str, ...]:
    """Columns of text that come as numbers, absent (-1) throughout: who has no text there does not know its kind."""
    return tuple(name for name in _texts_among(schema, tuple(numbers)) if (numbers[name] == ABSENT).all())


@lru_cache(maxsize=64)
def _texts_among(schema: int, names: tuple[str, ...]) -> tuple[str, ...]:
    texts = {each.name for each in columns_of(schema) if each.is_text and each.name not in BATCH_COLUMNS}
    return tuple(each for each in names if each in texts)


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

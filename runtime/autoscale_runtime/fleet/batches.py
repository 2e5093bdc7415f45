"""Rows as messages and back: columns as plain bytes, each number in as few of them as its column needs."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.rows import Codes, Ints, Rows, Texts, joined, with_all_columns
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


def rows_of(*batches: pb.Batch) -> Rows:
    """The rows of messages, one message after the other, each log's name in its rows, with what later schemas added
    absent or as they say.

    Many small batches together cost a fraction of what each costs alone: a batch is many columns of few values.

    Raises:
        InvalidInput: in one of them a column of its schema is missing, one is unknown there, comes twice or is not as
            long as the batch says; a sequence number is none of the log's.
    """
    columns = [_Columns(each.numbers[:], each.texts[:]) for each in batches]
    alike: dict[_Layout, list[int]] = {}
    for index, (batch, each) in enumerate(zip(batches, columns, strict=True)):
        alike.setdefault(_layout(batch, each), []).append(index)
    if len(alike) == 1:
        return _rows_of_alike(batches, columns, *alike)
    lengths = np.array([each.rows for each in batches], np.int64)
    parts = [
        _rows_of_alike([batches[i] for i in which], [columns[i] for i in which], layout)
        for layout, which in alike.items()
    ]
    batch_of_row = np.concatenate([np.repeat(which, lengths[which]) for which in alike.values()])
    return joined(parts).take(np.argsort(batch_of_row, kind="stable"))


class _Columns(NamedTuple):
    """A batch's columns: held, since the message makes each anew whenever it is asked for."""

    numbers: list[pb.Numbers]
    texts: list[pb.Texts]


def _layout(batch: pb.Batch, columns: _Columns) -> _Layout:
    return (
        batch.schema,
        tuple([each.name for each in columns.numbers]),
        tuple([each.name for each in columns.texts]),
    )


def _rows_of_alike(batches: Sequence[pb.Batch], of_batches: Sequence[_Columns], layout: _Layout) -> Rows:
    """Of batches that have the same columns in the same order."""
    schema, number_names, text_names = layout
    lengths = np.array([each.rows for each in batches], np.int64)
    batch_of_row = np.repeat(np.arange(len(batches)), lengths)
    columns = dict(zip(number_names, zip(*[each.numbers for each in of_batches], strict=True), strict=True))
    absent = _absent_texts(schema, columns)
    _check_names(schema, "numbers", tuple([each for each in number_names if each not in absent]))
    _check_names(schema, "texts", (*text_names, *absent))
    numbers = {
        name: whole_column(name, [each.values for each in of], [each.width for each in of], lengths)
        for name, of in columns.items()
    }
    for name in absent:
        del numbers[name]
    numbers["schema"] = np.full(len(batch_of_row), schema, np.int64)
    _check_sequence(numbers["sequence"], batches, lengths)
    texts = {
        name: text_column(name, column, lengths, batch_of_row)
        for name, column in zip(text_names, zip(*[each.texts for each in of_batches], strict=True), strict=True)
    }
    texts |= {name: Texts(np.zeros(len(batch_of_row), np.int32), ("",)) for name in absent}
    for name in ("device_id", "log_id"):
        words, codes = _each_once([getattr(each, name) for each in batches])
        texts[name] = Texts(codes[batch_of_row], words)
    return with_all_columns(Rows(numbers, texts))


def _check_sequence(sequence: Ints, batches: Sequence[pb.Batch], lengths: Ints) -> None:
    starts = np.cumsum(lengths) - lengths
    least, most = np.minimum.reduceat(sequence, starts), np.maximum.reduceat(sequence, starts)
    begins = np.array([min(each.begins, MOST_SEQUENCE + 1) for each in batches], np.int64)
    wrong = np.flatnonzero((least < begins) | (most > MOST_SEQUENCE))
    if len(wrong):
        first = int(wrong[0])
        given = f"sequence is {least[first]} to {most[first]} in a batch of '{batches[first].device_id}'"
        raise InvalidInput(f"{given}; allowed: {batches[first].begins} to {MOST_SEQUENCE}")


def _absent_texts(schema: int, columns: Mapping[str, Sequence[pb.Numbers]]) -> tuple[str, ...]:
    """Columns of text that come as numbers, absent (-1) throughout: who has no text there does not know its kind."""
    named = _texts_among(schema, tuple(columns))
    return tuple(name for name in named if not any(each.values.strip(b"\xff") for each in columns[name]))


@lru_cache(maxsize=64)
def _texts_among(schema: int, names: tuple[str, ...]) -> tuple[str, ...]:
    texts = {each.name for each in columns_of(schema) if each.is_text and each.name not in BATCH_COLUMNS}
    return tuple(each for each in names if each in texts)


def number_message(name: str, values: NDArray[np.int64]) -> pb.Numbers:
    """A column of whole numbers."""
    width = next(each for each in _WIDTHS if _fits(values, each))
    return pb.Numbers(name=name, width=width, values=values.astype(f"<i{width}").tobytes())


def text_message(name: str, texts: Texts) -> pb.Texts:
    """A column of texts, without words that are not used."""
    width = next(each for each in _WIDTHS if _fits(texts.codes, each))
    return pb.Texts(name=name, width=width, codes=texts.codes.astype(f"<i{width}").tobytes(), words=texts.words)


def _fits(values: NDArray[Any], width: int) -> bool:
    info = np.iinfo(f"<i{width}")
    return bool(values.min() >= info.min and values.max() <= info.max)


def text_column(name: str, column: Sequence[pb.Texts], lengths: Ints, batch_of_row: Ints) -> Texts:
    """A column of texts of batches one after the other.

    Raises:
        InvalidInput: a word twice, a code of none, or another length than the batch's.
    """
    codes = whole_column(name, [each.codes for each in column], [each.width for each in column], lengths)
    words = [tuple(each.words[:]) for each in column]  # a slice is read at once, an iterator word by word
    lists = {each: index for index, each in enumerate(dict.fromkeys(words))}  # most batches say the same ones
    if any(len(set(each)) < len(each) for each in lists):
        raise InvalidInput(f"'{name}' has a word twice; allowed: each once")
    counts = np.array([len(each) for each in lists], np.int64)
    list_of_row: Any = 0
    if len(lists) > 1:
        list_of_row = np.fromiter(map(lists.__getitem__, words), np.int64, len(words))[batch_of_row]
    is_wrong = (codes < 0) | (codes >= counts[list_of_row])
    if is_wrong.any():
        wrong = int(np.argmax(is_wrong))
        limit = len(words[batch_of_row[wrong]])
        raise InvalidInput(f"'{name}' has {limit} words, and a code {codes[wrong]}; allowed: below")
    known, code_of = _each_once(list(chain.from_iterable(lists)))
    return Texts(code_of[codes + (np.cumsum(counts) - counts)[list_of_row]], known)


def _each_once(words: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    """Different words, and which of them each is, shape (words,)."""
    at = {word: code for code, word in enumerate(dict.fromkeys(words))}
    return tuple(at), np.fromiter(map(at.__getitem__, words), np.int32, len(words))


def whole_column(name: str, contents: Sequence[bytes], widths: Sequence[int], lengths: Ints) -> Ints:
    """A column of whole numbers of batches one after the other; each batch has a width of its own.

    Raises:
        InvalidInput: of another length than the batch's.
    """
    sizes, all_widths = np.fromiter(map(len, contents), np.int64, len(contents)), set(widths)
    width = widths[0]
    unlike = np.flatnonzero(sizes != lengths * (width if len(all_widths) == 1 else widths))
    if len(unlike) or not _DTYPES.keys() >= all_widths:
        first = int(unlike[0]) if len(unlike) else next(i for i, each in enumerate(widths) if each not in _DTYPES)
        given = f"'{name}' has {sizes[first]} bytes of width {widths[first]}"
        raise InvalidInput(f"{given}; allowed: {lengths[first]} values of 1, 2, 4 or 8")
    if len(all_widths) == 1:
        return np.frombuffer(b"".join(contents), _DTYPES[width]).astype(np.int64)
    whole, width_of_row = np.empty(int(lengths.sum()), np.int64), np.repeat(widths, lengths)
    for width in all_widths:
        of_width = b"".join([content for content, each in zip(contents, widths, strict=True) if each == width])
        whole[width_of_row == width] = np.frombuffer(of_width, _DTYPES[width])
    return whole


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

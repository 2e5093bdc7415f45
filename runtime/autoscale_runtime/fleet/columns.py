"""A batch's columns as plain bytes and back, each number in as few of them as its column needs."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.rows import Codes, Ints, Texts
from autoscale_runtime._proto import fleet_pb2 as pb

_WIDTHS: Final = (1, 2, 4, 8)
_DTYPES: Final = {width: np.dtype(f"<i{width}") for width in _WIDTHS}


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
    list_of = np.fromiter(map(lists.__getitem__, words), np.int64, len(words))
    return coded_texts(name, codes, list(lists), list_of, batch_of_row)


def coded_texts(name: str, codes: Ints, lists: Sequence[tuple[str, ...]], list_of: Ints, batch_of_row: Ints) -> Texts:
    """A column of texts of its codes, of lists of words, and of which of these each batch has.

    Raises:
        InvalidInput: a word twice, or a code of none.
    """
    if any(len(set(each)) < len(each) for each in lists):
        raise InvalidInput(f"'{name}' has a word twice; allowed: each once")
    counts = np.array([len(each) for each in lists], np.int64)
    list_of_row: Any = list_of[batch_of_row] if len(lists) > 1 else 0
    is_wrong = (codes < 0) | (codes >= counts[list_of_row])
    if is_wrong.any():
        wrong = int(np.argmax(is_wrong))
        limit = int(counts[list_of[batch_of_row[wrong]]])
        raise InvalidInput(f"'{name}' has {limit} words, and a code {codes[wrong]}; allowed: below")
    if len(lists) == 1:
        return Texts(codes.astype(np.int32), lists[0])
    known, code_of = each_once(list(chain.from_iterable(lists)))
    return Texts(code_of[codes + (np.cumsum(counts) - counts)[list_of_row]], known)


def each_once(words: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
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

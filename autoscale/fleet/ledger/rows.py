"""Many rows as columns, in numpy: what a batch carries, the collector checks and Parquet is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.schema import COLUMNS

Ints: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts, each held once.

    Attributes:
        codes: which word stands in which row, shape (rows,).
        words: the texts; not all need be used.
    """

    codes: Codes
    words: tuple[str, ...]

    @classmethod
    def same(cls, word: str, count: int) -> "Texts":
        """One word in every row."""
        return cls(np.zeros(count, np.int32), (word,))

    def take(self, which: Mask | Ints) -> "Texts":
        """The rows of a mask or of indices."""
        return Texts(self.codes[which], self.words)

    def trimmed(self) -> "Texts":
        """The same without the words that no row uses, each of the others once."""
        used, codes = np.unique(self.codes, return_inverse=True)
        words = [self.words[each] for each in used]
        at = {word: i for i, word in enumerate(dict.fromkeys(words))}
        if len(at) < len(words):
            codes = np.array([at[word] for word in words])[codes]
        return Texts(codes.astype(np.int32), tuple(at))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the ledger; each of their columns stands in one of the two, under its name.

    Those of an older schema, as a device or a file has them, lack later columns until they are ``with_all_columns``.

    Attributes:
        numbers: whole numbers, ``ABSENT`` and ``NOT_A_NUMBER`` among them, each of shape (rows,).
        texts: texts, absent ones empty.
    """

    numbers: Mapping[str, Ints]
    texts: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(self.numbers["sequence"])

    def take(self, which: Mask | Ints) -> "Rows":
        """The rows of a mask or of indices."""
        numbers = {name: values[which] for name, values in self.numbers.items()}
        return Rows(numbers, {name: texts.take(which) for name, texts in self.texts.items()})


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows one after the other; at least one part."""
    if len(parts) == 1:
        return parts[0]
    numbers = {name: np.concatenate([each.numbers[name] for each in parts]) for name in parts[0].numbers}
    return Rows(numbers, {name: joined_texts([each.texts[name] for each in parts]) for name in parts[0].texts})


def with_all_columns(rows: Rows) -> Rows:
    """The same with every column of the table: in those that they lack is what rows of older schemas have.

    Raises:
        InvalidInput: they lack one that every row must have.
    """
    lacked = [each for each in COLUMNS if each.name not in rows.numbers and each.name not in rows.texts]
    if not lacked:
        return rows
    needed = [each.name for each in lacked if each.absent is None]
    if needed:
        raise InvalidInput(
            f"rows lack the columns {needed}; allowed: to lack those that are optional or have a default"
        )
    numbers = {each.name: np.full(len(rows), each.absent, np.int64) for each in lacked if not each.is_text}
    texts = {each.name: Texts.same(str(each.absent), len(rows)) for each in lacked if each.is_text}
    return Rows({**rows.numbers, **numbers}, {**rows.texts, **texts})


def none() -> Rows:
    """No rows."""
    numbers = {each.name: np.zeros(0, np.int64) for each in COLUMNS if not each.is_text}
    return Rows(numbers, {each.name: Texts(np.zeros(0, np.int32), ()) for each in COLUMNS if each.is_text})


def joined_texts(parts: Sequence[Texts]) -> Texts:
    """Texts one after the other, each word once; at least one part."""
    first = parts[0].words
    if all(each.words == first for each in parts):
        return Texts(np.concatenate([each.codes for each in parts]), first)
    known: dict[str, int] = {}
    codes = [
        np.array([known.setdefault(word, len(known)) for word in each.words], np.int32)[each.codes] for each in parts
    ]
    return Texts(np.concatenate(codes), tuple(known))

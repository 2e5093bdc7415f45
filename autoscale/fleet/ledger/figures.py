"""Figures of many queries as rows, by the table of columns: what a simulator has, in arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoscale.fleet.ledger.column import ABSENT, MOST, NOT_A_NUMBER, Column
from autoscale.fleet.ledger.rows import Ints, Rows, Texts, with_all_columns
from autoscale.fleet.ledger.schema import BY_NAME, RANGES

Figures = Mapping[str, NDArray[Any]]


def rows_of_figures(figures: Figures, texts: Mapping[str, Texts]) -> Rows:
    """Rows of figures and texts, by the names of their columns; columns that are not given are absent.

    Args:
        figures: each of any one shape with a value for every row: floats in seconds, joules, grams and fractions, NaN
            where absent; whole numbers and booleans as the row is to hold them.
        texts: each of shape (rows,).

    Raises:
        InvalidInput: a column is missing that may not be absent.
    """
    numbers = {name: _whole(BY_NAME[name], values.ravel()) for name, values in figures.items()}
    for low, parts, high in RANGES:
        total = sum((numbers[name] for name in parts[1:]), numbers[parts[0]])
        numbers[low], numbers[high] = np.minimum(numbers[low], total), np.maximum(numbers[high], total)
    return with_all_columns(Rows(numbers, texts))


def _whole(column: Column, values: NDArray[Any]) -> Ints:
    if values.dtype.kind != "f":
        return values.astype(np.int64, copy=False)
    scaled = np.rint(values * column.per_unit)
    is_number = np.abs(scaled) <= MOST["int64"]  # NaN is not
    if is_number.all():
        return np.asarray(scaled, np.int64)
    is_absent = np.isnan(values) if column.optional else np.zeros(len(values), np.bool_)
    whole = np.where(is_number, scaled, 0.0).astype(np.int64)
    return np.where(is_number, whole, np.where(is_absent, ABSENT, NOT_A_NUMBER))

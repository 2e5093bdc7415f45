"""The multiply-accumulates of an Einsum."""

import math
import re
from collections.abc import Sequence


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]]) -> int:
    """Operands are contracted pairwise from the left, as ONNX Runtime does.

    A step costs the product of the extents of all its labels, if it sums over one of them; without a sum it
    multiplies element by element, which is no multiply-accumulate.

    >>> einsum_macs("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)])
    120
    >>> einsum_macs("i,j->ij", [(3,), (4,)])
    0
    """
    terms, result = _labels(equation, shapes)
    extents: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, extent in zip(term, shape, strict=True):
            extents[label] = max(extents.get(label, 1), extent)
    macs, held = 0, set(terms[0])
    for at, term in enumerate(terms[1:], start=1):
        joined = held | set(term)
        held = joined & (set(result) | {label for later in terms[at + 1 :] for label in later})
        macs += math.prod(extents[label] for label in joined) if joined != held else 0
    return macs


def _labels(equation: str, shapes: Sequence[Sequence[int]]) -> tuple[list[list[str]], list[str]]:
    """Labels of each operand and of the result; an ellipsis becomes numbered labels, counted from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [
        _expand(term, len(shape) - len(term.replace("...", "")))
        for term, shape in zip(left.split(","), shapes, strict=True)
    ]
    if arrow:
        most = max(sum(label.isdigit() for label in term) for term in terms)
        return terms, _expand(right, most)
    letters = [label for term in terms for label in term]
    return terms, [label for label in dict.fromkeys(letters) if label.isdigit() or letters.count(label) == 1]


def _expand(term: str, hidden: int) -> list[str]:
    parts = re.findall(r"\.\.\.|[A-Za-z]", term)
    numbered = [str(each) for each in reversed(range(hidden))]
    return [label for part in parts for label in (numbered if part == "..." else [part])]

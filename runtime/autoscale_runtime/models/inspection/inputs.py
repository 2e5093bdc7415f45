"""The shapes of a network's inputs: what the file fixes, what the caller gave, what must be asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscale.errors import FeedError, one_of

Shape = tuple[int, ...]

LONGEST: Final = 2**31 - 1
"""Of a dimension: what a TFLite file can hold, and more than any input has."""


@dataclass(frozen=True, slots=True)
class OpenInput:
    """An input as the file declares it.

    Attributes:
        name: as the file names it.
        dims: an int where fixed, a name or None where open; None where even the rank is open.
    """

    name: str
    dims: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        if self.dims is None:
            return f"'{self.name}' of any shape"
        return f"'{self.name}' [{', '.join('?' if d is None else str(d) for d in self.dims)}]"

    @property
    def example(self) -> str:
        """A ``--shape`` value that would do."""
        dims = self.dims if self.dims is not None else (None,) * 4
        usual = {2: (1, 128), 4: (1, 3, 224, 224)}.get(len(dims), (1,) * len(dims))
        filled = [have if isinstance(have, int) else guess for have, guess in zip(dims, usual, strict=True)]
        return f"{self.name}={'x'.join(map(str, filled))}"


Ask = Callable[[OpenInput], Shape]


def parse_shape(text: str) -> tuple[str, Shape]:
    """Read ``name=1x3x224x224``; nothing after ``=`` is a scalar.

    A length may be 0, as that of a decoder's past is at first, but not the leading one: no rows are no query.

    >>> parse_shape("input:0=1x3x224x224")
    ('input:0', (1, 3, 224, 224))

    Raises:
        FeedError: it is not of that form, or holds a length that no query has.
    """
    name, equals, dims = text.rpartition("=")
    parts = dims.replace(",", "x").lower().split("x") if dims else []
    if not (equals and name and all(part.isascii() and part.isdigit() for part in parts)):
        raise FeedError(f"--shape '{text}' is not NAME=DIMS; allowed: for example input=1x3x224x224")
    lengths = tuple(int(part) for part in parts)
    if 0 in lengths[:1] or max(lengths, default=0) > LONGEST:
        raise FeedError(f"--shape '{text}' is no query's; allowed: 1 or more rows, lengths of {LONGEST} at most")
    return name, lengths


def parse_shapes(texts: Sequence[str]) -> dict[str, Shape]:
    """Read several of them.

    Raises:
        FeedError: one is not of that form, or an input is named twice.
    """
    shapes: dict[str, Shape] = {}
    for text in texts:
        name, dims = parse_shape(text)
        if name in shapes:
            raise FeedError(f"--shape names '{name}' twice; allowed: once")
        shapes[name] = dims
    return shapes


def resolve(
    inputs: Sequence[OpenInput], given: Mapping[str, Shape], ask: Ask | None
) -> tuple[dict[str, Shape], list[str]]:
    """The shape of every input, and notes on what was assumed.

    A dimension the file names gets one value wherever it is named; an open leading dimension (the batch)
    becomes 1 if it is the only one left open.

    Raises:
        FeedError: a given name, rank or fixed dimension is not the file's, or a shape is missing.
    """
    for name in given:
        one_of("input", name, [each.name for each in inputs], FeedError)
    shapes = {each.name: _agree(each, given[each.name]) for each in inputs if each.name in given}
    named: dict[str, int] = {}
    for each in inputs:
        if each.name in shapes:
            _bind(each, shapes[each.name], named)
    notes: list[str] = []
    for each in inputs:
        if each.name not in shapes:
            shapes[each.name] = _complete(each, named, ask, notes)
            _bind(each, shapes[each.name], named)
    return shapes, notes


def _agree(declared: OpenInput, shape: Shape) -> Shape:
    """The given shape, if the file allows it."""
    if not all(isinstance(each, int) and each >= 0 for each in shape):
        raise FeedError(f"the shape of '{declared.name}' is {shape}; allowed: lengths, integers of 0 or more")
    if declared.dims is None:
        return shape
    clash = len(shape) != len(declared.dims) or any(
        isinstance(want, int) and want != have for want, have in zip(declared.dims, shape, strict=True)
    )
    if clash:
        text = "x".join(map(str, shape)) or "scalar"
        raise FeedError(f"--shape {declared.name}={text} does not fit; the file allows: {declared}")
    return shape


def _bind(declared: OpenInput, shape: Shape, named: dict[str, int]) -> None:
    for dim, size in zip(declared.dims or (), shape, strict=False):
        if isinstance(dim, str):
            named.setdefault(dim, size)


def _complete(declared: OpenInput, named: Mapping[str, int], ask: Ask | None, notes: list[str]) -> Shape:
    """A shape nobody gave: fixed and named dimensions, then a batch of 1, then ask."""
    if declared.dims is not None:
        dims = [named.get(dim) if isinstance(dim, str) else dim for dim in declared.dims]
        if dims and dims[0] is None and None not in dims[1:]:
            notes.append(f"input {declared}: batch of 1 assumed (--shape {declared.example})")
            dims[0] = 1
        known = tuple(dim for dim in dims if dim is not None)
        if len(known) == len(dims):
            return known
    if ask is not None:
        return _agree(declared, ask(declared))
    raise FeedError(f"input {declared} has open dimensions; give its shape, for example --shape {declared.example}")

"""The state of a network: outputs that its caller feeds back as inputs of the next query of a stream."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from autoscale.errors import FeedError, one_of
from autoscale_runtime.backends.tensors import TensorSpec

State = Mapping[str, str]
"""Output to the input that it is fed back to."""

NO_STATE: Final[State] = MappingProxyType({})

_WORDS: Final = "state|hidden|cell|past|present|cache|memory|mem|carry|h|c|hx|cx|h0|c0|hn|cn|ht|ct"
_STATE: Final = re.compile(rf"(^|[^a-z0-9])({_WORDS})([^a-z]|$)|(state|hidden|cache|past|present)", re.IGNORECASE)
"""What somebody calls an input or output that is a state."""

_ACTIVATIONS: Final = re.compile(r"(last_)?hidden_states?", re.IGNORECASE)
"""What transformers call that although nobody feeds it back."""

_AROUND: Final = re.compile(
    r"past_key_values|(^|[._/\-])(in|out|input|output|new|next|prev|previous|old|init|initial|past|present|n|0|t)(?=$|[._/\-])"
    r"|(?<=^[hc])[nx0t]$|(in|out|[_\-]?n)$",
    re.IGNORECASE,
)
"""What tells the one that goes in from the one that comes out."""


def find_state(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> State:
    """The pairs that names and shapes leave no doubt of; empty where there are none, or several readings.

    An output may be fed back to an input of its dtype and shape where either is called a state. Where several fit,
    those whose names are alike but for what says in or out are a pair. An input that is left over with two outputs for
    it, or the other way round, leaves the whole in doubt.

    >>> import numpy as np
    >>> x, h, y, hn = (TensorSpec(name, np.dtype("f4"), (1, 8)) for name in ("x", "h0", "y", "hn"))
    >>> dict(find_state([x, h], [y, hn]))
    {'hn': 'h0'}
    """
    ins = [each for each in inputs if _is_state(each.name)]
    outs = [each for each in outputs if _is_state(each.name)]
    pairs = _alike(outs, ins)
    pairs |= _only(outs or outputs, ins or inputs, pairs)
    unclear = [each for each in ins if each.name not in pairs.values() and any(_fits(out, each) for out in outs)]
    return {} if unclear or len(pairs) == len(inputs) else pairs


def check_state(state: State, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Raise unless each output may be fed back to its input.

    Raises:
        FeedError: a name that is none of the network's, two outputs for one input, or two shapes or dtypes.
    """
    gives, takes = ({each.name: each for each in specs} for specs in (outputs, inputs))
    for out, into in state.items():
        one_of("output", out, gives, FeedError)
        one_of("input", into, takes, FeedError)
        if not _fits(gives[out], takes[into]):
            raise FeedError(f"output {gives[out]} cannot be fed back to input {takes[into]}; allowed: one like it")
    if len(set(state.values())) < len(state):
        raise FeedError(f"state {dict(state)} feeds two outputs to one input; allowed: one each")


def parse_state(texts: Iterable[str]) -> State:
    """Read ``OUT=IN``, once a state.

    Raises:
        FeedError: it is not of that form.
    """
    state: dict[str, str] = {}
    for text in texts:
        out, equals, into = text.partition("=")
        if not (out and equals and into) or out in state:
            raise FeedError(f"--state '{text}' is not OUT=IN, once an output; allowed: for example hn=h0")
        state[out] = into
    return state


def _alike(outs: Sequence[TensorSpec], ins: Sequence[TensorSpec]) -> dict[str, str]:
    """Pairs of one name but for what says in or out, where that is one pair."""
    pairs: dict[str, str] = {}
    for out in outs:
        fit = [each for each in ins if _fits(out, each) and _stem(each.name) == _stem(out.name)]
        if len(fit) == 1 and fit[0].name not in pairs.values():
            pairs[out.name] = fit[0].name
    return pairs


def _only(outs: Sequence[TensorSpec], ins: Sequence[TensorSpec], known: State) -> dict[str, str]:
    """Pairs of what is left where one of the two is called a state, and each is the only one that fits the other."""
    outs = [each for each in outs if each.name not in known]
    ins = [each for each in ins if each.name not in known.values()]
    pairs = {}
    for out in outs:
        fit = [each for each in ins if _fits(out, each)]
        named = any(_is_state(name) for name in (out.name, *(each.name for each in fit)))
        if named and len(fit) == 1 and sum(_fits(each, fit[0]) for each in outs) == 1:
            pairs[out.name] = fit[0].name
    return pairs


def _is_state(name: str) -> bool:
    return _STATE.search(_ACTIVATIONS.sub("", name)) is not None


def _fits(out: TensorSpec, into: TensorSpec) -> bool:
    """Of one dtype and rank; a length may differ where it is open in either, as in a cache that grows."""
    same = len(out.shape) == len(into.shape) and out.dtype == into.dtype
    return same and all(a == b or None in (a, b) for a, b in zip(out.shape, into.shape, strict=True))


def _stem(name: str) -> str:
    return _AROUND.sub("", name.lower()).strip("._/-")

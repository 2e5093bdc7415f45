"""Which outputs are fed back to which inputs: found where names and shapes leave one reading, and only there."""

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.models.state import check_state, find_state, parse_state

Shapes = dict[str, tuple[int | None, ...]]


def specs(shapes: Shapes) -> list[TensorSpec]:
    return [TensorSpec(name, np.dtype(np.float32), shape) for name, shape in shapes.items()]


FOUND: list[tuple[Shapes, Shapes, dict[str, str]]] = [
    ({"x": (1, 32), "h": (1, 64)}, {"y": (1, 8), "state": (1, 64)}, {"state": "h"}),
    ({"x": (1, 8), "h0": (1, 8), "c0": (1, 8)}, {"y": (1, 8), "hn": (1, 8), "cn": (1, 8)}, {"hn": "h0", "cn": "c0"}),
    ({"x": (1, 8), "h": (2, 8), "c": (2, 8)}, {"y": (1, 1), "hn": (2, 8), "cn": (2, 8)}, {"hn": "h", "cn": "c"}),
    (
        {"x": (1, 8), "h_in": (1, 8), "c_in": (1, 8)},
        {"y": (1, 8), "h_out": (1, 8), "c_out": (1, 8)},
        {"h_out": "h_in", "c_out": "c_in"},
    ),
    (
        {"input": (1, 512), "state": (2, 1, 128), "sr": ()},
        {"output": (1, 1), "stateN": (2, 1, 128)},
        {"stateN": "state"},
    ),
    (
        {"x": (1, 8), "state1": (1, 8), "state2": (1, 8)},
        {"y": (1, 8), "new_state1": (1, 8), "new_state2": (1, 8)},
        {"new_state1": "state1", "new_state2": "state2"},
    ),
    (
        {"ids": (1, None), "past_key_values.0.key": (1, 4, None, 8), "past_key_values.0.value": (1, 4, None, 8)},
        {"logits": (1, None, 9), "present.0.key": (1, 4, None, 8), "present.0.value": (1, 4, None, 8)},
        {"present.0.key": "past_key_values.0.key", "present.0.value": "past_key_values.0.value"},
    ),
]

IN_DOUBT: list[tuple[Shapes, Shapes]] = [
    ({"x": (1, 8)}, {"y": (1, 8)}),
    ({"image": (1, 8), "mask": (1, 8)}, {"y": (1, 8)}),
    ({"image_in": (1, 8), "mask": (1, 9)}, {"image_out": (1, 8)}),
    ({"state": (1, 4)}, {"next_state": (1, 4)}),
    ({"sample": (1, 4, 8), "step": (1,), "encoder_hidden_states": (1, 7, 8)}, {"out_sample": (1, 4, 8)}),
    ({"x": (1, 8), "hidden_states": (1, 4)}, {"last_hidden_state": (1, 4)}),
    ({"x": (1, 8), "a_state": (1, 8), "b_state": (1, 8)}, {"y": (1, 8), "s_state": (1, 8), "t_state": (1, 8)}),
    ({"x": (1, 8), "state": (1, 4)}, {"y": (1, 8), "state_out": (1, 5)}),
]


@pytest.mark.parametrize(("inputs", "outputs", "state"), FOUND)
def test_one_reading_is_found(inputs: Shapes, outputs: Shapes, state: dict[str, str]) -> None:
    assert dict(find_state(specs(inputs), specs(outputs))) == state


@pytest.mark.parametrize(("inputs", "outputs"), IN_DOUBT)
def test_nothing_is_guessed(inputs: Shapes, outputs: Shapes) -> None:
    assert dict(find_state(specs(inputs), specs(outputs))) == {}


def test_what_is_told_is_checked() -> None:
    inputs, outputs = specs({"x": (1, 4), "h": (1, 8)}), specs({"y": (1, 4), "g": (1, 8), "k": (1, 8)})
    check_state(parse_state(["g=h"]), inputs, outputs)
    for told, message in {
        ("gg=h",): r"unknown output 'gg' \(did you mean 'g'",
        ("g=hh",): r"unknown input 'hh' \(did you mean 'h'",
        ("y=h",): r"output 'y': float32\[1x4\] cannot be fed back to input 'h': float32\[1x8\]",
        ("g=h", "k=h"): "two outputs to one input",
    }.items():
        with pytest.raises(FeedError, match=message):
            check_state(parse_state(told), inputs, outputs)
    for text in ("g", "=h", "g=", ""):
        with pytest.raises(FeedError, match="is not OUT=IN"):
            parse_state([text])

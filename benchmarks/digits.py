"""Labelled data that come with a package, scikit-learn's digits, and networks that are trained on them in seconds.

Three parts, each seen for one thing alone: networks are trained on the first, a cascade's thresholds learned on the
second, and it is judged on the third.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

Floats = npt.NDArray[np.float32]

PIXELS: Final = 64
CLASSES: Final = 10
TRAINED, CALIBRATED = 800, 1300
"""Samples up to the first train, those up to the second calibrate, the rest judge."""

LARGE: Final = (1024, 1024)
TRUNK: Final = 24
"""Width of the layer behind which the early exit is."""


class Part(NamedTuple):
    """Samples, shape (n, 64), 0 to 1, and their classes, shape (n,)."""

    x: Floats
    y: npt.NDArray[np.int64]

    @property
    def feeds(self) -> list[dict[str, Floats]]:
        """Each sample as a query."""
        return [{"x": row[None]} for row in self.x]


def parts() -> tuple[Part, Part, Part]:
    """Training, calibrating, judging, shuffled once and for all."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = (x[order] / 16.0).astype(np.float32), y[order].astype(np.int64)
    edges = (0, TRAINED), (TRAINED, CALIBRATED), (CALIBRATED, len(y))
    first, second, third = (Part(x[a:b], y[a:b]) for a, b in edges)
    return first, second, third


def small(train: Part, path: Path) -> Path:
    """One layer."""
    fitted = LogisticRegression(max_iter=500).fit(train.x, train.y)
    return _written(path, [(fitted.coef_.T, fitted.intercept_)], {})


def large(train: Part, path: Path, widths: tuple[int, int] = LARGE) -> Path:
    """Two hidden layers, of 1024 each: 1.1 million MACs, where the small one has 640."""
    fitted = MLPClassifier(widths, max_iter=60, random_state=0, early_stopping=True).fit(train.x, train.y)
    return _written(path, list(zip(fitted.coefs_, fitted.intercepts_, strict=True)), {})


def with_early_exit(train: Part, path: Path, widths: tuple[int, int] = LARGE) -> Path:
    """One network with two answers: ``exit`` behind its first layer, ``y`` behind three more.

    The trunk is the whole network's; the exit is fitted to it afterwards.
    """
    fitted = MLPClassifier((TRUNK, *widths), max_iter=60, random_state=0, early_stopping=True).fit(train.x, train.y)
    hidden = np.maximum(train.x @ fitted.coefs_[0] + fitted.intercepts_[0], 0.0)
    way_out = LogisticRegression(max_iter=1000).fit(hidden, train.y)
    layers = list(zip(fitted.coefs_, fitted.intercepts_, strict=True))
    return _written(path, layers, {0: (way_out.coef_.T, way_out.intercept_)})


Layer = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _written(path: Path, layers: Sequence[Layer], exits: dict[int, Layer]) -> Path:
    """Layers with ReLU between them, and further answers behind some of them, ``exit`` by name."""
    nodes, weights, name = [], [], "x"

    def add(layer: Layer, source: str, out: str) -> None:
        for kind, values in zip("wb", layer, strict=True):
            weights.append(numpy_helper.from_array(np.asarray(values, np.float32), f"{out}.{kind}"))
        nodes.append(helper.make_node("Gemm", [source, f"{out}.w", f"{out}.b"], [out]))

    for index, layer in enumerate(layers[:-1]):
        add(layer, name, f"h{index}")
        nodes.append(helper.make_node("Relu", [f"h{index}"], [f"r{index}"]))
        name = f"r{index}"
        if index in exits:
            add(exits[index], name, "exit")
    add(layers[-1], name, "y")
    outputs = [*(["exit"] if exits else []), "y"]
    infos = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n", CLASSES]) for each in outputs]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", PIXELS])
    graph = helper.make_graph(nodes, "g", [x], infos, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path

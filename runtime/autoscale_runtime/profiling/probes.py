"""Small networks, each mostly of one kind of layer: what they take tells how fast a processor is at that kind.

A few models of a user say little of others'. These take some milliseconds each and span what networks are made of, so
that the speeds fitted to both foretell a network that was never run here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from autoscale.extras import needed

if TYPE_CHECKING:
    from autoscale_runtime.profiling.onnx_net import Net

PREFIX: Final = "probe-"
PRECISIONS: Final = ("fp32", "int8")


def write_probes(folder: Path, precision: str) -> list[Path]:
    """The probes of a precision as files; none where it has none.

    Raises:
        MissingExtra: the package that writes them is not installed.
    """
    if precision not in PRECISIONS:
        return []
    with needed("onnx", "prepare", "measuring with probes"):
        from autoscale_runtime.profiling.onnx_net import Net
    return [
        make(Net(shape, precision == "int8"), folder / f"{PREFIX}{name}-{precision}.onnx")
        for name, (shape, make) in PROBES.items()
        if precision == "fp32" or name not in FLOAT
    ]


def spatial(net: "Net", path: Path) -> Path:
    """3 x 3 convolutions, from a large picture with few channels to a small one with many."""
    x = net.conv(net.conv("x", 3, 32, stride=2), 32, 32)
    x = net.conv(net.conv(x, 32, 64, stride=2), 64, 64)
    return net.save(path, net.pooled(net.conv(net.conv(x, 64, 128, stride=2), 128, 128)))


def pointwise(net: "Net", path: Path) -> Path:
    """1 x 1 convolutions."""
    x = net.conv(net.conv("x", 64, 192, 1), 192, 64, 1)
    x = net.conv(net.conv(x, 64, 256, 1, 2), 256, 128, 1)
    return net.save(path, net.pooled(net.conv(x, 128, 512, 1)))


def separable(net: "Net", path: Path) -> Path:
    """Depthwise convolutions with 1 x 1 between, as mobile networks have them, residuals too."""
    x = net.conv("x", 3, 24, stride=2)
    for ins, outs, stride in ((24, 40, 2), (40, 40, 1), (40, 80, 2), (80, 80, 1), (80, 80, 1)):
        y = net.conv(net.conv(x, ins, 4 * ins, 1), 4 * ins, 4 * ins, stride=stride, groups=4 * ins)
        y = net.conv(y, 4 * ins, outs, 1, act="")
        x = net.node("Add", x, y) if stride == 1 and ins == outs else y
    return net.save(path, net.pooled(x))


def depthwise(net: "Net", path: Path) -> Path:
    """Depthwise convolutions alone."""
    x = net.conv("x", 64, 64, groups=64)
    x = net.conv(net.conv(x, 64, 64, groups=64), 64, 64, stride=2, groups=64)
    return net.save(path, net.pooled(net.conv(x, 64, 64, groups=64)))


def dense(net: "Net", path: Path) -> Path:
    """Matrix products of one row, whose weights come from memory."""
    x = net.dense(net.dense("x", 1024, 3072, "Relu"), 3072, 1536, "Relu")
    return net.save(path, net.dense(x, 1536, 512))


def layers(net: "Net", path: Path) -> Path:
    """Many small layers, which cost what starting them does."""
    x = "x"
    for _ in range(24):
        x = net.dense(x, 96, 96, "Relu")
    return net.save(path, x)


def attention(net: "Net", path: Path) -> Path:
    """Two layers of a transformer's encoder."""
    x, tokens, width, heads = "x", 48, 192, 4
    split = net.constant(np.array([1, tokens, heads, width // heads]))
    scale, flat = net.constant(np.float32((width // heads) ** -0.5)), net.constant(np.array([1, tokens, width]))
    for _ in range(2):
        parts = [net.node("Reshape", net.dense(x, width, width), split) for _ in range(3)]
        turned = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        q, k, v = (net.node("Transpose", part, perm=perm) for part, perm in zip(parts, turned, strict=True))
        weights = net.node("Softmax", net.node("Mul", net.node("MatMul", q, k), scale))
        y = net.node("Reshape", net.node("Transpose", net.node("MatMul", weights, v), perm=[0, 2, 1, 3]), flat)
        x = net.normed(net.node("Add", x, net.dense(y, width, width)), width)
        y = net.dense(net.dense(x, width, 4 * width, "Relu"), 4 * width, width)
        x = net.normed(net.node("Add", x, y), width)
    return net.save(path, x)


def recurrent(net: "Net", path: Path) -> Path:
    """An LSTM over some steps."""
    width = 160
    weights = [net.random(1, 4 * width, width, fan_in=width) for _ in range(2)]
    return net.save(path, net.node("LSTM", "x", *weights, outputs=3, hidden_size=width))


def elementwise(net: "Net", path: Path) -> Path:
    """Pooling, sums and copies: layers that move values and multiply nothing."""
    x = net.node("MaxPool", "x", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    x = net.node("Concat", net.node("Add", x, "x"), net.node("Sigmoid", x), axis=1)
    return net.save(path, net.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))


Probe = Callable[["Net", Path], Path]
PROBES: Final[Mapping[str, tuple[tuple[int, ...], Probe]]] = {
    "spatial": ((1, 3, 128, 128), spatial),
    "pointwise": ((1, 64, 40, 40), pointwise),
    "separable": ((1, 3, 128, 128), separable),
    "depthwise": ((1, 64, 64, 64), depthwise),
    "dense": ((1, 1024), dense),
    "layers": ((1, 96), layers),
    "attention": ((1, 48, 192), attention),
    "recurrent": ((24, 1, 160), recurrent),
    "elementwise": ((1, 32, 64, 64), elementwise),
}
"""Name to the shape of the input and what builds the network."""

FLOAT: Final = ("recurrent", "elementwise")
"""Those that int8 changes nothing about."""

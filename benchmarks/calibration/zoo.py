"""Networks of many builds with random weights, as ONNX files: what a latency model is tried on.

Each family is written as its paper has it, in a width and at an input size that a laptop's core does in milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from autoscale_runtime.profiling.onnx_net import Net


def mobilenet_v1(path: Path, width: float, pixels: int) -> Path:
    net = Net((1, 3, pixels, pixels))
    outs = [max(8, round(width * each)) for each in (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)]
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    x = net.conv("x", 3, outs[0], stride=2)
    for ins, out, stride in zip(outs[:-1], outs[1:], strides, strict=True):
        x = net.conv(net.conv(x, ins, ins, stride=stride, groups=ins), ins, out, 1)
    return net.save(path, net.dense(net.pooled(x), outs[-1], 1000))


def mobilenet_v2(path: Path, width: float, pixels: int) -> Path:
    net = Net((1, 3, pixels, pixels))
    ins = max(8, round(32 * width))
    x = net.conv("x", 3, ins, stride=2)
    for expand, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)):
        outs = max(8, round(out * width))
        for number in range(count):
            step = stride if number == 0 else 1
            y = net.conv(x, ins, ins * expand, 1, act="Relu") if expand > 1 else x
            y = net.conv(y, ins * expand, ins * expand, stride=step, groups=ins * expand)
            y = net.conv(y, ins * expand, outs, 1, act="")
            x = net.node("Add", x, y) if step == 1 and ins == outs else y
            ins = outs
    return net.save(path, net.dense(net.pooled(net.conv(x, ins, 4 * ins, 1)), 4 * ins, 1000))


def resnet(path: Path, counts: Sequence[int], width: int, pixels: int) -> Path:
    net, ins = Net((1, 3, pixels, pixels)), width
    x = net.node("MaxPool", net.conv("x", 3, width, 7, 2), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, count in enumerate(counts):
        outs = width << stage
        for number in range(count):
            stride = 2 if stage and number == 0 else 1
            y = net.conv(net.conv(x, ins, outs, stride=stride), outs, outs, act="")
            short = x if stride == 1 and ins == outs else net.conv(x, ins, outs, 1, stride, act="")
            x, ins = net.node("Relu", net.node("Add", y, short)), outs
    return net.save(path, net.dense(net.pooled(x), ins, 1000))


def squeezenet(path: Path, pixels: int) -> Path:
    net, ins = Net((1, 3, pixels, pixels)), 64
    x = net.conv("x", 3, 64, stride=2)
    for squeeze, expand, pool in ((16, 64, True), (16, 64, False), (32, 128, True), (32, 128, False), (48, 192, True)):
        if pool:
            x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        narrow = net.conv(x, ins, squeeze, 1)
        x = net.node("Concat", net.conv(narrow, squeeze, expand, 1), net.conv(narrow, squeeze, expand), axis=1)
        ins = 2 * expand
    return net.save(path, net.pooled(net.conv(x, ins, 1000, 1)))


def vgg(path: Path, width: int, pixels: int) -> Path:
    net, ins, x = Net((1, 3, pixels, pixels)), 3, "x"
    for outs, count in ((width, 1), (2 * width, 1), (4 * width, 2), (8 * width, 2)):
        for _ in range(count):
            x, ins = net.conv(x, ins, outs), outs
        x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x, size = net.node("Flatten", x), ins * (pixels // 16) ** 2
    return net.save(path, net.dense(net.dense(x, size, 1024, "Relu"), 1024, 1000))


def unet(path: Path, width: int, pixels: int) -> Path:
    net = Net((1, 3, pixels, pixels))
    first = net.conv(net.conv("x", 3, width), width, width)
    second = net.conv(net.conv(first, width, 2 * width, stride=2), 2 * width, 2 * width)
    third = net.conv(net.conv(second, 2 * width, 4 * width, stride=2), 4 * width, 4 * width)
    up = net.node("Resize", third, "", net.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    x = net.conv(net.node("Concat", up, second, axis=1), 6 * width, 2 * width)
    up = net.node("Resize", x, "", net.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    return net.save(
        path, net.conv(net.conv(net.node("Concat", up, first, axis=1), 3 * width, width), width, 2, 1, act="")
    )


def mlp(path: Path, widths: Sequence[int]) -> Path:
    net, x = Net((1, widths[0])), "x"
    for ins, outs in pairwise(widths):
        x = net.dense(x, ins, outs, "Relu")
    return net.save(path, x)


def transformer(path: Path, layers: int, width: int, heads: int, tokens: int) -> Path:
    net, x, size = Net((1, tokens, width)), "x", width // heads
    shape, scale = net.constant(np.array([1, tokens, heads, size])), net.constant(np.float32(size**-0.5))
    flat = net.constant(np.array([1, tokens, width]))
    for _ in range(layers):
        q, k, v = (net.node("Transpose", net.node("Reshape", net.dense(x, width, width), shape), perm=perm)
                   for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))  # fmt: skip
        attended = net.node("MatMul", net.node("Softmax", net.node("Mul", net.node("MatMul", q, k), scale)), v)
        y = net.node("Reshape", net.node("Transpose", attended, perm=[0, 2, 1, 3]), flat)
        x = net.normed(net.node("Add", x, net.dense(y, width, width)), width)
        y = net.dense(net.dense(x, width, 4 * width, "Relu"), 4 * width, width)
        x = net.normed(net.node("Add", x, y), width)
    return net.save(path, x)


def lstm(path: Path, layers: int, width: int, steps: int) -> Path:
    net = Net((steps, 1, width))
    x = "x"
    for _ in range(layers):
        weights = net.random(1, 4 * width, width, fan_in=width), net.random(1, 4 * width, width, fan_in=width)
        y = net.node("LSTM", x, *weights, outputs=3, hidden_size=width)
        x = net.node("Squeeze", y, net.constant(np.array([1])))
    return net.save(path, x)


ZOO: Final[Mapping[str, Callable[[Path], Path]]] = {
    "mobilenet-v1-50-160": lambda path: mobilenet_v1(path, 0.5, 160),
    "mobilenet-v1-100-224": lambda path: mobilenet_v1(path, 1.0, 224),
    "mobilenet-v1-25-128": lambda path: mobilenet_v1(path, 0.25, 128),
    "mobilenet-v2-100-160": lambda path: mobilenet_v2(path, 1.0, 160),
    "mobilenet-v2-35-224": lambda path: mobilenet_v2(path, 0.35, 224),
    "resnet-18-half-160": lambda path: resnet(path, (2, 2, 2, 2), 32, 160),
    "resnet-10-112": lambda path: resnet(path, (1, 1, 1, 1), 64, 112),
    "resnet-34-quarter-224": lambda path: resnet(path, (3, 4, 6, 3), 16, 224),
    "squeezenet-160": lambda path: squeezenet(path, 160),
    "squeezenet-96": lambda path: squeezenet(path, 96),
    "vgg-half-96": lambda path: vgg(path, 32, 96),
    "vgg-quarter-128": lambda path: vgg(path, 16, 128),
    "unet-16-128": lambda path: unet(path, 16, 128),
    "unet-32-96": lambda path: unet(path, 32, 96),
    "mlp-wide": lambda path: mlp(path, (1024, 2048, 2048, 256)),
    "mlp-deep": lambda path: mlp(path, (512, *[512] * 12, 64)),
    "transformer-4-256": lambda path: transformer(path, 4, 256, 4, 64),
    "transformer-2-384": lambda path: transformer(path, 2, 384, 6, 128),
    "transformer-6-128": lambda path: transformer(path, 6, 128, 4, 32),
    "lstm-2-128": lambda path: lstm(path, 2, 128, 50),
    "lstm-1-256": lambda path: lstm(path, 1, 256, 32),
}
"""Name to what writes the file."""


def write(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The files of some networks, or of all, where they are not there yet."""
    paths = [folder / f"{name}.onnx" for name in names or ZOO]
    return [path if path.exists() else ZOO[path.stem](path) for path in paths]

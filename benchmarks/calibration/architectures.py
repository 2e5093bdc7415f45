"""Networks counted from their published architecture, layer by layer, as those of ``devices/networks`` are from graphs.

Batch normalisation and activations are folded into the layer before them; 1 x 1 convolutions of squeeze blocks, on maps
of 1 x 1, are fully connected layers; values are activations read and written, and parameters read.

>>> mobilenet_v1(0.25, 128).macs_by_kind["conv"]
11894784

``python -m benchmarks.calibration.architectures > devices/networks/measured/networks.toml`` writes those that ship.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from autoscale.profiles.model_profile_codec import own_network_lines
from autoscale.query.model_profile import LAYER_KINDS, ModelProfile


class Graph:
    """Counts layers as they are put onto a map of ``pixels`` x ``pixels`` with ``channels``."""

    def __init__(self, pixels: int, channels: int = 3) -> None:
        self.pixels, self.channels, self.input_bytes = pixels, channels, pixels * pixels * channels
        self.layers, self.macs, self.values = Counter[str](), Counter[str](), Counter[str]()
        self.parameters = self.spatial_macs = 0

    def conv(self, channels: int, size: int = 1, stride: int = 1) -> "Graph":
        """A convolution with as much padding as keeps the map's size."""
        before, after = self._shrunk(stride)
        macs = after * channels * self.channels * size**2
        self._add(
            "conv", macs, before * self.channels + after * channels, channels * self.channels * size**2, 2 * channels
        )
        self.spatial_macs += macs if size > 1 else 0
        self.channels = channels
        return self

    def window(self, macs: int, values: int, weights: int) -> "Graph":
        """A convolution along one axis."""
        self._add("conv", macs, values, weights, 0)
        self.spatial_macs += macs
        return self

    def grouped(self, groups: int, size: int, stride: int) -> "Graph":
        """A convolution of as many channels, each of which sees those of its group."""
        before, after = self._shrunk(stride)
        weights = self.channels**2 // groups * size**2
        return self.window(after * weights, (before + after) * self.channels, weights)

    def head(self, pixels: int, channels: int, outputs: int, size: int = 3, is_again: bool = False) -> "Graph":
        """A convolution beside the others, on a map of its own; again, with the weights of one that is counted."""
        weights = channels * outputs * size**2
        macs, values = pixels**2 * weights, pixels**2 * (channels + outputs)
        self._add("conv", macs, values, weights, 2 * outputs)
        self.spatial_macs += macs if size > 1 else 0
        self.parameters -= weights + 2 * outputs if is_again else 0
        return self

    def depthwise(self, size: int = 3, stride: int = 1) -> "Graph":
        """A convolution with one filter a channel."""
        before, after = self._shrunk(stride)
        channels = self.channels
        self._add(
            "depthwise_conv", after * channels * size**2, (before + after) * channels, channels * size**2, 2 * channels
        )
        return self

    def dense(self, outputs: int, inputs: int = 0, rows: int = 1, count: int = 1) -> "Graph":
        """Fully connected layers, each on so many rows."""
        inputs = inputs or self.channels
        weights = inputs * outputs
        values = rows * (inputs + outputs) + outputs
        self._add("fully_connected", *(count * each for each in (rows * weights, values, weights, outputs)), count)
        return self

    def other(self, values: int, macs: int = 0, count: int = 1) -> "Graph":
        """Layers that have no weights: pooling, additions, products of activations."""
        self._add("other", macs, values, 0, 0, count)
        return self

    def pool_all(self) -> "Graph":
        """The mean over the map."""
        area, self.pixels = self.pixels**2, 1
        return self.other((area + 1) * self.channels)

    def add(self) -> "Graph":
        """A residual addition."""
        return self.other(3 * self.pixels**2 * self.channels)

    def shortcut(self, entering: int) -> "Graph":
        """A residual addition; of what entered with other channels, by a 1 x 1 convolution."""
        return (self if entering == self.channels else self.head(self.pixels, entering, self.channels, 1)).add()

    def pool(self) -> "Graph":
        """The largest of neighbours, at half the size."""
        before, after = self._shrunk(2)
        return self.other((before + after) * self.channels)

    def activate(self, is_alone: bool) -> "Graph":
        """An activation that is a layer of its own, as swish is, or folded into the one before."""
        return self.other(2 * self.pixels**2 * self.channels) if is_alone else self

    def squeeze(self, inner: int) -> "Graph":
        """Squeeze and excitation: the mean, two dense layers, and the product with the map."""
        area, channels = self.pixels**2, self.channels
        self.other((area + 1) * channels).dense(inner).dense(channels, inner).other(2 * channels)
        return self.other((2 * area + 1) * channels)

    def profile(self, name: str, output_bytes: int = 4004) -> ModelProfile:
        """What was counted."""
        kinds = [kind for kind in LAYER_KINDS if self.layers[kind]]
        return ModelProfile(
            name,
            **{kind: self.layers[kind] for kind in kinds},
            macs=self.macs.total(),
            macs_by_kind={kind: self.macs[kind] for kind in kinds},
            parameters=self.parameters,
            parameter_bytes=4 * self.parameters,
            input_bytes=self.input_bytes,
            output_bytes=output_bytes,
            values_by_kind={kind: self.values[kind] for kind in kinds},
            spatial_macs=self.spatial_macs,
        )

    def _shrunk(self, stride: int) -> tuple[int, int]:
        before, self.pixels = self.pixels**2, -(-self.pixels // stride)
        return before, self.pixels**2

    def _add(self, kind: str, macs: int, values: int, weights: int, biases: int, count: int = 1) -> None:
        self.layers[kind] += count
        self.macs[kind] += macs
        self.values[kind] += values + weights
        self.parameters += weights + biases


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple, no more than a tenth below."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def mobilenet_v1(width: float, pixels: int) -> ModelProfile:
    """Howard et al., 2017; TensorFlow's slim models."""
    graph = Graph(pixels).conv(int(32 * width), 3, 2)
    widths, strides = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024], [1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1]
    for channels, stride in zip(widths, strides, strict=True):
        graph.depthwise(3, stride).conv(int(channels * width))
    return graph.pool_all().dense(1001).profile(f"mobilenet-v1-{width}-{pixels}")


def _inverted(
    graph: Graph, expanded: int, channels: int, size: int, stride: int, inner: int = 0, swish: bool = False
) -> None:
    before = graph.channels
    if expanded != before:
        graph.conv(expanded).activate(swish)
    graph.depthwise(size, stride).activate(swish)
    if inner:
        graph.squeeze(inner)
    graph.conv(channels)
    if stride == 1 and before == channels:
        graph.add()


def mobilenet_v2(width: float, pixels: int) -> ModelProfile:
    """Sandler et al., 2018; TensorFlow's slim models."""
    graph = Graph(pixels).conv(divisible(32 * width), 3, 2)
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for ratio, channels, count, stride in stages:
        for block in range(count):
            _inverted(graph, ratio * graph.channels, divisible(channels * width), 3, stride if block == 0 else 1)
    graph.conv(divisible(1280 * max(width, 1.0)))
    return graph.pool_all().dense(1001).profile(f"mobilenet-v2-{width}-{pixels}")


_LARGE: Final = [
    (3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 1, 2), (5, 120, 40, 1, 1), (5, 120, 40, 1, 1),
    (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 1, 1),
    (3, 672, 112, 1, 1), (5, 672, 160, 1, 2), (5, 960, 160, 1, 1), (5, 960, 160, 1, 1),
]  # fmt: skip
_SMALL: Final = [
    (3, 16, 16, 1, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1), (5, 96, 40, 1, 2), (5, 240, 40, 1, 1), (5, 240, 40, 1, 1),
    (5, 120, 48, 1, 1), (5, 144, 48, 1, 1), (5, 288, 96, 1, 2), (5, 576, 96, 1, 1), (5, 576, 96, 1, 1),
]  # fmt: skip


def mobilenet_v3(size: str, width: float, pixels: int, minimalistic: bool = False) -> ModelProfile:
    """Howard et al., 2019; ``minimalistic`` is without squeeze blocks and filters of 5 x 5, in TensorFlow's slim."""
    blocks, head = (_LARGE, 1280) if size == "large" else (_SMALL, 1024)
    graph = _mobilenet_v3(pixels, blocks, width, minimalistic).pool_all()
    ending = "-minimalistic" if minimalistic else ""
    return graph.dense(head).dense(1001, head).profile(f"mobilenet-v3-{size}{ending}-{width}-{pixels}")


def lraspp(pixels: int) -> ModelProfile:
    """Its segmenting head on a backbone whose last stage is dilated instead of strided."""
    blocks = [*_LARGE[:12], (*_LARGE[12][:4], 1), *_LARGE[13:]]
    graph, classes = _mobilenet_v3(pixels, blocks, 1.0, minimalistic=False), 21
    graph.conv(128).other(3 * 128 * graph.pixels**2).conv(classes)
    return graph.other(2 * classes * pixels**2).profile("lraspp-mobilenet-v3-large-520", 4 * classes * pixels**2)


def _mobilenet_v3(pixels: int, blocks: Sequence[Sequence[int]], width: float, minimalistic: bool) -> Graph:
    graph, before = Graph(pixels).conv(16, 3, 2), 16
    for kernel, expanded, channels, squeezed, stride in blocks:
        wide, before = divisible(expanded / before * graph.channels), channels
        inner = divisible(wide / 4) if squeezed and not minimalistic else 0
        _inverted(graph, wide, divisible(channels * width), 3 if minimalistic else kernel, stride, inner)
    return graph.conv(divisible(6 * graph.channels))


_EFFICIENT: Final = [
    (3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2), (5, 6, 112, 3, 1), (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
]  # fmt: skip


def efficientnet_lite(number: int) -> ModelProfile:
    """TensorFlow's EfficientNet-Lite: no squeeze blocks, stem and head of one width, the outer stages of one depth."""
    width, depth, pixels = [(1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300)][number]
    graph = Graph(pixels).conv(32, 3, 2)
    for stage, (kernel, ratio, channels, count, stride) in enumerate(_EFFICIENT):
        repeats = count if stage in (0, len(_EFFICIENT) - 1) else -int(-count * depth // 1)
        for block in range(repeats):
            wide = ratio * graph.channels
            _inverted(graph, wide, divisible(channels * width), kernel, stride if block == 0 else 1)
    return graph.conv(1280).pool_all().dense(1000).profile(f"efficientnet-lite{number}")


def vision_transformer(pixels: int) -> ModelProfile:
    """ViT-B/16, Dosovitskiy et al., 2021."""
    graph = Graph(pixels).conv(768, 16, 16)
    return transformer(graph, 12, 768, 3072, graph.pixels**2 + 1).dense(1000).profile(f"vit-b-16-{pixels}")


def transformer(graph: Graph, layers: int, width: int, inner: int, tokens: int) -> Graph:
    """Encoder layers: projections, two products of activations with a softmax between, and two dense layers."""
    graph.channels = width
    graph.dense(3 * width, width, tokens, layers).dense(width, width, tokens, layers)
    graph.dense(inner, width, tokens, layers).dense(width, inner, tokens, layers)
    products, scores = 2 * tokens**2 * width, 2 * tokens**2 * (width // 64)
    return graph.other(layers * (10 * tokens * width + 3 * scores), layers * products, 10 * layers)


def decoder(graph: Graph, layers: int, inner: int, heard: int, vocabulary: int) -> Graph:
    """Decoder layers of one token that attend to what was heard, and the scores of the vocabulary."""
    width = graph.channels
    graph.dense(width, width, 1, 6 * layers).dense(2 * width, width, heard, layers)
    graph.dense(inner, width, 1, layers).dense(width, inner, 1, layers)
    graph.other(layers * 4 * heard * width, layers * 2 * heard * width, 16 * layers)
    return graph.dense(vocabulary, width)


def bert_large() -> ModelProfile:
    """Devlin et al., 2019, as MLPerf runs it on SQuAD: a question and its text are 178 tokens in the mean, unpadded."""
    return transformer(Graph(1, 1), 24, 1024, 4096, 178).profile("bert-large-squad", 8 * 178)


def whisper_base() -> ModelProfile:
    """Radford et al., 2022: 30 s of sound and the decoder's first token."""
    graph = Graph(1, 80)
    graph.window(3000 * 80 * 512 * 3, 3000 * 592, 80 * 512 * 3)
    graph.window(1500 * 512 * 512 * 3, 4500 * 512, 512 * 512 * 3)
    return decoder(transformer(graph, 6, 512, 2048, 1500), 6, 2048, 1500, 51_865).profile("whisper-base-30s")


def moonshine_tiny() -> ModelProfile:
    """Jeffries et al., 2024: 5 s of sound and the decoder's first token."""
    graph, length, before = Graph(1, 1), 80_000, 1
    for size, stride, channels in ((127, 64, 288), (7, 3, 576), (3, 2, 288)):
        after = (length - size) // stride + 1
        weights = size * before * channels
        graph.window(after * weights, length * before + after * channels, weights)
        length, before = after, channels
    return decoder(transformer(graph, 6, 288, 1152, length), 6, 2304, length, 32_768).profile("moonshine-tiny-5s")


def convnext_tiny(pixels: int) -> ModelProfile:
    """Liu et al., 2022."""
    graph = Graph(pixels).conv(96, 4, 4)
    for stage, (count, channels) in enumerate(((3, 96), (3, 192), (9, 384), (3, 768))):
        if stage:
            graph.conv(channels, 2, 2)
        for _ in range(count):
            area = graph.pixels**2
            graph.depthwise(7).dense(4 * channels, rows=area).dense(channels, 4 * channels, area)
            graph.other(4 * area * channels).add()
    return graph.pool_all().dense(1000).profile(f"convnext-tiny-{pixels}")


def ssd_resnet34() -> ModelProfile:
    """MLPerf's: ResNet-34 up to its third stage, whose stride is 1, and boxes of 81 classes sought on six maps.

    Its totals are those that MLPerf states: 433 GFLOP, 20 million parameters.
    """
    graph = Graph(1200).conv(64, 7, 2).pool()
    for count, channels, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 1)):
        for block in range(count):
            entering = graph.channels
            graph.conv(channels, 3, stride if block == 0 else 1).conv(channels, 3).shortcut(entering)
    graph.conv(256).conv(512, 3, 2).conv(256).conv(512, 3, 2).conv(128).conv(256, 3, 2).conv(128).conv(256, 3, 2)
    graph.conv(128).conv(256, 3)
    for size, channels, boxes in ((50, 256, 4), (25, 512, 6), (13, 512, 6), (7, 256, 6), (3, 256, 4), (3, 256, 4)):
        graph.head(size, channels, 4 * boxes).head(size, channels, 81 * boxes)
    return graph.profile("ssd-resnet34-1200")


def retinanet() -> ModelProfile:
    """MLPerf's: ResNeXt-50 (32 x 4d), a pyramid of five maps, nine boxes of 264 classes at each of their places.

    With the 91 classes of COCO its work would be torchvision's 152 GMAC; its 38 million parameters are MLPerf's.
    """
    graph = Graph(800).conv(64, 7, 2).pool()
    for count, inner, outer, stride in ((3, 128, 256, 1), (4, 256, 512, 2), (6, 512, 1024, 2), (3, 1024, 2048, 2)):
        for block in range(count):
            entering = graph.channels
            graph.conv(inner).grouped(32, 3, stride if block == 0 else 1).conv(outer).shortcut(entering)
    for size, channels in ((100, 512), (50, 1024), (25, 2048)):
        graph.head(size, channels, 256, 1).head(size, 256, 256)
    graph.head(13, 256, 256).head(7, 256, 256)
    for size in (100, 50, 25, 13, 7):
        for outputs in (*[256] * 8, 9 * 264, 9 * 4):
            graph.head(size, 256, outputs, is_again=size < 100)
    return graph.profile("retinanet-800")


def squeezenet(pixels: int) -> ModelProfile:
    """SqueezeNet 1.1, Iandola et al., 2016."""
    graph, widths = Graph(pixels).conv(64, 3, 2), (16, 32, 48, 64)
    fires = [(squeezed, 4 * squeezed) for squeezed in widths for _ in range(2)]
    for number, (squeezed, expanded) in enumerate(fires):
        if number in (0, 2, 4):
            graph.other((graph.pixels**2 + (graph.pixels // 2) ** 2) * graph.channels)
            graph.pixels //= 2
        graph.conv(squeezed).conv(expanded)
        graph.channels = squeezed
        graph.conv(expanded, 3)
        graph.channels = 2 * expanded
        graph.other(2 * graph.channels * graph.pixels**2)
    return graph.conv(1000).pool_all().profile(f"squeezenet-1.1-{pixels}")


PAPER: Final = {
    "mobilenet-v1-1.0-224": "mobilenet-v1",
    "mobilenet-v2-1.0-224": "mobilenet-v2",
    "mobilenet-v3-large-1.0-224": "mobilenet-v3",
}
"""What the paper's networks would be called here; they have files of their own."""


def measured_networks() -> list[ModelProfile]:
    """Those of the measured rows in ``devices/*.toml`` that are none of the paper's, by name."""
    v1 = [mobilenet_v1(width, pixels) for width in (0.25, 0.5, 0.75, 1.0) for pixels in (128, 160, 192, 224)]
    v2 = [mobilenet_v2(width, pixels) for width in (0.35, 0.5, 0.75, 1.0) for pixels in (96, 128, 160, 192, 224)]
    v2 += [mobilenet_v2(width, 224) for width in (1.3, 1.4)]
    v3 = [mobilenet_v3(size, width, 224) for size in ("large", "small") for width in (0.75, 1.0)]
    v3 += [mobilenet_v3(size, 1.0, 224, minimalistic=True) for size in ("large", "small")]
    lite = [efficientnet_lite(number) for number in range(5)]
    board = [squeezenet(224), efficientnet_b0(224), convnext_tiny(224), vision_transformer(224), lraspp(520)]
    board += [moonshine_tiny(), whisper_base()]
    servers = [bert_large(), ssd_resnet34(), retinanet()]
    found = [each for each in (*v1, *v2, *v3, *lite, *board, *servers) if each.name not in PAPER]
    return sorted(found, key=lambda each: each.name)


def efficientnet_b0(pixels: int) -> ModelProfile:
    """Tan and Le, 2019."""
    graph = Graph(pixels).conv(32, 3, 2).activate(is_alone=True)
    for kernel, ratio, channels, count, stride in _EFFICIENT:
        for block in range(count):
            before = graph.channels
            _inverted(graph, ratio * before, channels, kernel, stride if block == 0 else 1, before // 4, swish=True)
    return graph.conv(1280).activate(is_alone=True).pool_all().dense(1000).profile(f"efficientnet-b0-{pixels}")


if __name__ == "__main__":
    source = "Counted from the published architecture, layer by layer: benchmarks/calibration/architectures.py"
    print("\n".join(["[sources]", f'counted = "{source}"', *own_network_lines(measured_networks(), "counted")]))

"""PP-OCRv4 detection: where on a page there is text.

The network is PaddleOCR's (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization",
arXiv 1911.08947, for how it is read), as RapidOCR ships it. The questions are pages rendered here, so that where their
lines stand is known.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import numpy as np

from autoscale.extras import needed
from autoscale.files import write_file
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.ocr import RAPIDOCR
from autoscale_runtime.demo.rendering import Page, line, typeface

SIDE: Final = 640
"""Of a page, in pixels."""

CELL: Final = 4
"""Side of a cell of the answer, in pixels of the page."""

LIKELY: Final = 0.3
"""Chance of text above which a cell counts; RapidOCR's ``thresh``."""

UNCLIP: Final = 1.6
"""What is found is the heart of a line: by how much it is grown again, RapidOCR's ``unclip_ratio``."""

ALIKE: Final = 0.5
"""Intersection over union of a found box and a line's from which on it is found (ICDAR 2015's rule)."""

_MODEL = "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"
_WHOLE = "text-page.onnx"


class Box(NamedTuple):
    """Where a line stands, in pixels of the page; ``right`` and ``bottom`` are no longer in it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """In pixels; 0 where there is nothing."""
        return max(self.right - self.left, 0) * max(self.bottom - self.top, 0)

    def overlap(self, other: "Box") -> float:
        """Intersection over union."""
        low, high = np.maximum(self[:2], other[:2]), np.minimum(self[2:], other[2:])
        common = Box(*low.tolist(), *high.tolist()).area
        return common / (self.area + other.area - common)


class TextPage(Network):
    """PP-OCRv4 detection over rendered pages.

    One grey uint8[1, 1, 640, 640] page in, as a scanner gives it. How likely text is in each cell of 4 by 4 pixels
    comes out: float32[1, 1, 160, 160]. Levels are scaled and cells averaged within the graph, as one would before
    serving it: a query sends 0.4 MB and not 4.9.
    """

    name = "text-page"
    title = "PP-OCRv4 detection: where a page has text"
    wheel = RAPIDOCR
    model = _MODEL
    shapes: ClassVar = {"page": (1, 1, SIDE, SIDE)}
    calibrated_on: ClassVar = 8  # a page has ten lines, and 25 600 answers
    evaluated_on: ClassVar = 12

    @property
    def model_path(self) -> Path:
        """The fp32 ONNX file with head and tail on; made when first asked for."""
        path = self.folder / _WHOLE
        if not path.exists():
            write_file(path, _whole(self.folder / _MODEL))
        return path

    def score(self, outputs: Sequence[Array], sample: Sample) -> float:
        """How many lines were found against how many there are and were: the F1 measure, from 0 to 1."""
        found, lines = boxes(outputs[0][0, 0]), boxes_of(sample.label)
        hit = sum(any(each.overlap(line) >= ALIKE for each in found) for line in lines)
        return 2 * hit / (len(found) + len(lines))

    def _questions(self, random: np.random.Generator, calibration: bool) -> Iterator[Sample]:
        while True:
            first = line(random)
            if (zlib.crc32(first.encode()) % 4 == 0) == calibration:
                page, lines = scanned(first, random)
                yield Sample({"page": page}, " ".join(",".join(map(str, each)) for each in lines))


def boxes_of(label: str) -> list[Box]:
    """The lines that a label tells of.

    >>> boxes_of("8,10,200,40 8,60,90,80")[1]
    Box(left=8, top=60, right=90, bottom=80)
    """
    return [Box(*map(int, each.split(","))) for each in label.split()]


def scanned(first: str, random: np.random.Generator) -> tuple[Array, list[Box]]:
    """A page of lines below each other, of which the first is given, and where they stand: uint8[1, 1, 640, 640]."""
    page, lines, text, top = Page(SIDE, SIDE, random), [], first, int(random.integers(10, 60))
    while top < SIDE - 50:
        face = typeface(float(random.uniform(16, 36)), text, SIDE - 20)
        width, height = int(face.getlength(text)), sum(face.getmetrics())
        left = int(random.integers(10, SIDE - 9 - width))
        page.write(text, left, top + height / 2, face)
        lines.append(Box(left, top, left + width, top + height))
        text, top = line(random), lines[-1].bottom + int(random.integers(8, 50))
    grey: Array = np.rint(127.5 * (page.photographed().mean(axis=0) + 1.0)).astype(np.uint8)
    return grey[None, None], lines


def boxes(likely: Array) -> list[Box]:
    """The lines on a page, of how likely each cell has text: neighbouring likely cells, grown to the whole line.

    Args:
        likely: float32[height, width].
    """
    left = likely > LIKELY
    found = []
    while left.any():
        heart = _connected(left, *np.argwhere(left)[0].tolist())
        found.append(_grown(heart))
    return [each for each in found if each.area]


def _connected(left: Array, row: int, column: int) -> Box:
    """The bounds in pixels of the cells that hang together with one of them, which are taken out of ``left``."""
    reached, border = {(row, column)}, [(row, column)]
    left[row, column] = False
    while border:
        row, column = border.pop()
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near[0] < left.shape[0] and 0 <= near[1] < left.shape[1] and left[near]:
                left[near] = False
                reached.add(near)
                border.append(near)
    rows, columns = zip(*reached, strict=True)
    edges = min(columns), min(rows), max(columns) + 1, max(rows) + 1
    return Box(*(CELL * each for each in edges))


def _grown(heart: Box) -> Box:
    """The whole line: its heart was shrunk by a distance that goes with its area over its circumference."""
    width, height = heart.right - heart.left, heart.bottom - heart.top
    by = round(UNCLIP * heart.area / (2 * (width + height)))
    return Box(max(heart.left - by, 0), max(heart.top - by, 0), heart.right + by, heart.bottom + by)


def _whole(path: Path) -> bytes:
    """The network with what stands before and behind it in its graph: levels in, chances of cells out.

    Raises:
        MissingExtra: the package onnx is not installed.
    """
    with needed("onnx", "demo", "the demonstration"):
        import onnx
    model = onnx.load(path)
    graph, node = model.graph, onnx.helper.make_node
    pixels, chances = graph.input[0].name, graph.output[0].name
    head = [
        node("Cast", ["page"], ["levels"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["levels", "per_level"], ["brightness"]),
        node("Sub", ["brightness", "middle"], ["grey"]),
        node("Concat", ["grey"] * 3, [pixels], axis=1),
    ]
    tail = node("AveragePool", [chances], ["text"], kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    nodes = [*head, *graph.node, tail]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    constants = {"per_level": 1 / 127.5, "middle": 1.0}
    graph.initializer.extend(onnx.numpy_helper.from_array(np.array(v, np.float32), k) for k, v in constants.items())
    values = onnx.helper.make_tensor_value_info
    graph.input.append(values("page", onnx.TensorProto.UINT8, ["N", 1, SIDE, SIDE]))
    graph.output.append(values("text", onnx.TensorProto.FLOAT, ["N", 1, SIDE // CELL, SIDE // CELL]))
    serialised: bytes = model.SerializeToString()
    return serialised

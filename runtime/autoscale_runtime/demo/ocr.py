"""PP-OCRv4 recognition: what one line of text in a picture says.

The network is that of PaddleOCR (Li et al., "PP-OCRv3", arXiv 2206.03001, for the architecture), as RapidOCR ships it.
The questions are lines rendered here, so that what they say is known: sizes, colours, blur and noise vary.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np

from autoscale.extras import needed
from autoscale.files import write_file
from autoscale_runtime.backends.onnxruntime import onnx_runtime
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.demo.networks import Network, Sample
from autoscale_runtime.demo.rendering import Page, line, typeface
from autoscale_runtime.demo.wheels import Wheel

HEIGHT, WIDTH, MARGIN = 48, 320, 4  # pixels

_MODEL = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
_HEADED = "text-line.onnx"
RAPIDOCR = Wheel(
    package="rapidocr-onnxruntime",
    version="1.4.4",
    licence="Apache-2.0",
    sha256="971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    members={
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx": (
            "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"
        ),
        _MODEL: "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        "rapidocr_onnxruntime-1.4.4.dist-info/METADATA": (
            "1ac15bed7c7fb77d3fac58c2aba0a4d3e2da48de5c65badd3503900acebcf1df"
        ),
    },
)


class TextLine(Network):
    """PP-OCRv4 recognition over rendered lines.

    One float32[1, 3, 48, 320] picture in -1..1 in. The likeliest of 6625 characters at each of 40 steps is taken
    within the graph, as one would before serving it: int64[1, 40] and their float32[1, 40] probabilities come out,
    not a megabyte of all of them.
    """

    name = "text-line"
    title = "PP-OCRv4 recognition: what a line of text says"
    wheel = RAPIDOCR
    model = _MODEL
    shapes: ClassVar = {"x": (1, 3, HEIGHT, WIDTH)}
    calibrated_on: ClassVar = 48  # a line has 40 answers
    evaluated_on: ClassVar = 50

    @property
    def model_path(self) -> Path:
        """The fp32 ONNX file with the head on; made when first asked for."""
        path = self.folder / _HEADED
        if not path.exists():
            write_file(path, _with_head(self.folder / _MODEL))
        return path

    def score(self, outputs: Sequence[Array], sample: Sample) -> float:
        """One minus the share of wrong characters (edit distance over the label's length), not below 0.

        Spaces before and after the text do not count: they are the picture's margin.
        """
        wrong = edit_distance(decode(outputs[0][0].tolist(), self._alphabet).strip(), sample.label)
        return max(0.0, 1.0 - wrong / len(sample.label))

    def _questions(self, random: np.random.Generator, calibration: bool) -> Iterator[Sample]:
        while True:
            text = line(random)
            if (zlib.crc32(text.encode()) % 4 == 0) == calibration:
                yield Sample({"x": picture(text, random)}, text)

    @cached_property
    def _alphabet(self) -> list[str]:
        """What each class stands for: nothing, the characters the model file lists, a space."""
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(self.folder / _MODEL, options, providers=["CPUExecutionProvider"])
        listed = session.get_modelmeta().custom_metadata_map["character"]
        return ["", *listed.split("\n"), " "]


def decode(best: Sequence[int], alphabet: Sequence[str]) -> str:
    """The text of the likeliest class of each step: repeats merged, class 0 left out.

    This is best-path decoding of connectionist temporal classification (Graves et al., ICML 2006, section 3.2).

    >>> decode([0, 1, 1, 0, 1, 2, 2], ["", "a", "b"])
    'aab'
    """
    return "".join(alphabet[each] for each, _ in groupby(best))


def _with_head(path: Path) -> bytes:
    """The network with the first step of decoding in its graph: (characters, probabilities) instead of all classes.

    Raises:
        MissingExtra: the package onnx is not installed.
    """
    with needed("onnx", "demo", "the demonstration"):
        import onnx
    model = onnx.load(path)
    graph, classes = model.graph, model.graph.output[0].name
    graph.node.extend(
        [
            onnx.helper.make_node("ArgMax", [classes], ["characters"], axis=2, keepdims=0),
            onnx.helper.make_node("ReduceMax", [classes], ["probabilities"], axes=[2], keepdims=0),
        ]
    )
    del graph.output[:]
    kinds = {"characters": onnx.TensorProto.INT64, "probabilities": onnx.TensorProto.FLOAT}
    graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, ["N", None]) for name, kind in kinds.items())
    serialised: bytes = model.SerializeToString()
    return serialised


def edit_distance(one: str, other: str) -> int:
    """The fewest insertions, deletions and replacements that make one text the other (Levenshtein).

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]


def picture(text: str, random: np.random.Generator) -> Array:
    """A line of text, cropped close as a detector would: float32[1, 3, 48, 320], zeros beyond its right border."""
    face = typeface(float(random.uniform(26, 38)), text, WIDTH - 2 * MARGIN)
    width = min(WIDTH, int(face.getlength(text)) + 2 * MARGIN)
    page = Page(width, HEIGHT, random)
    page.write(text, MARGIN, HEIGHT / 2, face)
    padded = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
    padded[0, :, :, :width] = page.photographed()
    return padded

"""rapidocr-onnxruntime reads a line of text."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def outputs() -> Any:
    """Boxes, texts, scores."""
    from rapidocr_onnxruntime import RapidOCR

    page = Image.new("RGB", (480, 160), "white")
    font = ImageFont.load_default(32)
    for row, line in enumerate(("Every processor", "the device has")):
        ImageDraw.Draw(page).text((20, 20 + 60 * row), line, "black", font)
    found, _ = RapidOCR()(np.asarray(page))
    return [[[float(each) for point in box for each in point], text, float(score)] for box, text, score in found]

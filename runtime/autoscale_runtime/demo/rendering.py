"""Text in pictures as a camera might see it: what it says is known, sizes, colours, blur and noise vary."""

import numpy as np

from autoscale.errors import MissingExtra
from autoscale.extras import needed
from autoscale_runtime.backends.tensors import Array

with needed("pillow", "demo", "rendering text"):
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

_WORDS = (
    "Account", "Address", "Airport", "Amount", "Arrival", "Balance", "Battery", "Bridge", "Camera", "Carbon",
    "Castle", "Charge", "Cloud", "Coffee", "Copy", "Corner", "Credit", "Customer", "Date", "Delivery", "Device",
    "Discount", "East", "Energy", "Engine", "Entrance", "Exit", "Express", "Flight", "Garden", "Gate", "Green",
    "Harbour", "Hotel", "Invoice", "Island", "Kitchen", "Lake", "Library", "Limit", "Market", "Member", "Menu",
    "Morning", "Museum", "North", "Number", "Office", "Open", "Order", "Paper", "Park", "Payment", "Platform",
    "Police", "Price", "Quality", "Receipt", "River", "Room", "Schedule", "School", "Seat", "Service", "Signal",
    "South", "Station", "Street", "Summer", "Table", "Tax", "Terminal", "Ticket", "Total", "Train", "Transfer",
    "Valley", "Water", "West", "Winter", "Zone",
)  # fmt: skip


def line(random: np.random.Generator) -> str:
    """Words, numbers and prices, as signs and receipts have them: 8 to 20 characters."""
    pieces = [str(random.choice(_WORDS))]
    while len(" ".join(pieces)) < 8 or (random.random() < 0.6 and len(" ".join(pieces)) < 12):
        number = int(random.integers(10, 9999))
        kinds = (str(random.choice(_WORDS)), str(number), f"{number / 100:.2f}")
        pieces.append(kinds[random.integers(len(kinds))])
    return " ".join(pieces)


def typeface(size: float, text: str, widest: float) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface at ``size`` pixels, or smaller where the text would be wider than ``widest`` pixels."""
    wanted = _typeface(size)
    return _typeface(min(size, size * widest / wanted.getlength(text)))


def _typeface(size: float) -> ImageFont.FreeTypeFont:
    face = ImageFont.load_default(size)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise MissingExtra("pillow", "demo", "rendering text with FreeType, which this build of Pillow leaves out,")
    return face


class Page:
    """Paper of a random colour with text on it.

    Paper and ink are at least 90 levels of 255 apart in every channel; one page in four is light on dark.

    Args:
        width: in pixels.
        height: in pixels.
        random: decides colours, blur and noise.
    """

    def __init__(self, width: int, height: int, random: np.random.Generator) -> None:
        self._random = random
        dark = random.integers(0, 80, 3)
        light = dark + random.integers(90, 175, 3)
        paper, ink = (dark, light) if random.random() < 0.25 else (light, dark)
        self._ink = tuple(ink.tolist())
        self._image = Image.new("RGB", (width, height), tuple(paper.tolist()))

    def write(self, text: str, left: float, middle: float, face: ImageFont.FreeTypeFont) -> None:
        """Put text that starts at ``left`` and is centred on the height ``middle``, in pixels."""
        ImageDraw.Draw(self._image).text((left, middle), text, self._ink, face, anchor="lm")

    def photographed(self) -> Array:
        """The page with some blur and noise: float32[3, height, width] in -1..1, as PP-OCR takes it."""
        blur = ImageFilter.GaussianBlur(float(self._random.uniform(0, 1.2)))
        pixels = np.asarray(self._image.filter(blur))
        noise = self._random.uniform(0, 20) * self._random.standard_normal(pixels.shape, np.float32)
        levels = np.clip(pixels + noise, 0, 255)
        scaled: Array = (levels.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32)
        return scaled

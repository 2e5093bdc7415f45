"""What a file in OpenVINO's own format says of itself: its layers stand in XML, one element each."""

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_QUANTISED: Final = {"FakeQuantize"}
_NARROW: Final = {"i8", "u8", "i4", "u4"}
_STATE: Final = {"Assign"}


def precision_of(path: Path) -> str:
    """int8 where values are quantised or weights stored so, fp16 where no weight is wider, else fp32."""
    layers = _layers(path)
    stored = {kind for operator, kind in layers if operator == "Const"}
    if stored & _NARROW or any(operator in _QUANTISED for operator, _ in layers):
        return "int8"
    return "fp16" if "f16" in stored and "f32" not in stored else "fp32"


def keeps_state(path: Path) -> bool:
    """Whether a query assigns variables."""
    return any(operator in _STATE for operator, _ in _layers(path))


def _layers(path: Path) -> list[tuple[str, str]]:
    """Operator and element type of every layer; none in another format, or in a damaged file."""
    found: list[tuple[str, str]] = []
    if path.suffix.lower() != ".xml":
        return found
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "layer":
                data = element.find("data")
                found.append((element.get("type", ""), "" if data is None else data.get("element_type", "")))
    except (ElementTree.ParseError, OSError):
        return []
    return found

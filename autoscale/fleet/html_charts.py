"""Charts as inline SVG: colours come from the page's style, so that they follow light and dark; texts tell the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

KINDS: Final = {"operational": "operational: electricity used", "embodied": "embodied: making the hardware"}
"""Class of the colour to what it stands for."""

WIDTH: Final = 720
_LABEL: Final = 168
_VALUE: Final = 132
_BAR: Final = 24
_ROW: Final = 40
_PLOT: Final = 190
_AXIS: Final = 28


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar or column.

    Attributes:
        label: its name.
        segments: class of the colour (``device``, ``embodied``, ...) to its length.
        text: the value as people read it.
    """

    label: str
    segments: Mapping[str, float]
    text: str

    @property
    def length(self) -> float:
        """Of all segments."""
        return sum(self.segments.values())


def bars(title: str, description: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on one scale, each with its name before and its value behind it."""
    most = max((row.length for row in rows), default=0.0) or 1.0
    room = WIDTH - _LABEL - _VALUE
    pieces = []
    for number, row in enumerate(rows):
        top, left = number * _ROW + 4, float(_LABEL)
        middle = top + _BAR / 2 + 5
        pieces.append(_text(_LABEL - 12, middle, _short(row.label), "end"))
        for kind, length in row.segments.items():
            width = room * length / most
            pieces.append(_rectangle(left, top, width, _BAR, kind, f"{row.label}: {kind}"))
            left += width
        pieces.append(_text(left + 10, middle, row.text, "start", "value"))
    return _svg(title, description, len(rows) * _ROW, pieces)


def columns(title: str, description: str, rows: Sequence[Bar], most_text: str) -> str:
    """Columns over time, with the scale of the highest; labels of some, as many as there is room for."""
    most = max((row.length for row in rows), default=0.0) or 1.0
    left, room = 8.0, WIDTH - 16.0
    step = room / max(1, len(rows))
    every = max(1, -(-len(rows) // 8))
    pieces = [_line(left, 20, WIDTH - 8, 20, "grid"), _text(left, 14, most_text, "start", "value")]
    for number, row in enumerate(rows):
        bottom = float(20 + _PLOT)
        for kind, length in row.segments.items():
            height = _PLOT * length / most
            bottom -= height
            tip = f"{row.label}: {row.text}"
            pieces.append(_rectangle(left + number * step + step * 0.1, bottom, step * 0.8, height, kind, tip))
        if number % every == 0:
            pieces.append(_text(left + (number + 0.5) * step, 20 + _PLOT + 20, row.label, "middle", "small"))
    pieces.append(_line(left, 20 + _PLOT, WIDTH - 8, 20 + _PLOT, "axis"))
    return _svg(title, description, 20 + _PLOT + _AXIS, pieces)


def legend(kinds: Mapping[str, str]) -> str:
    """What the colours mean: class to name."""
    keys = "".join(f'<li><span class="key {kind}"></span>{escape(name)}</li>' for kind, name in kinds.items())
    return f'<ul class="legend">{keys}</ul>'


def figure(caption: str, unit: str, chart: str, keys: str = "", note: str = "") -> str:
    """A chart with its caption, the unit of what it shows, its legend and a note."""
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f"<figure><figcaption>{escape(caption)} <span>({escape(unit)})</span></figcaption>{chart}{keys}{below}</figure>"
    )


def spoken(rows: Iterable[Bar]) -> str:
    """What a chart shows, for who cannot see it."""
    return "; ".join(f"{row.label} {row.text}" for row in rows)


def _svg(title: str, description: str, height: float, pieces: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}: {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(pieces)}</svg>"
    )


def _rectangle(x: float, y: float, width: float, height: float, kind: str, tip: str) -> str:
    shape = f'x="{x:.2f}" y="{y:.2f}" width="{max(0.0, width):.2f}" height="{max(0.0, height):.2f}"'
    return f'<rect class="{kind}" {shape}><title>{escape(tip)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _short(label: str) -> str:
    return label if len(label) <= 22 else f"{label[:21]}…"

"""Charts as inline SVG: colours come from the page's style, so that they follow light and dark; texts tell the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

KINDS: Final = {"operational": "operational: electricity used", "embodied": "embodied: making the hardware"}
"""Class of the colour to what it stands for."""

_BAR: Final = 18
_ROW: Final = 54
_PLOT: Final = 190
_TOP: Final = 22
_AXIS: Final = 28
_LINE: Final = 18
_PHONE: Final = 36
"""So many letters of a name and its value have room beside each other on a phone; else the value has its own line."""
_LABELS: Final = 6
"""Columns that are named, so that their names have room on a phone."""


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


@dataclass(frozen=True, slots=True)
class Span:
    """One row of a tornado.

    Attributes:
        label: its name.
        low: the total with it at its low end; ``high`` at its high end.
        text: the two as people read them.
    """

    label: str
    low: float
    high: float
    text: str


def bars(title: str, description: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on one scale, each with its name and its value above it."""
    most = max((row.length for row in rows), default=0.0) or 1.0
    below, pieces = _below(rows), []
    for number, row in enumerate(rows):
        top, left = number * (_ROW + below) + below, 0.0
        pieces += _named(row, top, below)
        for kind, length in row.segments.items():
            width = 100.0 * length / most
            pieces.append(_rectangle(left, top + _TOP, width, _BAR, kind, f"{row.label}: {kind}"))
            left += width
    return _svg(title, description, len(rows) * (_ROW + below), pieces)


def tornado(title: str, description: str, rows: Sequence[Span], mid: float) -> str:
    """Spans about a middle on one scale, the widest above: what each alone does to a total."""
    least = min((min(row.low, row.high) for row in rows), default=0.0)
    most = max((max(row.low, row.high) for row in rows), default=1.0)
    scale = 100.0 / ((most - least) or 1.0)
    below, pieces = _below(rows), []
    for number, row in enumerate(rows):
        top = number * (_ROW + below) + below
        pieces += _named(row, top, below)
        for end, kind in ((row.low, "operational"), (row.high, "embodied")):
            left, width = scale * (min(end, mid) - least), scale * abs(end - mid)
            pieces.append(_rectangle(left, top + _TOP, width, _BAR, kind, f"{row.label}: {row.text}"))
    return _svg(title, description, len(rows) * (_ROW + below), pieces)


def columns(title: str, description: str, rows: Sequence[Bar], most_text: str) -> str:
    """Columns over time, with the scale of the highest; labels of some, as many as there is room for."""
    most = max((row.length for row in rows), default=0.0) or 1.0
    step = 100.0 / max(1, len(rows))
    every = max(1, -(-len(rows) // _LABELS))
    pieces = [_line(_TOP, "grid"), _text(0.0, _TOP - 7, most_text, "start", "value")]
    for number, row in enumerate(rows):
        bottom = float(_TOP + _PLOT)
        for kind, length in row.segments.items():
            height = _PLOT * length / most
            bottom -= height
            tip = f"{row.label}: {row.text}"
            pieces.append(_rectangle(number * step + step * 0.1, bottom, step * 0.8, height, kind, tip))
        if number % every == 0:
            pieces.append(_text(number * step + step * 0.1, _TOP + _PLOT + 20, row.label, "start", "small"))
    pieces.append(_line(_TOP + _PLOT, "axis"))
    return _svg(title, description, _TOP + _PLOT + _AXIS, pieces)


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
    """As wide as the page, widths in percent: the texts keep their size on a phone."""
    return (
        f'<svg height="{height:g}" role="img" aria-label="{escape(title)}: {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(pieces)}</svg>"
    )


def _rectangle(x: float, y: float, width: float, height: float, kind: str, tip: str) -> str:
    shape = f'x="{x:.3f}%" y="{y:.2f}" width="{max(0.0, width):.3f}%" height="{max(0.0, height):.2f}"'
    return f'<rect class="{kind}" {shape}><title>{escape(tip)}</title></rect>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.3f}%" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="0" y1="{y:g}" x2="100%" y2="{y:g}"/>'


def _below(rows: Sequence[Bar] | Sequence[Span]) -> int:
    """How far below their names the values stand: beside them where all have room."""
    return _LINE if any(len(_short(row.label)) + len(row.text) > _PHONE for row in rows) else 0


def _named(row: Bar | Span, top: float, below: int) -> list[str]:
    """The name and the value of a bar, which begins below both."""
    name = _text(0.0, top + 15 - below, _short(row.label), "start")
    return [name, _text(100.0, top + 15, row.text, "end", "value")]


def _short(label: str) -> str:
    return label if len(label) <= _PHONE else f"{label[: _PHONE - 1]}…"

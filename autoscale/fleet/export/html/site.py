"""The report as a small site: the page over the ledger as it is now, filtered, and down to single decisions.

It has no scripts: filters are a form, and what is asked for stands in the address, to be kept or handed on.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Final
from urllib.parse import parse_qsl, urlencode

from autoscale.errors import AutoScaleError, InvalidInput, one_of
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.html.decisions import decisions_page
from autoscale.fleet.export.html.page import as_html
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report import Question, Report, account
from autoscale.fleet.report.decisions import decisions

FRESH_S: Final = 15.0
"""So old a report may be before it is made anew."""

_KEPT: Final = 32
_FILTERS: Final = {"network": "neural network", "device_model": "device model", "region": "region", "target": "target"}
_FIELDS: Final = ("since", "until", *_FILTERS, "refresh")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; ``refresh_s`` is after how long a browser asks again, 0 for never."""

    status: int
    content_type: str
    text: str
    refresh_s: int = 0


class Site:
    """Answers requests for pages of some ledgers; thread-safe, one report at a time.

    Args:
        ledgers: their folders.
        question: what every page starts from: an inventory, a life cycle.
        clock: seconds, for how old a report is.
    """

    def __init__(self, ledgers: Sequence[str], question: Question, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledgers, self._question, self._clock = list(ledgers), question, clock
        self._made: dict[Question, tuple[float, Report]] = {}
        self._guard = threading.Lock()

    def answer(self, address: str) -> Answer:
        """The page of an address: ``/``, ``/report.json`` or ``/decisions``, each with filters after a ``?``."""
        path, _, query = address.partition("?")
        pages = {"/": self._page, "/report.json": self._json, "/decisions": self._decisions}
        if path not in pages:
            return Answer(404, "text/plain", f"no page '{path}'; there are {', '.join(pages)}\n")
        try:
            return pages[path](_filters(query))
        except AutoScaleError as error:
            return Answer(400, "text/plain", f"{error}\n")

    def _page(self, asked: Mapping[str, str]) -> Answer:
        whole, report = self._report({}), self._report(asked)
        return Answer(200, "text/html", as_html(report, _controls(whole, asked)), _seconds(asked))

    def _json(self, asked: Mapping[str, str]) -> Answer:
        return Answer(200, "application/json", json.dumps(as_json(self._report(asked)), indent=2))

    def _decisions(self, asked: Mapping[str, str]) -> Answer:
        with self._guard:
            found = decisions(self._ledgers, self._asked(asked))
        return Answer(200, "text/html", decisions_page(found, _controls(self._report({}), asked, "/decisions")))

    def _asked(self, asked: Mapping[str, str]) -> Question:
        span = Span.parse(asked.get("since", ""), asked.get("until", ""))
        only = tuple((name, asked[name]) for name in _FILTERS if name in asked)
        return replace(self._question, span=span, only=only, from_sums=True)

    def _report(self, asked: Mapping[str, str]) -> Report:
        question = self._asked(asked)
        with self._guard:
            made = self._made.get(question)
            if made is None or self._clock() - made[0] > FRESH_S:
                if len(self._made) >= _KEPT:
                    self._made.clear()
                made = self._made[question] = (self._clock(), account(self._ledgers, question))
            return made[1]


def _filters(query: str) -> Mapping[str, str]:
    asked: dict[str, str] = {}
    for name, value in parse_qsl(query):
        one_of("filter", name, _FIELDS)
        if asked.setdefault(name, value) != value:
            raise InvalidInput(f"{name} is '{asked[name]}' and '{value}'; allowed: one of them")
    return asked


def _seconds(asked: Mapping[str, str]) -> int:
    if "refresh" not in asked:
        return 0
    if not re.fullmatch("[0-9]{1,5}", asked["refresh"]) or not 5 <= int(asked["refresh"]) <= 86_400:
        raise InvalidInput(f"refresh is '{asked['refresh']}'; allowed: whole seconds, 5 to 86400")
    return int(asked["refresh"])


def _controls(whole: Report, asked: Mapping[str, str], path: str = "/") -> str:
    """The form of filters, with what the whole ledger has to choose from, and links to the other pages."""
    fields = "".join(
        f'<label>{name}<input name="{name}" type="text" size="12" placeholder="2026-11-01" '
        f'value="{escape(asked.get(name, ""))}"></label>'
        for name in ("since", "until")
    )
    fields += "".join(_choice(whole, name, words, asked.get(name, "")) for name, words in _FILTERS.items())
    filters = {name: value for name, value in asked.items() if name != "refresh"}
    query = f"?{urlencode(filters)}" if filters else ""
    others = {"/": "account", "/decisions": "single decisions", "/report.json": "as JSON"}
    links = [f'<a href="{each}{escape(query)}">{words}</a>' for each, words in others.items() if each != path]
    live = f'<a href="{path}?{escape(urlencode({**filters, "refresh": 30}))}">refresh every 30 s</a>'
    return (
        f'<form class="controls" method="get" action="{path}">{fields}<button>show</button></form>'
        f'<p class="controls note">{" · ".join([*links, live])}</p>'
    )


def _choice(whole: Report, name: str, words: str, chosen: str) -> str:
    values = sorted(each for each in whole.by[name] if each)
    listed = "".join(
        f'<option value="{escape(each)}"{" selected" if each == chosen else ""}>{escape(each)}</option>'
        for each in values
    )
    return f'<label>{words}<select name="{name}"><option value="">all</option>{listed}</select></label>'

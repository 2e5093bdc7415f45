"""The page: complete, self-contained, safe with any name, and looked at in a real browser in light and dark."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autoscale.fleet.export.html.charts import Bar, Span, bars, columns, tornado
from autoscale.fleet.export.html.page import as_html
from autoscale.fleet.export.units import digits, energy, joules, mass, percent
from autoscale.fleet.report import Question, account
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.life_cycle import LifeCycle
from autoscale.fleet.report.phases import LifeCyclePhase
from tests.autoscale.fleet.ledger_parts import random_rows, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
HOSTILE = "<script>alert('x')</script>&\"net"
VOID = {"meta", "br", "input"}


class Outline(HTMLParser):
    """Every element, and whether each that opens is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    inventory = folder / "fleet.csv"
    inventory.write_text("device_id,device_model\ndevice-1,mi8pro\nsilent-phone,s10e\n")
    ledger = written(folder / "ledger", random_rows(5000, 1, days=9), rows(50, model=HOSTILE))
    life_cycle = LifeCycle((LifeCyclePhase("training", 1e-3, 1e-4),))
    return as_html(account(ledger, Question(inventory=read_inventory(inventory), life_cycle=life_cycle)))


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def test_the_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    found = outline(page)
    assert found.open == []
    tags = {tag for tag, _ in found.seen}
    assert not tags & {"script", "link", "img", "iframe"}
    assert "http" not in page and "url(" not in page and "@import" not in page
    assert "prefers-color-scheme: dark" in page


def test_names_from_the_ledger_cannot_break_out(page: str) -> None:
    assert "<script" not in page
    assert HOSTILE in outline(page).text


def test_every_chart_says_in_words_what_it_shows_and_every_table_has_a_caption(page: str) -> None:
    found = outline(page)
    charts = [attributes for tag, attributes in found.seen if tag == "svg"]
    assert len(charts) >= 6
    assert all(each["role"] == "img" and len(str(each["aria-label"])) > 20 for each in charts)
    tags = [tag for tag, _ in found.seen]
    assert tags.count("table") == tags.count("caption") >= 12
    assert tags.count("h1") == 1


def test_the_page_tells_what_the_issue_asks(page: str) -> None:
    text = outline(page).text
    for asked in (
        "oracle",
        "all on device",
        "one year longer",
        "training",
        "silent-phone",
        "ISO/IEC 21031",
        "unallocated",
    ):
        assert asked in text, asked


def test_bars_are_as_long_as_their_values() -> None:
    chart = bars("title", "words", [Bar("a", {"device": 1.0, "remote": 1.0}, "2 g"), Bar("b", {"device": 4.0}, "4 g")])
    sizes = [str(attributes["width"]) for tag, attributes in outline(chart).seen if tag == "rect"]
    widths = [float(each.removesuffix("%")) for each in sizes]
    assert widths[0] == widths[1] == widths[2] / 4 == 25.0
    assert "<rect" not in bars("title", "words", [])


def test_a_name_and_its_value_that_have_no_room_on_a_phone_stand_on_two_lines() -> None:
    def lines(label: str) -> set[object]:
        pairs = bars("title", "words", [Bar(label, {"device": 1.0}, "5.75 g, estimated for 18.5 %")])
        spans = tornado("title", "words", [Span(label, 1.0, 2.0, "5.75 g, estimated for 18.5 %")], 1.5)
        found = {
            (attributes["class"], attributes["y"]) for tag, attributes in outline(pairs + spans).seen if tag == "text"
        }
        assert len(found) == 2  # both charts alike
        return {y for _, y in found}

    assert (len(lines("oracle")), len(lines("all in the cloud"))) == (1, 2)


def test_columns_may_be_of_nothing() -> None:
    assert "<rect" in columns("title", "words", [Bar("a", {"device": 0.0}, "0 g")], "0 g")


def test_figures_keep_three_digits() -> None:
    assert [digits(each) for each in (0.1234, 1.234, 12.34, 123.4)] == ["0.123", "1.23", "12.3", "123"]
    assert mass(-5e9) == "−5.00\u00a0g"
    assert [energy(each) for each in (0, 3.6e6, 5e8, 5e12)] == [
        "0\u00a0Wh",
        "1.00\u00a0mWh",
        "139\u00a0mWh",
        "1.39\u00a0kWh",
    ]
    assert joules(4.03e5) == "403\u00a0mJ"
    assert [percent(each) for each in (0.0, 1e-9, 0.0006)] == ["0.0\u00a0%", "<0.1\u00a0%", "0.1\u00a0%"]


def test_what_the_ledger_cannot_tell_is_not_given_as_a_figure(tmp_path: Path) -> None:
    few = account(written(tmp_path / "ledger", rows(5, operational_device_ng=10**6)))
    text = outline(as_html(few)).text
    assert "not known" in text and "oracle 5.00" not in text
    assert "less than a day is taken for a day" in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_it_in_light_and_in_dark(page: str, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    shots = {}
    for name, scheme in (("light", 1), ("dark", 0)):
        shot = tmp_path / f"{name}.png"
        _shoot(path, shot, f"--blink-settings=preferredColorScheme={scheme}")
        with image.open(shot) as opened:
            shots[name] = opened.convert("RGB")
    assert sum(shots["light"].getpixel((2, 2))) > 3 * 230
    assert sum(shots["dark"].getpixel((2, 2))) < 3 * 50
    for shot in shots.values():
        colours = shot.resize((220, 480), image.Resampling.NEAREST).getcolors(220 * 480)
        assert colours is not None
        vivid = sum(count for count, colour in colours if max(colour) - min(colour) > 60)
        assert vivid > 0.02 * 220 * 480  # the charts are there


def _shoot(path: Path, shot: Path, *switches: str) -> None:
    command = [str(BROWSER), *SWITCHES, f"--user-data-dir={shot.parent / shot.stem}", "--window-size=1100,2400"]
    subprocess.run(
        [*command, *switches, f"--screenshot={shot}", path.as_uri()], check=True, capture_output=True, timeout=120
    )

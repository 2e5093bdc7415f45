"""The served page: as the report, filtered, down to decisions, and to nobody who was led there under another name."""

import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.html.site import Site
from autoscale.fleet.report import Question, account
from autoscale.fleet.serve_command import opened
from tests.autoscale.fleet.export.test_html import BROWSER, HOSTILE, SWITCHES, Outline
from tests.autoscale.fleet.ledger_parts import random_rows, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("site") / "ledger", random_rows(2000, 3), rows(40, model=HOSTILE))


@pytest.fixture(scope="module")
def site(ledger: Path) -> Site:
    return Site([str(ledger)], Question())


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    with opened(site, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetched(address: str, host: str = "") -> str:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text: str = answer.read().decode()
        return text


def test_it_serves_the_report(address: str, ledger: Path) -> None:
    served = json.loads(fetched(f"{address}/report.json"))
    assert served["exact"] == as_json(account(ledger))["exact"]
    page = Outline()
    page.feed(fetched(address))
    assert "Carbon of a fleet" in page.text
    assert not any(tag == "script" for tag, _ in page.seen)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetched(address, host="evil.example:80")


def test_filters_leave_their_part(site: Site, ledger: Path) -> None:
    whole = as_json(account(ledger))
    for each in whole["by"]["network"]:
        part = json.loads(site.answer(f"/report.json?{urllib.parse.urlencode({'network': each['name']})}").text)
        assert part["inferences"] == each["inferences"]
    day = json.loads(site.answer("/report.json?since=2026-11-02&until=2026-11-03").text)
    assert 0 < day["inferences"] < whole["inferences"]
    assert json.loads(site.answer("/report.json?region=nowhere").text)["inferences"] == 0


def test_single_decisions_name_no_device(site: Site) -> None:
    page = site.answer("/decisions?network=mobilebert")
    assert page.status == 200
    assert page.text.count("<tr>") == 1 + 100
    assert "device-1" not in page.text
    assert HOSTILE not in site.answer("/decisions").text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "no page '/nowhere'"),
        ("/?sinse=2026", 400, "did you mean 'since'"),
        ("/?since=soon", 400, "'soon' is no time"),
        ("/?refresh=0", 400, "allowed: whole seconds"),
        (f"/?refresh={'9' * 5000}", 400, "allowed: whole seconds"),
        ("/?since=0001-01-01T00:00:00%2B14:00", 400, "is no time"),
        ("/?until=9999-12-31T23:59:59-12:00", 400, "is no time"),
        ("/?network=a&network=b", 400, "network is 'a' and 'b'"),
        ("//[x", 404, "no page"),
        ("/?since=2027-01-01", 200, "No query in this span"),
    ],
)
def test_what_is_asked_wrongly_is_told(site: Site, path: str, status: int, said: str) -> None:
    answer = site.answer(path)
    assert (answer.status, said in answer.text) == (status, True)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_shows_it(address: str, tmp_path: Path, width: int) -> None:
    picture, profile = tmp_path / "page.png", tmp_path / "profile"
    command = [str(BROWSER), *SWITCHES, f"--user-data-dir={profile}", f"--window-size={width},2000"]
    subprocess.run([*command, f"--screenshot={picture}", address], check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 10_000
    shutil.rmtree(profile, ignore_errors=True)


def test_a_head_request_has_the_headers_alone(address: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=60) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 0
        assert answer.read() == b""

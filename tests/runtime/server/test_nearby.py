"""A server that announces itself, and a session that was not told where it is; all of it on loopback's multicast."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale_runtime import RemoteModel, Session, nearby
from autoscale_runtime.device.nearby import is_trusted
from autoscale_runtime.server.announcement import Announcement
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server
from autoscale_runtime.wire.certificates import Certificates
from tests.runtime.certificate_parts import made, made_expired, needs_openssl
from tests.runtime.session_parts import PATIENT, QUIET, network, rows, written
from tests.waiting import until

pytest.importorskip("zeroconf", reason="servers near by need the extra 'nearby'")

HERE = "127.0.0.1"
FEEDS = {"x": rows(1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nearby")
    written(folder / "repository" / "net" / "1" / "model.onnx", network())
    made(folder, "server", "-addext", "subjectAltName=DNS:box.example")
    made(folder, "client")
    made(folder, "stranger")
    made_expired(folder, "old")
    return folder


@pytest.fixture(scope="module")
def announced(files: Path) -> Iterator[Server]:
    certificates = Certificates(files / "server.pem", files / "server.key", files / "client.pem")
    account, operation = ServerAccount(load_device("laptop")), Operation(certificates)
    with (
        Server(Limits(1), account, repository=files / "repository", operation=operation) as server,
        Announcement("the box", HERE, server.port, certificates),
    ):
        yield server


@needs_openssl
def test_a_session_runs_on_a_server_that_it_was_not_told_of(files: Path, announced: Server) -> None:
    own = {"certificate": files / "client.pem", "key": files / "client.key"}
    found: dict[str, RemoteModel] = {}

    def look() -> bool:
        looked = nearby(tls=files / "server.pem", **own, model="net", server_name="box.example", interfaces=[HERE])
        found.update(looked)
        return bool(found)

    until(look)
    assert {place: each.address for place, each in found.items()} == {"edge:the-box": announced.address}
    path = files / "repository" / "net" / "1" / "model.onnx"
    with Session(path, PATIENT, mode="ONLY_ON_DEVICE", options=QUIET) as session:
        right = session.run(None, FEEDS)[0]
    with Session(path, PATIENT, remotes=found, mode="ONLY_IN_CLOUD", options=QUIET) as session:
        np.testing.assert_allclose(session.run(None, FEEDS)[0], right, rtol=1e-5, atol=1e-6)
        assert (session.last.selected.place, session.last.selected.host) == ("edge", "the-box")


@needs_openssl
@pytest.mark.parametrize(
    "changed",
    [
        {"certificate": "stranger.pem", "key": "stranger.key"},  # whom the server does not trust
        {"tls": "stranger.pem"},  # who does not trust the server
        {"server_name": "other.local"},  # whose certificate is for another name than it announced
        {"model": "nobody"},
    ],
)
def test_an_announcement_is_nobodys_word(
    files: Path, announced: Server, changed: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    given = {"tls": "server.pem", "certificate": "client.pem", "key": "client.key", **changed}
    paths = {name: files / given[name] for name in ("tls", "certificate", "key")}
    named = {"model": changed.get("model", "net"), "server_name": changed.get("server_name", "box.example")}
    assert not is_trusted(RemoteModel(announced.address, **paths, **named))  # type: ignore[arg-type]
    assert f"{announced.address} announces itself and is left out" in caplog.text


@needs_openssl
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"certificate": "nowhere.pem"}, "'.*nowhere.pem' cannot be read: No such file"),
        ({"tls": "client.key", "key": "stranger.key"}, "client.key"),
        ({"key": "stranger.key"}, "client.pem' cannot be used: key values mismatch"),
        ({"certificate": "old.pem", "key": "old.key"}, "old.pem' cannot be used: certificate has expired"),
        ({"token": "nowhere"}, "nowhere' cannot be read"),
        ({"tls": ""}, "tls is False; allowed: a file of root certificates"),
    ],
)
def test_what_a_device_cannot_show_is_said_though_nobody_announces_himself(
    files: Path, changed: dict[str, str], why: str
) -> None:
    names = {"tls": "server.pem", "certificate": "client.pem", "key": "client.key", **changed}
    paths = {name: files / file if file else False for name, file in names.items()}
    with pytest.raises(InvalidInput, match=why):
        nearby(**paths, look_s=0.0, interfaces=[HERE])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "host", "roots", "why"),
    [
        ("box", HERE, False, "anybody near by could ask it"),
        ("a.b", HERE, True, "no dots"),
        ("box", "example.org", True, "allowed: an address"),
    ],
)
def test_what_cannot_be_announced_is_refused(tmp_path: Path, name: str, host: str, roots: bool, why: str) -> None:
    certificates = Certificates(tmp_path / "a", tmp_path / "b", tmp_path / "c" if roots else None)
    with pytest.raises(InvalidInput, match=why):
        Announcement(name, host, 1, certificates)

"""A session and a server that is secured: TLS, certificates of both sides, bearer tokens, quotas."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.errors import AccessRefused, InvalidInput, Overloaded, TargetUnavailable
from autoscale.profiles import load_device
from autoscale_runtime import RemoteModel, Session
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server
from autoscale_runtime.wire.certificates import Certificates
from autoscale_runtime.wire.tokens import TokenFile
from tests.runtime.certificate_parts import made, made_expired, needs_openssl
from tests.runtime.session_parts import PATIENT, QUIET, network, rows, written
from tests.waiting import until

TOKEN, OTHER = "correct-horse", "battery-staple"
FEEDS = {"x": rows(1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, and a repository with the model ``net``."""
    folder = tmp_path_factory.mktemp("secured")
    written(folder / "repository" / "net" / "1" / "model.onnx", network())
    made(folder, "server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    made(folder, "box", "-addext", "subjectAltName=DNS:box.example")
    made(folder, "client")
    made(folder, "stranger")
    made_expired(folder, "old")
    (folder / "both.pem").write_bytes((folder / "client.pem").read_bytes() + (folder / "client.key").read_bytes())
    return folder


def tokens_in(path: Path, quota: str = "", token: str = TOKEN) -> TokenFile:
    path.write_text(f'[clients.phone]\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n{quota}')
    return TokenFile(path)


@contextmanager
def secured(
    files: Path, cert: str | None = "server", tokens: TokenFile | None = None, client_ca: Path | None = None
) -> Iterator[str]:
    certificates = None if cert is None else Certificates(files / f"{cert}.pem", files / f"{cert}.key", client_ca)
    account = ServerAccount(load_device("laptop"))
    operation = Operation(certificates, tokens)
    with Server(Limits(1), account, repository=files / "repository", operation=operation) as server:
        yield server.address


def session_of(files: Path, remote: str | RemoteModel, mode: str = "ONLY_IN_CLOUD") -> Session:
    remote = replace(remote, model="net") if isinstance(remote, RemoteModel) else remote
    path = files / "repository" / "net" / "1" / "model.onnx"
    return Session(path, PATIENT, remotes={"cloud": remote}, mode=mode, options=QUIET)


def right(files: Path) -> Any:
    path = files / "repository" / "net" / "1" / "model.onnx"
    with Session(path, PATIENT, mode="ONLY_ON_DEVICE", options=QUIET) as session:
        return session.run(None, FEEDS)[0]


@needs_openssl
def test_a_session_is_answered_over_mutual_tls_with_a_token(files: Path, tmp_path: Path) -> None:
    with secured(files, tokens=tokens_in(tmp_path / "t.toml"), client_ca=files / "client.pem") as address:
        remote = RemoteModel(
            f"grpcs://{address}", tls=files / "server.pem", certificate=files / "both.pem", token=TOKEN
        )
        for each in (
            remote,
            replace(remote, address=address, certificate=files / "client.pem", key=files / "client.key"),
        ):
            with session_of(files, each) as session:
                answer = session.run(None, FEEDS)[0]
                assert session.last.selected.place == "cloud"
                np.testing.assert_allclose(answer, right(files), rtol=1e-5, atol=1e-6)
        assert TOKEN not in repr(remote)


@needs_openssl
@pytest.mark.parametrize(
    ("cert", "wrong", "why"),
    [
        ("server", {"tls": True}, "signed by nobody who is trusted here"),
        ("server", {"tls": "stranger.pem"}, "signed by nobody who is trusted here"),
        ("old", {"tls": "old.pem"}, "certificate has expired"),
        ("box", {"tls": "box.pem"}, "of another name than the address"),
        (None, {"tls": "server.pem"}, "does not speak TLS"),
        ("server", {"tls": False}, "a server that wants TLS"),
        ("server", {"certificate": None}, "a certificate of its own clients"),
        ("server", {"certificate": "stranger.pem", "key": "stranger.key"}, "a certificate of its own clients"),
        ("server", {"token": OTHER}, "bearer token is not known"),
        ("server", {"token": ""}, "no bearer token"),
    ],
)
def test_who_is_not_trusted_is_told_why_and_answers_at_home(
    files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, cert: str | None, wrong: dict[str, Any], why: str
) -> None:
    wrong = {name: files / each if str(each).endswith((".pem", ".key")) else each for name, each in wrong.items()}
    given = {"tls": files / "server.pem", "certificate": files / "both.pem", "token": TOKEN} | wrong
    given = {name: None if name == "certificate" and not given["tls"] else each for name, each in given.items()}
    tokens = tokens_in(tmp_path / "t.toml")
    client_ca = files / "client.pem"
    with secured(files, cert, tokens, client_ca) as address, caplog.at_level(logging.WARNING):
        remote = RemoteModel(address, **given)
        with session_of(files, remote) as session, pytest.raises(TargetUnavailable, match=why) as error:
            session.run(None, FEEDS)
        assert "\n" not in str(error.value)
        assert TOKEN not in str(error.value)
        with session_of(files, remote, "PREFER_IN_CLOUD") as session:
            session.run(None, FEEDS)
            assert session.last.selected.place == "device"
            session.run(None, FEEDS)
            assert why in str(session.last.left_out)
    if "closes so too" not in str(error.value):  # else it may be a link that is down, as happens any day
        assert why in caplog.text


@needs_openssl
def test_a_certificate_of_another_name_is_good_where_the_name_is_said(files: Path) -> None:
    with secured(files, "box") as address:
        remote = RemoteModel(address, tls=files / "box.pem", server_name="box.example")
        with session_of(files, remote) as session:
            session.run(None, FEEDS)


def test_a_token_is_read_again_when_its_file_changes(files: Path, tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path / "t.toml")
    (tmp_path / "token").write_text(f"{OTHER}\n")
    with (
        secured(files, None, tokens) as address,
        session_of(files, RemoteModel(address, token=tmp_path / "token")) as session,
    ):
        with pytest.raises(AccessRefused, match="not known"):
            session.run(None, FEEDS)
        (tmp_path / "new").write_text(TOKEN)
        (tmp_path / "new").replace(tmp_path / "token")
        session.run(None, FEEDS)
        (tmp_path / "token").unlink()  # the last one stays good
        session.run(None, FEEDS)


def test_a_quota_is_waited_for_as_long_as_the_server_says(files: Path, tmp_path: Path) -> None:
    tokens = tokens_in(tmp_path / "t.toml", "queries_per_s = 0.5\nburst = 2")
    with secured(files, None, tokens) as address:
        remote = RemoteModel(address, token=TOKEN)
        with session_of(files, remote) as session, pytest.raises(Overloaded, match=r"quota of 0\.5") as error:
            for _ in range(10):
                session.run(None, FEEDS)
        assert error.value.retry_after_s is not None
        assert 0.0 < error.value.retry_after_s <= 2.0
        with session_of(files, remote, "PREFER_IN_CLOUD") as session:

            def place() -> str:
                session.run(None, FEEDS)
                return str(session.last.selected.place)

            assert until(lambda: place() == "device")
            assert until(lambda: place() == "cloud")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"address": "http://10.0.0.1:80"}, "is not an address; allowed: host:port"),
        ({"address": "grpcs://10.0.0.1"}, "is not an address; allowed: host:port"),
        ({"address": "grpc://h:1", "tls": True}, "says no TLS"),
        ({"address": "h:1", "certificate": "c.pem"}, "certificate is 'c.pem', but tls is False"),
        ({"address": "h:1", "server_name": "n"}, "server_name is 'n', but tls is False"),
        ({"address": "h:1", "tls": True, "key": "k.pem"}, "key is 'k.pem'; allowed: with its certificate"),
        ({"address": "h:1", "token": "abc"}, "a token would cross the network in the clear"),
        ({"address": "h:1", "tls": True, "token": "a\nb"}, "token has 3 characters, not all visible ASCII"),
        ({"address": "h:1", "tls": True, "token": b"secret"}, "token is of type bytes; allowed: text, or a Path"),
        ({"address": "h:1", "tls": 1}, "tls is 1, of type int"),
    ],
)
def test_an_access_that_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as error:
        RemoteModel(**given)
    assert "secret" not in str(error.value)


@needs_openssl
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tls": "none.pem"}, r"root certificates '.*none.pem' cannot be read: No such file"),
        ({"tls": "server.key"}, r"root certificates '.*server.key' cannot be used"),
        ({"certificate": "client.pem"}, r"certificate and private key '.*client.pem' cannot be used"),
        ({"certificate": "client.pem", "key": "stranger.key"}, r"cannot be used: .*mismatch"),
        ({"token": "none"}, r"token's file '.*none' cannot be read"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_told_before_any_query(
    files: Path, given: dict[str, str], why: str
) -> None:
    remote = RemoteModel("grpcs://127.0.0.1:1", **{name: files / each for name, each in given.items()})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=why):
        session_of(files, remote)

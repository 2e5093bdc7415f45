"""Bearer tokens: who is let in, who is not, and what a broken file changes."""

import hashlib
import os
from datetime import date
from pathlib import Path

import pytest

from autoscale.errors import InvalidInput, Overloaded
from autoscale_runtime.wire.tokens import TokenFile, read_tokens


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(token: str) -> list[tuple[str, str | bytes]]:
    return [("user-agent", "x"), ("authorization", f"Bearer {token}")]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[clients.phone]\nsha256 = "{digest("secret")}"\nqueries_per_s = 10\nburst = 2\n'
        f'[clients.boss]\nsha256 = "{digest("more secret").upper()}"\nadmin = true\nexpires = 2027-01-01\n'
    )
    return path


def test_a_known_token_names_its_client(path: Path) -> None:
    tokens = TokenFile(path, today=lambda: date(2026, 12, 31))
    assert tokens.client(bearer("secret")).name == "phone"
    assert tokens.client(bearer("more secret")).is_admin


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ([], "no bearer token"),
        ([("authorization", "Basic x")], "no bearer token"),
        (bearer("wrong"), "not known"),
        (bearer("more secret"), "expired on 2027-01-01"),
    ],
)
def test_any_other_is_refused(path: Path, metadata: list[tuple[str, str | bytes]], why: str) -> None:
    with pytest.raises(PermissionError, match=why):
        TokenFile(path, today=lambda: date(2027, 1, 1)).client(metadata)


def test_a_quota_fills_at_its_rate(path: Path) -> None:
    client = TokenFile(path).client(bearer("secret"))
    for now_s in (0.0, 0.0, 0.1, 0.25):
        client.take(now_s)
    with pytest.raises(Overloaded, match=r"'phone' has a quota of 10 queries a second; the next is free in 0\.0"):
        client.take(0.26)
    client.take(100.0)
    client.take(100.0)
    with pytest.raises(Overloaded):
        client.take(100.0)


def test_a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing(path: Path) -> None:
    clock = Clock()
    tokens = TokenFile(path, clock, lambda: date(2026, 1, 1))
    for number, (content, token) in enumerate(
        [(f'[clients.new]\nsha256 = "{digest("fresh")}"\n', "fresh"), ("[clients", "fresh")], start=1
    ):
        path.write_text(content)
        os.utime(path, ns=(number, number))
        clock.now_s += 2.0
        assert tokens.client(bearer(token)).name == "new"
    with pytest.raises(PermissionError):
        tokens.client(bearer("secret"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "holds nothing"),
        ("x = 1", "holds 'x'"),
        ("[clients.a]", "sha256 is None"),
        ('[clients.a]\nsha256 = "secret"', "64 hexadecimal digits"),
        (f'[clients.a]\nsha256 = "{digest("a")}"\nquota = 1', "unknown key 'quota'"),
        (f'[clients.a]\nsha256 = "{digest("a")}"\nburst = -1', "burst is -1"),
        (f'[clients.a]\nsha256 = "{digest("a")}"\nadmin = 1', "admin is 1"),
        (f'[clients.a]\nsha256 = "{digest("a")}"\nexpires = "soon"', "expires is 'soon'"),
        (f'[clients.a]\nsha256 = "{digest("a")}"\n[clients.b]\nsha256 = "{digest("a")}"', "have one token"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_file_that_says_what_there_is_not_is_refused(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "t.toml").write_text(content)
    with pytest.raises(InvalidInput, match=why):
        read_tokens(tmp_path / "t.toml")

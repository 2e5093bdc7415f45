"""Who may call a server: bearer tokens, kept as digests in a file, each with the name of its client and its quota.

::

    [clients.phone-7]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of the token, as sha256sum has it
    queries_per_s = 50        # on average; absent: no quota
    burst = 100               # at once; absent: a second's worth
    admin = true              # may load and unload models; absent: false
    expires = 2027-06-30      # the first day on which it is refused; absent: never

The file is read again when it changes. One that cannot be read then changes nothing: the tokens known stay good.
"""

import hashlib
import logging
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, Overloaded, listing, nearest
from autoscale_runtime.wire.identity import is_digest

_LOG: Final = logging.getLogger("autoscale.tokens")

_SCHEME: Final = "bearer "
_LOOKED_S: Final = 1.0
_KEYS: Final = ("sha256", "queries_per_s", "burst", "admin", "expires")


@dataclass(slots=True)
class Client:
    """The holder of a token.

    Attributes:
        name: as the file has it.
        queries_per_s: on average; 0.0 for no quota.
        burst: queries at once.
        is_admin: may load and unload models.
        expires: the first day on which the token is refused; None for never.
    """

    name: str
    queries_per_s: float = 0.0
    burst: float = 1.0
    is_admin: bool = False
    expires: date | None = None
    _left: float = field(default=0.0, repr=False)
    _filled_s: float = field(default=-1.0, repr=False)

    def take(self, now_s: float) -> None:
        """Use up one query of the quota, a bucket that fills at its rate.

        Raises:
            Overloaded: none is left; it says when one is.
        """
        if self.queries_per_s <= 0.0:
            return
        passed_s = now_s - self._filled_s if self._filled_s >= 0.0 else self.burst / self.queries_per_s
        self._left = min(self.burst, self._left + passed_s * self.queries_per_s)
        self._filled_s = now_s
        if self._left < 1.0:
            wait_s = (1.0 - self._left) / self.queries_per_s
            quota = f"client '{self.name}' has a quota of {self.queries_per_s:g} queries a second"
            raise Overloaded(f"{quota}; the next is free in {wait_s:.3f} s", wait_s)
        self._left -= 1.0


class TokenFile:
    """The tokens of a file. For one thread.

    Args:
        path: the file.
        clock: seconds, monotonic.
        today: the day, in UTC.

    Raises:
        InvalidInput: it cannot be read, or does not follow the format.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._path, self._clock, self._today = path, clock, today
        self._looked_s = clock()
        self._stamp = _stamp(path)
        self._clients = read_tokens(path)

    def client(self, metadata: Iterable[tuple[str, str | bytes]]) -> Client:
        """Who calls, by the ``authorization`` of a call's metadata.

        Raises:
            PermissionError: no token, an unknown one, or one that has expired; nothing of it is told back.
        """
        self._look_again()
        given = [str(value) for key, value in metadata if key == "authorization"]
        if not given or given[0][: len(_SCHEME)].lower() != _SCHEME:
            raise PermissionError("no bearer token; allowed: metadata 'authorization: Bearer TOKEN'")
        client = self._clients.get(hashlib.sha256(given[0][len(_SCHEME) :].strip().encode()).hexdigest())
        if client is None:
            raise PermissionError("the bearer token is not known to this server")
        if client.expires is not None and self._today() >= client.expires:
            raise PermissionError(f"the bearer token of '{client.name}' expired on {client.expires}")
        return client

    def is_admin(self, name: str) -> bool:
        """Whether a client of that name is an admin."""
        return any(each.is_admin for each in self._clients.values() if each.name == name)

    def _look_again(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s < _LOOKED_S:
            return
        self._looked_s = now_s
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._clients = read_tokens(self._path)
            _LOG.info("'%s' was read again: %d tokens", self._path, len(self._clients))
        except InvalidInput as error:
            _LOG.error("the tokens stay as they were: %s", error)


def read_tokens(path: Path) -> dict[str, Client]:
    """Digest to client.

    Raises:
        InvalidInput: the file cannot be read, or does not follow the format.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the tokens '{path}' cannot be read: {error}") from error
    clients = tables.get("clients")
    if set(tables) != {"clients"} or not isinstance(clients, dict):
        raise InvalidInput(f"'{path}' holds {listing(tables) or 'nothing'}; allowed: tables [clients.NAME]")
    found: dict[str, Client] = {}
    for name, table in clients.items():
        digest, client = _client(f"'{path}', [clients.{name}]", name, table)
        if digest in found:
            raise InvalidInput(f"'{path}': '{name}' and '{found[digest].name}' have one token; allowed: one each")
        found[digest] = client
    return found


def _client(where: str, name: str, table: Mapping[str, Any]) -> tuple[str, Client]:
    if not isinstance(table, dict):
        raise InvalidInput(f"{where} is {table!r}; allowed: a table")
    for key in table:
        if key not in _KEYS:
            raise InvalidInput(f"{where}: unknown key '{key}'{nearest(key, _KEYS)}; allowed: {listing(_KEYS)}")
    digest = table.get("sha256")
    if not isinstance(digest, str) or not is_digest(digest.lower()):
        raise InvalidInput(f"{where}: sha256 is {digest!r}; allowed: the 64 hexadecimal digits of the token's SHA-256")
    rate = _number(where, table, "queries_per_s", 0.0)
    burst = _number(where, table, "burst", max(rate, 1.0))
    admin, expires = table.get("admin", False), table.get("expires")
    if not isinstance(admin, bool):
        raise InvalidInput(f"{where}: admin is {admin!r}; allowed: true or false")
    if isinstance(expires, datetime):
        expires = expires.date()
    if expires is not None and not isinstance(expires, date):
        raise InvalidInput(f"{where}: expires is {expires!r}; allowed: a day, as in 2027-06-30")
    return digest.lower(), Client(name, rate, max(burst, 1.0), admin, expires)


def _number(where: str, table: Mapping[str, Any], key: str, default: float) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise InvalidInput(f"{where}: {key} is {value!r}; allowed: a number of 0 or more")
    return float(value)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_size, stat.st_ino

"""How a client reaches a server: by which address, whom it trusts there, and by what it is known itself."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from autoscale.errors import InvalidInput, check_type

_ADDRESS: Final = re.compile(r"(?:(grpcs?)://)?(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(\d{1,5})")
_SECURE: Final = "grpcs"
_PLAIN: Final = "grpc"
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Access:
    """Whom a client trusts, and what it shows.

    Attributes:
        tls: True encrypts and trusts whom gRPC does (its own list of roots, or the file that the environment names in
            ``GRPC_DEFAULT_SSL_ROOTS_FILE_PATH``); a file in PEM trusts the roots in it alone, as for a server whose
            certificate signs itself.
        certificate: file in PEM of the client's own, for mutual TLS.
        key: file in PEM of its private key; None where that stands in the certificate's file.
        token: a bearer token, or the ``Path`` of a file that holds one and is read again whenever it changes.
        server_name: the name that the server's certificate has, where it is not the address's.

    Raises:
        InvalidInput: of a wrong type, or a certificate or name without TLS.
    """

    tls: bool | str | Path = False
    certificate: str | Path | None = None
    key: str | Path | None = None
    token: str | Path = field(default="", repr=False)
    server_name: str = ""

    def __post_init__(self) -> None:
        check_type("a remote's tls", self.tls, (bool, str, Path), "True, False, or a file of root certificates")
        for name in ("certificate", "key"):
            check_type(f"a remote's {name}", getattr(self, name), (str, Path, type(None)), "a file in PEM, or None")
        check_type("a remote's server_name", self.server_name, str, "text")
        if self.key is not None and self.certificate is None:
            raise InvalidInput(f"a remote's key is '{self.key}'; allowed: with its certificate")
        if not isinstance(self.token, str | Path):  # whose value goes into no message
            raise InvalidInput(f"a remote's token is of type {type(self.token).__name__}; allowed: text, or a Path")
        if isinstance(self.token, str) and self.token:
            checked_token(self.token, "a remote's token")

    @property
    def is_secure(self) -> bool:
        """Whether it encrypts."""
        return self.tls is not False and self.tls != ""


class Bearer:
    """The token that calls carry, where there is one. Thread-safe."""

    def __init__(self, token: str | Path) -> None:
        self._path = token if isinstance(token, Path) else None
        self._stamp: tuple[int, int] = (0, 0)
        self._metadata = _metadata(token) if isinstance(token, str) else ()
        self.metadata()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What a call is sent with.

        Raises:
            InvalidInput: the file cannot be read, or holds no token, and never did.
        """
        if self._path is None:
            return self._metadata
        try:
            stat = self._path.stat()
            stamp = stat.st_mtime_ns, stat.st_ino
            if stamp != self._stamp:
                text = self._path.read_text(encoding="utf-8").strip()
                self._metadata = _metadata(checked_token(text, f"the token in '{self._path}'"))
                self._stamp = stamp
        except (OSError, UnicodeDecodeError, InvalidInput) as error:
            if not self._metadata:  # else the file is being replaced, and the last one stays good
                raise _unreadable(self._path, error) from error
        return self._metadata


def reached(address: str, access: Access | None) -> tuple[str, Access]:
    """``host:port``, and how it is spoken to: ``grpcs://host:port`` says TLS as well.

    Raises:
        InvalidInput: not an address, one that contradicts ``tls``, what needs TLS without it, or a token that would
            cross a network in the clear.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 65536:
        allowed = "host:port, as in '192.168.0.7:8001', or grpcs://host:port for TLS"
        raise InvalidInput(f"'{address}' is not an address; allowed: {allowed}")
    access = Access() if access is None else access
    if match[1] == _SECURE and not access.is_secure:
        access = replace(access, tls=True)
    if match[1] == _PLAIN and access.is_secure:
        raise InvalidInput(f"'{address}' says no TLS, and tls is {str(access.tls)!r}; allowed: grpcs:// with tls")
    _check_needs(f"{match[2]}:{match[3]}", match[2], access)
    return f"{match[2]}:{match[3]}", access


def checked_token(token: str, what: str) -> str:
    """The token, if it can travel in a header; the message does not hold it.

    Raises:
        InvalidInput: it is empty, or has blanks, line ends or letters beyond ASCII.
    """
    if not _TOKEN.fullmatch(token):
        raise InvalidInput(f"{what} has {len(token)} characters, not all visible ASCII; allowed: a bearer token")
    return token


def _check_needs(address: str, host: str, access: Access) -> None:
    if access.is_secure:
        return
    needs: Mapping[str, object] = {"certificate": access.certificate, "server_name": access.server_name}
    for name, value in needs.items():
        if value:
            raise InvalidInput(f"{address}: {name} is '{value}', but tls is False; allowed: with tls, or grpcs://")
    if access.token and not _is_here(host):
        raise InvalidInput(f"{address}: a token would cross the network in the clear; allowed: with tls, or grpcs://")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),) if token else ()


def _unreadable(path: Path, error: Exception) -> InvalidInput:
    if isinstance(error, InvalidInput):
        return error
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return InvalidInput(f"the token's file '{path}' cannot be read: {why}")

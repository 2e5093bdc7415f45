"""One GET of one JSON document: the only place that talks HTTP.

The standard library does: a handful of requests an hour, GET and JSON only, need no pool and no package more. A
redirect is refused, since it would carry the key to whoever it points to.
"""

import json
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from time import monotonic
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from autoscale.errors import InvalidInput

TIMEOUT_S: Final = 10.0
LARGEST_BYTES: Final = 16 * 2**20
_PIECE_BYTES: Final = 1 << 16
_HERE: Final = ("127.0.0.1", "::1", "localhost")


class HttpFailure(Exception):
    """A server did not give the document.

    Attributes:
        status: the HTTP status; None where there was no answer.
        retry_after_s: how long the server asked to be left alone; None where it did not say.
    """

    def __init__(self, problem: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.retry_after_s = retry_after_s


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class JsonClient:
    """Gets documents below one address.

    Args:
        base_url: ``https://``, or ``http://`` on this machine or where no key is sent.
        headers: sent with every request.
        timeout_s: the longest that one answer may take to begin, and then to end.

    Raises:
        InvalidInput: not an address, or a key that would cross a network in the clear.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        scheme, host = _parts(base_url)
        self._base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", "User-Agent": "autoscale-inference", **(headers or {})}
        self._timeout_s = timeout_s
        # What is meant for this machine goes to no proxy, which would see the key in the clear.
        self._opener = build_opener(_NoRedirect, *([ProxyHandler({})] if host in _HERE else []))
        self._is_private = scheme == "https" or host in _HERE
        self._check(headers)

    def get(self, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The document at a path; None where the server has nothing (204).

        Raises:
            HttpFailure: no answer, another status than 2xx, more than 16 MiB, or not JSON.
            InvalidInput: a key that would cross a network in the clear.
        """
        self._check(headers)
        url = f"{self._base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        request = Request(url, headers={**self._headers, **(headers or {})})
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                body = _body(response, monotonic() + self._timeout_s)
        except HTTPError as error:
            with error:
                raise HttpFailure(f"{url} answered {error.code} {error.reason}", error.code, _wait_s(error)) from error
        except (OSError, HTTPException) as error:
            raise HttpFailure(f"{url} did not answer: {getattr(error, 'reason', error)}") from error
        return _document(url, body)

    def _check(self, headers: Mapping[str, str] | None) -> None:
        if headers and not self._is_private:
            raise InvalidInput(f"{self._base_url} would get a key in the clear; allowed: https://, or this machine")


def _parts(base_url: str) -> tuple[str, str]:
    """Scheme and host of an address."""
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port  # a port that is none raises
    except ValueError as error:
        raise InvalidInput(f"address is '{base_url}': {error}; allowed: https://host/path, or http://") from error
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput(f"address is '{base_url}'; allowed: https://host/path, or http://")
    return parts.scheme, host


def _body(response: HTTPResponse, ends_s: float) -> bytes:
    """An answer as far as it is looked at; a byte now and then keeps no connection open for ever.

    Raises:
        TimeoutError: it has not ended in time.
    """
    body = bytearray()
    while len(body) <= LARGEST_BYTES and (piece := response.read1(_PIECE_BYTES)):
        if monotonic() > ends_s:
            raise TimeoutError("the answer did not end in time")
        body += piece
    return bytes(body)


def _document(url: str, body: bytes) -> Any:
    if len(body) > LARGEST_BYTES:
        raise HttpFailure(f"{url} answered with more than {LARGEST_BYTES} bytes")
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise HttpFailure(f"{url} answered with something that is not JSON: {error}") from error


def _wait_s(error: HTTPError) -> float | None:
    """Seconds from ``Retry-After``; a date there is left to the own back-off."""
    text = error.headers.get("Retry-After", "").strip()
    return float(text) if text.isdecimal() else None

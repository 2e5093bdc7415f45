"""The one table between AutoScale's errors and gRPC's status codes, read in both directions."""

import math
from collections.abc import Iterable
from typing import Final

import grpc

from autoscale.errors import (
    AccessRefused,
    AutoScaleError,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    TargetError,
    TargetUnavailable,
    UnknownName,
    WrongAnswer,
)

# The first row that fits counts: what is more special stands above what is more general.
TABLE: Final[tuple[tuple[type[AutoScaleError], grpc.StatusCode], ...]] = (
    (UnknownName, grpc.StatusCode.NOT_FOUND),
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (AccessRefused, grpc.StatusCode.UNAUTHENTICATED),
    (AccessRefused, grpc.StatusCode.PERMISSION_DENIED),
    (TargetUnavailable, grpc.StatusCode.UNAVAILABLE),
    (WrongAnswer, grpc.StatusCode.DATA_LOSS),
    (TargetError, grpc.StatusCode.INTERNAL),
    # Codes that another maker's server, or a proxy before it, may answer with: each is a refusal.
    (TargetUnavailable, grpc.StatusCode.CANCELLED),
    (TargetUnavailable, grpc.StatusCode.UNIMPLEMENTED),
    (TargetUnavailable, grpc.StatusCode.FAILED_PRECONDITION),
    (TargetUnavailable, grpc.StatusCode.ABORTED),
    (TargetError, grpc.StatusCode.UNKNOWN),
)

RETRY_AFTER: Final = "retry-after-ms"
"""The trailer of a refusal for want of room or quota: when another try may have one."""

_MOST_RETRY_S: Final = 3600.0


def code_of(error: Exception) -> grpc.StatusCode:
    """The status a server answers with; INTERNAL for an error that is none of ours."""
    return next((code for kind, code in TABLE if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def trailers_of(error: Exception) -> tuple[tuple[str, str], ...]:
    """What a server's refusal tells beside its text."""
    after_s = error.retry_after_s if isinstance(error, Overloaded) else None
    return () if after_s is None else ((RETRY_AFTER, str(math.ceil(1e3 * after_s))),)


def error_of_call(failed: grpc.RpcError, address: str) -> AutoScaleError:
    """The error that a client raises for a call that failed, with what the server says of when to try again."""
    text = _plain(failed.details() or failed.code().name)
    if text in _UNTRUSTED.values():
        return AccessRefused(f"{address}: {text}")
    error = error_of(failed.code(), f"{address}: {text}")
    if isinstance(error, Overloaded):
        error.retry_after_s = _retry_after_s(failed)
    return error


def error_of(code: grpc.StatusCode, message: str) -> AutoScaleError:
    """The error a client raises; TargetError for a code that is not in the table."""
    return next((kind for kind, known in TABLE if known is code), TargetError)(message)


_UNTRUSTED: Final = {
    "certificate has expired": "the server's certificate has expired",
    "certificate is not yet valid": "the server's certificate is not valid yet; is this machine's clock right?",
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is signed by nobody who is trusted here; see tls",
    "Hostname Verification Check": "the server's certificate is of another name than the address; see server_name",
    "is not in peer certificate": "the server's certificate is of another name than the address; see server_name",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS, which this client was told to",
    "CERTIFICATE_REQUIRED": "the server wants a certificate of this client's",
}
"""What gRPC's texts of a failed handshake hold, the first that fits, and what they mean."""

_CLOSED: Final = ("Socket closed", "Connection reset by peer")


def _plain(details: str) -> str:
    """A failed handshake in words that name what to mend; anything else on one line."""
    for found, meaning in _UNTRUSTED.items():
        if found in details and ("andshake" in details or "erification" in details or "peer cert" in details):
            return meaning
    line = " ".join(details.split())
    if line.startswith("failed to connect") and any(each in line for each in _CLOSED):
        return f"{line} (a server that wants TLS, or a certificate of its own clients, closes so too)"
    return line


def _retry_after_s(failed: grpc.RpcError) -> float | None:
    trailers: Iterable[tuple[str, str | bytes]] = failed.trailing_metadata() or ()  # type: ignore[assignment]
    for key, value in trailers:
        if key in (RETRY_AFTER, "grpc-retry-pushback-ms"):
            try:
                after_s = float(value) / 1e3
            except ValueError:
                return None
            return min(after_s, _MOST_RETRY_S) if after_s >= 0.0 else None
    return None

"""The one table between AutoScale's errors and gRPC's status codes, read in both directions."""

from typing import Final

import grpc

from autoscale.errors import (
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
    (TargetUnavailable, grpc.StatusCode.UNAVAILABLE),
    (WrongAnswer, grpc.StatusCode.DATA_LOSS),
    (TargetError, grpc.StatusCode.INTERNAL),
    # Codes that another maker's server, or a proxy before it, may answer with: each is a refusal.
    (TargetUnavailable, grpc.StatusCode.CANCELLED),
    (TargetUnavailable, grpc.StatusCode.PERMISSION_DENIED),
    (TargetUnavailable, grpc.StatusCode.UNAUTHENTICATED),
    (TargetUnavailable, grpc.StatusCode.UNIMPLEMENTED),
    (TargetUnavailable, grpc.StatusCode.FAILED_PRECONDITION),
    (TargetUnavailable, grpc.StatusCode.ABORTED),
    (TargetError, grpc.StatusCode.UNKNOWN),
)


def code_of(error: Exception) -> grpc.StatusCode:
    """The status a server answers with; INTERNAL for an error that is none of ours."""
    return next((code for kind, code in TABLE if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def error_of(code: grpc.StatusCode, message: str) -> AutoScaleError:
    """The error a client raises; TargetError for a code that is not in the table."""
    return next((kind for kind, known in TABLE if known is code), TargetError)(message)

import grpc
import pytest

from autoscale.errors import (
    AccessRefused,
    AutoScaleError,
    DeadlineExceeded,
    FeedError,
    InvalidInput,
    Overloaded,
    RepositoryError,
    TargetError,
    TargetUnavailable,
    UnknownName,
    WrongAnswer,
)
from autoscale_runtime.wire.status import TABLE, code_of, error_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownName, "NOT_FOUND"),
        (FeedError, "INVALID_ARGUMENT"),
        (RepositoryError, "INVALID_ARGUMENT"),
        (DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Overloaded, "RESOURCE_EXHAUSTED"),
        (AccessRefused, "UNAUTHENTICATED"),
        (TargetUnavailable, "UNAVAILABLE"),
        (WrongAnswer, "DATA_LOSS"),
        (TargetError, "INTERNAL"),
        (AutoScaleError, "INTERNAL"),
    ],
)
def test_errors_have_a_status(error: type[AutoScaleError], code: str) -> None:
    assert code_of(error("why")) is grpc.StatusCode[code]


@pytest.mark.parametrize("code", [each for each in grpc.StatusCode if each is not grpc.StatusCode.OK])
def test_every_status_is_an_error_with_its_message(code: grpc.StatusCode) -> None:
    error = error_of(code, "why")
    assert str(error) == "why"
    assert isinstance(error, TargetError | InvalidInput)


@pytest.mark.parametrize("kind", dict(TABLE))
def test_there_and_back_an_error_stays_of_its_kind(kind: type[AutoScaleError]) -> None:
    assert type(error_of(code_of(kind("why")), "why")) is kind

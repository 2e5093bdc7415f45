"""A server that was down when trust was to be won must win it before a query goes there."""

import socket
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from autoscale.errors import TargetError, WrongAnswer
from autoscale_runtime import Session
from autoscale_runtime.backends.tensors import Array
from tests.runtime.session_parts import OUTPUTS, PATIENT, QUIET, Liar, answer, lying, network, rows, written
from tests.waiting import until

X = {"x": rows(3)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def truth(path: Path) -> dict[str, Array]:
    reference = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, reference.run([*OUTPUTS], X), strict=True))


@pytest.fixture
def port() -> int:
    """One that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
    return port


def source(session: Session) -> str:
    session.run(None, X)
    assert session.last is not None
    return session.last.inference_source


def test_one_that_answers_right_is_used(path: Path, port: int, truth: dict[str, Array]) -> None:
    with Session(path, PATIENT, remotes={"cloud": f"127.0.0.1:{port}"}, agent="cloud", options=QUIET) as session:
        assert source(session) == "on_device"
        liar = Liar(answer(**truth))
        with lying(liar, port):
            until(lambda: source(session) == "in_cloud")
            assert liar.queries == 2  # one to win trust, one to answer


def test_one_that_answers_wrong_is_not(path: Path, port: int, truth: dict[str, Array]) -> None:
    with Session(path, PATIENT, remotes={"cloud": f"127.0.0.1:{port}"}, agent="cloud", options=QUIET) as session:
        assert source(session) == "on_device"
        liar = Liar(answer(**(truth | {"logits": -truth["logits"]})))
        with lying(liar, port):
            until(lambda: source(session) and liar.queries == 1)
            for _ in range(20):
                [logits, *_] = session.run(["logits"], X)
                np.testing.assert_allclose(logits, truth["logits"], rtol=1e-5, atol=1e-6)
            assert liar.queries == 1


def test_where_nobody_else_may_answer_its_wrong_answer_is_an_error(
    path: Path, port: int, truth: dict[str, Array]
) -> None:
    with Session(path, PATIENT, remotes={"cloud": f"127.0.0.1:{port}"}, mode="ONLY_IN_CLOUD", options=QUIET) as session:
        session.warm_up(X)
        errors = []

        def is_found_out() -> bool:
            with pytest.raises(TargetError) as raised:
                session.run(None, X)
            errors.append(raised.value)
            return isinstance(raised.value, WrongAnswer)

        with lying(Liar(answer(**(truth | {"logits": -truth["logits"]}))), port):
            until(is_found_out)
        assert "cosine of -1.00" in str(errors[-1])

"""What a query may say for itself: its goal, its consent, how long it is waited for, and the stream it belongs to."""

import asyncio
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import DeadlineExceeded, FeedError, InvalidGoal, InvalidInput
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.record import Record
from autoscale_runtime import Session
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.server.server import serve
from tests.runtime.session_parts import PATIENT, QUIET, bundle, network, repository, rows, written
from tests.waiting import LONGEST_WAIT_S, until

X = {"x": rows(3)}
FOR_EVER = 10**15


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundle(tmp_path_factory.mktemp("two"), accuracies=(0.9, 0.6))


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Runs as many steps as it is asked for, and has been asked for one."""
    models: Path = request.getfixturevalue("repository")
    with Session(models / "slow" / "1" / "model.onnx", Goal(latency_s=0.05), options=QUIET) as session:
        session.warm_up({"steps": np.array(1, np.int64)})
        yield session


def test_an_answer_brings_its_own_decision(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        answers = [session.query(X) for _ in range(3)]
        assert len({id(each.decision) for each in answers}) == 3
        assert session.last is answers[-1].decision
        np.testing.assert_array_equal(answers[0].outputs[0], session.run(None, X)[0])
        assert [each.shape for each in session.query(X, ["hidden"]).outputs] == [(3, 16)]


def test_a_query_may_have_a_goal_of_its_own(two: Bundle) -> None:
    records: list[Record] = []
    options = replace(QUIET, on_record=records.append)
    with Session(two, Goal(latency_s=10.0), options=options) as session:
        for _ in range(20):
            decision = session.query(X, goal=Goal(latency_s=10.0, min_accuracy=0.8)).decision
            assert decision is not None
            assert decision.selected.precision == "fp32"
        assert records[-1].goal.min_accuracy == 0.8
        with pytest.raises(InvalidGoal, match=r"min_accuracy 0\.95; there are"):
            session.query(X, goal=Goal(min_accuracy=0.95))
        session.query(X, goal=Goal(objective="latency"))
        session.settle()
        assert records[-1].goal.objective == "latency"
        session.run(None, X)
        session.settle()
        assert records[-1].goal is session.goal


def test_wrong_arguments_are_told(path: Path) -> None:
    with Session(path, options=QUIET) as session:
        with pytest.raises(FeedError, match="no input is named 'z'"):
            session.query({"z": X["x"]})
        with pytest.raises(InvalidGoal, match="goal is 'energy', of type str"):
            session.query(X, goal="energy")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="consent is 'yes'"):
            session.query(X, consent="yes")  # type: ignore[arg-type]
        for timeout_s in (0.0, -1.0, float("nan")):
            with pytest.raises(InvalidInput, match="timeout_s is"):
                session.query(X, timeout_s=timeout_s)
        assert session.query(X, timeout_s=float("inf")).outputs


def test_a_query_without_consent_is_sent_nowhere(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as cloud:
        cloud.settimeout(0.2)
        remotes = {"cloud": f"127.0.0.1:{cloud.getsockname()[1]}"}
        with Session(path, PATIENT, remotes=remotes, mode="PREFER_IN_CLOUD", options=QUIET) as session:
            for _ in range(3):
                decision = session.query(X, consent=False).decision
                assert decision is not None
                assert not decision.selected.is_remote
                assert [str(target) for target in decision.left_out] == ["cloud:cpu/fp32"]
                assert "no consent" in next(iter(decision.left_out.values()))
            with pytest.raises(InvalidGoal, match="not cloud: no consent"):
                session.query(X, goal=replace(PATIENT, mode=InferenceMode.ONLY_IN_CLOUD), consent=False)
            with pytest.raises(TimeoutError):
                cloud.accept()


def test_the_remotes_are_met_with_the_first_query_that_may_leave(path: Path, tmp_path: Path) -> None:
    with serve(repository(tmp_path)) as server:
        remotes = {"cloud": server.address}
        options = replace(QUIET, consent=False)
        with Session(path, PATIENT, remotes=remotes, mode="PREFER_IN_CLOUD", options=options) as session:
            session.run(None, X)
            assert session.last is not None
            assert not session.last.selected.is_remote
            until(lambda: _is_remote(session, True))
            assert not _is_remote(session, None)


def _is_remote(session: Session, consent: bool | None) -> bool:
    decision = session.query(X, consent=consent).decision
    return decision is not None and decision.selected.is_remote


def test_a_query_that_nobody_waits_for_any_more_is_interrupted(slow: Session) -> None:
    with pytest.raises(DeadlineExceeded, match=r"timeout_s = 0\.2"):
        slow.query({"steps": np.array(FOR_EVER, np.int64)}, timeout_s=0.2)
    assert slow.query({"steps": np.array(1, np.int64)}, timeout_s=LONGEST_WAIT_S).outputs


def test_in_an_event_loop_it_blocks_nobody_and_can_be_cancelled(slow: Session) -> None:
    async def main() -> int:
        endless = asyncio.create_task(slow.query_async({"steps": np.array(FOR_EVER, np.int64)}))
        await asyncio.sleep(0.1)
        answer = await slow.query_async({"steps": np.array(2, np.int64)})
        assert not endless.done()
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        return len(answer.outputs)

    assert asyncio.run(main()) == 1  # which waits for the loop's threads: the kernel has ended
    assert slow.query({"steps": np.array(1, np.int64)}).outputs


def test_many_at_once_each_with_its_own_decision(path: Path) -> None:
    with Session(path, options=QUIET) as session:

        async def main() -> int:
            answers = await asyncio.gather(*(session.query_async(X) for _ in range(20)))
            return len({id(each.decision) for each in answers})

        assert asyncio.run(main()) == 20


def test_a_stream_stays_where_it_began(two: Bundle) -> None:
    with Session(two, PATIENT, options=QUIET, agent="q-learning") as session:
        for _ in range(5):
            with session.stream() as stream:
                decisions = [stream.query(X).decision for _ in range(12)]
                stream.run(["logits"], X)
            assert len({each.selected for each in decisions if each is not None}) == 1


def test_each_thread_sees_its_own_last(path: Path) -> None:
    seen: list[bool] = []
    with Session(path, options=QUIET) as session:
        session.run(None, X)

        def ask() -> None:
            answer = session.query(X)
            time.sleep(0.01)
            seen.append(session.last is answer.decision)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [True] * 8


def test_it_says_why_it_cannot_be_pickled(path: Path) -> None:
    with Session(path, options=QUIET) as session, pytest.raises(TypeError, match="send the model's path"):
        pickle.dumps(session)


@pytest.mark.parametrize("how", ["session.close()", "del session", "kept = session"])
def test_a_process_ends_well_however_its_sessions_do(path: Path, how: str) -> None:
    code = f"""
import numpy as np
from autoscale_runtime import Session
for _ in range(3):
    session = Session({str(path)!r})
    session.run(None, {{"x": np.ones((2, 16), np.float32)}})
    {how}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


FORKED = """
import os, warnings
import numpy as np
warnings.simplefilter("ignore")
from autoscale_runtime import Session
x = {{"x": np.ones((2, 16), np.float32)}}
session = Session({path!r})
want = [session.run(None, x) for _ in range(3)][-1]
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        same = all(np.allclose(session.run(None, x)[0], want[0]) for _ in range(5))
        session.close()
        os._exit(0 if same else 1)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
print(codes, np.allclose(session.run(None, x)[0], want[0]))
session.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_opens_its_own(path: Path) -> None:
    code = FORKED.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[0, 0] True", done.stderr

"""A record, a session and its log say why a query went where it went."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autoscale.agents.corrector import Corrector
from autoscale.agents.policies import save_policy
from autoscale.cli import main
from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.logged_queries import read_logged_queries
from autoscale.loop import run_query
from autoscale.off_policy.logged import LoggedQuery
from autoscale.query.considered import Considered
from autoscale.query.explanation import SHOWN
from autoscale.query.goal import Goal
from autoscale_runtime.fleet.device_log.reading import read_log
from autoscale_runtime.fleet.device_log.writer import LedgerWriter
from autoscale_runtime.fleet.explain_command import told_of
from autoscale_runtime.session import Session
from tests.autoscale.agents.toy_parts import MANY, NETWORKS, ToyWorld
from tests.runtime.session_parts import QUIET, bundle, rows


def logged(count: int, *, keeps: bool) -> tuple[LoggedQuery, ...]:
    world, agent, found = ToyWorld(MANY, error=0.3, noise=0.05), Corrector(MANY), []
    for number in range(count):
        _, context, decision = run_query(world, agent, NETWORKS[number % 2], "AUTO")
        own = (MANY.index(decision.chosen), decision.probability, decision.outcome)
        kept = Considered(MANY, context, decision.belief, decision.belief_after) if keeps else None
        found.append(LoggedQuery(MANY, context, *own, kept))
    return tuple(found)


def asked(monkeypatch: pytest.MonkeyPatch, *given: str) -> None:
    monkeypatch.setattr("sys.argv", ["autoscale", "explain", *given])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()


@pytest.mark.parametrize("keeps", [True, False])
def test_candidates_and_verdicts_are_told(keeps: bool) -> None:
    queries = logged(60, keeps=keeps)
    told = told_of(queries, None, "heavy")
    assert len(told) == 30
    last = told[-1]
    assert last.belief == ("kept" if keeps else "worked out again")
    assert len(last.candidates) == SHOWN
    assert last.more == len(MANY) - SHOWN
    first = last.candidates[0]
    assert first.target == last.chosen == str(MANY[queries[-1].chosen])
    assert first.verdict.startswith("chosen")
    assert first.before is not None
    low, middle, high = first.before.latency_quantiles_s
    assert low < middle < high
    assert middle < first.before.latency_mean_s
    assert (first.after is not None) == keeps
    assert "heavy: least energy in 50 ms; chosen" in str(last)
    assert "what happened:" in str(last)
    told_json = json.loads(json.dumps(last.as_json(), allow_nan=False))
    assert told_json["candidates"][0]["latency_quantiles_s"] == pytest.approx([low, middle, high])


def test_what_was_kept_is_what_was_worked_out() -> None:
    kept, again = (told_of(logged(40, keeps=keeps), None)[-1] for keeps in (True, False))
    assert [each.target for each in kept.candidates] == [each.target for each in again.candidates]
    assert kept.candidates[0].before == again.candidates[0].before


def test_a_session_and_its_log_tell_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, goal = tmp_path / "log", Goal(latency_s=10.0, on_time=0.9)
    with LedgerWriter(folder) as earlier:
        options = replace(QUIET, on_record=earlier.append)
        with Session(bundle(tmp_path), goal, options=options) as session:
            assert session.explain() is None
            session.run(None, {"x": rows(1)})
    with LedgerWriter(folder) as log:
        options = replace(QUIET, on_record=log.append)
        with Session(bundle(tmp_path), goal, options=options) as session:
            for number in range(6):
                session.run(None, {"x": rows(1, number)})
            told = session.explain()
            assert told is not None
            assert session.last is not None
            save_policy(session.agent, tmp_path / "policy.npz")
        assert told.happened.target == str(session.last.selected)
        assert told.on_time == 0.9
        assert told.happened.coverage == session.last.coverage
        assert {each.target for each in told.candidates} <= set(map(str, session.targets))
        assert all(each.before is not None and each.after is not None for each in told.candidates)
        assert len(read_log(folder, latest_run=True).queries) == 6, "read while it is being written"
        assert len(read_log(folder).queries) == 7
        with pytest.raises(InvalidInput, match="is a device's log, no ledger"):
            read_logged_queries(folder)
        asked(monkeypatch, "--session", str(folder), "--json")
        found = json.loads(capsys.readouterr().out)[0]
        asked(monkeypatch, "--session", str(folder), "--last", "2")
        text = capsys.readouterr().out
    assert text.startswith("6 queries, ")
    assert text.count("what happened:") == 2
    whole = told.as_json()
    assert (found["chosen"], found["on_time"], found["belief"]) == (whole["chosen"], 0.9, "kept")
    assert found["happened"] == {
        **whole["happened"],
        **{name: found["happened"][name] for name in ("latency_s", "energy_j")},
    }
    kept, live = found["candidates"][0], whole["candidates"][0]
    assert kept["target"] == live["target"]
    assert kept["before"]["latency_s"] == pytest.approx(live["before"]["latency_s"], abs=2e-6)
    assert kept["after"]["chance_late"] == pytest.approx(live["after"]["chance_late"], abs=2e-6)
    again = told_of(read_log(folder).queries, tmp_path / "policy.npz")[-1]
    assert again.belief == "worked out again"


def test_a_device_needs_no_arrow_to_explain_itself(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with (
        LedgerWriter(folder) as log,
        Session(bundle(tmp_path), options=replace(QUIET, on_record=log.append)) as session,
    ):
        session.run(None, {"x": rows(1)})
    code = (
        "import sys; sys.modules['pyarrow'] = None; from autoscale.cli import main; "
        f"sys.argv = ['autoscale', 'explain', {str(folder)!r}]; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "what happened:" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["none.csv"], "none.csv"),
        ([], "what is to be explained is not said"),
        (["one", "--session", "two"], "what is to be explained is not said"),
        (["--session", "."], "is no device's log"),
    ],
)
def test_what_cannot_be_explained_is_said(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["autoscale", "explain", *given])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err

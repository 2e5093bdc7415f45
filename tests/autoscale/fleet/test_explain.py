"""A record says why its query went where it went."""

import json
from pathlib import Path

import pytest

from autoscale.agents.corrector import Corrector
from autoscale.cli import main
from autoscale.fleet.explain_command import SHOWN, text_of, told_of
from autoscale.loop import run_query
from autoscale.off_policy.logged import LoggedQuery
from tests.autoscale.agents.toy_parts import MANY, NETWORKS, ToyWorld


def logged(count: int) -> tuple[LoggedQuery, ...]:
    world, agent, found = ToyWorld(MANY, error=0.3, noise=0.05), Corrector(MANY), []
    for number in range(count):
        _, context, decision = run_query(world, agent, NETWORKS[number % 2], "AUTO")
        found.append(LoggedQuery(MANY, context, MANY.index(decision.chosen), decision.probability, decision.outcome))
    return tuple(found)


def test_candidates_and_verdicts_are_told() -> None:
    queries = logged(60)
    told = told_of(queries, None, "heavy")
    assert len(told) == 30
    last = told[-1]
    assert last == json.loads(json.dumps(last))
    assert len(last["candidates"]) == SHOWN
    assert last["more"] == len(MANY) - SHOWN
    assert last["candidates"][0]["target"] == last["chosen"] == str(MANY[queries[-1].chosen])
    assert last["candidates"][0]["verdict"].startswith("chosen")
    low, middle, high = last["candidates"][0]["latency_quantiles_s"]
    assert low < middle < high
    text = text_of(last)
    assert "heavy: least energy in 50 ms; chosen" in text
    assert "what happened:" in text


def test_what_cannot_be_explained_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["autoscale", "explain", str(tmp_path / "none.csv")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "none.csv" in capsys.readouterr().err

"""``autoscale evaluate --measured``: agents in a table, and what is said of them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autoscale.errors import AutoScaleError
from autoscale_envs.evaluation.evaluate_app import app

HEAD = "device,network,target,latency_s,energy_j"
# On network n the fastest target takes n % more energy than the most frugal one.
LINES = [
    f"board,net-{n},device:{kind}#{engine},{latency_s},{energy_j}"
    for n in range(0, 40, 10)
    for kind, engine, latency_s, energy_j in (
        ("gpu/fp16", "armnn", 0.010, 0.1 * (1 + n / 100)),
        ("cpu/int8", "armnn", 0.020, 0.1),
        ("cpu/int8", "tflite", 0.030, 0.2),
    )
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([HEAD, *LINES, "other,net-0,device:cpu/fp32,1,1"]))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--jobs", "1"])


def rows(*arguments: object) -> list[dict]:  # type: ignore[type-arg]
    result = run(*arguments, "--json", "-")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("device,network,target,latency_s,energy_j\nx [/bold],n,device:cpu/fp32,0.1,0.2\n")
    done = run("--measured", tmp_path / "odd.csv", "--agents", "fastest", "--seeds", 1, "--queries", 2)
    assert done.exit_code == 0, done.exception
    assert "x [/bold]: 1 networks" in done.output


def test_names_may_hold_commas(tmp_path: Path) -> None:
    lines = ['"x, y","n, m",device:cpu/fp32,0.1,0.2', "z,k,device:cpu/fp32,0.1,0.2", "z,l,device:cpu/fp32,0.1,0.2"]
    (tmp_path / "odd.csv").write_text("device,network,target,latency_s,energy_j\n" + "\n".join(lines))
    some = ("--measured", tmp_path / "odd.csv", "--agents", "fastest", "--seeds", 1, "--queries", 2)
    (row,) = rows(*some, "--device", "x, y", "--networks", "n, m")
    assert (row["device"], row["networks"]) == ("x, y", ["n, m"])
    (row,) = rows(*some, "--device", "z", "--networks", "l,k")
    assert row["networks"] == ["k", "l"]


def test_every_rule_costs_what_the_rows_say(table: Path) -> None:
    board, other = rows("--measured", table, "--seeds", 2, "--queries", 20)
    agents = board["agents"]
    assert (board["device"], board["scenario"], len(board["networks"])) == ("board", "measured", 4)
    assert board["targets"] == ["device:gpu/fp16#armnn", "device:cpu/int8#armnn", "device:cpu/int8#tflite"]
    assert board["fastest_is_frugal_fraction"] == 0.25
    assert [*agents] == [*("opt", "fastest", "npu-gpu-cpu", "engine:armnn", "engine:tflite", "q-learning", "corrector")]
    for key in ("gap_to_oracle", "gap_to_oracle_first", "gap_to_oracle_10"):
        assert agents["opt"][key] == 0.0
        assert agents["fastest"][key] == agents["npu-gpu-cpu"][key] == pytest.approx(0.15)
        assert agents["engine:armnn"][key] == pytest.approx(0.0)
        assert agents["engine:tflite"][key] == pytest.approx(1.0)
    assert agents["fastest"]["optimal_within_1pct"] == 0.25
    assert agents["fastest"]["convergence_queries"] is None
    assert agents["corrector"]["gap_to_oracle"] < agents["corrector"]["gap_to_oracle_first"]
    assert other["agents"]["corrector"]["gap_to_oracle"] == 0.0, "one target, one choice"
    assert "engine:armnn" not in other["agents"]


def test_a_limit_and_seeds_and_processes(table: Path, tmp_path: Path) -> None:
    (late,) = rows("--measured", table, "--device", "board", "--latency-limit-s", "0.015", "--queries", 10)
    assert late["latency_limit_s"] == 0.015
    assert late["agents"]["engine:tflite"]["late_fraction"] == 1.0
    assert late["agents"]["fastest"]["gap_to_oracle"] == pytest.approx(0.0), "it alone is in time"
    file = tmp_path / "out.json"
    arguments = ["--measured", table, "--device", "board", "--queries", 10, "--seeds", 2]
    done = CliRunner().invoke(app, [*map(str, arguments), "--jobs", "2", "--json", str(file)])
    assert done.exit_code == 0, done.output
    (alone,), (spread,) = rows(*arguments), json.loads(file.read_text())
    assert alone["agents"]["q-learning"]["gap_to_oracle"] == spread["agents"]["q-learning"]["gap_to_oracle"]


def test_a_runtime_that_lacks_networks_is_said_to_play_another(table: Path) -> None:
    table.write_text("\n".join([HEAD, *LINES, "board,net-x,device:gpu/fp16#armnn,1,1"]))
    arguments = "--measured", table, "--agents", "engine:armnn,engine:tflite", "--seeds", 1, "--queries", 2
    assert (
        "engine:tflite has no row of 1 of 5 networks, and plays the fastest target there: 'net-x'"
        in run(*arguments).output
    )
    (row,) = rows(*arguments)
    missing = {name: figures["engine_missing_fraction"] for name, figures in row["agents"].items()}
    assert missing == {"opt": 0.0, "engine:armnn": 0.0, "engine:tflite": 0.2}


def test_rows_whose_p90_is_not_played_are_counted(tmp_path: Path) -> None:
    p90s = "", "1", "0.9", "2", "2.18", "2.2"
    lines = [f"x,n{number},device:cpu/fp32,1,1,{p90_s}" for number, p90_s in enumerate(p90s)]
    (tmp_path / "p90.csv").write_text("\n".join([f"{HEAD},latency_p90_s", *lines]))
    arguments = "--measured", tmp_path / "p90.csv", "--agents", "fastest", "--seeds", 1, "--queries", 2
    assert rows(*arguments)[0]["rows_p90_not_played"] == 2
    assert "2 of 6 rows: latency_p90_s below the mean is played without a spread" in run(*arguments).output


def test_rivals_take_part_as_far_as_a_table_has_what_they_need(table: Path) -> None:
    arguments = "--measured", table, "--agents", "rivals", "--seeds", 1, "--queries", 4
    result = run(*arguments)
    for name, why in (
        ("cloud", "it needs a cloud target, and the table has none"),
        ("connected-edge", "it needs an edge target, and the table has none"),
        ("device-best", "it goes by a forecast alone"),
        ("dqn", "it is trained in the simulator"),
    ):
        assert f"'{name}' is left out: {why}" in result.stderr
    board, other = rows(*arguments)
    assert {"q-learning-paper", "lin-ts", "fallback-list", "corrector", "opt"} <= {*board["agents"]} & {
        *other["agents"]
    }
    assert {*other["agents"]} - {*board["agents"]} == {"device-cpu-fp32"}, "the board has no such target"
    (told,) = rows(*arguments, "--device", "other", "--profile", "rpi4")
    assert "device-best" in told["agents"]


def test_networks_can_be_chosen_and_people_can_read_it(table: Path) -> None:
    result = run("--measured", table, "--device", "board", "--networks", "net-30", "--seeds", 1, "--queries", 10)
    assert "board: 1 networks, 3 targets" in result.output
    for text in ("fastest", "engine:tflite", "2-10", "settled", "agents are told"):
        assert text in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenario", "S1"), "--scenario is of the simulator"),
        (("--plot", "x.png"), "--plot is of the simulator"),
        (("--agents", "fastes"), "did you mean 'fastest'"),
        (("--agents", "cloud"), "agent 'cloud' cannot take part: it needs a cloud target, and the table has none"),
        (
            ("--agents", "device-best"),
            "'device-best' cannot take part: it goes by a forecast alone, and without --profile",
        ),
        (("--agents", "dqn"), "'dqn' cannot take part: it is trained in the simulator"),
        (("--agents", "svm"), "unknown agent 'svm'"),
        (("--agents", "engine:openvino"), "unknown engine 'openvino'"),
        (("--device", "bord"), "unknown device of the table 'bord' (did you mean 'board'"),
        (("--networks", "net-1"), "unknown network of the table"),
        (("--objective", "carbon"), "has no grams; allowed: energy, latency"),
        (("--min-accuracy", "0.6"), "no row of 'net-0' (4 of 4 networks of 'board') tells an accuracy"),
        (("--seeds", "0"), "seeds is 0"),
        (("--queries", "9", "--warm-up", "9"), "warm_up is 9; allowed: 0 to 8"),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], message: str, table: Path) -> None:
    result = run("--measured", table, *arguments)
    assert isinstance(result.exception, AutoScaleError)
    assert message in str(result.exception)


def test_mlperfs_rows_are_converted_and_played(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(
        "round,system,model,scenario,weight_data_types,mean_ms,p90_ms,mj_per_sample\n"
        "v3.0,pi-armnn-v22.11-neon,net,singlestream,int8,10,11,50\n"
        "v3.0,pi-tflite-v2.11.0-ruy,net,singlestream,int8,9,10,60\n"
    )
    done = CliRunner().invoke(app, ["convert", str(tmp_path / "runs.csv"), str(tmp_path / "pi.csv")])
    assert done.output == "pi: 2 rows, 1 networks, 2 targets, 0 rows of several rounds\n"
    (row,) = rows("--measured", tmp_path / "pi.csv", "--seeds", 1, "--agents", "fastest,engine:armnn")
    assert row["agents"]["fastest"]["gap_to_oracle"] == pytest.approx(0.2)
    assert row["agents"]["engine:armnn"]["gap_to_oracle"] == 0.0

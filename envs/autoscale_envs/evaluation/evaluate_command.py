"""The command ``autoscale evaluate``."""

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale.profiles.remote_options import LinksOption, RemotesOption, parse_reach
from autoscale.query.goal import Goal
from autoscale.query.goal_options import MinAccuracyOption, ObjectiveOption
from autoscale_envs.evaluation.comparisons import MeasuredComparison, SimulatedComparison
from autoscale_envs.evaluation.contestants import RIVALS, USUAL
from autoscale_envs.evaluation.deep import DEEP, with_trained
from autoscale_envs.evaluation.judging import judge_records
from autoscale_envs.evaluation.measured_plan import (
    FIRST_TEN,
    QUERIES,
    MeasuredPlan,
    chosen_devices,
    chosen_networks,
)
from autoscale_envs.evaluation.measured_rivals import measured_rivals
from autoscale_envs.evaluation.option_text import (
    parse_agents,
    parse_devices,
    parse_known_names,
    parse_names,
    parse_networks,
    parse_policy,
    parse_scenarios,
    parse_shares,
)
from autoscale_envs.evaluation.plan import Plan
from autoscale_envs.evaluation.running import Outputs, run
from autoscale_envs.measured.contestants import ORACLE
from autoscale_envs.measured.csv_file import read_measured
from autoscale_envs.variance.hidden import USUAL_SHARES
from autoscale_envs.worlds.command_options import ColdStartOption, HiddenSigmaOption, SplitsOption
from autoscale_envs.worlds.parameters import make_parameters

OF_THE_SIMULATOR: Final = (
    *("scenario", "policy", "hidden_sigma", "hidden_shares", "settings", "remotes", "links"),
    *("cold_start", "splits", "plot", "in_turn"),
)
"""Options that a table of measurements has no use for."""

OF_RUNS: Final = (
    *(each for each in OF_THE_SIMULATOR if each != "policy"),
    *("address", "device", "networks", "seeds", "queries", "warm_up", "latency_limit_s", "min_accuracy", "noise"),
    *("measured", "profile", "csv_file", "jobs", "ray"),
)
"""Options that a log has no use for: nothing runs."""

SHARES: Final = ",".join(f"{level}={share:g}" for level, share in USUAL_SHARES.items())


def evaluate(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(help="With --ray: the cluster's address.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="Devices, comma-separated; 'all': the paper's three phones.")] = "all",
    scenario: Annotated[
        str,
        typer.Option(
            help="Scenarios or .toml files, comma-separated, as S1,D3; 'paper' (nine), 'harder' (five), 'all'."
        ),
    ] = "paper",
    networks: Annotated[str, typer.Option(help="Networks, comma-separated; or 'all'.")] = "all",
    agents: Annotated[
        str, typer.Option(help=f"Agents, comma-separated; 'all': {', '.join(USUAL)}; 'rivals': {', '.join(RIVALS)}.")
    ] = "all",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: also a trained policy; {device} in FILE is the device's name. Repeatable."),
    ] = None,
    in_turn: Annotated[
        bool, typer.Option("--in-turn", help="All networks in one run, as phones ask; not one network a run.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Runs of each agent on each network; each has a device of its own.")] = 10,
    queries: Annotated[int, typer.Option(help="Queries a run; with --measured, 50 a network if not given.")] = 200,
    warm_up: Annotated[
        int | None,
        typer.Option(help="How many of these are for learning, and not judged; half if not given, 9 with --measured."),
    ] = None,
    objective: ObjectiveOption = "energy",
    latency_limit_s: Annotated[
        float | None,
        typer.Option(help="Latency limit, s; if not given 0.05, 0.1 for text, none with --measured."),
    ] = None,
    min_accuracy: MinAccuracyOption = None,
    hidden_sigma: HiddenSigmaOption = 0.15,
    hidden_shares: Annotated[
        str,
        typer.Option(help="How that variance is shared out, as fractions; processor=1: the same for every network."),
    ] = SHARES,
    noise: Annotated[bool, typer.Option(help="Vary each query at random about what could be known of it.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    settings: Annotated[str, typer.Option(help="What a device's own targets set: dvfs, or threads.")] = "dvfs",
    remotes: RemotesOption = "",
    links: LinksOption = "",
    cold_start: ColdStartOption = False,
    splits: SplitsOption = False,
    measured: Annotated[
        Path | None,
        typer.Option(help="Play in this table of measurements (CSV) instead of the simulator.", show_default=False),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Judge by these records: a fleet's ledger, .parquet, .csv or .jsonl.", show_default=False),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="With --measured: the device whose physics forecast for the agents; none do if left out.",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here; - prints them.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the rows here as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (PNG) here.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; one for each core if not given.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Spread over an existing Ray cluster: --ray [ADDRESS].")] = False,
) -> None:
    """Compare agents with the paper's baselines and with the oracle, on simulated devices.

    Each agent answers the same queries of each network on each device in each scenario, with as many seeds as asked
    for; each seed is a device that differs from its profile. Agents that learn do so as they go; the queries after the
    warm-up are judged. 'dqn' and 'ppo' are trained first, for each device in D4, and then stay as they are. --plot
    draws the learning curves, too. Ctrl-C keeps what is finished.

    With --measured the world is a table of what somebody measured (device,network,target,latency_s,energy_j and further
    columns), whose networks are asked in turn; 'autoscale evaluate convert' makes one of MLPerf's logs. Agents there:
    fastest, npu-gpu-cpu, engine:NAME, opt, and those that learn. An agent of your own is module:Class.

    With --records nothing runs: what each agent would have cost is estimated from what others decided and what came of
    it, by inverse propensity, self-normalised and doubly robust, with 95 % intervals; it is refused where the log never
    tried what the agent would do. Agents learn from the log as it goes; a --policy stays as it is.

    Example: autoscale evaluate --device mi8pro --scenario S1,D3 --agents q-learning,corrector --json rows.json
    Example: autoscale evaluate --in-turn --scenario all --agents rivals --plot rivals.png
    Example: autoscale evaluate --measured boards.csv --agents corrector,fastest,my_module:MyAgent --json rows.json
    Example: autoscale evaluate --records ledger --agents cloud,q-learning --policy new=policy.npz
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    asked = {name for name, source in sources.items() if source is not None and source.name != "DEFAULT"}
    outputs = Outputs(json_file, csv_file, plot)
    if records is not None:
        _refuse(asked, OF_RUNS, "is of runs; --records judges by a log")
        wanted = objective if "objective" in asked else None
        judge_records(records, parse_names(agents, ()), dict(map(parse_policy, policy or [])), wanted, seed, json_file)
        return
    if measured is not None:
        _refuse(asked, OF_THE_SIMULATOR, "is of the simulator; --measured plays rows")
        limit_s = math.inf if latency_limit_s is None else latency_limit_s
        tables = read_measured(measured)
        tables = chosen_devices(tables, parse_known_names(device, tables))
        known = {network for table in tables.values() for network in table.networks}
        count = queries if "queries" in asked else QUERIES
        played = MeasuredPlan(
            chosen_networks(tables, parse_known_names(networks, known)),
            agents=parse_agents(agents, [], lambda: measured_rivals(tables.values(), profile is not None)),
            goal=Goal(objective, limit_s, min_accuracy),
            profile=None if profile is None else load_device(profile),
            noisy=noise,
            seeds=seeds,
            queries=count,
            warm_up=min(FIRST_TEN, count - 1) if warm_up is None else warm_up,
            seed=seed,
        )
        run(MeasuredComparison(played), outputs, jobs, address, ray=ray)
        return
    _refuse(asked, ("profile",), "is told with --measured; the simulator tells its own")
    reach = parse_reach(remotes, links)
    files = dict(parse_policy(each) for each in policy or [])
    plan = Plan(
        devices=parse_devices(device),
        scenarios=parse_scenarios(scenario),
        networks=parse_networks(networks, parse_devices(device)),
        agents=parse_agents(agents, [*files]),
        policies=files,
        objective=objective,
        min_accuracy=min_accuracy,
        latency_limit_s=latency_limit_s,
        hidden_sigma=hidden_sigma,
        hidden_shares=parse_shares(hidden_shares),
        noisy=noise,
        in_turn=in_turn,
        seeds=seeds,
        queries=queries,
        warm_up=queries // 2 if warm_up is None else warm_up,
        seed=seed,
        settings=settings,
        remotes=reach.remotes,
        links=reach.links,
        cold_start=cold_start,
        splits=splits,
    )
    run_simulated(plan, outputs, jobs, address, ray=ray)


def run_simulated(plan: Plan, outputs: Outputs, jobs: int | None, address: str | None, *, ray: bool) -> None:
    """Compare in the simulator, with whatever has to be trained first trained for this comparison alone."""
    for name in plan.devices:
        world = replace(plan.world(plan.cells()[0]), device=name, networks=plan.networks)
        for note in make_parameters(world).notes():
            typer.echo(f"note: {name}: {note}", err=True)
    deep = [name for name in DEEP if name in plan.agents]
    if deep and ray:
        raise InvalidInput(f"'{deep[0]}' is trained on this machine; with --ray give --policy {deep[0]}=FILE")
    outputs.check()
    named = tuple(name for name in plan.agents if name not in deep)
    with TemporaryDirectory() as folder:
        plan = with_trained(replace(plan, agents=named or (ORACLE,) * bool(deep)), deep, Path(folder))
        run(SimulatedComparison(plan), outputs, jobs, address, ray=ray)


def _refuse(asked: set[str], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if name in asked:
            raise InvalidInput(f"--{name.replace('_', '-')} {why}")

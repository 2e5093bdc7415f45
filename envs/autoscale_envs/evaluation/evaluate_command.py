"""The command ``autoscale evaluate``."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from autoscale.errors import InvalidInput
from autoscale.profiles import device_names, load_device
from autoscale.profiles.networks import names_for, network_names
from autoscale.profiles.remote_options import LinksOption, RemotesOption, parse_reach
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale.query.goal import Goal
from autoscale_envs.evaluation.comparisons import Comparison, MeasuredComparison, SimulatedComparison
from autoscale_envs.evaluation.contestants import RIVALS, USUAL, rivals
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
from autoscale_envs.evaluation.plan import PHONES, Plan
from autoscale_envs.evaluation.running import Outputs, run
from autoscale_envs.measured.contestants import ORACLE
from autoscale_envs.measured.csv_file import read_measured
from autoscale_envs.variance.hidden import USUAL_SHARES
from autoscale_envs.variance.scenario_file import load_scenario
from autoscale_envs.variance.scenarios import HARDER, PAPERS, SCENARIOS
from autoscale_envs.worlds.options import SPLITS_HELP
from autoscale_envs.worlds.parameters import make_parameters

OF_RUNS: Final = (
    *("address", "device", "scenario", "networks", "seeds", "queries", "warm_up", "latency_limit_s", "min_accuracy"),
    *(
        "hidden_sigma",
        "hidden_shares",
        "noise",
        "settings",
        "remotes",
        "links",
        "cold_start",
        "splits",
        "measured",
        "profile",
        "csv_file",
        "plot",
        "jobs",
        "ray",
        "in_turn",
    ),
)
"""Options that a log has no use for: nothing runs."""

SHARES: Final = ",".join(f"{level}={share:g}" for level, share in USUAL_SHARES.items())
OF_THE_SIMULATOR: Final = (
    "scenario",
    "policy",
    "hidden_sigma",
    "hidden_shares",
    "settings",
    "remotes",
    "links",
    "cold_start",
    "splits",
    "plot",
    "in_turn",
)
"""Options that a table of measurements has no use for."""


def evaluate(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(help="With --ray: the cluster's address.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="Devices, by commas; 'all' are the paper's three phones.")] = "all",
    scenario: Annotated[
        str,
        typer.Option(help="Scenarios or .toml files, by commas, as S1,D3; 'paper' (nine), 'harder' (five), 'all'."),
    ] = "paper",
    networks: Annotated[str, typer.Option(help="Networks, by commas; or 'all'.")] = "all",
    agents: Annotated[
        str, typer.Option(help=f"Agents, by commas; 'all' are {', '.join(USUAL)}; 'rivals' {', '.join(RIVALS)}.")
    ] = "all",
    policy: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE: also a trained policy; {device} in FILE is the device's name. Repeatable."),
    ] = None,
    in_turn: Annotated[
        bool, typer.Option("--in-turn", help="All networks in one run, as phones ask; not one network a run.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Runs of each agent on each network; each has a device of its own.")] = 10,
    queries: Annotated[int, typer.Option(help="Queries of a run; measured: of each network, 50 if not given.")] = 200,
    warm_up: Annotated[int | None, typer.Option(help="Of these, for learning; half if not given; measured: 9.")] = None,
    objective: Annotated[str, typer.Option(help="energy, carbon or latency.")] = "energy",
    latency_limit_s: Annotated[
        float | None,
        typer.Option(help="The latest a useful answer comes, s; if not given 0.05, 0.1 for text; measured: no limit."),
    ] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Lowest acceptable accuracy, a fraction.")] = None,
    hidden_sigma: Annotated[float, typer.Option(help="How far a device is from its profile.")] = 0.15,
    hidden_shares: Annotated[
        str, typer.Option(help="Whose that is, as fractions; processor=1: the same for every network.")
    ] = SHARES,
    noise: Annotated[bool, typer.Option(help="Whether queries stray from what could be known of them.")] = True,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    settings: Annotated[str, typer.Option(help="What a device's own targets set: dvfs, or threads.")] = "dvfs",
    remotes: RemotesOption = "",
    links: LinksOption = "",
    cold_start: Annotated[
        bool, typer.Option("--cold-start", help="A network's first query on a target of the device opens it, and pays.")
    ] = False,
    splits: Annotated[bool, typer.Option("--splits", help=SPLITS_HELP)] = False,
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
        typer.Option(help="With --measured: tell agents this device's physics, not nothing.", show_default=False),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here; - prints them.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write them here as a table.")] = None,
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
    comparison: Comparison
    if records is not None:
        _refuse(asked, OF_RUNS, "is of runs; --records judges by a log")
        wanted = objective if "objective" in asked else None
        judge_records(records, _listed(agents, ()), dict(map(_policy, policy or [])), wanted, seed, json_file)
        return
    if measured is not None:
        _refuse(asked, OF_THE_SIMULATOR, "is of the simulator; --measured plays rows")
        limit_s = math.inf if latency_limit_s is None else latency_limit_s
        tables = read_measured(measured)
        tables = chosen_devices(tables, _named(device, tables))
        known = {network for table in tables.values() for network in table.networks}
        count = queries if "queries" in asked else QUERIES
        comparison = MeasuredComparison(
            MeasuredPlan(
                chosen_networks(tables, _named(networks, known)),
                agents=_agents(agents, [], lambda: measured_rivals(tables.values(), profile is not None)),
                goal=Goal(objective, limit_s, min_accuracy),
                profile=None if profile is None else load_device(profile),
                noisy=noise,
                seeds=seeds,
                queries=count,
                warm_up=min(FIRST_TEN, count - 1) if warm_up is None else warm_up,
                seed=seed,
            )
        )
    else:
        _refuse(asked, ("profile",), "is told with --measured; the simulator tells its own")
        reach = parse_reach(remotes, links)
        files = dict(_policy(each) for each in policy or [])
        plan = Plan(
            devices=_devices(device),
            scenarios=_scenarios(scenario),
            networks=_networks(networks, _devices(device)),
            agents=_agents(agents, [*files]),
            policies=files,
            objective=objective,
            min_accuracy=min_accuracy,
            latency_limit_s=latency_limit_s,
            hidden_sigma=hidden_sigma,
            hidden_shares=_shares(hidden_shares),
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
        for name in plan.devices:
            world = replace(plan.world(plan.cells()[0]), device=name, networks=plan.networks)
            for note in make_parameters(world).notes():
                typer.echo(f"note: {name}: {note}", err=True)
        with TemporaryDirectory() as folder:  # of what is trained for this comparison alone
            deep = [name for name in DEEP if name in plan.agents]
            if deep and ray:
                raise InvalidInput(f"'{deep[0]}' is trained on this machine; with --ray give --policy {deep[0]}=FILE")
            outputs.check()
            named = tuple(name for name in plan.agents if name not in deep)
            plan = with_trained(replace(plan, agents=named or (ORACLE,) * bool(deep)), deep, Path(folder))
            run(SimulatedComparison(plan), outputs, jobs, address, ray=ray)
        return
    run(comparison, outputs, jobs, address, ray=ray)


def _agents(
    text: str, policies: Sequence[str], able: Callable[[], tuple[tuple[str, ...], dict[str, str]]] = rivals
) -> tuple[str, ...]:
    """The contestants asked for; of the rivals those who can take part, aloud, and for whom no file is given."""
    names = _listed(text, ())
    if "rivals" not in names:
        return names
    found, lacks = able()
    for name, needed in lacks.items():
        typer.echo(f"'{name}' is left out: {needed}", err=True)
    everybody = [each for name in names for each in (found if name == "rivals" else (name,))]
    return tuple(name for name in dict.fromkeys(everybody) if name not in policies)


def _refuse(asked: set[str], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if name in asked:
            raise InvalidInput(f"--{name.replace('_', '-')} {why}")


def _listed(text: str, everything: tuple[str, ...]) -> tuple[str, ...]:
    """The names between commas, once each; ``all`` stands for everything."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    return everything if names == ("all",) else names


def _named(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The names between commas, none for ``all``; one that is known may hold a comma itself."""
    return (text,) if text in known else _listed(text, ())


def _devices(text: str) -> tuple[str, ...]:
    return tuple(
        each if is_file(each) else shipped_name("device", each, device_names()) for each in _listed(text, PHONES)
    )


def _shares(text: str) -> dict[str, float]:
    try:
        return {level.strip(): float(share) for level, _, share in (each.partition("=") for each in text.split(","))}
    except ValueError:
        raise InvalidInput(f"hidden_shares is '{text}'; allowed: as in processor=0.6,network=0.4") from None


def _scenarios(text: str) -> tuple[str, ...]:
    groups = {"paper": PAPERS, "harder": HARDER, "all": SCENARIOS}
    names = [name for each in _listed(text, tuple(SCENARIOS)) for name in groups.get(each, (each,))]
    return tuple(dict.fromkeys(each if is_file(each) else load_scenario(each).name for each in names))


def _networks(text: str, devices: Sequence[str]) -> tuple[str, ...]:
    """Names of networks that ship, or that the files of these devices know."""
    known = network_names()
    names = _listed(text, tuple(known))
    if not {*known}.issuperset(names):
        known = [*dict.fromkeys(name for each in devices for name in names_for(load_device(each)))]
    return tuple(each if is_file(each) else shipped_name("network", each, known) for each in names)


def _policy(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InvalidInput(f"policy is '{text}'; allowed: NAME=FILE, as in dqn=policies/dqn-{{device}}.npz")
    return name, path

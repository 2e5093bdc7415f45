"""The command ``autoscale train``."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from autoscale.agents.policies import load_policy, save_policy
from autoscale.command import JsonOption, print_json
from autoscale.errors import PolicyError
from autoscale.profiles.remote_options import LinksOption, RemotesOption, parse_reach
from autoscale.query.goal_options import MinAccuracyOption, ObjectiveOption
from autoscale_envs.progress import INTERRUPTED, watching
from autoscale_envs.training.guard import check_against, read_guard
from autoscale_envs.training.train import USUAL_QUERIES, Training, train
from autoscale_envs.worlds.command_options import ColdStartOption, HiddenSigmaOption, SplitsOption
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters

ONLINE_QUERIES: Final = 5000


def train_command(
    device: Annotated[str, typer.Option(help="Device that decides: a name of 'autoscale devices', or a .toml.")],
    scenario: Annotated[str, typer.Option(help="What varies: S1 to S6, D1 to D8, or a .toml file.")] = "D4",
    agent: Annotated[
        str, typer.Option(help="corrector, q-learning; lr, svr, svm, knn, bo; dqn, ppo; or one plugged in.")
    ] = "corrector",
    queries: Annotated[
        int | None, typer.Option(min=1, help="Queries to train on; the agent's usual number if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the world and the agent.")] = 0,
    out: Annotated[Path, typer.Option(help="The policy file.")] = Path("policy.npz"),
    objective: ObjectiveOption = "energy",
    networks: Annotated[
        str, typer.Option(help="Networks that ask, comma-separated: names or .toml files; all that ship if left out.")
    ] = "",
    hidden_sigma: HiddenSigmaOption = 0.15,
    min_accuracy: MinAccuracyOption = None,
    settings: Annotated[
        str, typer.Option(help="What the device's own targets set: dvfs, or threads as a session's do.")
    ] = "dvfs",
    remotes: RemotesOption = "",
    links: LinksOption = "",
    cold_start: ColdStartOption = False,
    splits: SplitsOption = False,
    start: Annotated[Path | None, typer.Option("--from", help="A policy to begin with, of any device.")] = None,
    resume: Annotated[Path | None, typer.Option(help="A checkpoint to go on from.")] = None,
    checkpoint_every: Annotated[int | None, typer.Option(min=1, help="Queries between checkpoints.")] = None,
    guard: Annotated[
        Path | None,
        typer.Option(help="A ledger or file of records: no policy is written that may be worse than what logged it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train an agent in the simulator and write its policy, which a session on a device loads.

    Where the targets are those of the session (--settings threads, and --remotes as its own), that goes on where the
    training ended; otherwise each of the session's targets starts from the one most like it.

    Ctrl-C writes a checkpoint; --resume goes on from it. --from begins with what was learned on another device.

    --guard judges the policy, as it would start, on what a log of other decisions says (doubly robust, 95 %): it is not
    written where it may be worse than the policy that made the log, or the log never tried what it would do.

    Example: autoscale train --device mi8pro --scenario D3 --agent corrector --out policy.npz
    """
    reach = parse_reach(remotes, links)
    options = WorldOptions(
        device=device,
        scenario=scenario.upper(),
        objective=objective,
        networks=tuple(name.strip() for name in networks.split(",") if name.strip()),
        hidden_sigma=hidden_sigma,
        min_accuracy=min_accuracy,
        settings=settings,
        remotes=reach.remotes,
        links=reach.links,
        cold_start=cold_start,
        splits=splits,
    )
    if not out.parent.is_dir():
        raise PolicyError(f"policy {out} cannot be written: the folder {out.parent} does not exist")
    logged = None if guard is None else read_guard(guard, objective)
    parameters = make_parameters(options)
    for note in parameters.notes():
        typer.echo(f"note: {note}", err=True)
    training = Training(agent, options, seed)
    total = queries or USUAL_QUERIES.get(agent, ONLINE_QUERIES)
    checkpoint = out.with_suffix(".checkpoint.npz")
    begin = None if start is None else load_policy(start, parameters.targets, seed, adapt=True)
    with watching(total, "queries", quiet=as_json) as watch:
        trained = train(
            training, total, start=begin, resume=resume, checkpoint=checkpoint, every=checkpoint_every, report=watch
        )
    reward = None if math.isnan(watch.reward) else watch.reward
    figures: dict[str, Any] = {"queries": watch.done, "queries_per_s": watch.rate(), "mean_reward": reward}
    if trained is None:
        _tell(as_json, training, {**figures, "policy": None, "checkpoint": str(checkpoint)})
        raise typer.Exit(INTERRUPTED)
    if logged is not None:
        verdict = check_against(logged, trained)
        figures["guard"] = asdict(verdict)
        if verdict.refusal is not None:
            _tell(as_json, training, {**figures, "policy": None, "checkpoint": None})
            raise PolicyError(f"policy {out} is not written: {verdict.refusal} (--guard {guard})")
    save_policy(trained, out)
    _tell(as_json, training, {**figures, "policy": str(out)})


def _tell(as_json: bool, training: Training, facts: dict[str, Any]) -> None:
    if as_json:
        configuration = training.configuration()
        configuration["episode_queries"] = configuration.pop("queries")  # of the world; 'queries' trained it
        print_json({"training": configuration, **facts})
        return
    done = f"{facts['queries']} queries, {facts['queries_per_s']:,.0f} a second"
    if facts["policy"] is None and facts["checkpoint"] is None:
        return
    if facts["policy"] is None:
        typer.echo(f"stopped after {done}; go on with --resume {facts['checkpoint']}")
    else:
        typer.echo(f"{training.agent}: {done}; wrote {facts['policy']}")

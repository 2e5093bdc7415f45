"""What people write after the options of ``autoscale evaluate``: names between commas, shares, files."""

from collections.abc import Callable, Collection, Sequence

import typer

from autoscale.errors import InvalidInput
from autoscale.profiles import device_names, load_device
from autoscale.profiles.networks import names_for, network_names
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale_envs.evaluation.contestants import rivals
from autoscale_envs.evaluation.plan import PHONES
from autoscale_envs.variance.scenario_file import load_scenario
from autoscale_envs.variance.scenarios import HARDER, PAPERS, SCENARIOS


def parse_agents(
    text: str, policies: Sequence[str], able: Callable[[], tuple[tuple[str, ...], dict[str, str]]] = rivals
) -> tuple[str, ...]:
    """The contestants asked for; of the rivals those who can take part, aloud, and for whom no file is given."""
    names = parse_names(text, ())
    if "rivals" not in names:
        return names
    found, lacks = able()
    for name, needed in lacks.items():
        typer.echo(f"'{name}' is left out: {needed}", err=True)
    everybody = [each for name in names for each in (found if name == "rivals" else (name,))]
    return tuple(name for name in dict.fromkeys(everybody) if name not in policies)


def parse_names(text: str, everything: tuple[str, ...]) -> tuple[str, ...]:
    """The names between commas, once each; ``all`` stands for everything."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    return everything if names == ("all",) else names


def parse_known_names(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The names between commas, none for ``all``; one that is known may hold a comma itself."""
    return (text,) if text in known else parse_names(text, ())


def parse_devices(text: str) -> tuple[str, ...]:
    """Names of devices that ship, or files; ``all`` are the paper's phones."""
    return tuple(
        each if is_file(each) else shipped_name("device", each, device_names()) for each in parse_names(text, PHONES)
    )


def parse_shares(text: str) -> dict[str, float]:
    """Level of a hidden factor to its share.

    >>> parse_shares("processor=0.6,network=0.4")
    {'processor': 0.6, 'network': 0.4}
    """
    try:
        return {level.strip(): float(share) for level, _, share in (each.partition("=") for each in text.split(","))}
    except ValueError:
        raise InvalidInput(f"hidden_shares is '{text}'; allowed: as in processor=0.6,network=0.4") from None


def parse_scenarios(text: str) -> tuple[str, ...]:
    """Names of scenarios, or files; ``paper``, ``harder`` and ``all`` are several."""
    groups = {"paper": PAPERS, "harder": HARDER, "all": SCENARIOS}
    names = [name for each in parse_names(text, tuple(SCENARIOS)) for name in groups.get(each, (each,))]
    return tuple(dict.fromkeys(each if is_file(each) else load_scenario(each).name for each in names))


def parse_networks(text: str, devices: Sequence[str]) -> tuple[str, ...]:
    """Names of networks that ship, or that the files of these devices know."""
    known = network_names()
    names = parse_names(text, tuple(known))
    if not {*known}.issuperset(names):
        known = [*dict.fromkeys(name for each in devices for name in names_for(load_device(each)))]
    return tuple(each if is_file(each) else shipped_name("network", each, known) for each in names)


def parse_policy(text: str) -> tuple[str, str]:
    """The name that a policy goes by, and its file.

    >>> parse_policy("dqn=policies/dqn.npz")
    ('dqn', 'policies/dqn.npz')
    """
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InvalidInput(f"policy is '{text}'; allowed: NAME=FILE, as in dqn=policies/dqn-{{device}}.npz")
    return name, path

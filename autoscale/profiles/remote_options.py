"""The options of commands that name the machines within reach, and the way to them."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import typer

from autoscale.profiles.remotes import Profile, make_remotes, parse_links, parse_remotes

RemotesOption = Annotated[
    str,
    typer.Option(
        "--remotes",
        help="Machines within reach, as in cloud=gpu-server,edge:tablet=tab-s6, or cloud:gpu/fp32=gpu-server for "
        "that target alone; 'none'; the paper's tablet and server if left out.",
        show_default=False,
    ),
]
LinksOption = Annotated[
    str,
    typer.Option(
        "--links",
        help="The way to them, a name or a .toml: cloud=lte, or what 'autoscale calibrate --remotes' measured, "
        "cloud=mine-cloud.toml; Wi-Fi to the cloud and Wi-Fi Direct to the edge if left out.",
        show_default=False,
    ),
]


class Reach(NamedTuple):
    """What both say, as ``make_remotes`` takes it."""

    remotes: Mapping[str, Profile] | None
    links: Mapping[str, str]


def parse_reach(remotes: str, links: str) -> Reach:
    """What people wrote of both.

    Raises:
        InvalidInput: a part without a profile, a name twice, or a link that leads to none of the remotes.
        AutoScaleError: as for ``make_remotes``.

    >>> parse_reach("cloud=gpu-server", "cloud=lte")
    Reach(remotes={'cloud': 'gpu-server'}, links={'cloud': 'lte'})
    """
    wanted = parse_remotes(remotes)
    return Reach(wanted, parse_links(links, make_remotes(wanted, {})) if links.strip() else {})

"""The machines a simulated device may send its queries to, called as a session calls them.

>>> [str(target) for target in make_remotes({"cloud:gpu/fp32": "gpu-server"}, {})[0].targets]
['cloud:gpu/fp32']
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from autoscale.errors import InvalidInput, InvalidTarget, check_type, listing, one_of
from autoscale.profiles import DeviceProfile, LinkProfile, device_names, load_device, load_link
from autoscale.profiles.shipped import is_file, shipped_name
from autoscale.query.target import Target

Profile = str | Path | DeviceProfile
"""The name of a profile, its ``.toml`` file, or what was read from one."""

USUAL_REMOTES: Final[Mapping[str, Profile]] = MappingProxyType(
    {f"edge:tab-s6:{each}": "tab-s6" for each in ("cpu/fp32", "gpu/fp16", "npu/int8")} | {"cloud": "xeon-p100"}
)
"""The paper's (AutoScale, MICRO 2020): a tablet over Wi-Fi Direct, a server over Wi-Fi."""

USUAL_LINKS: Final[Mapping[str, str]] = MappingProxyType({"edge": "wifi-direct", "cloud": "wifi"})
"""Place to link profile."""

_SHAPE: Final = "'cloud', 'edge', either with a host as in 'edge:tablet', or one target there as in 'cloud:gpu/fp32'"


@dataclass(frozen=True, slots=True)
class Remote:
    """One machine within reach.

    Attributes:
        name: of the link to it, as ``Target.link`` has it.
        machine: its profile.
        targets: what it offers.
        link: the way there.
    """

    name: str
    machine: DeviceProfile
    targets: tuple[Target, ...]
    link: LinkProfile

    @property
    def place(self) -> str:
        """``edge`` or ``cloud``."""
        return self.targets[0].place


def make_remotes(remotes: Mapping[str, Profile] | None, links: Mapping[str, str]) -> tuple[Remote, ...]:
    """The machines, in the order they are named, those on the edge first.

    Args:
        remotes: the name of a link (``cloud``, ``edge:tablet``) to the machine there, which offers all its processors
            in all their precisions; or one target there (``cloud:gpu/fp32``) to the machine, which offers that one.
            None takes ``USUAL_REMOTES``.
        links: name of a link, or a place, to link profile.

    Raises:
        InvalidTarget: a name that is none, or a target that the machine does not have.
        InvalidInput: two machines behind one link.
        UnknownName: no such profile; the message names the nearest.
        ProfileError: a file that does not follow the schema.
    """
    by_link: dict[str, list[tuple[Target | None, Profile]]] = {}
    for name, profile in (USUAL_REMOTES if remotes is None else remotes).items():
        link, target = parsed_name(name)
        by_link.setdefault(link, []).append((target, profile))
    ordered = sorted(by_link.items(), key=lambda each: each[0].startswith("cloud"))
    return tuple(_remote(name, offers, links) for name, offers in ordered)


def parsed_name(name: str) -> tuple[str, Target | None]:
    """The link that a remote's name stands for, and the only target on it, or None for all.

    Raises:
        InvalidTarget: it is neither a link nor a target on one.
    """
    check_type("a remote's name", name, str, _SHAPE, InvalidTarget)
    for text, is_target in ((f"{name}:cpu/fp32", False), (name, True)):
        try:
            target = Target.parse(text)
        except InvalidTarget:
            continue
        if target.is_remote and not target.setting:
            return target.link, target if is_target else None
    raise InvalidTarget(f"'{name}' is no remote; allowed: {_SHAPE}")


def parse_remotes(text: str) -> dict[str, Profile] | None:
    """Remotes as people write them: ``none``, or names and profiles; nothing at all stands for the usual ones.

    Raises:
        InvalidInput: a part without a profile, or a name twice.

    >>> parse_remotes("cloud=gpu-server, edge:tablet=tab-s6")
    {'cloud': 'gpu-server', 'edge:tablet': 'tab-s6'}
    """
    if not text.strip():
        return None
    example = "'none', or as in cloud=gpu-server,edge:tablet=tab-s6"
    return {} if text.strip() == "none" else {**_pairs("remote", text, example)}


def parse_links(text: str, remotes: Sequence[Remote]) -> dict[str, str]:
    """Link profiles as people write them: of a place (``edge``, ``cloud``) or of one remote's link.

    Raises:
        InvalidInput: a part without a profile, a name twice, or one that leads to none of the remotes.

    >>> parse_links("cloud=lte", make_remotes({"cloud": "gpu-server"}, {}))
    {'cloud': 'lte'}
    """
    links = _pairs("link", text, "as in cloud=lte,edge:tablet=mine-edge-tablet.toml") if text.strip() else {}
    known = [*dict.fromkeys([each.name for each in remotes] + [each.place for each in remotes])]
    if links and not known:
        raise InvalidInput(f"link '{next(iter(links))}' leads to no remote, since there are none; allowed: no links")
    for name in links:
        one_of("link", name, known, InvalidInput)
    return links


def _pairs(what: str, text: str, example: str) -> dict[str, str]:
    """What people write as ``name=profile,name=profile``."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, _, profile = (each.strip() for each in part.partition("="))
        if not (name and profile):
            raise InvalidInput(f"'{part.strip()}' is no {what}; allowed: {example}")
        if name in pairs:
            raise InvalidInput(f"{what} '{name}' is given twice; allowed: each once")
        pairs[name] = profile
    return pairs


def check_profile(profile: Profile) -> None:
    """Whether a profile of that name ships; files are looked at when they are read.

    Raises:
        UnknownName: it does not; the message names the nearest.
        InvalidInput: neither a name, a file nor a profile.
    """
    check_type("a device", profile, (str, Path, DeviceProfile), "a name, a .toml file, or a DeviceProfile")
    if isinstance(profile, str) and not is_file(profile):
        shipped_name("device", profile, device_names())


def device_profile_of(profile: Profile) -> DeviceProfile:
    """The profile itself; errors as for ``load_device``."""
    return profile if isinstance(profile, DeviceProfile) else load_device(profile)


def _remote(name: str, offers: list[tuple[Target | None, Profile]], links: Mapping[str, str]) -> Remote:
    machine, *others = (device_profile_of(profile) for _, profile in offers)
    if any(each.name != machine.name for each in others):
        raise InvalidInput(
            f"'{name}' leads to {listing([machine.name, *(each.name for each in others)])}; allowed: one"
        )
    targets = tuple(each for target, _ in offers for each in ([target] if target else _all(name, machine)))
    for target in targets:
        one_of(f"target of {machine.name}", str(target), map(str, _all(name, machine)), InvalidTarget)
    place = targets[0].place
    link = links.get(name, links.get(place, USUAL_LINKS[place]))
    return Remote(name, machine, tuple(dict.fromkeys(targets)), load_link(link))


def _all(link: str, machine: DeviceProfile) -> list[Target]:
    """Every processor of a machine in every precision, as seen over a link."""
    return [
        Target.parse(f"{link}:{kind}/{precision}")
        for kind, processor in machine.processors.items()
        for precision in processor.precisions
    ]

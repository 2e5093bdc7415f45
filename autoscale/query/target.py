"""Where a query can run: place, host, processor, precision, setting, engine.

>>> Target.parse("device:cpu/int8@1766MHz")
Target('device:cpu/int8@1766MHz')
>>> Target.parse("device:cpu/int8@2t#openvino").engine
'openvino'
>>> Target.parse("edge:tab-s6:dsp/int8")
Target('edge:tab-s6:npu/int8')
>>> Target.parse("cloud:gpu/fp32@cut20").cut
20
>>> Target.parse("device:cpu/fp32@1t-cut30-gpu").head
Target('device:gpu/fp32')
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeAlias

from autoscale.errors import InvalidTarget, check_type, listing, one_of
from autoscale.units import hz_from_mhz, mhz_from_hz

PLACES: Final = ("device", "edge", "cloud")
PROCESSORS: Final = ("cpu", "gpu", "npu")
PRECISIONS: Final = ("fp32", "fp16", "int8")
ALIASES: Final = {"dsp": "npu"}

_SHAPE: Final = "place[:host]:processor/precision[@setting][#engine]"
_PATTERN: Final = re.compile(
    r"(?P<place>[a-z]+):(?:(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*):)?(?P<processor>[a-z]+)/(?P<precision>[a-z0-9]+)"
    r"(?:@(?P<setting>[A-Za-z0-9._-]+))?(?:#(?P<engine>[A-Za-z0-9][A-Za-z0-9._-]*))?"
)
_OWN: Final = r"[1-9][0-9]{0,6}(?:\.[0-9]{1,6})?MHz|[1-9][0-9]{0,6}t"
_HEAD: Final = rf"-(?P<processor>[a-z]+)(?:-(?P<its>{_OWN}))?(?:-(?P<engine>[A-Za-z0-9][A-Za-z0-9._-]*))?"
_SETTING: Final = re.compile(rf"(?P<own>{_OWN})?(?P<dash>-)?(?:cut(?P<cut>[1-9][0-9]{{0,6}})(?:{_HEAD})?)?")


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """One execution target; printing and parsing are inverses.

    Attributes:
        place: ``device``, ``edge`` or ``cloud``.
        processor: ``cpu``, ``gpu`` or ``npu``; ``dsp`` is accepted as a name of ``npu``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        host: which machine of that place, where there is more than one; else empty.
        frequency_hz: the DVFS step it is pinned to, if any.
        threads: how many threads it may use, if that is what is set.
        engine: the registered name of the backend that runs it, where that is another than the one that ships for the
            model's format; else empty.
        cut: of a network in two parts, how many of its file's nodes run on ``head`` before the rest runs on this
            target; None for the whole network.
        head: what of this device runs those: None where the rest is asked of another machine and the CPU runs them at
            its highest setting. On this device it is another processor than this target's, or another engine.

    Raises:
        InvalidTarget: an unknown place, processor or precision, two settings at once, or a cut whose two parts one
            processor of this device would run.
    """

    place: str
    processor: str
    precision: str
    host: str = ""
    frequency_hz: int | None = None
    threads: int | None = None
    engine: str = ""
    cut: int | None = None
    head: "Target | None" = None

    def __post_init__(self) -> None:
        if self.processor in ALIASES:
            object.__setattr__(self, "processor", ALIASES[self.processor])
        one_of("place", self.place, PLACES, InvalidTarget)
        one_of("processor", self.processor, PROCESSORS, InvalidTarget)
        one_of("precision", self.precision, PRECISIONS, InvalidTarget)
        if (
            sum(each is not None for each in (self.frequency_hz, self.threads, self.cut if self.is_remote else None))
            > 1
        ):
            told = f"{self.frequency_hz} Hz, {self.threads} threads and cut {self.cut}"
            raise InvalidTarget(f"a target has one setting, not more: {told}")
        self._check_head()
        if not _PATTERN.fullmatch(str(self)):
            raise InvalidTarget(f"'{self}' is not a target; the shape is {_SHAPE}")
        if _parse_setting(self.setting, str(self), self.precision) != self._settings:
            raise InvalidTarget(f"'{self}' would be read otherwise; allowed: a head whose engine is not named '2t'")

    def _check_head(self) -> None:
        head = self.head
        if head is None:
            if self.cut is not None and not self.is_remote:
                raise InvalidTarget(
                    f"'{self}' is cut on this device; allowed: a cut whose rest runs on another machine, or one that "
                    "names what runs the head, as in 'device:cpu/fp32@1t-cut30-gpu'"
                )
            return
        if self.cut is None or head.is_remote or head.cut is not None or head.precision != self.precision:
            raise InvalidTarget(
                f"'{head}' is no head of '{self}'; allowed: a whole target of this device in its precision"
            )
        if not self.is_remote and (head.processor, head.engine) == (self.processor, self.engine):
            raise InvalidTarget(f"'{self}' has both parts on one processor; allowed: two, or two engines")
        if self.is_remote and head == Target("device", "cpu", self.precision):
            object.__setattr__(self, "head", None)

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read a target as it is printed.

        Raises:
            InvalidTarget: the text is not of the shape ``place[:host]:processor/precision[@setting][#engine]``.
        """
        check_type("a target", text, str, f"text of the shape {_SHAPE}", InvalidTarget)
        return _parse(text)

    @property
    def setting(self) -> str:
        """The DVFS step or thread count, and the cut, as printed, or an empty string."""
        head = self.head
        parts = [
            "" if self.frequency_hz is None else f"{_decimal(mhz_from_hz(self.frequency_hz))}MHz",
            "" if self.threads is None else f"{self.threads}t",
            "" if self.cut is None else f"cut{self.cut}",
            *(() if head is None else (head.processor, head.setting, head.engine)),
        ]
        return "-".join(filter(None, parts))

    @property
    def whole(self) -> "Target":
        """The same for a network in one piece."""
        return replace(self, cut=None, head=None)

    @property
    def _settings(self) -> "_Settings":
        return self.frequency_hz, self.threads, self.cut, self.head

    @property
    def is_remote(self) -> bool:
        """Whether a query leaves this device to get there."""
        return self.place != "device"

    @property
    def link(self) -> str:
        """The name of the link it is reached by: ``cloud``, ``edge:tab-s6``, or empty on the device."""
        if not self.is_remote:
            return ""
        return f"{self.place}:{self.host}" if self.host else self.place

    def __str__(self) -> str:
        host = f"{self.host}:" if self.host else ""
        setting = f"@{self.setting}" if self.setting else ""
        engine = f"#{self.engine}" if self.engine else ""
        return f"{self.place}:{host}{self.processor}/{self.precision}{setting}{engine}"

    def __repr__(self) -> str:
        return f"Target('{self}')"

    def __deepcopy__(self, memo: object) -> "Target":
        return self


_Settings: TypeAlias = tuple[int | None, int | None, int | None, Target | None]


@lru_cache(maxsize=1 << 12)  # logs name the same few again and again
def _parse(text: str) -> Target:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise InvalidTarget(
            f"'{text}' is not a target; the shape is {_SHAPE}, as in 'device:cpu/int8@1766MHz' or 'cloud:gpu/fp32'"
        )
    place, host, processor, precision, setting, engine = (each or "" for each in match.groups())
    frequency_hz, threads, cut, head = _parse_setting(setting, text, precision)
    return Target(place, processor, precision, host, frequency_hz, threads, engine, cut, head)


def _parse_setting(setting: str, text: str, precision: str) -> _Settings:
    if not setting:
        return None, None, None, None
    match = _SETTING.fullmatch(setting)
    if match is None or (match["dash"] is None) == (match["own"] is not None and match["cut"] is not None):
        raise InvalidTarget(
            f"'{setting}' in '{text}' is not a setting; allowed: {listing(['1766MHz', '2t', 'cut20', '2t-cut20-gpu'])} "
            "and the like"
        )
    own = _own_of(match["own"])
    cut = None if match["cut"] is None else int(match["cut"])
    if match["processor"] is None:
        return *own, cut, None
    head = Target("device", match["processor"], precision, "", *_own_of(match["its"]), match["engine"] or "")
    return *own, cut, head


def _own_of(setting: str | None) -> tuple[int | None, int | None]:
    """The clock, or the threads, of one part."""
    if setting is None:
        return None, None
    if setting.endswith("MHz"):
        return hz_from_mhz(float(setting.removesuffix("MHz"))), None
    return None, int(setting.removesuffix("t"))


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")

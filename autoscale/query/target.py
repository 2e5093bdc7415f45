"""Where a query can run: place, host, processor, precision, setting, engine.

>>> Target.parse("device:cpu/int8@1766MHz")
Target('device:cpu/int8@1766MHz')
>>> Target.parse("device:cpu/int8@2t#openvino").engine
'openvino'
>>> Target.parse("edge:tab-s6:dsp/int8")
Target('edge:tab-s6:npu/int8')
>>> Target.parse("cloud:gpu/fp32@cut20").cut
20
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from autoscale.errors import InvalidTarget, check_type, listing, one_of
from autoscale.units import hz_from_mhz, mhz_from_hz

PLACES: Final = ("device", "edge", "cloud")
PROCESSORS: Final = ("cpu", "gpu", "npu")
PRECISIONS: Final = ("fp32", "fp16", "int8")
ALIASES: Final = {"dsp": "npu"}

_SHAPE: Final = "place[:host]:processor/precision[@setting][#engine]"
_PATTERN: Final = re.compile(
    r"(?P<place>[a-z]+):(?:(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*):)?(?P<processor>[a-z]+)/(?P<precision>[a-z0-9]+)"
    r"(?:@(?P<setting>[A-Za-z0-9.]+))?(?:#(?P<engine>[A-Za-z0-9][A-Za-z0-9._-]*))?"
)
_SETTING: Final = re.compile(
    r"(?P<mhz>[1-9][0-9]{0,6}(?:\.[0-9]{1,6})?)MHz|(?P<threads>[1-9][0-9]{0,6})t|cut(?P<cut>[1-9][0-9]{0,6})"
)


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
        cut: of a network in two parts, how many of its file's nodes this device runs before the rest is asked of this
            target, which is on another machine; None for the whole network.

    Raises:
        InvalidTarget: an unknown place, processor or precision, two settings at once, or a cut on this device.
    """

    place: str
    processor: str
    precision: str
    host: str = ""
    frequency_hz: int | None = None
    threads: int | None = None
    engine: str = ""
    cut: int | None = None

    def __post_init__(self) -> None:
        if self.processor in ALIASES:
            object.__setattr__(self, "processor", ALIASES[self.processor])
        one_of("place", self.place, PLACES, InvalidTarget)
        one_of("processor", self.processor, PROCESSORS, InvalidTarget)
        one_of("precision", self.precision, PRECISIONS, InvalidTarget)
        if sum(each is not None for each in (self.frequency_hz, self.threads, self.cut)) > 1:
            told = f"{self.frequency_hz} Hz, {self.threads} threads and cut {self.cut}"
            raise InvalidTarget(f"a target has one setting, not more: {told}")
        if self.cut is not None and not self.is_remote:
            raise InvalidTarget(f"'{self}' is cut on this device; allowed: a cut whose rest runs on another machine")
        if not _PATTERN.fullmatch(str(self)):
            raise InvalidTarget(f"'{self}' is not a target; the shape is {_SHAPE}")
        _parse_setting(self.setting or None, str(self))

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
        """The DVFS step, thread count or cut as printed, or an empty string."""
        if self.frequency_hz is not None:
            return f"{_decimal(mhz_from_hz(self.frequency_hz))}MHz"
        if self.cut is not None:
            return f"cut{self.cut}"
        return "" if self.threads is None else f"{self.threads}t"

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


@lru_cache(maxsize=1 << 12)  # logs name the same few again and again
def _parse(text: str) -> Target:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise InvalidTarget(
            f"'{text}' is not a target; the shape is {_SHAPE}, as in 'device:cpu/int8@1766MHz' or 'cloud:gpu/fp32'"
        )
    frequency_hz, threads, cut = _parse_setting(match["setting"], text)
    place, host, processor, precision, _, engine = (each or "" for each in match.groups())
    return Target(place, processor, precision, host, frequency_hz, threads, engine, cut)


def _parse_setting(setting: str | None, text: str) -> tuple[int | None, int | None, int | None]:
    if setting is None:
        return None, None, None
    match = _SETTING.fullmatch(setting)
    if match is None:
        raise InvalidTarget(
            f"'{setting}' in '{text}' is not a setting; allowed: {listing(['1766MHz', '2t', 'cut20'])} and the like"
        )
    if match["mhz"]:
        return hz_from_mhz(float(match["mhz"])), None, None
    threads, cut = (None if match[each] is None else int(match[each]) for each in ("threads", "cut"))
    return None, threads, cut


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")

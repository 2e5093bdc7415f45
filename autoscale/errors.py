"""Every error AutoScale raises on purpose.

::

    AutoScaleError
    ├── InvalidInput (ValueError)         something the caller gave is wrong
    │   ├── InvalidTarget                 not a target, or not one of this device's
    │   ├── InvalidGoal                   NaN or negative limit, unknown objective or mode
    │   ├── InvalidObservation            a sensed value outside its range
    │   ├── UnknownName                   no agent, backend, device, ... of that name
    │   ├── ProfileError                  a device, link or grid file
    │   ├── TraceError                    a link or sensor trace
    │   ├── PolicyError                   a policy file: damaged, foreign, for other targets
    │   ├── ModelError                    a model file or bundle cannot be read
    │   │   └── UnsupportedModel          it can be read, but this backend cannot run it
    │   ├── FeedError                     an input's name, dtype or shape
    │   └── RepositoryError               a server's model repository
    ├── MissingExtra (ImportError)        the package of an extra is not installed
    ├── PortInUse (OSError)               a server cannot bind
    └── TargetError (RuntimeError)        a target did not answer
        ├── TargetUnavailable             unreachable, refused, or its circuit is open
        │   ├── AccessRefused             it does not let this caller in: token, certificate
        │   └── Overloaded                it has as many queries as it takes
        ├── DeadlineExceeded (TimeoutError)
        └── WrongAnswer                   it answered nonsense: names, shapes, dtypes, NaN

Messages name the thing, the value and what is allowed.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class AutoScaleError(Exception):
    """Base of every error raised on purpose."""


class InvalidInput(AutoScaleError, ValueError):
    """Something the caller gave is wrong; nothing was changed."""


class InvalidTarget(InvalidInput):
    """Not an execution target, or not one that this device has."""


class InvalidGoal(InvalidInput):
    """A goal that cannot be met by anything: NaN, negative, unknown objective or mode."""


class InvalidObservation(InvalidInput):
    """A sensed value outside its range."""


class UnknownName(InvalidInput):
    """A name that no registry or folder holds."""


class ProfileError(InvalidInput):
    """A device, link or grid file that does not follow the schema."""


class TraceError(InvalidInput):
    """A link or sensor trace that cannot be read."""


class PolicyError(InvalidInput):
    """A policy file that is damaged, foreign or made for other targets."""


class ModelError(InvalidInput):
    """A model file or bundle that cannot be read."""


class UnsupportedModel(ModelError):
    """A model that can be read but not run by this backend."""


class FeedError(InvalidInput):
    """An input whose name, dtype or shape the model does not take."""


class RepositoryError(InvalidInput):
    """A model repository that a server cannot serve."""


class MissingExtra(AutoScaleError, ImportError):
    """The package of an optional extra is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}': pip install 'autoscale-inference[{extra}]'",
            name=package,
        )


class PortInUse(AutoScaleError, OSError):
    """A server cannot bind its address."""


class TargetError(AutoScaleError, RuntimeError):
    """An execution target did not give an answer."""


class TargetUnavailable(TargetError):
    """The target cannot be reached, refused the query, or its circuit is open."""


class AccessRefused(TargetUnavailable):
    """One side does not trust the other: no token or a wrong one, a certificate that is not valid."""


class Overloaded(TargetUnavailable):
    """The target has as many queries as it takes; it did not begin this one.

    Attributes:
        retry_after_s: when it will take another, as it said itself; None where it did not.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(TargetError, TimeoutError):
    """The target did not answer before its deadline."""


class WrongAnswer(TargetError):
    """The target answered with something that is no answer of this model."""


def listing(allowed: Iterable[object]) -> str:
    """The allowed values as a message shows them.

    >>> listing(["fp32", "int8"])
    "'fp32', 'int8'"
    """
    return ", ".join(f"'{each}'" for each in allowed)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint that names the closest allowed value, or nothing.

    >>> nearest("it8", ["fp32", "int8"])
    " (did you mean 'int8'?)"
    """
    close = get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def check_type(
    what: str, value: object, kinds: type | tuple[type, ...], allowed: str, error: type[InvalidInput] = InvalidInput
) -> None:
    """Raise ``error`` unless ``value`` is of one of the types.

    >>> check_type("goal", "energy", dict, "a Goal")
    Traceback (most recent call last):
        ...
    autoscale.errors.InvalidInput: goal is 'energy', of type str; allowed: a Goal

    Raises:
        InvalidInput: the given subclass, naming the value, its type and what is allowed.
    """
    if not isinstance(value, kinds):
        raise error(f"{what} is {_short(value)}, of type {type(value).__name__}; allowed: {allowed}")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_of(what: str, value: str, allowed: Iterable[str], error: type[InvalidInput] = UnknownName) -> None:
    """Raise ``error`` unless ``value`` is one of ``allowed``.

    Raises:
        InvalidInput: the given subclass, naming the value, what is allowed and the nearest.
    """
    names = list(allowed)
    check_type(what, value, str, listing(names), error)
    if value not in names:
        raise error(f"unknown {what} '{value}'{nearest(value, names)}; allowed: {listing(names)}")

"""``autoscale backends``: what runs models on this host, on which of its processors, and what each would need."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from inspect import getdoc

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autoscale.command import JsonOption, print_json
from autoscale.errors import listing
from autoscale.query.target import PRECISIONS
from autoscale_runtime.backends.base import Backend
from autoscale_runtime.backends.engines import Engine, made

NO_PROCESSOR = "a processor of its kind, which it does not find here"


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend on this host.

    Attributes:
        name: as registered.
        what: it is.
        formats: suffixes of the files that it reads.
        package: what brings it.
        version: of that, where it is installed.
        targets: where it would run an fp32 file here.
        needs: what is missing; empty where it can run.
    """

    name: str
    what: str
    formats: tuple[str, ...]
    package: str
    version: str | None
    targets: tuple[str, ...]
    needs: str


def backends(as_json: JsonOption = False) -> None:
    """List what can run models on this host: engines, their formats and processors, and what each would need.

    Drivers are loaded to ask them. AUTOSCALE_BACKENDS_OFF=openvino,... leaves backends alone. A Hexagon is simulated
    where onnxruntime-qnn is installed and a session is given QnnSimulator.

    Example: autoscale backends --json
    """
    states, warnings = [_state(name, each) for name, each in made().items()], list(_clashes())
    if as_json:
        print_json({"backends": [asdict(each) for each in states], "warnings": warnings})
        return
    console = Console()
    console.print(_table(states))
    for warning in warnings:
        console.print(f"[yellow]{warning}")


def _table(states: list[BackendState]) -> Table:
    """Those that can run, then the others; names are never cut."""
    table = Table(title="Engines on this host", box=box.SIMPLE)
    for title in ("backend", "what it runs on", "here", "by, or needs"):
        table.add_column(title, overflow="fold", no_wrap=title == "backend")
    for each in sorted(states, key=lambda each: not each.targets):
        targets = "\n".join(target.removeprefix("device:") for target in each.targets)
        table.add_row(each.name, each.what, targets, escape(each.needs or f"{each.package} {each.version}"))
    return table


def _state(name: str, backend: Backend) -> BackendState:
    engine = Engine(name, backend, False)
    is_available = engine.is_available
    targets = tuple(str(each) for each in engine.targets(PRECISIONS[0])) if is_available else ()
    needs = _missing(backend) if not is_available else "" if targets else NO_PROCESSOR
    what = (getdoc(type(backend)) or "").partition("\n")[0].rstrip(".")
    return BackendState(name, what, backend.suffixes, backend.package, _version(backend.package), targets, needs)


def _missing(backend: Backend) -> str:
    if _version(backend.package) is None:
        wanted = f"'autoscale-inference[{backend.extra}]'" if backend.extra else backend.package
        return f"pip install {wanted}"
    return NO_PROCESSOR


def _version(package: str) -> str | None:
    try:
        return version(package) if package else None
    except PackageNotFoundError:
        return None


def _clashes() -> Iterator[str]:
    """Distributions that own the same package: each overwrites the other's files."""
    for package, owners in packages_distributions().items():
        names = sorted(set(owners))
        if package == "onnxruntime" and len(names) > 1:
            yield f"{listing(names)} own the files of '{package}' together: uninstall all of them, then install one"

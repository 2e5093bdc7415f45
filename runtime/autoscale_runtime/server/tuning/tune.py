"""Latency-bounded throughput of one model, setting by setting, on a server like the real one."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from autoscale.errors import InvalidInput, RepositoryError
from autoscale.extras import needed
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.host.cores import usable_cores
from autoscale_runtime.models.example_feeds import example_feeds
from autoscale_runtime.server.tuning.climb import Setting, best_of, climbed
from autoscale_runtime.wire.client import OffloadClient
from autoscale_runtime.wire.sender import Look, Sender

with needed("tomlkit", "serve", "tuning a server"):
    import tomlkit

LARGEST_BATCH: Final = 64
LOOK_S: Final = 2.0
MOST_CLIENTS: Final = 256
_FLAT: Final = 1.03
"""More clients that bring less than this bring nothing but waiting."""
_DESCRIBED_S: Final = 30.0
_NOT_HERE: Final = ("host", "port", "metrics_port", "tls_cert", "tls_key", "client_ca", "tokens", "access_log")
"""Options of a server that the trials go without: they are on loopback, for this program alone."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found.

    Attributes:
        best: the setting.
        rates_per_s: of every setting that was tried: answers a second with 99 % of them in time; 0 where none are.
        curves: of each, what so many clients at once got, to the first that were too late.
    """

    best: Setting
    rates_per_s: Mapping[Setting, float]
    curves: Mapping[Setting, tuple[Look, ...]]


def tune(
    repository: Path,
    model: str,
    p99_s: float,
    configuration: str = "",
    seconds: float = LOOK_S,
    tell: Callable[[Setting, float], None] | None = None,
) -> Tuned:
    """Try settings until none near the best is better.

    Args:
        repository: that has the model.
        model: its name.
        p99_s: what 99 % of the answers must keep.
        configuration: text of the server's file, which the trials follow but for this model's setting.
        seconds: of each look.
        tell: is told each setting and its rate.

    Raises:
        InvalidInput: a limit that is none, a model that is not there, or one that is too slow for the limit in every
            setting.
        RepositoryError: the server does not start.
    """
    if not 0.0 < p99_s < 1e6:
        raise InvalidInput(f"p99 is {p99_s} s; allowed: more than 0")
    curves: dict[Setting, tuple[Look, ...]] = {}
    cores = usable_cores()

    def rate_of(setting: Setting) -> float:
        curves[setting] = _curve(repository, model, configuration, setting, p99_s, seconds)
        rate_per_s = max((each.rate_per_s for each in curves[setting] if each.p99_s <= p99_s), default=0.0)
        if tell is not None:
            tell(setting, rate_per_s)
        return rate_per_s

    widest = LARGEST_BATCH if _is_batched(repository, model, configuration) else 1
    rates = climbed(Setting(threads=min(cores, 4)), Setting(widest, cores, cores), cores, rate_of)
    best = best_of(rates)
    if not rates[best]:
        quickest_s = min(each[0].p99_s for each in curves.values())
        raise InvalidInput(f"'{model}' needs {quickest_s:.3g} s at the least; allowed for 99 %: {p99_s:g} s")
    return Tuned(best, rates, curves)


def written(configuration: str, model: str, setting: Setting) -> str:
    """A configuration with that setting of that model; whatever else it says, and its comments, stay."""
    file = tomlkit.parse(configuration)
    models = file.setdefault("models", tomlkit.table(is_super_table=True))
    table = models.setdefault(model, tomlkit.table())
    for key, value in asdict(setting).items():
        table[key] = value
    return tomlkit.dumps(file)


def _curve(
    repository: Path, model: str, configuration: str, setting: Setting, p99_s: float, seconds: float
) -> tuple[Look, ...]:
    """Looks at one setting with ever more clients, to the first that is too late or gains nothing."""
    looks: list[Look] = []
    with _serving(repository, written(configuration, model, setting)) as address:
        client = OffloadClient(address)
        inputs, _ = client.describe(model, "", _DESCRIBED_S)
        sender = Sender(client, model, "", example_feeds(inputs, {}), MOST_CLIENTS)
        sender.looked(1, seconds / 4)  # what is cold gets warm
        clients = 1
        while clients <= MOST_CLIENTS:
            looks.append(sender.looked(clients, seconds))
            if looks[-1].p99_s > p99_s or (clients > 1 and looks[-1].rate_per_s < _FLAT * looks[-2].rate_per_s):
                break
            clients *= 2
        sender.close()
        client.close()
    return tuple(looks)


def _is_batched(repository: Path, model: str, configuration: str) -> bool:
    """Whether the first dimension of everything that goes in and comes out is open."""
    with _serving(repository, configuration) as address:
        client = OffloadClient(address)
        inputs, outputs = client.describe(model, "", _DESCRIBED_S)
        client.close()
    return all(map(_is_open, (*inputs, *outputs)))


def _is_open(spec: TensorSpec) -> bool:
    return bool(spec.shape) and spec.shape[0] is None


@contextmanager
def _serving(repository: Path, configuration: str) -> Iterator[str]:
    """A server in a process of its own, as it will be: this one's clients take none of its event loop's turns."""
    file: Any = tomlkit.parse(configuration)
    for name in _NOT_HERE:
        file.get("server", {}).pop(name, None)
    with tempfile.NamedTemporaryFile("wb", suffix=".toml") as config, tempfile.TemporaryFile("w+") as told:
        config.write(tomlkit.dumps(file).encode())
        config.flush()
        command = [sys.executable, "-m", "autoscale", "serve", str(repository), "--config", config.name]
        process = subprocess.Popen([*command, "--port=0", "--quiet"], stdout=subprocess.PIPE, stderr=told, text=True)
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            if not greeting:
                process.wait()
                told.seek(0)
                raise RepositoryError(told.read().strip().splitlines()[-1].removeprefix("autoscale: "))
            yield greeting.split()[-1]
        finally:
            process.terminate()
            process.communicate()

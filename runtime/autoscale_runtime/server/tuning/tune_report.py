"""What tuning found, for people: each setting, and the best one's curve."""

import math
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.units import readable
from autoscale_runtime.server.tuning.climb import Setting
from autoscale_runtime.server.tuning.tune import LOOK_S, Tuned, tune, written


def tune_and_write(repository: Path, model: str, p99_s: float, config: Path | None, seconds: float = LOOK_S) -> None:
    """Tune one model, show what was tried, and write the setting into the configuration, or print it.

    Args:
        repository: that has the model.
        model: its name.
        p99_s: what 99 % of the answers must keep.
        config: the server's file, which gets the setting; None prints what belongs in one.
        seconds: of each look.
    """
    text = "" if config is None else _text_of(config)
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"trying settings of {escape(model)}", total=None)

        def tell(setting: Setting, rate_per_s: float) -> None:
            progress.update(task, description=f"{_words(setting)}: {rate_per_s:.1f}/s in time")

        found = tune(repository, model, p99_s, text, seconds, tell)
    _show(Console(), model, p99_s, found)
    if config is None:
        print(written("", model, found.best), end="")
    else:
        write_file(config, written(text, model, found.best))
        print(f"written to {config}")


def _text_of(config: Path) -> str:
    try:
        return config.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the configuration '{config}' cannot be read: {error}") from error


def _words(setting: Setting) -> str:
    return f"batches of {setting.max_batch_size}, {setting.instances} at once, {setting.threads} threads each"


def _show(console: Console, model: str, p99_s: float, found: Tuned) -> None:
    console.print(f"{escape(model)}: answers a second of which 99 % come within {readable(p99_s, 's')}, measured here")
    settings = Table("batch", "instances", "threads", "in time", box=box.SIMPLE)
    for setting, rate_per_s in found.rates_per_s.items():
        style = "bold" if setting == found.best else ""
        figures = setting.max_batch_size, setting.instances, setting.threads
        settings.add_row(*map(str, figures), f"{rate_per_s:.1f}/s", style=style)
    console.print(settings)
    curve = Table("clients", "answers", "p99", "", box=box.SIMPLE)
    most = max(each.rate_per_s for each in found.curves[found.best])
    for look in found.curves[found.best]:
        bar = "█" * round(30 * look.rate_per_s / (most or 1.0)) + (" too late" if look.p99_s > p99_s else "")
        p99 = readable(look.p99_s, "s") if math.isfinite(look.p99_s) else "none came"
        curve.add_row(str(look.together), f"{look.rate_per_s:.1f}/s", p99, bar)
    console.print(f"the best: {_words(found.best)}")
    console.print(curve)

"""docs/fleet.md says what the code does: its columns, reasons and files are the real ones."""

import re
from pathlib import Path

from autoscale.fleet.ledger.column import Column
from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.ledger.validation import REASONS
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.life_cycle import read_life_cycle

PAGE = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"```{language} title=.*?\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_table_of_columns_is_the_one_of_the_code() -> None:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \| (int|text|bool)", line)]
    assert lines == [line_of(each) for each in COLUMNS]  # copy what is missing from the message


def line_of(column: Column) -> str:
    words = f"; one of {', '.join(column.words)}" if column.words else ""
    absent = "; may be absent" if column.optional and "absent:" not in column.meaning else ""
    before = "" if column.default is None else f"; {column.default!r} in older rows"
    meaning = f"{column.meaning}{words}{absent}{before}"
    return f"| `{column.name}` | {column.kind} | {column.unit} | {column.since} | {meaning} |"


def test_every_reason_has_its_remedy() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(REASONS) <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_its_inventory_and_life_cycle_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text(block("csv"))
    (tmp_path / "life.toml").write_text(block("toml"))
    phone, rack = read_inventory(tmp_path / "fleet.csv")
    assert (phone.role, rack.role) == ("device", "remote")
    life = read_life_cycle(tmp_path / "life.toml")
    assert [each.name for each in life.phases] == ["data", "experimentation", "training"]
    assert [each.name for each in life.growth] == ["as planned"]

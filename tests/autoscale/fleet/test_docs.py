"""docs/fleet.md says what the code does: its columns, reasons and files are the real ones."""

import re
from pathlib import Path

from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.ledger.validation import REASONS
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.life_cycle import read_life_cycle

PAGE = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_every_column_is_told_with_its_type_unit_and_meaning() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [row[:3] for row in told] == [(each.name, each.kind, each.unit) for each in COLUMNS]
    for (*_, meaning), column in zip(told, COLUMNS, strict=True):
        assert meaning.startswith(column.meaning)
        assert all(word in meaning for word in column.words)


def test_every_reason_has_its_remedy() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(REASONS) <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_its_inventory_and_life_cycle_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "fleet.csv").write_text(block("csv"))
    (tmp_path / "life.toml").write_text(block("toml"))
    phone, rack = read_inventory(tmp_path / "fleet.csv")
    assert (phone.role, rack.role) == ("device", "remote")
    life = read_life_cycle(tmp_path / "life.toml")
    assert [each.name for each in life.phases] == ["training", "experimentation"]
    assert [each.name for each in life.growth] == ["as planned"]

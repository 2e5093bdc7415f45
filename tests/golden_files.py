"""The files in tests/golden, and how figures are compared with those of then."""

import json
from pathlib import Path
from typing import Any, Final

GOLDEN: Final = Path(__file__).parent / "golden"

SCHEMAS: Final = (GOLDEN, *sorted(GOLDEN.glob("schema-*")))
"""Where the ledger, the log and the reports of each schema are; those of schema 1 stand among the others."""

_MAY_DIFFER: Final = ("/ledger", "/schema")
"""Where the ledger is, and the version of the report."""


def differing(report: Path, golden: Path) -> list[tuple[str, Any, Any]]:
    """Figures of a golden report that another one has otherwise; it may have more, and notices in another order."""
    found, wanted = (_flat(json.loads(each.read_text())) for each in (report, golden))
    assert len(wanted) > 500
    notices = {value for name, value in found.items() if name.startswith("/notices/")}
    return [
        (name, value, found.get(name))
        for name, value in wanted.items()
        if name not in _MAY_DIFFER and found.get(name) != value
        if not (name.startswith("/notices/") and value in notices)
    ]


def _flat(value: Any, at: str = "") -> dict[str, Any]:
    """Every leaf by its path, as in ``/carbon_kg/total``."""
    if not isinstance(value, (dict, list)):
        return {at: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {name: leaf for key, each in items for name, leaf in _flat(each, f"{at}/{key}").items()}

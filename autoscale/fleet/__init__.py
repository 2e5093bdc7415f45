"""The fleet's ledger: one row for every query of every device, in whole microjoules, nanograms and microseconds.

``schema`` says what a row is, ``row`` makes one of a record, ``rows`` holds many as columns, ``store`` keeps them.
"""

from autoscale.fleet.row import Flattener
from autoscale.fleet.rows import Rows, Texts
from autoscale.fleet.store import Ledger
from autoscale.fleet.view import LedgerView, read_ledger

__all__ = [
    "Flattener",
    "Ledger",
    "LedgerView",
    "Rows",
    "Texts",
    "read_ledger",
]

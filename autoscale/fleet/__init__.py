"""The fleet's ledger: one row for every query of every device, in whole microjoules, nanograms and microseconds.

``schema`` says what a row is, ``row`` makes one of a record, ``rows`` holds many as columns, ``store`` keeps them.
"""

from autoscale.fleet.ledger.row_encoder import RowEncoder
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.view import LedgerView, read_ledger

__all__ = [
    "Ledger",
    "LedgerView",
    "RowEncoder",
    "Rows",
    "Texts",
    "read_ledger",
]

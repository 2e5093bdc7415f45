"""The ledger: what a row is, how rows become files, and which files count."""

"""The device's log of records, and what carries it to the collector."""

"""Recorded counters of joules, each format in a file; what a replay plays."""

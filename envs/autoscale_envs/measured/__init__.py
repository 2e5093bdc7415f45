"""Worlds made of rows that somebody measured: no roofline, no profile of ours."""

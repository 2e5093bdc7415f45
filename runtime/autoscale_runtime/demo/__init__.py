"""The demonstration: real trained networks, asked real questions whose answers are known."""

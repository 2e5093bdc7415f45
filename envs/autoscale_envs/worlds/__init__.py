"""The simulated world: what its queries meet, what a choice costs, what is observed."""

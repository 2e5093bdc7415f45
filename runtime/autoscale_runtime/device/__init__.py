"""The device as a world: its routes to an answer, what they cost, and what happens when one fails."""

"""Routes to an answer: one for each kind of place and processor."""

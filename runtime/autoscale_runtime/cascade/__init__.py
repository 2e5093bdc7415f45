"""Several networks for one question: a small one first, a larger one where it is not sure."""

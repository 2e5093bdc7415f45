"""The nouns of a decision: the model, the goal, what is observed, the targets, what was decided and what came of it."""

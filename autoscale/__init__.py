"""The engine: facts to decisions to accounts."""

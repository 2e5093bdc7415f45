"""The engine: facts to decisions to accounts."""

from autoscale._moved import install

install()
del install

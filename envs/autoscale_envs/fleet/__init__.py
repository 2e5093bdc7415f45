"""A simulated fleet: the ledger of up to a million devices, so that an account can be tried before there is one.

Every record is modelled, and says so: ``methods`` never holds ``measured``, ``app_version`` is ``simulated``. What a
query costs comes of the simulator that agents are trained in; who the devices are, where they are and when they ask are
assumptions: ``assumptions`` lists them, and the ledger carries the list.
"""

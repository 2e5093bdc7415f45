"""One network in two parts: the head here, the tail on another machine (Neurosurgeon, ASPLOS 2017)."""

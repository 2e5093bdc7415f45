"""The sources of variance, one a file: signal, co-runners, heat, battery, queues, hidden factors."""

"""Models in processes of their own: what crashes or hangs there costs the queries that ran in it, and nobody else."""

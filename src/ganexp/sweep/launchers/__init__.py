"""Launchers: `launcher` for this machine (its processes are `workers`), `slurm` and `ray_cluster` beyond it."""

"""Sweeps: many runs by one command. Importing this package imports nothing.

A grid: `sweeper` reads the command line, `expand` crosses its values, `compose` and `points` make a typed and
identified point of each combination, `preflight` refuses what cannot work, `conduct` hands `jobs` to a launcher until
no run is missing, and `show` prints how it stands; `dry_run` prints what would be done. `stopping` ends a sweep on
Ctrl-C and SIGTERM, `directory` names its directory, and `plugins` tells Hydra of all of it.

`launchers` run jobs on this machine, on SLURM and on Ray; `search` draws points from a study of Optuna's.
"""

"""Sweeps: many runs by one command. Importing this package imports nothing.

A grid: `sweeper` reads the command line, `expand` crosses its values, `compose` and `points` make a typed and
identified point of each combination, `preflight` refuses what cannot work, `conduct` hands `jobs` to a launcher until
no run is missing, and `show` prints how it stands; `dry_run` prints what would be done, and `pace` how long it takes.
`stopping` ends a sweep by its time, Ctrl-C and SIGTERM, `directory` names its directory, and `plugins` registers all of
it with Hydra.

`launchers` run jobs on this machine, on SLURM and on Ray; `search` draws points from a study of Optuna's.

Arguments that many functions share: `directory` is the sweep directory; `points` are the runs that were asked for;
`keys` are the swept ones, by which messages and tables tell runs apart; `launcher` is Hydra's, set up; `states` maps
run_id -> state; `most` is how many jobs may run at once, and `first` the number of the first one, as Hydra counts.
"""

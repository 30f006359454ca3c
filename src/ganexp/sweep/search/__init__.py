"""Searches: points that a sampler of Optuna's proposes, until a study has its total of trials.

`sweeper` reads the command line, `space` says what is searched and for what, `samplers` propose points, `study` stores
them, `same_study` compares them with the command, `warm` takes runs of other sweeps for them, `trials` counts them,
`conduct` makes them, `course` and `halving` say what follows on a run, `endings` does it, `show` prints how they end.
`optuna_private` holds what Optuna does not promise to keep.
"""

"""Searches: points that a sampler of Optuna's proposes, until a study has its total of trials.

`sweeper` reads the command line, `space` says what is searched and for what, `samplers` propose points, `study` stores
them, `same_study` compares them with the command, `trials` counts and `conduct` makes them, `show` prints how they end.
`optuna_private` holds what Optuna does not promise to keep.
"""

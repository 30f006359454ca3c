"""One run, from its specification to its result.

- run: the whole story on one screen; build: networks, batches, rules and metrics of a run
- loop, step, batches, state, ema: training itself; hooks: what happens around its steps
- trajectory: runs that differ in epochs alone, of which one is read off another
- finish, result, figures, sampling, observe: what a run leaves; closing: its last lines
- compatible, storable, rehearsal, held: what is refused before any work
- progress, signals: the terminal, and requests to stop

Arguments that many functions share: `spec` is the run, `config` its typed configuration, `dataset` its loaded data,
`state` or `training` its networks and optimizers (changed in place), `batches` its real images, `game` its rules,
`rows` the rows of metrics.csv, one per epoch; `run` is a `Prepared` run or, as a path and like `run_dir`, a run
directory. `trust` holds patterns of `_target_` to trust beyond ganexp's own; `changed_code` is "refuse" or "same_run",
for own code that was edited since the run. Labels are int64 (N,); None: the networks take none. Images of networks are
float32 (N, C, H, W) in [-1, 1].
"""

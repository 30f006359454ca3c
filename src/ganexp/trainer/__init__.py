"""One run, from what is to be done to its result.

- run: the whole story on one screen; build: networks, batches, rules and metrics of a run
- loop, step, batches, state, ema: training itself; hooks: what happens around its steps
- trajectory: runs that differ in epochs alone, of which one is read off another
- finish, result, figures, sampling, observe: what a run leaves
- compatible, storable, rehearsal, held: what is refused before any work
- progress, signals: the terminal, and requests to stop
"""

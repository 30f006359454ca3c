"""Statistics of settings across training seeds: numbers in, numbers out; nothing here knows of runs or files.

- `compare`: settings compared with the best one and with a baseline.
- `comparison`: the result, and the winner's value corrected for having been chosen.
- `pairs`: differences of settings, their errors and degrees of freedom.
- `thresholds`: error rates of repeated looks, quantiles of the studentized range, seeds that the next claim needs.
- `claim`: which settings need more seeds before something may be claimed.
- `outliers`: a run far off its setting's others.
- `importance`: which keys the objective depends on; `budget`: the best of n random settings.
- `means`: of values of which some may be missing.

`settings`, `seeds`, `values` (finite) and `units` (trajectories) have one entry for each run; `direction` is "minimise"
or "maximise".
"""

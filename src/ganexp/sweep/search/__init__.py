"""Searches: Optuna chooses the points of a sweep, one whenever a worker is free, and prunes what does not promise."""

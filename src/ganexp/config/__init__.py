"""Hydra's words to a typed, identified run.

- schema: every key with its type, range and default. target: `_target_` functions and their parameters.
- run_config: a composed configuration, checked and typed: RunConfig. mistakes, hydra_private: its dealings with Hydra.
- identity, run_spec: which run a configuration is; one run to work on, with its data and directory: RunSpec.
- recorded, reopen: the configuration that a run directory records, and its run again.
- own_code: whether the source of own code is what a run was made with.
"""

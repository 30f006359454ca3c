"""Hydra's configuration to a typed run with an id.

- schema: every key with its type, range and default. target: `_target_` functions and their parameters.
- run_config: a composed configuration, checked and typed: RunConfig. mistakes, command_line,
  hydra_keys, hydra_private: its dealings with Hydra.
- identity, run_spec: which run a configuration is; one run to work on, with its data and directory: RunSpec.
- recorded, reopen: the configuration that a run directory records, and its run again.
- own_code: whether the source of own code is that of the recorded run.

Shared arguments: `run` is a run directory; `where` is the file that a recorded text is from; `trust` holds patterns of
`_target_` and resolvers that may be called beyond ganexp's own.
"""

"""`python -m ganexp` and the console script `ganexp`: train one configuration, or with --multirun many."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import OmegaConf

from ganexp.cli import run_reported, wants_traceback
from ganexp.config import schema
from ganexp.config.command_line import check_options
from ganexp.config.run_config import conf_dir
from ganexp.task import run_dir, task
from ganexp.types.terminal import keep_working, speak_utf8


def main() -> None:
    """Compose the configuration from the command line and run it."""
    speak_utf8()
    keep_working()
    traceback = wants_traceback()
    os.environ["HYDRA_FULL_ERROR"] = "1"
    hydra_program = program(task)

    def checked() -> None:
        check_options(sys.argv[1:])
        hydra_program()

    run_reported(checked, traceback)


def program(task: Callable[[Any], Any]) -> Callable[[], None]:
    """Hydra's program, which reads sys.argv and calls `task` with what it composes."""
    register()
    made: Any = hydra.main(config_path=str(conf_dir().resolve()), config_name="config", execution_whitelist=[])(task)
    return made  # type: ignore[no-any-return]


def register() -> None:
    """Register the schema, the resolvers and the plugins with Hydra and OmegaConf."""
    from ganexp.sweep import plugins
    from ganexp.sweep.directory import sweep_dir

    schema.register()
    OmegaConf.register_resolver("ganexp.run_dir", lambda *, _root_: run_dir(_root_), replace=True)
    OmegaConf.register_resolver("ganexp.sweep_dir", lambda *, _root_: sweep_dir(_root_), replace=True)
    plugins.register()


if __name__ == "__main__":
    main()

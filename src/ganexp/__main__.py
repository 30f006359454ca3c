"""The command `ganexp`: trains one configuration, with --multirun many; `ganexp status` ... are the other commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ganexp.cli import COMMANDS, check_command, complete, run_command, run_reported, wants_traceback
from ganexp.types.errors import ConfigError
from ganexp.types.terminal import keep_working, speak_utf8

if TYPE_CHECKING:
    from ganexp.config.run_config import RunConfig


def main() -> None:
    """Run the command that is named first, or else compose a configuration from the command line and run that."""
    speak_utf8()
    keep_working()
    if sys.argv[1:2] == ["help"]:
        sys.argv[1:] = [*sys.argv[2:3], "--help"]
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        run_command(sys.argv[1])
    elif "--version" in sys.argv[1:]:
        print(f"ganexp {version('ganexp')}")
    elif "-sc" not in sys.argv or "COMP_LINE" not in os.environ or complete(os.environ["COMP_LINE"]):
        _compose_and_run()


def _compose_and_run() -> None:
    from ganexp.task import task

    traceback = wants_traceback()
    os.environ["HYDRA_FULL_ERROR"] = "1"
    hydra_program = program(task)

    def checked() -> None:
        from ganexp.config.command_line import check_options

        check_command(sys.argv[1:])
        check_options(sys.argv[1:])
        hydra_program()

    run_reported(checked, traceback)


def program(task: Callable[[Any], Any]) -> Callable[[], None]:
    """Hydra's program, which reads sys.argv and calls `task` with what it composes."""
    import hydra

    from ganexp.config.run_config import conf_dir
    from ganexp.task import without_empty_folders

    register()
    made: Any = hydra.main(config_path=str(conf_dir().resolve()), config_name="config", execution_whitelist=[])(task)

    def run() -> None:
        with without_empty_folders(sys.argv[1:]):
            made()

    return run


def register() -> None:
    """Register the schema, the resolvers and the plugins with Hydra and OmegaConf."""
    from omegaconf import OmegaConf

    from ganexp.config import schema
    from ganexp.sweep import plugins
    from ganexp.sweep.directory import sweep_dir
    from ganexp.task import run_dir

    schema.register()
    OmegaConf.register_resolver("ganexp.run_dir", lambda *, _root_: run_dir(_root_), replace=True)
    OmegaConf.register_resolver("ganexp.sweep_dir", lambda *, _root_: sweep_dir(_root_), replace=True)
    OmegaConf.register_resolver("ganexp.help", lambda *, _root_: _help(_root_), replace=True)
    plugins.register()


def configuration(overrides: Sequence[str]) -> RunConfig:
    """ganexp's own configuration with `overrides`; the state of a Hydra program that calls this is left as it is.

    Raises:
        ConfigError: what Hydra and ganexp refuse, in words.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from ganexp.config.mistakes import composition_message
    from ganexp.config.run_config import composed, load

    register()
    try:
        return load(composed(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(composition_message(error)) from None


def _help(root: Any) -> str:
    from ganexp.config.help import help_text

    if "dataset" not in root:  # `--cfg hydra --resolve` has Hydra's node alone
        return ""
    return help_text(root, COMMANDS).replace("$", "$$")  # Hydra fills in names after a dollar


if __name__ == "__main__":
    main()

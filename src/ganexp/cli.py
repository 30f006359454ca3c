"""What every command does with an error: one clear message and the right exit status."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ganexp.config.mistakes import composition_message
from ganexp.types.doing import on_stderr, telling
from ganexp.types.endings import FAILED, INTERRUPTED, REFUSED, ending
from ganexp.types.errors import ConfigError, DirectoryError, Diverged, Refused, did_you_mean, nearest
from ganexp.types.system import name_missing_guards
from ganexp.types.terminal import keep_working, plain, speak_utf8

COMMANDS = {
    "status": "what runs, what is done, what failed, and how much time is left",
    "report": "which settings win: (re)write summary.csv, report.html, report.md",
    "dashboard": "the report's page in the browser, live while a sweep runs",
    "sample": "draw images from the generator of a run",
    "animate": "a GIF of a run: the same z through the epochs, and a walk",
    "export": "write the generator of a run for programs that have no ganexp",
    "evaluate": "score finished runs again, or with more metrics",
    "resume": "go on with an interrupted run",
    "confirm": "train the winners of a sweep again, on unused seeds",
    "reproduce": "train one run of a report again, from its page alone, and compare",
    "compare": "a verdict on the results of any program, from a table",
    "score": "score images that any program made",
    "doctor": "what ganexp finds on this machine, how right and how fast it trains here",
    "clean": "drop checkpoints that nothing needs any more",
}
"""What `ganexp NAME` does: the `main` of the module (or of the package's `__main__`) of that name."""

Trust = Annotated[list[str] | None, typer.Option(help="Pattern of _target_ to trust, e.g. 'mylab.*'.")]
ChangedCode = Annotated[
    str, typer.Option(help="Own code that was edited since: 'refuse', or 'same_run' (a comment, a rename).")
]
"""The options of all commands that call own code."""

LONGEST_WORD = 500  # characters of a word in a message that are shown: a value that was typed may be of any length


def start(command: Callable[..., None], name: str | None = None) -> None:
    """Run one of the commands with the arguments of the command line; for a process that does nothing else.

    `name` is what its help calls it; None: as the process was started (`python -m ganexp.status`).
    """
    speak_utf8()
    keep_working()
    app_of(command)(prog_name=name)


def app_of(command: Callable[..., None]) -> typer.Typer:
    """The program of one of the commands."""
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return app


def run_command(name: str) -> None:
    """`ganexp NAME ...`, or `python -m ganexp NAME ...`: the same as `python -m ganexp.NAME ...`."""
    program = "python -m ganexp" if sys.argv[0].endswith("__main__.py") else Path(sys.argv[0]).name
    sys.argv = [f"{program} {name}", *sys.argv[2:]]
    start(main_of(name), f"{program} {name}")


def complete(line: str) -> bool:
    """Print, for a shell, what may come next in a command line; returns whether Hydra has more to say."""
    words = line.split()[1:]
    begun = words.pop() if words and not line[-1].isspace() else ""
    if words and words[0] not in COMMANDS:
        return True
    names = _next_words(words, begun) if words else COMMANDS
    print("\n".join(name for name in names if name.startswith(begun)))
    return not words


def _next_words(words: Sequence[str], begun: str) -> Sequence[str]:
    from typer.main import get_command

    from ganexp.config.run_config import options_of
    from ganexp.files.found import directories

    if words[-1] in ("--dataset", "--metrics"):
        return options_of(words[-1].removeprefix("--"))
    parameters = get_command(app_of(main_of(words[0]))).params
    if begun.startswith("-"):
        names = (name for each in parameters for name in (*each.opts, *each.secondary_opts))
        return ["--help", *(name for name in names if name.startswith("--"))]
    taken = any("_DIR" in str(getattr(each, "metavar", "")) for each in parameters)
    return [str(folder) for folder in directories(Path())] if taken else []


def main_of(name: str) -> Callable[..., None]:
    """The function of a command."""
    module = import_module(f"ganexp.{name}")
    function = import_module(f"ganexp.{name}.__main__").main if hasattr(module, "__path__") else module.main
    return function  # type: ignore[no-any-return]


def check_command(words: Sequence[str]) -> None:
    """Refuse a command line that begins with a mistyped command.

    Raises:
        ConfigError: naming the nearest one.
    """
    if words and words[0].isalpha() and (close := nearest(words[0].lower(), list(COMMANDS), cutoff=0.75)):
        raise ConfigError(f"{words[0]}: expected a command or key=value.{did_you_mean(close)}")


@contextmanager
def reporting(*, options: bool = False) -> Iterator[None]:
    """Inside, refusals, NaN, and a lack of disk or memory end the process with one message; see `ending`.

    `options`: the command takes `--trust`, `--changed-code` and `--retry` instead of keys, and messages name those.
    """
    name_missing_guards()
    try:
        with telling(on_stderr()):
            yield
    except (Refused, Diverged, OSError, MemoryError, RuntimeError) as error:
        end = ending(error)
        if end.needs_traceback:
            raise
        stop(with_options(end.message) if options else end.message, end.exit_status)


def stop(message: str, status: int = REFUSED) -> NoReturn:
    """End the process with one message on standard error."""
    sys.stderr.write(f"ganexp: {_shortened(plain(message))}\n")
    raise SystemExit(status)


def with_options(message: str) -> str:
    """A message whose advice is options: `--trust 'mylab.*'`, which companion commands take, not 'trust=[mylab.*]'."""
    message = re.sub(r"'trust=\[([^\]]+)\]'", r"--trust '\1'", message)
    message = re.sub(r"changed_code=own_run makes a run of its own, ", "", message)
    return message.replace("changed_code=same_run", "--changed-code same_run").replace("sweep.retry=failed", "--retry")


def _shortened(message: str) -> str:
    return re.sub(rf"(\S{{{LONGEST_WORD}}})\S+", r"\1...", message)


def run_reported(program: Callable[[], None], wants_traceback: bool) -> None:
    """Run Hydra's program; errors of the configuration and refusals end with status 2, others with 1.

    `program` calls Hydra with HYDRA_FULL_ERROR=1, so that exceptions come through; `wants_traceback` raises them again.
    """
    try:
        with telling(on_stderr()):
            program()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        if wants_traceback:
            raise
        if (refusal := refusal_of(error)) is not None:
            stop(str(refusal))
        traceback.print_exception(error)
        raise SystemExit(FAILED) from None


def refusal_of(error: Exception) -> Refused | None:
    """The refusal that an error of Hydra's program means, before any run has begun; None: an error in code."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    cause: BaseException | None = error
    while cause is not None:  # a resolver's error arrives wrapped
        if isinstance(cause, Refused):
            return cause
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, HydraException | OmegaConfBaseException) or _by_hydra_alone(error):
        return ConfigError(composition_message(error))
    return DirectoryError(ending(error).message) if isinstance(error, OSError) else None


def _by_hydra_alone(error: BaseException) -> bool:
    """Whether an error arose before any of ganexp's code ran: about the command line, or a folder that it names."""
    modules = {str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)}
    return not any(name.startswith("ganexp.") for name in modules - {__name__, "ganexp.__main__", "ganexp.session"})


def wants_traceback() -> bool:
    """Whether the user asked Hydra for full errors."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"

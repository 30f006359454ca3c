"""`ganexp dashboard SWEEP_DIR`: the report's page of a sweep in the browser, live while the sweep runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganexp.cli import reporting, start
from ganexp.types.errors import DirectoryError
from ganexp.types.terminal import say

PORT = "Port on 127.0.0.1; a free one if left out."


def main(
    sweep: Annotated[Path, typer.Argument(help="A sweep that runs, will run or ran.", metavar="SWEEP_DIR")],
    port: Annotated[int, typer.Option(min=0, max=65535, help=PORT)] = 0,
) -> None:
    """Serve the report's page of a sweep to this machine's browser: states, curves and pictures as they come.

    Read-only, until Ctrl-C. From another machine: ssh -L 8000:127.0.0.1:PORT HOST, then open http://127.0.0.1:8000/.
    """
    from ganexp.report.serve import Server
    from ganexp.report.states import progress_of

    with reporting():
        if (sweep / "status.json").exists():
            raise DirectoryError(f"{sweep}: expected a sweep directory, got a run: its losses.png and samples/ show it")
        progress_of(sweep)
        try:
            server = Server(sweep, port)
        except OSError as error:
            raise DirectoryError(f"--port {port}: cannot be listened on ({error.strerror or error})") from None
        say(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
        finally:
            server.server_close()


if __name__ == "__main__":
    start(main)

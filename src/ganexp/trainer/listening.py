"""Work that takes a while is shown on the screen and in status.json of the run that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganexp.types.doing import Listener, spaced
from ganexp.types.errors import Interrupted

if TYPE_CHECKING:
    from ganexp.trainer.hooks import Session

STATUS_SECONDS = 1.0  # between two writings of how far some work is


def listener(session: Session) -> Listener:
    """What shows work, writes it into status.json, and ends it where a signal came."""
    show, write = spaced(session.progress.note), spaced(lambda text: session.lease.update(doing=text), STATUS_SECONDS)

    def told(text: str, begins: bool) -> None:
        if text and session.interrupted():
            raise Interrupted
        if not text:
            session.lease.update(doing="")
        show(text, begins)
        write(text, begins)

    return told

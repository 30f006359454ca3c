"""The report's page of a sweep as it is now, served on this machine alone: read-only, two addresses, no files."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ganexp.report.page import render_live
from ganexp.report.ranking import rankings
from ganexp.report.states import progress_of
from ganexp.report.study import read_study
from ganexp.types.terminal import plain

REST = 2.0  # least seconds between two readings of a sweep
PATIENCE = 1.0  # seconds that an answer waits for a reading that has begun
HOSTS = ("127.0.0.1", "localhost", "[::1]")  # by which the page is asked for, on any port: a tunnel may have its own


class Collector:
    """The page and its data block; where they are asked for after a while, they are read again beside the answer."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._due = float("-inf")  # when to read again
        self._answers: dict[str, bytes] = {}
        self._trouble: Exception | None = None

    def answer(self, path: str) -> bytes | None:
        """The content of "/" or "/data.json" as last read; None of any other path.

        Raises:
            Exception: the sweep could not be read the last time.
        """
        with self._lock:
            if self._reading is None and time.monotonic() >= self._due:
                self._reading = threading.Thread(target=self._read, daemon=True)
                self._reading.start()
            reading = self._reading
        if reading is not None:
            reading.join(None if not self._answers and self._trouble is None else PATIENCE)
        if self._trouble is not None:
            raise self._trouble
        return self._answers.get(path)

    def _read(self) -> None:
        began = time.monotonic()
        try:
            study = read_study([self.directory])
            page, data = render_live(study, rankings(study), self.directory, progress_of(self.directory))
            self._answers = {"/": page.encode(), "/data.json": json.dumps(data, allow_nan=False).encode()}
            self._trouble = None
        except Exception as error:  # a sweep that changes under it: the next reading may do
            self._trouble = error
        with self._lock:
            self._due = time.monotonic() + max(REST, 2 * (time.monotonic() - began))
            self._reading = None


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the two addresses of a collector."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent client is waited for

    def do_GET(self) -> None:
        """The page, or the data block; 304 where the asker has it already."""
        if re.sub(r":\d+$", "", self.headers.get("Host") or "") not in HOSTS:
            return self._send(HTTPStatus.FORBIDDEN, b"expected this machine's own name as host\n")
        try:
            content = self.server.collector.answer(path := self.path.partition("?")[0])
        except Exception as error:  # a sweep that changes under it: the next reading may do
            return self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{type(error).__name__}: {plain(error)}\n".encode())
        if content is None:
            return self._send(HTTPStatus.NOT_FOUND, b"only the page and data.json are served\n")
        tag = f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            return self._send(HTTPStatus.NOT_MODIFIED, b"", ETag=tag)
        kind = "application/json" if path.endswith(".json") else "text/html"
        return self._send(HTTPStatus.OK, content, kind, ETag=tag)

    do_HEAD = do_GET  # noqa: N815  (its base's name)

    def _send(self, status: HTTPStatus, content: bytes, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        more = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content))}
        for name, value in {**fixed, **more, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its base's name)
        """Requests are not printed."""


class Server(ThreadingHTTPServer):
    """On 127.0.0.1; `port` 0: a free one."""

    daemon_threads = True

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.collector = Collector(directory)
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away is no news."""

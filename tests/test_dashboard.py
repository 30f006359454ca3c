"""The dashboard's server: what it serves, to whom, and how a sweep may change under it."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "report"))

from finished import Recipe, build

from ganexp.report import serve
from ganexp.types.endings import State

ENDINGS = {1: State.RUNNING, 2: State.PENDING, 3: State.FAILED}
ERRORS = {3: {"type": "OSError", "message": "disk full"}}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    build(
        tmp_path / "sweep", Recipe({"optim.lr": (1e-4, 1e-5)}, range(2), endings=ENDINGS, errors=ERRORS, pictures=True)
    )
    (tmp_path / "sweep" / "secret.txt").write_text("secret")
    return tmp_path / "sweep"


@pytest.fixture
def server(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    monkeypatch.setattr(serve, "REST", 0.0)
    monkeypatch.setattr(serve, "PATIENCE", 60.0)
    running = serve.Server(sweep)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def ask(server: serve.Server, path: str = "", method: str = "GET", **headers: str) -> tuple[int, bytes, str]:
    """Status, content and ETag."""
    request = urllib.request.Request(server.address + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers["ETag"] or ""
    except urllib.error.HTTPError as error:
        return error.code, error.read(), ""


def fresh(server: serve.Server) -> dict[str, object]:
    """The data block, surely read after this call began."""
    server.collector._due = float("-inf")
    status, content, _ = ask(server, "data.json")
    assert status == 200, content
    return json.loads(content)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_page_and_its_data_and_nothing_else(server: serve.Server, sweep: Path) -> None:
    before = files(sweep)
    status, page, _ = ask(server)
    assert status == 200 and b"connect-src 'self'" in page and b"nothing is claimed until every run has ended" in page
    data = fresh(server)
    runs = {(run["state"], run["error"]) for run in data["runs"]}  # type: ignore[attr-defined]
    assert runs >= {("COMPLETED", ""), ("FAILED", "OSError: disk full"), ("PENDING", "")}
    assert data["live"] is True and data["pictures"]
    for path in ("secret.txt", "plan.json", "../../etc/passwd", "%2e%2e/x", "report.html"):
        assert ask(server, path)[0] == 404
    for method in ("POST", "PUT", "DELETE"):
        assert ask(server, method=method)[0] == 501
    assert ask(server, Host="evil.example:80")[0] == 403
    for host in ("localhost:8000", "localhost", "127.0.0.1", "[::1]", "[::1]:80"):
        assert ask(server, Host=host)[0] == 200
    assert ask(server, method="HEAD")[1] == b""
    assert files(sweep) == before


def test_what_has_not_changed_is_not_sent_again(server: serve.Server) -> None:
    fresh(server)
    _, _, tag = ask(server, "data.json")
    request = urllib.request.Request(server.address + "data.json", headers={"If-None-Match": tag})
    with pytest.raises(urllib.error.HTTPError, match="304"):
        urllib.request.urlopen(request, timeout=60)


def test_runs_advance_vanish_and_come(server: serve.Server, sweep: Path) -> None:
    def states() -> list[str]:
        return [run["state"] for run in fresh(server)["runs"]]  # type: ignore[attr-defined]

    first = states()
    folders = sorted(path.parent for path in sweep.glob("*/status.json"))
    shutil.rmtree(folders[0])
    assert states() != first and len(states()) == 4
    hidden = sweep.rename(sweep.with_name("away"))
    server.collector._due = float("-inf")
    status, words, _ = ask(server, "data.json")
    assert status == 503 and b"sweep" in words
    hidden.rename(sweep)
    assert len(states()) == 4

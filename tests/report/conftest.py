from __future__ import annotations

import shutil

import pytest

from ganexp.report import page

collect_ignore = [] if shutil.which("chromium") else ["test_browser.py"]
"""The page is opened in a browser where there is one; continuous integration installs it."""

SECTIONS = ("verdict", "heatmaps", "matters", "curves", "losses")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without their matplotlib figures, which take most of the time."""
    monkeypatch.setattr(page, "drawings", lambda *_: {section: [] for section in SECTIONS})

"""The page in headless Chromium; collected where Chromium is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from finished import EFFECTS, Recipe, build
from playwright.sync_api import Browser, Page, sync_playwright

from ganexp.report import write_report
from ganexp.types.endings import State

ARGUMENTS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXES = {"trainer.batch_size": (16, 64), "trainer.epochs": (5, 10), "optim.lr": (1e-4, 1e-5)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every section, and one long unbreakable value."""
    folder = tmp_path_factory.mktemp("sweep")
    error = {0: {"type": "Diverged", "message": "d_loss is nan " + "x" * 300}}
    axes = {**AXES, "model": ("mlp", "y" * 300)}
    build(folder, Recipe(axes, range(3), EFFECTS, pictures=True, endings={0: State.DIVERGED}, errors=error))
    return write_report([folder])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield program
        program.close()


def opened(browser: Browser, report: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page at a width, and what it complained of or asked the network for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else trouble.append(f"request: {r.url}"))
    page.goto(report.as_uri())
    return page, trouble


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_overflows_and_nothing_is_asked_for(browser: Browser, report: Path, width: int, scheme: str) -> None:
    page, trouble = opened(browser, report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll, .plot, nav')).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length"
    assert page.evaluate(broken) == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    assert trouble == []
    page.close()


def test_sorting_and_filtering(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440, "light")
    table = page.locator("#r0-board")
    heads = table.locator("thead th")
    column = [head.inner_text() for head in heads.all()].index("cfd")
    shown = f"rows => rows.filter(r => !r.hidden).map(r => r.cells[{column}].querySelector('data'))"
    values = f"rows => ({shown})(rows).map(d => d && Number(d.value))"
    rows = table.locator("tbody tr")
    button = heads.nth(column).locator("button")
    button.click()
    up = rows.evaluate_all(values)
    button.click()
    down = rows.evaluate_all(values)
    known = [value for value in up if value is not None]
    assert known == sorted(known) and [v for v in down if v is not None] == known[::-1]
    assert up[-1] is None and down[-1] is None
    assert heads.nth(column).get_attribute("aria-sort") == "descending"
    tools = page.locator('.tools[data-table="r0-board"]')
    tools.locator("input").fill("diverged")
    assert rows.evaluate_all("rows => rows.filter(r => !r.hidden).length") == 1
    assert "1 of 16" in tools.locator("output").inner_text()
    tools.locator("input").fill("")
    assert rows.evaluate_all("rows => rows.filter(r => !r.hidden).length") == 16
    assert trouble == []
    page.close()


def test_print_shows_whole_tables(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, 780, "light")
    page.emulate_media(media="print")
    clipped = """[...document.querySelectorAll('.scroll')].filter(e => getComputedStyle(e).overflowX !== 'visible'
        || e.scrollHeight > e.clientHeight + 1).length"""
    assert page.evaluate(clipped) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 780
    assert page.locator("nav").is_hidden()
    page.close()

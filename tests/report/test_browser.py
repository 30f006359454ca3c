"""The page in headless Chromium; collected where Chromium is installed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished import EFFECTS, Recipe, build, keep_generator
from playwright.sync_api import Browser, Page, sync_playwright

from ganexp.report import write_report
from ganexp.types.endings import State

ARGUMENTS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
AXES = {"trainer.batch_size": (16, 64), "trainer.epochs": (5, 10), "optim.lr": (1e-4, 1e-5)}
SHOWN = "rows => rows.filter(r => !r.hidden).length"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every section, and one long unbreakable value that looks like markup."""
    folder = tmp_path_factory.mktemp("sweep")
    error = {0: {"type": "Diverged", "message": "<img src=x onerror=alert(1)> d_loss is nan " + "x" * 300}}
    axes = {**AXES, "model": ("mlp", "<img src=x onerror=alert(2)>" + "y" * 300)}
    build(folder, Recipe(axes, range(3), EFFECTS, pictures=True, endings={0: State.DIVERGED}, errors=error))
    return write_report([folder])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield program
        program.close()


def opened(browser: Browser, report: Path, width: int, scheme: str = "light") -> tuple[Page, list[str]]:
    """The page at a width, and what it complained of or asked the network for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else trouble.append(f"request: {r.url}"))
    page.goto(report.as_uri())
    return page, trouble


def through(page: Page) -> None:
    """Scroll to the end, so that everything is drawn."""
    for y in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate(f"scrollTo(0, {y})")
        page.wait_for_timeout(20)


def until(page: Page, expression: str) -> None:
    """Wait until it is true, for a minute at most; the page's policy allows Playwright no eval of its own."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)


def drag(page: Page, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place in an element to another; places are shares of its size, or pixels from the right."""
    page.locator(selector).scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    box = page.locator(selector).bounding_box()
    assert box is not None
    across = [share * box["width"] if share >= 0 else box["width"] + share for share in (start[0], end[0])]
    page.mouse.move(box["x"] + across[0], box["y"] + start[1] * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + across[1], box["y"] + end[1] * box["height"], steps=6)
    page.mouse.up()
    page.wait_for_timeout(200)


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_overflows_and_nothing_is_asked_for(browser: Browser, report: Path, width: int, scheme: str) -> None:
    page, trouble = opened(browser, report, width, scheme)
    through(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll, nav, .tip')).map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(outside) == []
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length"
    assert page.evaluate(broken) == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    singles = page.locator(".singles img").evaluate_all("images => images.map(i => i.getBoundingClientRect().width)")
    assert len(singles) == 4 * 6 and min(singles) >= 96
    assert page.locator(".chart canvas").count() >= 5 + 4  # charts of settings, and two of each run side by side
    assert trouble == []
    page.close()


def test_the_winner_and_its_command_stand_first(browser: Browser, report: Path) -> None:
    for width in (390, 1440):
        page, _ = opened(browser, report, width)
        (top,) = page.locator("#r0-verdict").evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
        assert top < 300
        command = page.locator("#r0-verdict .command code").inner_text()
        assert command.startswith("python -m ganexp ") and "seed=" not in command
        assert "cannot be told from it" in page.locator("#r0-verdict").inner_text()
        page.close()


def test_sorting_puts_what_is_not_ranked_last_both_ways(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    table = page.locator("#r0-board")
    heads = table.locator("thead th")
    names = [head.inner_text() for head in heads.all()]
    rows = table.locator("tbody tr")
    for name in ("rank", "cfd", "95 % interval"):
        column = names.index(name)
        values = f"rows => rows.map(r => r.cells[{column}].querySelector('data')).map(d => d && Number(d.value))"
        button = heads.nth(column).locator("button")
        button.click()
        up = rows.evaluate_all(values)
        button.click()
        down = rows.evaluate_all(values)
        known = [value for value in up if value is not None]
        assert len(known) == 15 and known == sorted(known) and [v for v in down if v is not None] == known[::-1]
        assert up[-1] is None and down[-1] is None
        assert heads.nth(column).get_attribute("aria-sort") == "descending"
    assert trouble == []
    page.close()


def test_filters_by_range_and_word(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    rows = page.locator("#r0-board tbody tr")
    data = json.loads(page.locator("#data").inner_text(timeout=1000) or page.evaluate("JSON.stringify(data)"))
    settings = data["chapters"][0]["settings"]
    under = sum(setting["value"] is not None and setting["value"] < 150 for setting in settings)
    for text, expected in (
        ("cfd < 150", under),
        ("lr = 1e-4", 8),
        ("lr=0.0001, batch size = 16", 4),
        ("trainer.batch_size > 16", 8),
        ("diverged", 1),
        ("model = mlp", 8),
        ("rank <= 3", 3),
    ):
        page.locator("#filter").fill(text)
        assert rows.evaluate_all(SHOWN) == expected, text
        assert f"{expected} of 16" in page.locator("#shown").inner_text()
        assert page.locator("#gallery figure").count() == expected + 1
    page.locator("#filter").fill("nothing_of_that_name < 3")
    assert 'no column "nothing_of_that_name"' in page.locator("#shown").inner_text()
    page.locator("#reset").click()
    assert rows.evaluate_all(SHOWN) == 16
    assert trouble == []
    page.close()


def test_brushing_one_chart_filters_all(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    through(page)
    rows = page.locator("#r0-board tbody tr")
    for chart, start, end in (
        ("#chart-scatter .chart", (0.15, 0.84), (0.97, 0.55)),
        ("#chart-curves .chart", (0.5, 0.84), (0.98, 0.5)),
        ("#chart-parallel .chart", (-60, 0.84), (-60, 0.5)),
    ):
        drag(page, chart, start, end)
        shown = rows.evaluate_all(SHOWN)
        assert 0 < shown < 16, chart
        assert page.locator("#gallery figure").count() == shown + 1
        assert f"{shown} of 16" in page.locator("#shown").inner_text()
        page.locator("#reset").click()
        assert rows.evaluate_all(SHOWN) == 16
    assert trouble == []
    page.close()


def test_hovering_says_the_exact_value_and_a_click_opens_the_run(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    page.locator("#chart-scatter").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    place = page.evaluate("""() => {
        const chart = charts.get(document.querySelector('#chart-scatter .chart'));
        const series = chart.getOption().series.find(s => s.id === 'settings');
        const i = series.data.findIndex(d => d.symbol === 'diamond');
        const [x, y] = chart.convertToPixel({gridIndex: 0}, series.data[i].value);
        const box = chart.getDom().getBoundingClientRect();
        return {x: box.x + x, y: box.y + y, value: data.chapters[0].settings[series.data[i].setting].value};
    }""")
    page.mouse.move(place["x"], place["y"])
    page.wait_for_timeout(200)
    assert str(place["value"]) in page.locator(".tip").last.inner_text()
    page.mouse.click(place["x"], place["y"])
    until(page, "document.querySelector('#run').getBoundingClientRect().top < 900")
    assert page.locator("#run select").first.evaluate("s => s.selectedOptions[0].text").startswith("1. ")
    assert trouble == []
    page.close()


def test_pictures_by_epoch_side_by_side(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    page.locator("#moment").scroll_into_view_if_needed()
    slots = page.locator("#run .slot img")
    last = [image.get_attribute("src") for image in slots.all()]
    page.locator("#moment input").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#moment output").inner_text() == "1"
    assert [image.get_attribute("src") for image in slots.all()] != last
    assert "epoch 1" in page.locator("#gallery figcaption").nth(1).inner_text()
    page.locator("#r0-board tbody tr").nth(4).locator("a.open").click()
    assert page.locator("#run select").first.evaluate("s => s.selectedOptions[0].text").startswith("5. ")
    page.locator("#run select").nth(1).select_option(index=0)  # the one that diverged
    about = page.locator("#run .about").nth(1)
    assert "DIVERGED" in about.inner_text() and "<img src=x" in about.inner_text()
    assert trouble == []
    page.close()


def test_columns_are_chosen_and_saved_as_csv(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, 1440)
    tools = page.locator('.tools[data-board="r0"]')
    tools.locator("summary").click()
    tools.get_by_label("recall", exact=True).uncheck()
    page.locator("#filter").fill("rank <= 2")
    with page.expect_download() as download:
        tools.locator(".csv").click()
    lines = Path(download.value.path()).read_text().splitlines()
    names = lines[0].split(",")
    assert len(lines) == 3 and "recall" not in names and "precision" in names
    value = page.evaluate("data.chapters[0].settings[0].value")
    assert lines[1].split(",")[names.index("cfd")] == str(value)
    assert page.locator('#r0-board th[title*="Share of generated images that lie"]').count() == 1
    assert trouble == []
    page.close()


def test_print_shows_whole_tables(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, 780)
    page.emulate_media(media="print")
    clipped = """[...document.querySelectorAll('.scroll')].filter(e => getComputedStyle(e).overflowX !== 'visible'
        || e.scrollHeight > e.clientHeight + 1).length"""
    assert page.evaluate(clipped) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 780
    assert page.locator("nav").is_hidden()
    page.close()


NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "paper": {"function": "mlp_2014", "generator_widths": (240, 240), "generator_spread": 0.1},
    "conditional": {
        **{"num_classes": 10, "conditional": True, "image_shape": (3, 8, 8)},
        **{"generator_widths": (64,) * 8, "activation": "gelu", "output_scale": 1.05},
    },
}


@pytest.mark.parametrize("network", ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in [*NETWORKS][1:])])
def test_the_winner_draws_in_the_page_what_torch_draws(browser: Browser, tmp_path: Path, network: str) -> None:
    import torch

    from ganexp.files.png import to_uint8
    from ganexp.report.serve import Server
    from ganexp.trainer.sampling import decode, latents

    planned = build(tmp_path, Recipe({"optim.lr": (1e-4, 1e-5)}, range(2)))
    gan = keep_generator(tmp_path, planned, **NETWORKS[network])
    z = latents(gan.latent, gan.latent_dim, 64, 1)
    labels = torch.arange(64) % 10 if gan.num_classes else None
    expected = to_uint8(decode(gan.generator, z, torch.device("cpu"), labels)).reshape(64, -1).astype(int)
    assert expected.std() > 10
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for address in (write_report([tmp_path]).as_uri(), server.address):
        page = browser.new_page(viewport={"width": 390, "height": 900})
        trouble: list[str] = []
        page.on("console", lambda message, trouble=trouble: trouble.append(message.text))
        page.on("pageerror", lambda error, trouble=trouble: trouble.append(str(error)))
        page.goto(address)
        draw = "([zs, labels]) => zs.map((z, i) => [...pixelsOf(data.generators.r0, z, labels[i] ?? 0)])"
        drawn = page.evaluate(draw, [z.tolist(), [] if labels is None else labels.tolist()])
        assert np.abs(np.array(drawn) - expected).max() <= 2
        shots = [page.locator(".generator canvas").evaluate("c => c.toDataURL()")]
        page.locator(".generator input").first.fill("3")
        shots.append(page.locator(".generator canvas").evaluate("c => c.toDataURL()"))
        page.locator(".generator button").click()
        shots.append(page.locator(".generator canvas").evaluate("c => c.toDataURL()"))
        assert len(set(shots)) == 3
        assert page.locator(".generator select").is_visible() == bool(gan.num_classes)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert trouble == []
        page.close()
    server.shutdown()
    server.server_close()


def test_a_dashboard_refreshes_while_runs_advance_and_one_fails(browser: Browser, tmp_path: Path) -> None:
    from ganexp.report.serve import Server

    axes = {"optim.lr": (1e-4, 1e-5)}
    early = dict.fromkeys((1, 3), State.PENDING)
    build(tmp_path / "sweep", Recipe({**axes, "trainer.epochs": (2,)}, range(2), endings=early, pictures=True))
    server = Server(tmp_path / "sweep")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.set_default_timeout(60_000)
    page.goto(server.address)
    assert "2 COMPLETED, 2 PENDING" in page.locator("#live .counts").inner_text()
    assert "nothing is claimed" in page.locator("#verdict").inner_text()
    page.locator("#filter").fill("lr = 1e-4")
    page.locator("#r0-board thead button", has_text="seeds").click()
    assert page.locator("#moment output").inner_text() == "2"
    shutil.rmtree(tmp_path / "sweep")
    error = {3: {"type": "OSError", "message": "disk full"}}
    later = {**axes, "trainer.epochs": (4,)}
    build(tmp_path / "sweep", Recipe(later, range(2), endings={3: State.FAILED}, errors=error, pictures=True))
    until(page, "document.querySelector('#live .counts').textContent.includes('1 FAILED')")
    assert "OSError: disk full" in page.locator("#live-runs").inner_text()
    assert page.locator("#r0-board tbody tr").evaluate_all(SHOWN) == 1  # what was chosen stays chosen
    assert "nothing is claimed" not in page.locator("#verdict").inner_text()
    assert page.locator("#moment output").inner_text() == "4"  # the newest pictures, as nobody moved the slider
    assert page.locator("#r0-board thead [aria-sort]").inner_text().strip() == "seeds"
    assert [line for line in trouble if "503" not in line] == []
    page.close()
    server.shutdown()
    server.server_close()

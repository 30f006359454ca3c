"""The report of many runs, and its page in a browser: `python benchmarks/report_scaling.py [--runs 100 1000]`.

Synthetic finished runs of 100 epochs are written into a temporary folder, with sample pictures as a run leaves them and
a generator of the default network; the report is then made by the command that a user types, in a process of its own.
Where Chromium is installed, the page is opened in it at 1440 x 900: when the first screen stands (its largest part is
painted), and how long it takes from letting go of the mouse over a chart until everything shows what was chosen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

from finished import Recipe, build, keep_generator

SEEDS = 5
ROUNDS = 5  # of opening the page
POINTS = 100_000  # of all learning curves together, for the last column
CHARTS = {
    "scatter": ((0.15, 0.8), (0.9, 0.4)),
    "curves": ((0.5, 0.84), (0.95, 0.3)),
    "parallel": ((-60, 0.8), (-60, 0.5)),
}
HEADS = ("runs", "seconds", "processor seconds", "MiB at most", "report.html, MB")
SEEN = ("first screen, s", *(f"brush: {name}, ms" for name in CHARTS), f"curves of {POINTS:,} points, ms")

PAINTED = """() => new Promise(tell => new PerformanceObserver(list => tell(list.getEntries().pop().startTime))
    .observe({type: 'largest-contentful-paint', buffered: true}))"""
# From the last move or letting go of the mouse before a choice to the frame in which the page shows it; the slowest.
ANSWERED = """() => {
    window.answers = [];
    let last = 0;
    for (const kind of ['mousemove', 'mouseup']) addEventListener(kind, () => { last = performance.now(); }, true);
    new MutationObserver(() => { const began = last; requestAnimationFrame(() => setTimeout(() =>
        answers.push(performance.now() - began))); }).observe(document.querySelector('#shown'), {childList: true});
}"""
DRAWN = """count => new Promise(tell => {
    const trainings = chapter().trainings, each = Math.ceil(count / trainings.length);
    for (const t of trainings) {
        const at = Array.from({length: each}, (_, i) => i + 1), value = at.map(i => t.mean.value[0] * (1 + 1 / i));
        t.mean = {epoch: at, step: at, images: at, seconds: at, value, low: value, high: value};
    }
    const began = performance.now();
    drawCurves(chosen());
    requestAnimationFrame(() => setTimeout(() => tell(performance.now() - began)));
})"""


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, nargs="*", default=[100, 300, 1000])
    heads = HEADS + (SEEN if shutil.which("chromium") else ())
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for runs in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as folder:
            cells = written(Path(folder), runs)
            cells += seen(Path(folder) / "report.html") if shutil.which("chromium") else []
            print(f"| {' | '.join(cells)} |", flush=True)


def written(folder: Path, runs: int) -> list[str]:
    """What writing the report costs."""
    other = multiprocessing.get_context("spawn").Process(target=sweep, args=(folder, runs))
    other.start()  # torch in this process would count as the command's memory
    other.join()
    started = time.monotonic()
    command = [sys.executable, "-m", "ganexp.report", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"{command}: expected status 0, got {status}")
    busy, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    size = (folder / "report.html").stat().st_size / 1e6
    return [f"{runs}", f"{seconds:.1f}", f"{busy:.1f}", f"{memory:.0f}", f"{size:.1f}"]


def sweep(folder: Path, runs: int) -> None:
    """Finished runs; `runs` is a multiple of 2 SEEDS."""
    rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 1e-3, max(1, runs // (2 * SEEDS)))]
    axes = {"trainer.epochs": (100,), "trainer.batch_size": (16, 64), "optim.lr": rates}
    planned = build(folder, Recipe(axes, range(SEEDS), {("trainer.batch_size", 64): 0.3}, pictures=True))
    keep_generator(folder, planned)


def seen(page_file: Path) -> list[str]:
    """How fast the page is, medians."""
    from playwright.sync_api import sync_playwright
    from test_browser import ARGUMENTS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        painted = []
        for _ in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(page_file.as_uri())
            painted.append(page.evaluate(PAINTED) / 1000)
            if len(painted) == ROUNDS:
                page.evaluate(ANSWERED)
                brushes = [brushed(page, *each) for each in CHARTS.items()]
                drawn = page.evaluate(DRAWN, POINTS)
            page.close()
        browser.close()
    return [f"{statistics.median(painted):.2f}", *(f"{each:.0f}" for each in brushes), f"{drawn:.0f}"]


def brushed(page: Any, name: str, places: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """Milliseconds of a brush over a chart, the median of ROUNDS."""
    from test_browser import drag

    times = []
    for _ in range(ROUNDS):
        page.locator(f"#chart-{name}").scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        page.evaluate("answers.length = 0")
        drag(page, f"#chart-{name} .chart", *places)
        page.wait_for_timeout(500)
        times.append(max(page.evaluate("answers")))
        page.locator("#reset").click()
        page.wait_for_timeout(1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()

"""The comparison's statistics against simulation: `python benchmarks/report_statistics.py [--sweeps 2000]`.

Four tables: false separations, power and coverage; epochs of trajectories; the winner corrected; looks. "False" is that
any of several settings of equal mean is called worse. A rate meets its bar when it is at most the bar plus two
standard errors of the simulation. Fewer sweeps take less time: `--sweeps 200`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from ganexp.report.statistics.compare import compare
from ganexp.report.statistics.comparison import Comparison, selected
from ganexp.report.statistics.pairs import moderate
from ganexp.report.statistics.thresholds import FIRST, spending
from sweeps import NOISES, SIGMA, Floats, deviations, draw, moments, verdicts

SETTINGS, SEEDS = (2, 3, 6, 18, 90), (3, 5, 10)
VARIANTS: dict[str, dict[str, float]] = {
    "": {},
    ", seed effect": {"seed_effect": True},
    ", a tenth missing": {"missing": 0.1},
}
LOOKS = {
    "5, 8 ... 20": (5, 8, 11, 14, 17, 20),
    "3, 6 ... 18": (3, 6, 9, 12, 15, 18),
    "5, 6 ... 20": tuple(range(5, 21)),
}


class Bars:
    """Counts what is met."""

    def __init__(self, sweeps: int) -> None:
        self.sweeps, self.met, self.missed = sweeps, 0, list[str]()

    def at_most(self, rate: float, bar: float, what: str) -> str:
        """The rate in percent, with a mark where it is above the bar."""
        return self._say(rate, rate <= bar + 2 * math.sqrt(bar * (1 - bar) / self.sweeps), what)

    def at_least(self, rate: float, bar: float, what: str) -> str:
        """The rate in percent, with a mark where it is below the bar."""
        return self._say(rate, rate >= bar - 2 * math.sqrt(bar * (1 - bar) / self.sweeps), what)

    def _say(self, rate: float, met: bool, what: str) -> str:
        self.met += met
        if not met:
            self.missed.append(f"{what}: {100 * rate:.1f} %")
        return f"{100 * rate:.1f}" if met else f"**{100 * rate:.1f} not met**"

    def __str__(self) -> str:
        return f"{self.met} bars met, {len(self.missed)} not met" + "".join(f"\n- {each}" for each in self.missed)


def bar(noise: str, k: int, n: int) -> float:
    """The largest rate of false separations that is accepted."""
    if k == 90:
        return 0.12 if n == 3 else 0.08
    return 0.08 if n == 3 or noise == "t3" else 0.065


def row(*cells: object) -> None:
    """Print a line of a Markdown table."""
    print("| " + " | ".join(str(each) for each in cells) + " |", flush=True)


def head(*cells: object) -> None:
    """Print the head of a Markdown table."""
    row(*cells)
    row(*("---" for _ in cells))


def separations(bars: Bars) -> None:
    """Table 1: false separations, power, coverage."""
    print(f"\n## 1. Unequal variances ({bars.sweeps} sweeps a cell)\n\nFalse separations, %, at one look\n")
    head("noise", *(f"{k} x {n}" for k in SETTINGS for n in SEEDS))
    for noise in NOISES:
        for name, variant in VARIANTS.items():
            cells = []
            for k in SETTINGS:
                for n in SEEDS:
                    y = draw(bars.sweeps, noise, k, n, **variant)  # type: ignore[arg-type]
                    rate = float(verdicts(y, FIRST)[1].any(axis=1).mean())
                    cells.append(bars.at_most(rate, bar(noise, k, n), f"1: {noise}{name}, {k} x {n}"))
            row(noise + name, *cells)
    print("\nOne setting ahead by 5 or 8 standard errors of a difference, equal sd, 5 seeds: found alone, %\n")
    head("settings", "5", "8", "8, seed effect as large as the residual's")
    for k in SETTINGS:
        rates = [power(bars.sweeps, k, 5, gap, effect) for gap, effect in ((5, False), (8, False), (8, True))]
        eight = bars.at_least(rates[1], 0.95, f"1: power, {k} x 5") if k <= 18 else f"{100 * rates[1]:.1f}"
        row(k, f"{100 * rates[0]:.1f}", eight, f"{100 * rates[2]:.1f}")
    coverage(bars)


def power(sweeps: int, k: int, n: int, gap: float, effect: bool) -> float:
    """How often one setting that is ahead by `gap` standard errors of a difference is better than all others."""
    y = draw(sweeps, "equal", k, n, seed_effect=effect, stream=1)
    y[:, 0] -= gap * SIGMA * math.sqrt(2 / n)
    best, worse = verdicts(y, FIRST)
    return float(((best == 0) & (worse.sum(axis=1) == k - 1)).mean())


def coverage(bars: Bars) -> None:
    """How often a setting's interval holds its true geometric mean."""
    print("\nIntervals of the setting with the largest and the smallest true sd hold the truth, % (18 settings)\n")
    head("noise", *(f"{n} seeds" for n in SEEDS))
    for noise in NOISES:
        sd = deviations(noise, 18)
        cells = []
        for n in SEEDS:
            means, variances, count = moments(draw(bars.sweeps, noise, 18, n, stream=2))
            inside = np.abs(means) <= stdtrit(count - 1, 0.975) * np.sqrt(variances / count)
            what = f"1: coverage, {noise}, {n} seeds"
            both = [float(inside[:, i].mean()) for i in (sd.argmax(), sd.argmin())]
            marks = [bars.at_least(each, 0.93, what) for each in both]
            for each in both:
                bars.at_most(each, 0.97, what)
            cells.append(" / ".join(marks))
        row(noise, *cells)


def trajectories(rng: np.random.Generator, seeds: int, correlation: float) -> tuple[Comparison, Comparison]:
    """2 trajectories x 9 epochs of equal mean: their comparison, and that of the means of trajectories."""
    rows, columns = np.indices((18, seeds))
    noise = rng.normal(size=(2, 9, seeds))
    for epoch in range(1, 9):
        noise[:, epoch] = correlation * noise[:, epoch - 1] + math.sqrt(1 - correlation**2) * noise[:, epoch]
    y = 0.3 * rng.normal(size=(2, 1, seeds)) + 0.05 * noise
    flat = rows.ravel().tolist(), columns.ravel().tolist()
    units = [(r // 9, c) for r, c in zip(*flat, strict=True)]
    small_rows, small_columns = np.indices((2, seeds))
    means = np.exp(y.mean(axis=1)).ravel().tolist()
    return (
        compare(*flat, np.exp(y).ravel().tolist(), units),
        compare(small_rows.ravel().tolist(), small_columns.ravel().tolist(), means),
    )


def within_trajectories(bars: Bars) -> None:
    """Table 2: epochs are compared within their trajectories."""
    print("\n## 2. Trajectories: 2 x 9 epochs, sd .3 between and .05 within\n")
    head("", "least ratio between epochs", "between trajectories", "by means of trajectories", "false, %")
    for seeds in (3, 5):
        for correlation in (0.0, 0.9):
            rng = np.random.default_rng(3)
            both = [trajectories(rng, seeds, correlation) for _ in range(bars.sweeps)]
            epochs = [float(np.median([getattr(each, name) for each, _ in both])) for name in RATIOS]
            alone = float(np.median([each.ratio for _, each in both if each.ratio is not None]))
            false = sum(bool(each.told_apart) for each, _ in both) / bars.sweeps
            ratio = f"{epochs[0]:.2f}" + ("" if epochs[0] <= 1.5 else " **not met**")
            between = f"{epochs[1]:.2f}" + ("" if epochs[1] >= alone else " **not met**")
            what = f"2: {seeds} seeds, correlation {correlation}"
            row(what[3:], ratio, between, f"{alone:.2f}", bars.at_most(false, 0.05, what))


RATIOS = ("within_ratio", "between_ratio")


def winners(bars: Bars) -> None:
    """Table 3: the chosen setting's corrected value."""
    print(
        "\n## 3. The winner, corrected: settings of equal mean (and one ahead by 3 standard errors of a difference)\n"
    )
    print(
        "Interval holds the truth, % (plain t interval; median width in plain ones; corrected value above truth, %)\n"
    )
    head("noise", *(f"{k} x {n}" for k in SETTINGS for n in SEEDS))
    for noise in NOISES:
        for ahead in (0, 3):
            cells = [_winner(bars, noise, k, n, ahead) for k in SETTINGS for n in SEEDS]
            row(noise + (", one ahead" if ahead else ""), *cells)


def _winner(bars: Bars, noise: str, k: int, n: int, ahead: float) -> str:
    truth = np.zeros(k)
    truth[k // 2] = -ahead * deviations(noise, k)[k // 2] * math.sqrt(2 / n)
    means, variances, count = moments(draw(bars.sweeps, noise, k, n, stream=4) + truth[:, None])
    used, df = moderate(variances, count - 1)
    best = means.argmin(axis=1)
    value, low, high = selected(means, np.sqrt(used / count), df, best)
    line = np.arange(len(best))
    half = stdtrit(n - 1, 0.975) * np.sqrt(variances[line, best] / n)
    plain = float((np.abs(means[line, best] - truth[best]) <= half).mean())
    rate = float(((low <= truth[best]) & (truth[best] <= high)).mean())
    width = float(np.median((high - low) / (2 * half)))
    judged = k <= 18 and n >= 5
    what = f"3: {noise}, {k} x {n}, ahead {ahead}"
    said = bars.at_least(rate, 0.91 if noise == "t3" else 0.93, what) if judged else f"{100 * rate:.1f}"
    wide = " **not met**" if judged and width > 1.8 else ""
    return f"{said} ({100 * plain:.0f}; {width:.2f}{wide}; {100 * float((value > truth[best]).mean()):.0f})"


def first_claim(y: Floats, looks: Sequence[int]) -> tuple[Floats, Floats]:
    """Seeds at the first look that calls anything worse (infinite: none), and the setting that was best then."""
    at, who = np.full(len(y), np.inf), np.full(len(y), -1.0)
    for i, n in enumerate(looks):
        best, worse = verdicts(y[:, :, :n], spending(looks[:i], n)[0])
        new = worse.any(axis=1) & np.isinf(at)
        at[new], who[new] = n, best[new]
    return at, who


def repeated_looks(bars: Bars) -> None:
    """Table 4: error over a whole sequence of looks, and what looking early costs."""
    print("\n## 4. Looks: false separations at any look, %\n")
    head("noise", *(f"{k} settings at {name}" for name in LOOKS for k in (2, 6, 18)))
    for noise in NOISES:
        for effect in (False, True):
            cells = []
            for name, looks in LOOKS.items():
                for k in (2, 6, 18):
                    y = draw(bars.sweeps, noise, k, looks[-1], seed_effect=effect, stream=5)
                    rate = float(np.isfinite(first_claim(y, looks)[0]).mean())
                    cells.append(bars.at_most(rate, bar(noise, k, looks[0]), f"4: {noise}, {k} at {name}"))
            row(noise + (", seed effect" if effect else ""), *cells)
    print("\nTwo settings, a gap of 2 sd: told apart the right way, % (seeds on average)\n")
    head("one look at 5", "looks at 5, 8, 11, 14", "looks at 3, 6, 9, 12", "one look at 8", "one look at 14")
    y = draw(bars.sweeps, "equal", 2, 14, stream=6)
    y[:, 0] -= 2 * SIGMA
    cells = []
    for looks in ((5,), (5, 8, 11, 14), (3, 6, 9, 12), (8,), (14,)):
        at, who = first_claim(y, looks)
        cells.append(f"{100 * float((who == 0).mean()):.1f} ({float(np.minimum(at, looks[-1]).mean()):.1f})")
    row(*cells)


def speed() -> None:
    """Milliseconds of one comparison."""
    rows, columns = np.indices((18, 5))
    flat = rows.ravel().tolist(), columns.ravel().tolist(), np.exp(draw(1, "equal", 18, 5)[0]).ravel().tolist()
    times = []
    for _ in range(20):
        started = time.perf_counter()
        compare(*flat)
        times.append(1000 * (time.perf_counter() - started))
    print(f"compare of 18 x 5: first {times[0]:.1f} ms, median {np.median(times):.1f} ms (bar: 20 ms)")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=2000)
    bars, started = Bars(parser.parse_args().sweeps), time.monotonic()
    speed()
    separations(bars)
    within_trajectories(bars)
    winners(bars)
    repeated_looks(bars)
    print(f"\n{bars}\n\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

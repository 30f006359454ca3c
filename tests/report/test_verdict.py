from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished import Recipe, build

from ganexp.report import write_report
from ganexp.report.chapters import Confirmed
from ganexp.report.looks import record_looks
from ganexp.report.ranking import Ranking, rankings
from ganexp.report.screen import show
from ganexp.report.settings import parse_options
from ganexp.report.states import progress_of
from ganexp.report.statistics.comparison import SettingEstimate
from ganexp.report.study import Study, read_study
from ganexp.report.text.history import history
from ganexp.report.text.remarks import together
from ganexp.report.text.sentence import Code, Sentence, Strong
from ganexp.report.text.verdict import luck, terminal_verdict, verdict
from ganexp.report.verify import differences
from ganexp.report.write import read_sweeps
from ganexp.types.endings import State
from ganexp.types.errors import ConfigError

TWO = {"optim.lr": (1e-4, 1e-5)}
FAR = {("optim.lr", 1e-5): 2.0}


def said(study: Study, margin: str | None = None, baseline: str | None = None) -> dict[str, str]:
    """Topic -> what is said of the first ranking."""
    wanted = parse_options(margin, baseline)
    lines = verdict(study, rankings(study, wanted)[0], "r0", wanted)
    assert len({line.key for line in lines}) == len(lines)
    assert all(line.html and line.markdown for line in lines)
    return {line.key.removeprefix("r0/"): line.plain for line in lines}


def recorded_looks(study: Study) -> Study:
    """The study after a report that recorded its looks."""
    return record_looks(study, rankings(study))


def changed(study: Study, change: dict[int, dict[str, Any]]) -> Study:
    """The study with other fields in the runs of these numbers."""
    runs = tuple(replace(run, **change.get(number, {})) for number, run in enumerate(study.runs))
    return replace(study, runs=runs, sweeps=(replace(study.sweeps[0], runs=runs),))


def scaled(study: Study, factors: dict[int, float]) -> Study:
    """The study with the objective of some runs times a factor, on both halves."""

    def result(number: int) -> dict[str, Any]:
        before = study.runs[number].result
        by = factors[number]
        final = {name: x * by if name.startswith("cfd") else x for name, x in before["final"].items()}
        return {**before, "final": final}

    return changed(study, {number: {"result": result(number)} for number in factors})


class TestSentence:
    def test_text_of_strangers_is_text_everywhere(self) -> None:
        bad = "<script>|*x*`{value}"
        line = Sentence("k", "{a} {b} {c} {value}", {"a": bad, "b": Code(bad), "c": Strong(bad), "value": 1.5})
        assert "<script>" not in line.html and line.html.count('data-key="k/value"') == 1
        assert "<script>" not in line.markdown.replace("`` <script>\\|*x*`{value} ``", "")
        assert line.plain == f"{bad} {bad} {bad} 1.50"


class TestClaims:
    def test_a_single_best_its_luck_and_how_to_confirm_it(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        lines = said(read_study([tmp_path]))
        assert lines["lead"].startswith("lr 0.0001 is the best setting: cfd ")
        assert lines["others"] == "It is better than the 1 other ranked setting, family-wise at 4 %."
        assert (
            "with that luck taken off, its cfd is" in lines["winner"] and "beside the plain mean of" in lines["winner"]
        )
        assert "python -m ganexp.confirm SWEEP_DIR" in lines["winner"]
        assert "next" not in lines
        assert "half A" in lines["halves"] and "does not remove the luck of a training seed" in lines["halves"]
        assert lines["ground"].startswith("The ground: values scatter") and "log-normal" in lines["ground"]

    def test_values_that_are_not_all_positive(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        lines = said(scaled(read_study([tmp_path]), {0: -1.0}), margin="5%")
        assert "A margin in percent needs values that are all above 0" in lines["margin"]
        assert "normal, as not all values are above 0" in lines["ground"]

    def test_no_scatter_is_no_ground(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(3), FAR))
        study = read_study([tmp_path])
        flat = {"cfd": 2.0, "cfd_half_a": 2.0}
        same = {n: {"result": {**run.result, "final": flat}} for n, run in enumerate(study.runs)}
        assert "there is no noise to judge differences by" in said(changed(study, same))["few"]

    def test_the_terminal_says_the_claim_the_luck_and_what_to_do(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), {("optim.lr", 1e-5): 0.05}))
        study = read_study([tmp_path])
        (line,) = terminal_verdict(study, rankings(study))
        for words in ("digits: ", "has the lowest value", "luck taken off", "told from", "seed"):
            assert words in line or "Over 50 seeds" in line
        assert "not worth it" in line or "seed=range(5," in line

    def test_best_names_luck_and_confirm(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        assert "taken off" in luck(rankings(read_study([tmp_path]))[0]) and "ganexp.confirm" in luck(
            rankings(read_study([tmp_path]))[0]
        )

    def test_confirm_ends_with_claimed_and_confirmed(self) -> None:
        claimed, again = SettingEstimate("a", 5, 78.6, 70.0, 80.0), SettingEstimate("a", 5, 92.6, 71.6, 120.0)
        row = Confirmed(None, claimed, again, (5, 6))  # type: ignore[arg-type]
        assert row.words == "claimed 78.6, confirmed 92.6 (71.6 to 120)"
        one = Confirmed(None, claimed, SettingEstimate("a", 1, 92.6, None, None), (5,))  # type: ignore[arg-type]
        assert one.words == "claimed 78.6, confirmed 92.6 (too few new seeds for an interval)"


class TestNext:
    def test_more_seeds_with_the_command(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(3), {("optim.lr", 1e-5): 0.12}, sigma=0.1))
        assert re.search(
            r"\d+ seeds of each setting, \d+ more, .*seed=range\(3,\d+\)", said(read_study([tmp_path]))["next"]
        )

    def test_a_search_is_not_told_to_search_over_seeds(self, tmp_path: Path) -> None:
        build(tmp_path / "a", Recipe(TWO, range(3), {("optim.lr", 1e-5): 0.12}, sigma=0.1, study="tune"))
        assert "seed=range" not in said(read_study([tmp_path / "a"]))["next"]
        build(tmp_path / "b", Recipe(TWO, (0,), study="tune"))
        assert "seed=range" not in said(read_study([tmp_path / "b"]))["few"]

    @pytest.mark.parametrize("needed", [None, 9])
    def test_both_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int | None) -> None:
        monkeypatch.setattr("ganexp.report.text.verdict.more_seeds", lambda *_: needed)
        build(tmp_path, Recipe(TWO, range(5)))
        line = said(read_study([tmp_path]))["next"]
        if needed is None:
            assert line.startswith("Over 50 seeds would be needed") and line.endswith("not worth it.")
        else:
            assert line.startswith("9 seeds of each setting, 4 more, would tell lr ")
            assert "python -m ganexp --multirun optim.lr=0.0001,1e-05 'seed=range(5,9)'" in line

    def test_the_command_asks_for_both_settings_and_for_no_other_seeds(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ganexp.report.text.verdict.more_seeds", lambda *_: 9)
        build(tmp_path / "a", Recipe(TWO, range(5)))
        path = tmp_path / "a" / "plan.json"
        plan = json.loads(path.read_text())
        plan["requests"][0]["command"] += ["sweep.until=claim", "sweep.max_runs=10", "++seed=0"]
        path.write_text(json.dumps(plan))
        line = said(read_study([tmp_path / "a"]))["next"]
        assert "until" not in line and "max_runs" not in line and "++seed" not in line and "seed=range(5,9)" in line
        first, *others = plan["requests"][0]["run_ids"]
        plan["requests"][0]["run_ids"] = [first]
        plan["requests"].append({**plan["requests"][0], "run_ids": others})
        path.write_text(json.dumps(plan))
        assert ": seed=range(5,9)." in said(read_study([tmp_path / "a"]))["next"], "no command asked for both"


class TestOptions:
    def test_n_of_m_beat_the_baseline(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        study = read_study([tmp_path])
        assert said(study, baseline="lr=1e-5")["baseline"].startswith(
            "1 of 1 beat it, the baseline lr 1e-05: lr 0.0001 ("
        )
        assert said(study, baseline="lr 0.0001")["baseline"].startswith(
            "0 of 1 beat it, the baseline lr 0.0001. 1 is worse"
        )

    def test_a_preset_or_a_sweep_as_baseline(self, tmp_path: Path) -> None:
        build(tmp_path / "a", Recipe({"optim.lr": (1e-4, 1e-5), "experiment": ("seed_mnist",)}, range(3), FAR))
        build(tmp_path / "b", Recipe({"optim.lr": (1e-3,)}, range(3)))
        with pytest.raises(ConfigError, match="expected one setting"):
            said(read_study([tmp_path / "a"]), baseline="seed_mnist")
        wanted = parse_options(None, str(tmp_path / "b"))
        study = read_sweeps([tmp_path / "a"], wanted)
        assert [sweep.directory.name for sweep in study.sweeps] == ["a"]
        (ranking,) = rankings(study, wanted)
        lines = verdict(study, ranking, "r0", wanted)
        assert "of 2 beat it, the baseline " in lines[0].plain and "lr 0.001" in lines[0].plain

    def test_what_is_no_setting_is_refused(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(3), FAR))
        with pytest.raises(
            ConfigError, match=r"expected one of the ranked settings \(lr 0.0001; lr 1e-05\), got 'lr=3'"
        ):
            said(read_study([tmp_path]), baseline="lr=3")

    @pytest.mark.parametrize("text", ["", "%", "0", "-1%", "nan", "five", "1e400", "5%%", "0.0%"])
    def test_margins_are_positive_numbers(self, text: str) -> None:
        with pytest.raises(ConfigError, match="--margin: expected a positive number"):
            parse_options(text, None)

    def test_the_cheapest_that_is_not_worse(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe({"trainer.batch_size": (16, 64)}, range(5), sigma=0.01))
        study = read_study([tmp_path])
        best = rankings(study)[0].ranked[0].setting
        slower = {
            n: {"result": {**r.result, "train_seconds": 9.0 if r.setting == best else 3.0}}
            for n, r in enumerate(study.runs)
        }
        study = changed(study, slower)
        line = said(study, margin="50%")["margin"]
        assert line.startswith("As good as the best within 50 %, family-wise at 4 %: ")
        assert "as good within 50 %, and 3 times faster." in line
        assert "more seeds or a wider margin" in said(study, margin="0.001%")["margin"]


def test_seeds_that_were_not_made_alike_are_named(tmp_path: Path) -> None:
    build(tmp_path, Recipe(TWO, range(3), FAR))
    study = read_study([tmp_path])
    assert "mixed" not in said(study)
    first = study.runs[0]
    other = {**first.result["provenance"], "device": "cuda", "versions": {"torch": "2.10.0", "ganexp": "0.1.0"}}
    values = {**first.values, "trainer.precision": "bf16"}
    runs = {
        0: {"result": {**first.result, "provenance": other}, "values": values},
        1: {"values": {**first.values, "trainer.precision": "fp32"}},
    }
    line = said(changed(study, runs))["mixed"]
    assert line.startswith("The seeds of 1 setting was not") or line.startswith("The seeds of 1 setting")
    for words in ("device: cpu, cuda", "torch: 2.10.0, 2.9.0", "precision: bf16, fp32", "averaged here as they are"):
        assert words in line


def test_one_seed_far_off_is_named_with_what_it_costs(tmp_path: Path) -> None:
    build(tmp_path, Recipe({"optim.lr": (1e-4, 3e-5, 1e-5)}, range(6), sigma=0.05))
    line = said(scaled(read_study([tmp_path]), {8: 10.0}))["outlier"]
    assert line.startswith("Seed 2 of lr 3e-05 lies far off: ")
    assert "It costs: a factor of" in line and "It is not left out" in line


def test_several_data_sets_in_one_verdict(tmp_path: Path) -> None:
    build(tmp_path, Recipe({"dataset": ("digits", "mnist"), **TWO}, range(5), FAR))
    study = read_study([tmp_path])
    (line,) = together(rankings(study))
    assert line.plain.startswith(
        "Over 2 data sets together (digits, mnist; each weighs the same, 2 settings have them all)"
    )
    assert "lr 0.0001 is the best setting" in line.plain
    assert together(rankings(study)[:1]) == [] and together([]) == []


class TestLooks:
    def test_a_report_notes_its_look_once_and_spends_less_on_the_next(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(5), FAR))
        assert "It is not noted" in said(read_study([tmp_path]))["looks"]
        for _ in range(2):
            write_report([tmp_path])
        (look,) = json.loads((tmp_path / "looks.json").read_text())["looks"]
        assert look["seeds"] == [5, 5] and look["settings"] == 2 and look["verdict"] == "lr 0.0001 is the best"
        lines = said(read_study([tmp_path]))
        assert (
            "first look" in lines["looks"]
            and "Looking early costs" in lines["looks"]
            and "not noted" not in lines["looks"]
        )
        assert differences([tmp_path], tmp_path) == []
        assert differences([tmp_path], tmp_path, parse_options("5%", "lr=1e-5")) != []
        later = recorded_looks(scaled(read_study([tmp_path]), {0: 1.1}))
        assert len(later.looks) == 2
        assert "This is look 2" in said(later)["looks"] and rankings(later)[0].comparison.level < 0.02  # type: ignore[union-attr]

    def test_without_claims_nothing_is_noted(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(2), FAR))
        recorded_looks(read_study([tmp_path]))
        assert not (tmp_path / "looks.json").exists()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{",
            '{"format": 1, "looks": [{}]}',
            "[" * 100_000,
            '{"format": 1, "looks": [{"seeds": [0, 1e999]}]}',
            "\x00",
            "folder",
            "link",
            "pipe",
        ],
    )
    def test_a_strangers_file_is_neither_trusted_nor_replaced(self, tmp_path: Path, text: str) -> None:
        build(tmp_path, Recipe(TWO, range(3), FAR))
        path = tmp_path / "looks.json"
        if text == "folder":
            path.mkdir()
        elif text == "link":
            path.symlink_to("/etc/hostname")
        elif text == "pipe":
            __import__("os").mkfifo(path)
        else:
            path.write_text(text)
        study = recorded_looks(read_study([tmp_path]))
        assert study.looks == () and "It is not noted" in said(study)["looks"]
        assert not path.is_file() or path.is_symlink() or path.read_text() == text


class TestHistory:
    def test_requests_looks_and_endings_in_order(self, tmp_path: Path) -> None:
        endings = {1: State.FAILED, 6: State.PRUNED, 7: State.DIVERGED, 2: State.PENDING}
        build(tmp_path, Recipe({"optim.lr": (1e-4, 1e-5, 1e-3)}, range(4), FAR, endings=endings))
        study = recorded_looks(read_study([tmp_path]))
        lines = [line.plain for line in history(study, rankings(study))]
        assert lines[0].startswith("2026-01-01 00:00 UTC: ")
        assert "asked for 12 runs, 12 of them new: 3 new settings, new seeds 0 to 3 (4)." in lines[0]
        assert "1 failed, 1 diverged, 1 were pruned" in lines[-1] and "1 are not finished" in lines[-1]
        assert "of it in runs that failed or diverged" in lines[-1]

    def test_what_was_added_after_a_first_report_is_said(self, tmp_path: Path) -> None:
        build(tmp_path, Recipe(TWO, range(6), FAR))
        study = read_study([tmp_path])
        (sweep,) = study.sweeps
        first = replace(sweep.requests[0], run_ids=tuple(r.run_id for r in study.runs if r.seed < 3))
        later = replace(first, time="2026-03-01T00:00:00.000+00:00", run_ids=tuple(r.run_id for r in study.runs))
        look: Any = {
            "time": "2026-02-01T00:00:00.000+00:00",
            "dataset": "digits",
            "settings": 2,
            "seeds": [3, 3],
            "verdict": "x",
            "runs": "0" * 32,
        }
        study = replace(study, sweeps=(replace(sweep, requests=(first, later)),), looks=(look,))
        lines = [line.plain for line in history(study, [])]
        assert lines[1] == "2026-02-01 00:00 UTC: look 1 at digits, 2 settings with 3 seeds each: x."
        assert lines[2].endswith(
            "asked for 12 runs, 6 of them new: 0 new settings, new seeds 3, 4, 5; added after a first report."
        )


def test_epochs_of_one_training_have_a_ratio_of_their_own(tmp_path: Path) -> None:
    build(tmp_path, Recipe({"trainer.epochs": (5, 10), "optim.lr": (1e-4, 1e-5)}, range(4), sigma=0.2))
    (ranking,) = rankings(read_study([tmp_path]))
    assert isinstance(ranking, Ranking) and ranking.comparison is not None
    line = said(read_study([tmp_path]))["least"]
    assert "of one training's epochs by a factor of about" in line


def in_words(study: Study, cfd: float, recall: float, numbers: Sequence[int] | None = None) -> Study:
    """The study as protocol 2 would have measured it, some runs (all) with these final values, floors 1.4 and .9."""

    def result(number: int) -> dict[str, Any]:
        before, provenance = study.runs[number].result, study.runs[number].result["provenance"]
        made = {**provenance["metrics"], "metrics": {"cfd": {"version": 2}, "recall": {"version": 2}}}
        final = {**before["final"], "cfd": cfd, "cfd_half_a": cfd, "recall": recall}
        chosen = numbers is None or number in numbers
        return {**before, "provenance": {**provenance, "metrics": made}, **({"final": final} if chosen else {})}

    return changed(study, {number: {"result": result(number)} for number in range(len(study.runs))})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(1.4e4, 0.0)] * 2, "All 2 settings give noise: none is worth choosing, and their order says little."),
        ([(14, 0.0)] * 2, "All 2 settings give a few shapes over and over: none is worth choosing"),
        ([(14, 0.0), (1.4e4, 0.0)], "None of the 2 settings gives images worth choosing: 1 give noise, 1 a few shapes"),
        ([(14, 0.9), (1.4e4, 0.0)], None),
    ],
)
def test_where_all_settings_are_bad_that_is_said_before_any_praise(
    tmp_path: Path, values: list[tuple[float, float]], expected: str | None
) -> None:
    build(tmp_path, Recipe(TWO, range(3), sigma=0.0))
    study = read_study([tmp_path])
    for number, (cfd, recall) in enumerate(values):
        study = in_words(study, cfd, recall, range(3 * number, 3 * number + 3))
    lines = verdict(study, rankings(study)[0], "r0")
    (first, *_), terminal = lines, terminal_verdict(study, rankings(study))
    if expected is None:
        assert not first.plain.startswith(("All", "None of the"))
    else:
        assert first.lead and first.plain.startswith(expected)
        assert any(expected in line for line in terminal)


def test_a_column_that_says_little_is_marked_with_the_reason(tmp_path: Path) -> None:
    build(tmp_path, Recipe(TWO, range(3)))
    study = read_study([tmp_path])
    assert not [line for line in verdict(study, rankings(study)[0], "r0") if line.key == "r0/marked"]
    before = study.runs[0].result
    metrics = {**before["provenance"]["metrics"], "marked": {"cfd": "its classifier is right for <b>40%"}}
    result = {**before, "provenance": {**before["provenance"], "metrics": metrics}}
    study = changed(study, {0: {"result": result}})
    (line,) = [line for line in verdict(study, rankings(study)[0], "r0") if line.key == "r0/marked"]
    assert line.plain == "cfd says little here: its classifier is right for <b>40%; settings are chosen by cfd."
    assert "<b>" not in line.html
    assert line.plain in "".join(terminal_verdict(study, rankings(study)))


def test_the_winner_has_its_word_under_protocol_2_alone(tmp_path: Path) -> None:
    build(tmp_path, Recipe(TWO, range(3), FAR))
    study = read_study([tmp_path])
    assert ": readable." not in said(study)["lead"]
    assert ": readable." in said(in_words(study, 14.0, 0.9))["level"]


def test_each_setting_has_its_word_in_page_markdown_and_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, Recipe(TWO, range(3), sigma=0.0))
    for number, path in enumerate(sorted(tmp_path.glob("*/result.json"))):
        result = json.loads(path.read_text())
        result["provenance"]["metrics"]["metrics"] = {name: {"version": 2} for name in ("cfd", "precision", "recall")}
        result["final"] |= {
            "cfd": 1.5 + number / 10,
            "cfd_half_a": 1.5 + number / 10,
            "recall": 0.9 if number < 3 else 0.0,
        }
        path.write_text(json.dumps(result))
    write_report([tmp_path])
    assert {run.score.split(" ", 2)[2] for run in progress_of(tmp_path)} == {
        "as real images",
        "a few shapes over and over",
    }
    show(tmp_path, progress_of(tmp_path))
    assert "cfd 1.6 as real images" in capsys.readouterr().out
    table = (tmp_path / "report.md").read_text()
    assert re.search(r"\| 1\.\d+, as real images \|", table)
    assert re.search(r"\| \d\.\d+, a few shapes over and over \|", table)
    page = (tmp_path / "report.html").read_text()
    assert '<span class="note">as real images</span>' in page
    assert '<span class="note">a few shapes over and over</span>' in page

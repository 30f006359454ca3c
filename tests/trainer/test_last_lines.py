"""The last lines of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganexp.files.run_folder import RunFolder
from ganexp.trainer import closing
from ganexp.trainer.closing import closing_lines


def a_run(folder: Path, dataset: str = "digits", **trainer: Any) -> Any:
    (folder / "samples").mkdir(exist_ok=True)
    for epoch in (9, 10):
        RunFolder(folder).samples_png(epoch).write_bytes(b"x")
    values = {"epochs": 10, "max_steps": None, "max_seconds": None, **trainer}
    config = SimpleNamespace(trainer=SimpleNamespace(**values))
    of = SimpleNamespace(name=dataset)
    return SimpleNamespace(directory=folder, folder=RunFolder(folder), caveat="", config=config, dataset=of)


def a_result(**more: Any) -> dict[str, Any]:
    final, floors = {"cfd": 45.678, "cfd_half_a": 99.0}, {"cfd": 0.1885}
    usual = {"objective": {"name": "cfd", "value": 99.0}, "provenance": {"metrics": {}}}
    return {"step": 300, "final": final, "floors": floors, **usual, **more}


def test_the_reported_value_beside_real_images_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing.words, "word_of", lambda result: "")
    assert closing_lines(a_run(tmp_path), a_result()).splitlines() == [
        "cfd 45.68 (real images: 0.189)",
        f"  pictures: {tmp_path / 'samples' / 'epoch_0010.png'}",
        f"  losses: {tmp_path / 'losses.png'}",
        f"  metrics: {tmp_path / 'metrics.csv'}",
    ]


def test_nothing_measured(tmp_path: Path) -> None:
    first = closing_lines(a_run(tmp_path), a_result(objective=None, final={}, floors={})).splitlines()[0]
    assert first == "nothing was measured"


@pytest.mark.parametrize(
    ("dataset", "steps", "trainer", "helps"),
    [
        ("digits", 300, {}, ["its 300 steps (trainer.epochs=170 goes on from here)", "experiment=quickstart"]),
        ("mnist", 6_000, {}, ["experiment=best_mnist"]),
        ("mine", 300, {"max_steps": 300}, ["the settings of experiment=best_mnist"]),
    ],
)
def test_what_helps_stands_there_where_it_is_bad(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    steps: int,
    trainer: dict[str, Any],
    helps: list[str],
) -> None:
    monkeypatch.setattr(closing.words, "word_of", lambda result: "noise")
    first, second, *_ = closing_lines(a_run(tmp_path, dataset, **trainer), a_result(step=steps)).splitlines()
    assert first.endswith(": noise")
    assert second.startswith("  what helps: ")
    assert len(second.split(", or ")) == len(helps)
    assert all(text in second for text in helps)
    monkeypatch.setattr(closing.words, "word_of", lambda result: "readable")
    assert "what helps" not in closing_lines(a_run(tmp_path, dataset, **trainer), a_result(step=steps))


def test_the_word_is_said_of_values_of_its_own_protocol_alone() -> None:
    def said(cfd: float, recall: float, version: int) -> str:
        made = {"metrics": {"cfd": {"version": version}, "recall": {"version": version}}}
        final, floors = {"cfd": cfd, "recall": recall}, {"cfd": 1.0, "recall": 0.9}
        return closing.words.word_of(a_result(final=final, floors=floors, provenance={"metrics": made}))

    assert [said(*each) for each in ((1.5, 0.8, 2), (200.0, 0.5, 2), (10.0, 0.01, 2), (1e4, 0.0, 2))] == [
        *("as real images", "readable", "a few shapes over and over", "noise")
    ]
    assert said(1.5, 0.8, 1) == ""
    assert closing.words.word_of(a_result(objective=None, provenance={"metrics": {}})) == ""

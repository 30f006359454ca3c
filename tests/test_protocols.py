"""Values of an older protocol: read, kept apart, and replaced by new ones without two protocols in one column."""

import json

import pytest

from ganexp.files.record import merged, metric_of, version_of
from ganexp.files.run_folder import RunFolder
from ganexp.metrics import protocol
from ganexp.report.write import write_sweeps
from ganexp.trainer import loop, rescore, run
from helpers import TINY, make_spec

ASKED = (*(override for override in TINY if override != "metrics=none"), "metrics.num_samples=60")


@pytest.fixture
def spec(tmp_path, data_root, monkeypatch, no_losses_figure, every_state):
    monkeypatch.setenv("GANEXP_DATA", str(data_root))
    return lambda *overrides: make_spec(tmp_path, *ASKED, *overrides)


@pytest.fixture
def next_protocol(monkeypatch):
    return lambda: monkeypatch.setattr(protocol, "VERSION", protocol.VERSION + 1)


def filled(folder, column):
    return [row["epoch"] for row in RunFolder(folder).rows() if row.get(column) is not None]


def test_a_column_belongs_to_the_metric_with_the_longest_name():
    assert metric_of("recall_by_class_3", ["recall", "recall_by_class"]) == "recall_by_class"
    assert metric_of("d_loss", ["cfd"]) is None
    old, new = {"metrics": {"cfd": {}, "kid": {}}}, {"metrics": {"cfd": {"version": 2}}}
    both = merged(old, new)
    assert (version_of(both, "cfd_half_a"), version_of(both, "kid")) == (2, 1)


def test_another_protocol_rewrites_kept_epochs_and_empties_the_others(spec, next_protocol):
    done = run.execute(spec("trainer.epochs=5", "trainer.milestones=[2]", "trainer.keep_checkpoints=1"))
    assert filled(done.directory, "cfd") == [1, 2, 5]
    before, final = RunFolder(done.directory).rows(), RunFolder(done.directory).result()["final"]
    next_protocol()
    scores = rescore.evaluate(done.directory)
    assert filled(done.directory, "cfd") == filled(done.directory, "cfd_half_a") == [2, 5]
    rows, result = RunFolder(done.directory).rows(), RunFolder(done.directory).result()
    assert [row["d_loss"] for row in rows] == [row["d_loss"] for row in before]
    assert [rows[epoch - 1] for epoch in (2, 5)] == [before[epoch - 1] for epoch in (2, 5)]  # draw A, as in training
    assert rows[-1]["cfd"] != scores.values["cfd"] == result["final"]["cfd"] == final["cfd"]  # draw B
    assert rows[-1]["cfd_half_a"] == result["final"]["cfd_half_a"] == final["cfd_half_a"]
    assert result["best"]["epoch"] in (2, 5)
    assert version_of(result["provenance"]["metrics"], "cfd_half_a") == protocol.VERSION
    assert "unsettled" not in result["provenance"]


def test_a_kill_between_the_two_files_is_mended_by_the_same_command(spec, next_protocol, monkeypatch):
    done = run.execute(spec("trainer.epochs=2"))
    next_protocol()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunFolder, "write_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        rescore.evaluate(done.directory)
    assert "cfd" in RunFolder(done.directory).result()["provenance"]["unsettled"]
    _, there = rescore.rescore(done.directory, rescore.Asked(again=False))
    assert not there
    assert "unsettled" not in RunFolder(done.directory).result()["provenance"]
    _, there = rescore.rescore(done.directory, rescore.Asked(again=False))
    assert there


def test_a_run_that_is_resumed_under_another_protocol_has_one_in_each_column(spec, next_protocol, monkeypatch):
    asked = spec("trainer.epochs=5", "trainer.milestones=[1]", "trainer.keep_checkpoints=1", "sweep.retry=failed")
    original, count = loop.train_step, 0

    def failing(*arguments):
        nonlocal count
        count += 1
        if count == 14:
            raise RuntimeError("the power is gone")
        original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power"):
        patch.setattr(loop, "train_step", failing)
        run.execute(asked)
    assert filled(asked.directory, "cfd") == [1, 2]
    first = RunFolder(asked.directory).rows()[0]
    next_protocol()
    run.execute(asked)
    assert filled(asked.directory, "cfd") == [1, 4, 5]
    assert RunFolder(asked.directory).rows()[0] == first


def test_a_mix_is_said_and_never_ranked_together(recorded):
    grid = recorded("grid")
    path = next(path for path in sorted(grid.glob("*/result.json")))
    result = json.loads(path.read_text())
    measured = result["provenance"]["metrics"]
    measured["protocol"] = {name: digest[::-1] for name, digest in measured["protocol"].items()}
    measured["metrics"] = {name: {**details, "version": 2} for name, details in measured["metrics"].items()}
    path.write_text(json.dumps(result))
    written = write_sweeps([grid])
    assert {ranking.version for ranking in written.rankings if ranking.ranked} == {1, 2}
    text = written.page.with_suffix(".md").read_text()
    assert "scored by protocol 1, others by 2" in text and "ganexp.evaluate grid" in text

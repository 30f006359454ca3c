from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganexp.report.summary import FIRST, load_metrics, load_summary, write_summary
from ganexp.types.endings import State
from ganexp.types.errors import DirectoryError
from synthetic import planned, write_identity, write_plan, write_run


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Six runs, one in each state that a sweep can leave."""
    more = {"experiment": "debug"}
    runs = [planned(n, epochs=n, trajectory=str(n), optim__eps=1e-8 * n, **more) for n in range(1, 7)]
    write_plan(
        tmp_path, runs, ["trainer.epochs", "optim.lr", "optim.eps", "experiment", "hydra.sweep.dir", "sweep.retry"]
    )
    failure = {"type": "RuntimeError", "message": "it\nbroke"}
    write_run(tmp_path, runs[0], State.COMPLETED)
    write_run(tmp_path, runs[1], State.COMPLETED)
    write_run(tmp_path, runs[2], State.FAILED, epoch=1, error=failure)
    write_run(tmp_path, runs[3], State.DIVERGED, epoch=2, error={"type": "Diverged", "message": "epoch 3"})
    write_run(tmp_path, runs[4], State.RUNNING, epoch=1)
    return tmp_path


def test_columns_come_in_the_order_of_the_contract(sweep: Path) -> None:
    write_summary(sweep)
    header = (sweep / "summary.csv").read_text().splitlines()[0]
    assert header == (
        "run_id,trajectory_id,state,dataset,model,loss,batch_size,epochs,lr,latent_dim,d_steps,seed,"
        "cfd,precision,recall,density,coverage,d_loss,g_loss,d_near_half,train_seconds,images_per_second,run_dir,"
        "d_real,d_fake,d_heldout,d_generated,cfd_half_a,optim.eps,experiment,protocol,error"
    )
    assert list(FIRST) == header.split(",")[: len(FIRST)]


def test_one_row_for_each_run_that_was_asked_for(sweep: Path) -> None:
    table = load_summary(sweep)
    states = ["COMPLETED", "COMPLETED", "FAILED", "DIVERGED", "STALE", "PENDING"]
    assert table["state"].tolist() == states
    assert table["epochs"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["error"].fillna("").tolist() == ["", "", "RuntimeError: it\nbroke", "Diverged: epoch 3", "", ""]


def test_values_are_those_of_the_files(sweep: Path) -> None:
    done, _, failed, *_, pending = (row for _, row in load_summary(sweep).iterrows())
    assert (done["cfd"], done["cfd_half_a"], done["precision"], done["d_loss"]) == (10.0, 11.0, 0.5, 1.0)
    assert (done["train_seconds"], done["images_per_second"], done["lr"]) == (0.5, 1796.0, 1e-4)
    assert (failed["d_loss"], failed["train_seconds"], failed["images_per_second"]) == (1.0, 0.5, 1796.0)
    assert np.isnan(failed["cfd"])  # what a failed run scored on its way is not its result
    assert np.isnan(pending["d_loss"])
    assert pd.isna(done["d_heldout"])


def test_types(sweep: Path) -> None:
    types = load_summary(sweep).dtypes.astype(str)
    assert {types[name] for name in ("state", "dataset", "model", "loss", "protocol")} == {"category"}
    assert {types[name] for name in ("batch_size", "epochs", "seed", "d_steps", "latent_dim")} == {"Int64"}
    assert {types[name] for name in ("cfd", "lr", "d_loss", "train_seconds", "optim.eps", "recall")} == {"float64"}
    assert {types[name] for name in ("run_id", "run_dir", "error")} == {"string"}


def test_the_file_alone_gives_the_same_table(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    written = write_summary(sweep)
    elsewhere = tmp_path_factory.mktemp("kept")
    (elsewhere / "summary.csv").write_bytes((sweep / "summary.csv").read_bytes())
    pd.testing.assert_frame_equal(load_summary(elsewhere), written, check_categorical=False)


def test_different_measuring_is_told_by_the_protocol(sweep: Path) -> None:
    before = load_summary(sweep)["protocol"]
    assert before.iloc[0] == before.iloc[1]
    assert before.iloc[2:].isna().all()
    path = sweep / load_summary(sweep)["run_dir"].iloc[0] / "result.json"
    path.write_text(path.read_text().replace('"extractor": "abc"', '"extractor": "abd"'))
    after = load_summary(sweep)["protocol"]
    assert after.iloc[0] != after.iloc[1] == before.iloc[1]


def test_damaged_files_do_not_stop_the_summary(sweep: Path) -> None:
    first, second, third, *_ = load_summary(sweep)["run_dir"]
    (sweep / first / "result.json").write_text("{")
    (sweep / second / "status.json").write_text("")
    (sweep / third / "metrics.csv").write_text("epoch,step\nx,")
    table = load_summary(sweep)
    assert table["state"].tolist()[:3] == ["INTERRUPTED", "PENDING", "FAILED"]
    assert "result.json is gone or damaged" in table["error"][0]
    assert table["cfd"].isna().all()


def test_all_epochs_in_long_form(sweep: Path) -> None:
    table = load_metrics(sweep)
    assert len(table) == 1 + 2 + 1 + 2 + 1
    assert list(table.columns[:3]) == ["run_id", "epoch", "step"]
    assert str(table["epoch"].dtype) == "Int64"
    assert str(table["cfd"].dtype) == "float64"
    second = table[table["run_id"] == planned(2).run_id]
    assert second["cfd"].tolist() == [10.0, 5.0]


def test_no_epochs_yet(tmp_path: Path) -> None:
    write_plan(tmp_path, [planned(1)])
    table = load_metrics(tmp_path)
    assert len(table) == 0
    assert "d_loss" in table.columns
    assert load_summary(tmp_path)["state"].tolist() == ["PENDING"]


def test_runs_without_a_plan_are_found_by_their_own_record(tmp_path: Path) -> None:
    write_identity(write_run(tmp_path, planned(1), State.COMPLETED))
    (row,) = load_summary(tmp_path).to_dict("records")
    told = [row[key] for key in ("dataset", "model", "loss", "batch_size", "lr", "seed", "cfd")]
    assert told == ["digits", "mlp", "minimax", 16, 1e-3, 3, 5.0]


def test_a_directory_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match=r"neither plan\.json nor runs"):
        load_summary(tmp_path)


def test_the_command_and_no_torch(sweep: Path) -> None:
    program = (
        "import runpy, sys; sys.argv = ['report', *sys.argv[1:]]\n"
        "try: runpy.run_module('ganexp.report', run_name='__main__')\n"
        "except SystemExit as error: assert not error.code, error.code\n"
        "assert 'torch' not in sys.modules and 'hydra' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(sweep)], capture_output=True, text=True, check=True)
    assert "6 runs (2 COMPLETED" in done.stdout
    assert (sweep / "summary.csv").exists()


SWEPT = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),  # torch may flush those in this process
    st.sampled_from(["016", "1e-4", "1_000", "", "sgd", "0x1", "inf", "a,b"]),
    st.lists(st.integers(0, 9), max_size=3),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SWEPT, min_size=1, max_size=4))
def test_grouping_by_a_swept_key_counts_every_row(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("swept")
    write_plan(folder, [planned(n, model__x=value) for n, value in enumerate(values)], ["model.x"])
    table = load_summary(folder)
    assert table.groupby("model.x", observed=True).size().sum() == len(values)
    for value, cell in zip(values, table["model.x"], strict=True):
        expected = "null" if value is None else str(value) if isinstance(value, list) else value
        assert cell == expected
    write_summary(folder, table)
    alone = tmp_path_factory.mktemp("alone")
    (folder / "summary.csv").rename(alone / "summary.csv")
    assert load_summary(alone).groupby("model.x").size().sum() == len(values)
    plain = pd.read_csv(alone / "summary.csv", keep_default_na=False, dtype={"model.x": str})
    assert plain.groupby("model.x").size().sum() == len(values)


def test_what_was_swept_comes_back_from_the_file_alone(tmp_path: Path) -> None:
    swept = [None, 16, 1e-05, "016", [16, 32], True, "sgd"]
    write_plan(tmp_path, [planned(n, model__x=value) for n, value in enumerate(swept)], ["model.x"])
    write_summary(tmp_path)
    here = load_summary(tmp_path)["model.x"].tolist()
    (tmp_path / "plan.json").unlink()
    assert here == load_summary(tmp_path)["model.x"].tolist() == ["null", 16, 1e-05, "016", "[16, 32]", True, "sgd"]


def test_a_group_with_a_slash_is_told_from_the_overrides(tmp_path: Path) -> None:
    runs = [replace(planned(n), overrides=(f"optim/schedule={name}",)) for n, name in enumerate(["none", "cosine"])]
    write_plan(tmp_path, runs, ["optim/schedule"])
    assert load_summary(tmp_path)["optim/schedule"].tolist() == ["none", "cosine"]

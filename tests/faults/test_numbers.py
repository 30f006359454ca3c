"""Numbers that are none: a run that diverges ends as DIVERGED, with the epoch and the cause, and never ranks first."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attempt
import pytest
import torch
from attempt import Ended, check_refused, command, launch

from ganexp import load_summary
from ganexp.files.record import read_metrics
from ganexp.metrics.cfd_fid import fit, frechet_distance
from ganexp.types.errors import Diverged
from helpers import TINY

LAB = ("trust=[diverging.*]", "metrics.num_samples=64", "own_code_random=allow")
NO_MODEL = tuple(text for text in TINY if not text.startswith(("model.", "metrics")))
EXPLODING = ("optim.schedule.lr.shape=exponential", "optim.schedule.lr.start=1", "optim.schedule.lr.end=1e36")
"""The learning rate grows by a factor of 1e36 over its span."""

SMALL = (*TINY, "trainer.samples_every_epochs=null")


@pytest.fixture(scope="module", autouse=True)
def warm(data_root: Path) -> Iterator[None]:
    """Children find the digits prepared, and everything imported."""
    attempt.warm()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANEXP_DATA", str(data_root))
        yield


def target(group: str, name: str, **values: Any) -> tuple[str, ...]:
    """Overrides that put a user's own function in the place of a group's."""
    keys = [f"++{group}.{key}={value}" for key, value in values.items()]
    return (f"++{group}._target_=diverging.{name}", *keys)


def check_diverged(ended: Ended, cause: str, epoch: int) -> Path:
    """One run that is DIVERGED, said with epoch and cause, and no number in its files that is none."""
    assert ended.status == 1, ended.told
    assert "Traceback" not in ended.told, ended.told
    (run,) = ended.runs()
    status = json.loads((run / "status.json").read_text(), parse_constant=_no_constant)
    assert status["state"] == "DIVERGED"
    told = status["error"]["message"]
    assert told.startswith(f"epoch {epoch}, step "), told
    assert cause in told, told
    assert f"DIVERGED: {run}: {told}" in ended.out
    assert status["epoch"] == epoch - 1
    assert not (run / "result.json").exists()
    rows = read_metrics(run / "metrics.csv") if (run / "metrics.csv").exists() else []
    assert len(rows) == epoch - 1
    assert all(math.isfinite(value) for row in rows for value in row.values() if value is not None)
    return run


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} in a JSON file")


@pytest.mark.parametrize(
    ("overrides", "cause", "epoch"),
    [
        (("optim=sgd", "optim.lr=1e30"), "d_loss is nan", 1),
        (("optim.lr=1e38",), "d_loss is nan", 1),
        (("optim=rmsprop", "optim.lr=1e38"), "d_loss is nan", 1),
        (("optim=sgd", "optim.lr=1e6", "optim.weight_decay=1e30"), "is", 1),
        (("optim=sgd", "optim.discriminator.lr=1e38", "optim.generator.lr=1e-4"), "d_loss is", 1),
        (("loss=wgan", "optim=sgd", "optim.lr=1e3"), "d_loss is", 1),
        (("loss=wgan", "penalty=wgan_gp", "penalty.weight=1e38"), "d_loss is", 1),
        (("penalty=r1", "penalty.gamma=1e38", "optim=sgd", "optim.lr=1"), "d_loss is", 1),
        (("model.leak=3e38",), "d_loss is nan", 1),
        (("trainer.precision=bf16", "optim=sgd", "optim.lr=1e30"), "d_loss is nan", 1),
        (("optim=sgd", "optim.lr=1e-6", *EXPLODING, "optim.schedule.lr.epochs=4"), "is", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_settings_that_diverge_say_where_and_by_what(
    overrides: Sequence[str], cause: str, epoch: int, tmp_path: Path
) -> None:
    check_diverged(launch(tmp_path / "one", *SMALL, *overrides), cause, epoch)


def test_a_run_that_diverged_is_told_of_again_and_its_images_are_not_to_be_had(tmp_path: Path) -> None:
    overrides = ("optim=sgd", "optim.lr=1e30")
    run = check_diverged(launch(tmp_path / "one", *SMALL, *overrides), "d_loss is nan", 1)
    again = launch(tmp_path / "one", *SMALL, *overrides)
    assert (again.status, "DIVERGED before (epoch" in again.out) == (1, True), again.told
    drawn = command(tmp_path / "two", "sample", str(run), "--out", "x.png")
    assert (drawn.status, "expected a generator" in drawn.err) == (2, True), drawn.told
    scored = command(tmp_path / "two", "evaluate", str(run))
    assert (scored.status, "not finished, left alone" in scored.out) == (0, True), scored.told


OWN_OPTIMIZER = (
    *target("optim", "trapped_optimizer", after=3),
    *(f"~optim.{key}" for key in ("betas", "eps", "weight_decay", "generator", "discriminator")),
    "++optim.discriminator.after=99",
)
"""It spoils the generator with its third step, which is the last one of the first epoch."""


@pytest.mark.parametrize(
    ("overrides", "cause", "epoch"),
    [
        (target("model", "trapped_model", where="generator", factor="nan"), "d_generated is nan", 1),
        (target("model", "trapped_model", where="generator", factor="inf"), "", 1),
        (target("model", "trapped_model", where="discriminator", factor="nan"), "d_heldout is nan", 1),
        (target("loss", "trapped_loss", after=6), "d_loss is nan", 2),
        (target("loss", "trapped_loss", after=6, value="inf"), "d_loss is inf", 2),
        (target("loss", "trapped_loss", after=3, player="generator"), "g_loss is nan", 2),
        (target("loss", "trapped_loss", after=3, player="generator", value="-inf"), "g_loss is -inf", 2),
        (OWN_OPTIMIZER, "a weight is not finite", 1),
        ((*target("metrics.scores.mine", "trapped_metric"), "++metrics.objective=mine"), "metric mine", 1),
        (
            (*target("metrics.scores.mine", "trapped_metric", value="-inf"), "++metrics.objective=mine"),
            "metric mine",
            1,
        ),
        ((*target("metrics.scores.mine", "trapped_metric", value="inf"), "metrics.every_epochs=2"), "metric mine", 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_a_users_own_functions_that_give_nan(overrides: Sequence[str], cause: str, epoch: int, tmp_path: Path) -> None:
    own_model = overrides[0].startswith("++model")
    base = [text for text in SMALL if not (own_model and text.startswith("model.")) and not text.startswith("metrics")]
    removed = [f"~model.{key}" for key in _keys_of_the_model()] if own_model else []
    measured = "metrics=default" if any("metrics" in text for text in overrides) else "metrics=none"
    ended = launch(tmp_path / "one", *base, "trainer.max_steps=4", measured, *LAB, *removed, *overrides)
    check_diverged(ended, cause, epoch)


def _keys_of_the_model() -> list[str]:
    from overrides import keys_of

    return [key.removeprefix("model.") for key in keys_of("model", "mlp") if not key.endswith("_target_")]


def test_images_of_a_generator_that_broke_after_training_are_refused_by_its_commands(tmp_path: Path) -> None:
    """A run that was COMPLETED, whose model gives NaN when it is opened again."""
    model = target("model", "trapped_model", where="generator", factor="1.0")
    removed = [f"~model.{key}" for key in _keys_of_the_model()]
    ended = launch(tmp_path / "one", *NO_MODEL, *LAB, "metrics=default", *removed, *model)
    assert ended.status == 0, ended.told
    (run,) = ended.runs()
    before = (run / "result.json").read_bytes()
    (weights,) = (run / "checkpoints").glob("generator_*.safetensors")
    _spoil(weights)
    for module, arguments in (("sample", ("--out", "x.npy")), ("evaluate", ())):
        told = command(tmp_path / "one", module, str(run), "--trust", "diverging.*", *arguments)
        assert (told.status, "Traceback" in told.told) == (1, False), told.told
        assert "NaN" in told.err
    assert (run / "result.json").read_bytes() == before
    assert not (tmp_path / "one" / "x.npy").exists()


def _spoil(path: Path) -> None:
    from ganexp.files import checkpoint

    tensors, meta = checkpoint.load(path)
    checkpoint.save(path, {**tensors, "factor": torch.tensor(math.nan)}, meta)


def test_divergence_late_in_a_trajectory_leaves_what_came_before_and_is_never_ranked(tmp_path: Path) -> None:
    grid = (
        "optim=sgd",
        *EXPLODING,
        "optim.schedule.lr.kimg=0.5",
        "optim.lr=1e-6,1e30",
        "trainer.epochs=1,12",
        "seed=0,1",
        "metrics=default",
    )
    base = [text for text in SMALL if not text.startswith(("metrics", "optim", "trainer.epochs"))]
    small = (*base, "metrics.num_samples=64", "hydra/launcher=basic", "sweep.report=true")
    ended = launch(tmp_path / "one", "--multirun", *small, *grid)
    assert (ended.status, "Traceback" in ended.told) == (1, False), ended.told
    sweep = tmp_path / "one" / "multirun" / "digits-grid"
    table = load_summary(sweep)
    states = {(lr, epochs): set(part["state"]) for (lr, epochs), part in table.groupby(["lr", "epochs"])}
    assert states == {
        (1e-6, 1): {"COMPLETED"},
        (1e-6, 12): {"DIVERGED"},
        (1e30, 1): {"DIVERGED"},
        (1e30, 12): {"DIVERGED"},
    }
    with (sweep / "summary.csv").open(newline="") as file:
        assert not {"nan", "inf", "-inf"} & {cell.lower() for row in csv.reader(file) for cell in row}
    _check_best(sweep, "optim.lr=1e-06")
    assert (
        "4 of 4 diverged" in (sweep / "report.md").read_text() or "2 of 2 diverged" in (sweep / "report.md").read_text()
    )


def _check_best(sweep: Path, winner: str) -> None:
    """report --best and confirm choose `winner`."""
    best = command(sweep.parent / "best", "report", str(sweep), "--best")
    assert best.status == 0, best.told
    assert winner in best.out, best.out
    confirm = command(sweep.parent / "confirm", "confirm", str(sweep), "--dry-run", "--top", "1")
    assert confirm.status == 0, confirm.told
    assert winner in confirm.out, confirm.out
    assert "nan" not in (best.told + confirm.told).lower()


NO_NUMBERS = (math.nan, math.inf, -math.inf, None, "nan", "", [], True, {})


@pytest.mark.parametrize("maximise", [False, True])
def test_results_that_are_no_numbers_are_never_ranked_first(
    maximise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """result.json as an older version, or somebody else, may have written it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "report"))
    from finished import Recipe, build

    sweep = tmp_path / "sweep"
    rates = tuple(1e-3 / (number + 1) for number in range(len(NO_NUMBERS)))
    runs = build(sweep, Recipe({"optim.lr": (*rates, 1e-4, 1e-5)}, effects={("optim.lr", 1e-4): 1.0}))
    for run, value in zip(runs, (*NO_NUMBERS, 1.0, 2.0), strict=True):
        path = sweep / run.run_dir / "result.json"
        result = json.loads(path.read_text())
        value = 3.0 - value if maximise and type(value) is float and 1.0 <= value <= 2.0 else value
        result["objective"] |= {"value": value, "direction": "maximise" if maximise else "minimise"}
        result["final"] |= {"cfd": value, "cfd_half_a": value}
        result["best"] |= {"value": value, "half_a": value}
        path.write_text(json.dumps(result))
    written = command(tmp_path / "report", "report", str(sweep))
    assert (written.status, "Traceback" in written.told) == (0, False), written.told
    _check_best(sweep, "optim.lr=0.0001")
    table = load_summary(sweep)
    assert table["cfd"].isna().tolist() == [True] * len(NO_NUMBERS) + [False, False]
    as_if_gone = [value is not None for value in NO_NUMBERS]  # no result that this version writes
    assert (table["state"] == "INTERRUPTED").tolist() == [*as_if_gone, False, False]


def test_a_search_names_no_trial_that_diverged(tmp_path: Path) -> None:
    import optuna

    base = [text for text in SMALL if not text.startswith(("metrics", "optim", "trainer.batch_size"))]
    space = ("optim=sgd", "optim.lr=choice(1e-3,1e30)", "seed=range(0,9)", "hydra.sweeper.n_trials=6")
    small = (
        *base,
        "metrics.num_samples=64",
        "trainer.batch_size=24",
        "hydra/launcher=basic",
        "hydra.sweeper.params=null",
    )
    ended = launch(tmp_path / "one", "--multirun", "sweep=tune", *small, *space, "hydra.sweeper.sampler.seed=1")
    assert "Traceback" not in ended.told, ended.told
    sweep = tmp_path / "one" / "multirun" / "digits-tune"
    study = optuna.load_study(study_name=sweep.name, storage=f"sqlite:///{sweep / 'study.db'}")
    values = {trial.params["optim.lr"]: trial.values for trial in study.trials}
    assert set(values) == {1e-3, 1e30}, "the search tried both"
    assert (ended.status, values[1e30]) == (1, None)
    assert study.best_trial.params["optim.lr"] == 1e-3
    _check_best(sweep, "optim.lr=0.001")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_distance_between_features_that_are_none_is_no_distance(value: float) -> None:
    """max(0, NaN) is 0 in Python: the best score there is."""
    sound = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    broken = sound.clone()
    broken[0, 0] = value
    with pytest.raises(Diverged, match="expected finite features"):
        frechet_distance(fit(broken), fit(sound))


def test_a_search_that_only_diverges_is_refused_a_winner(tmp_path: Path) -> None:
    base = [text for text in SMALL if not text.startswith(("metrics", "optim"))]
    grid = ("metrics=default", "metrics.num_samples=64", "optim=sgd", "optim.lr=1e30,1e31", "hydra/launcher=basic")
    ended = launch(tmp_path / "one", "--multirun", *base, *grid, "sweep.report=true")
    assert (ended.status, ended.states()) == (1, ["DIVERGED", "DIVERGED"]), ended.told
    sweep = tmp_path / "one" / "multirun" / "digits-grid"
    for module, arguments in (("report", ("--best",)), ("confirm", ())):
        told = command(tmp_path / "two", module, str(sweep), *arguments)
        assert "expected at least one ranked setting" in check_refused(told)


def test_a_sweep_over_settings_that_are_no_finite_numbers_is_planned_and_told_of(tmp_path: Path) -> None:
    own = ("++loss._target_=diverging.trapped_loss", "++loss.value=nan,inf,1.0", "++loss.after=1", *LAB)
    ended = launch(tmp_path / "one", "--multirun", *SMALL, "trainer.max_steps=1", "hydra/launcher=basic", *own)
    assert (ended.status, "Traceback" in ended.told) == (1, False), ended.told
    sweep = tmp_path / "one" / "multirun" / "digits-grid"
    assert load_summary(sweep)["state"].tolist() == ["DIVERGED", "DIVERGED", "COMPLETED"]
    told = command(tmp_path / "two", "status", str(sweep))
    assert (told.status, "2 DIVERGED" in told.out) == (0, True), told.told

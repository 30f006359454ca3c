"""Nothing that a stranger wrote into a run or sweep directory is called."""

from __future__ import annotations

import ast
import io
import pickle
from pathlib import Path

import optuna
import payload
import pytest
import torch
from omegaconf import OmegaConf
from strangers import SECRET, canary, command, edit, every_command, honest, only, sweep

import ganexp
from ganexp.__main__ import register
from ganexp.config.reopen import open_config, open_run, open_to_work
from ganexp.sweep.search.samplers import make_sampler
from ganexp.trainer.draw import sample
from ganexp.types.errors import ConfigError, DirectoryError, Refused

__all__ = ["canary", "honest", "only", "sweep"]

GROUPS = ("dataset", "model", "loss", "penalty", "augment", "optim", "logger", "metrics.scores.x")

TARGETS = (
    *("payload.touch", "os.system", "builtins.eval", "subprocess.run", "hydra.utils.instantiate", "torch.load"),
    *("torch.hub.load", "pathlib.Path.touch", "importlib.import_module", "ganexp", "ganexp.", ".", "", "ganexp.loss"),
    *("ganexp.loss.torch.os.system", "ganexp.dataset.npy.write", "ganexp.dataset.place.sweep_leftovers"),
    *("ganexp.dataset.fetch.download", "ganexp.metrics.train_classifier.main", "ganexp.model.torch.load"),
    *("ganexp.files.atomic.write_text", "ganexp.loss.__class__", "ganexp.logger.base.require", "torch.optim.os.system"),
    *("ganexp.loss._binary_cross_entropy", "ganexp.loss.minimax.__globals__", "payload.Pickled", "ganexp.*"),
)


def rewrite(run: Path, key: str, value: object) -> None:
    """Give a recorded configuration another value, whatever it is."""
    path = run / ".hydra" / "config.yaml"
    tree = OmegaConf.create(path.read_text())
    OmegaConf.update(tree, key, value, merge=False, force_add=True)
    OmegaConf.update(tree, "trust", ["*"])
    path.write_text(OmegaConf.to_yaml(tree))


def test_a_payload_runs_where_its_user_says_so(only: Path, tmp_path: Path) -> None:
    rewrite(only, "model._target_", "payload.touch")
    rewrite(only, "model", {"_target_": "payload.touch"})
    with pytest.raises(AttributeError):  # it returns no networks
        sample(only, 2, trust=["payload.*"])
    assert (tmp_path / "canary").exists()


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("group", GROUPS)
def test_no_group_calls_what_is_not_trusted(only: Path, group: str) -> None:
    for target in TARGETS:
        rewrite(only, group, {"_target_": target, "path": "/tmp/x", "command": "touch x"})
        with pytest.raises(ConfigError, match="_target_"):
            open_config(only, [])


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize(
    "extra",
    [
        {"_args_": [{"_target_": "payload.touch"}]},
        {"_partial_": True},
        {"_convert_": "all"},
        {"_recursive_": True},
        {"_execution_whitelist_": ["*"]},
        {"latent_dim": {"_target_": "payload.touch"}},
        {"generator_widths": [{"_target_": "payload.touch"}]},
        {"_target_": ["payload.touch"]},
        {"_target_": {"_target_": "payload.touch"}},
    ],
)
def test_the_words_of_hydras_own_instantiate_mean_nothing(only: Path, extra: dict[str, object]) -> None:
    rewrite(only, "model", {"_target_": "ganexp.model.mlp", **extra})
    with pytest.raises(ConfigError, match="model"):
        open_config(only, [])


@pytest.mark.usefixtures("canary")
def test_an_optimizer_of_torch_takes_numbers_alone(only: Path) -> None:
    rewrite(only, "optim", {"_target_": "torch.optim.SGD", "lr": {"_target_": "payload.touch"}})
    with pytest.raises(ConfigError, match=r"optim\.lr"):
        open_config(only, [])


@pytest.mark.usefixtures("canary")
def test_no_command_calls_what_a_hostile_configuration_names(sweep: Path, only: Path, tmp_path: Path) -> None:
    rewrite(only, "model", {"_target_": "payload.touch"})
    rewrite(only, "hydra", {"_target_": "payload.touch", "callbacks": {"x": {"_target_": "payload.touch"}}})
    edit(only / "status.json", "COMPLETED", "INTERRUPTED")
    for name, (module, *arguments) in every_command(sweep, tmp_path).items():
        done = command(str(module), *arguments, cwd=tmp_path)
        assert done.status in (0, 1, 2), (name, done)
        if name in ("sample", "evaluate", "resume"):
            assert (done.status == 2 and "unknown key" in done.output) or "_target_" in done.output, (name, done)


RESOLVERS = (
    *("${oc.env:GANEXP_TEST_SECRET}", "${oc.env:GANEXP_DATA,${oc.env:GANEXP_TEST_SECRET}}", "${oc.decode:'1'}"),
    *("${oc.create:{a: 1}}", "${ganexp.run_dir:}", "${ganexp.sweep_dir:}", "${now:%Y}", "${hydra:runtime.cwd}"),
    *("${oc.select:seed}", "${oc.dict.keys:model}", "x${oc.env:GANEXP_TEST_SECRET}y", "${oc.env:${loss.a}}"),
    *("${ oc.env : GANEXP_TEST_SECRET }", "${oc.deprecated:seed}", "${python_version:}", "${seed:}"),
)


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("text", RESOLVERS)
@pytest.mark.parametrize("key", ["dataset.name", "seed", "extra.deep", "trainer.device"])
def test_no_resolver_is_called(only: Path, key: str, text: str) -> None:
    register()  # with it, ganexp.run_dir would load the configuration again, and believe its `trust`
    rewrite(only, "model", {"_target_": "payload.touch"})
    rewrite(only, key, text)
    with pytest.raises(ConfigError) as refusal:
        open_config(only, [])
    assert key in str(refusal.value) and "plain values" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_a_resolver_is_called_where_its_user_says_so(only: Path) -> None:
    rewrite(only, "dataset.name", "${oc.env:GANEXP_TEST_SECRET}")
    config, _ = open_config(only, ["oc.env"])
    assert config.dataset.params["name"] == SECRET


def test_the_environment_reaches_no_file_and_no_output(sweep: Path, only: Path, tmp_path: Path) -> None:
    leak = "${oc.env:GANEXP_TEST_SECRET}"
    edit(only / ".hydra" / "hydra.yaml", "cwd: ", f"leak: {leak}\n    cwd: ")
    (only / ".hydra" / "overrides.yaml").write_text(f"- dataset.name={leak}\n")
    edit(sweep / "plan.json", '"optim.lr=1e-3"', f"\"dataset.name='{leak}'\"")
    edit(only / "status.json", "COMPLETED", "INTERRUPTED")
    for module, *arguments in every_command(sweep, tmp_path).values():
        assert SECRET not in command(str(module), *arguments, cwd=tmp_path).output
    for path in sweep.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_a_recorded_logger_that_sends_things_away_must_be_trusted(only: Path) -> None:
    rewrite(only, "logger", {"_target_": "ganexp.logger.mlflow", "tracking_uri": "http://192.0.2.1"})
    assert open_run(only, []).config.logger.name == "mlflow"  # sampling and scoring log nothing
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1.*trust=\[ganexp\.logger\.mlflow\]"):
        open_to_work(only, [])
    assert open_to_work(only, ["ganexp.logger.mlflow"]).config.logger.name == "mlflow"


@pytest.mark.usefixtures("canary")
@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
def test_no_checkpoint_is_unpickled(only: Path, form: str, tmp_path: Path) -> None:
    content = io.BytesIO()
    if form == "bare":
        pickle.dump(payload.Pickled(), content)
    else:
        torch.save({"a": payload.Pickled()}, content, _use_new_zipfile_serialization=form == "zip")
    for path in (only / "checkpoints").iterdir():
        path.write_bytes(content.getvalue())
    for name in ("sample", "evaluate", "resume"):
        edit(only / "status.json", "COMPLETED" if name == "sample" else "INTERRUPTED", "INTERRUPTED")
        module, *arguments = every_command(only.parent, tmp_path)[name]
        assert command(str(module), *arguments, cwd=tmp_path).status in (0, 2), name


OVERRIDES = (
    *("trust=[payload.*]", "+trust=[payload.*]", "++trust.0=payload.*", "--config-dir=/tmp/x", "-cd", " trust=['*']"),
    *("hydra.launcher._target_=payload.touch", "hydra/launcher=x", "model@trust=mlp", "trust@x=y"),
    *("experiment=../../../../tmp/x", "model=../x", "model='../x'", "metrics/score@metrics.scores.x=../x", "model=/x"),
    *("seed=range(1000000000)", "optim.lr=1,2", "dataset.name=${oc.env:GANEXP_TEST_SECRET}", "logger=mlflow"),
    *("dataset.name='${ganexp.run_dir:}'", "a", "", "=", "loss=[a,b]", "optim.lr=1\n", "x='\x1b]0;y\x07'", "model=a b"),
)


@pytest.mark.parametrize("override", OVERRIDES)
def test_settings_are_repeated_without_what_a_plan_smuggles_in(override: str) -> None:
    from types import SimpleNamespace

    from ganexp.report.best import repeatable

    run = SimpleNamespace(overrides=("optim.lr=1e-3", "optim/schedule@optim.schedule.lr=linear", override))
    try:
        kept = repeatable(run)  # type: ignore[arg-type]
    except Refused:
        return
    assert kept == ("optim.lr=1e-3", "optim/schedule@optim.schedule.lr=linear"), kept


SAMPLER = OmegaConf.create({"_target_": "optuna.samplers.CmaEsSampler", "seed": 1, "n_startup_trials": 1})


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_float("y", -1, 1)


def study_with(optimizer: str | None) -> optuna.Study:
    """A study that CMA-ES has begun; its optimizer's pickle replaced by another one, in hex."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(seed=1, n_startup_trials=1))
    study.optimize(objective, n_trials=8)
    again = optuna.create_study(sampler=make_sampler(SAMPLER, 8))
    for trial in study.trials:
        if optimizer is not None:
            trial.system_attrs = {k: optimizer if "optimizer" in k else v for k, v in trial.system_attrs.items()}
        again.add_trial(trial)
    return again


def test_a_study_of_cma_es_goes_on() -> None:
    study = study_with(None)
    study.optimize(objective, n_trials=8)
    assert max(trial.system_attrs.get("cma:generation", 0) for trial in study.trials) >= 2


def test_the_pickle_of_cma_es_in_a_study_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(payload.VARIABLE, str(tmp_path / "canary"))
    study = study_with(pickle.dumps(payload.Pickled()).hex())
    with pytest.raises(DirectoryError, match=r"got payload\.touch"):
        study.optimize(objective, n_trials=1)
    assert not (tmp_path / "canary").exists()
    study.sampler = optuna.samplers.CmaEsSampler(seed=1, n_startup_trials=1)
    study.optimize(objective, n_trials=1)  # Optuna's own reads it
    assert (tmp_path / "canary").exists()


def test_pickles_that_lie_in_a_sweep_directory_are_no_answers_of_jobs(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="an extra")
    from ganexp.sweep.launchers.slurm import LocalStream

    launcher = LocalStream(submitit_folder=str(tmp_path / ".submitit" / "%j"))
    folders = [launcher._folder(), launcher._folder()]
    assert len(set(folders)) == 2
    for folder in folders:
        assert folder.name == "%j" and folder.parent.parent == tmp_path / ".submitit"
        assert len(folder.parent.name.rpartition("-")[2]) == 16 and not folder.parent.exists()
    (tmp_path / ".submitit").symlink_to(tmp_path)
    with pytest.raises(Refused, match="link"):
        launcher._folder()


UNPICKLING = {"src/ganexp/sweep/launchers/workers.py", "src/ganexp/sweep/search/optuna_private.py"}
"""Between processes of our own; and CMA-ES, by a list of what may be in it."""


def calls(tree: ast.Module) -> list[tuple[str, dict[str, object]]]:
    """Every call: its dotted name, and the keywords that are constants."""
    return [
        (ast.unparse(node.func), {k.arg or "": getattr(k.value, "value", None) for k in node.keywords})
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_no_line_of_the_program_loads_what_can_run() -> None:
    package = Path(ganexp.__file__).parent
    found = {path: calls(ast.parse(path.read_text())) for path in package.rglob("*.py")}
    assert len(found) > 80
    for path, made in found.items():
        for name, keywords in made:
            where = f"src/ganexp/{path.relative_to(package)}: {name}"
            assert name != "np.load" or keywords["allow_pickle"] is False, where
            assert name != "torch.load" or keywords["weights_only"] is True, where
            assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "exec"), (
                where
            )
            assert name.rpartition(".")[2] != "instantiate" or "_execution_whitelist_" in keywords, where
            assert "shell" not in keywords, where
            pickled = name in ("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads", "Unpickler")
            assert not pickled or where.partition(":")[0] in UNPICKLING, where

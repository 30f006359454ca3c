"""Nonsense given to sweeps, searches and the other commands: one clear message and status 2, before anything starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import attempt
import pytest
from attempt import Ended, check_refused, command, launch

from helpers import TINY

SMALL = (*TINY, "trainer.max_steps=1", "trainer.samples_every_epochs=null")
SWEEP = ("--multirun", "hydra/launcher=basic", *SMALL)
SEARCH = (
    *("--multirun", "hydra/launcher=basic", "sweep=tune", "hydra.sweeper.params=null", "hydra.sweeper.n_trials=2"),
    *(text for text in SMALL if not text.startswith("metrics")),
    "metrics.num_samples=64",
)


@pytest.fixture(scope="module", autouse=True)
def warm(data_root: Path) -> Iterator[None]:
    """Children find the digits prepared, and everything imported."""
    attempt.warm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANEXP_DATA", str(data_root))
        yield


def check_nothing_began(ended: Ended, word: str) -> None:
    """Refused, naming what was wrong, with nothing left behind."""
    assert word in check_refused(ended)
    assert not list(ended.folder.rglob("plan.json"))


BAD_SWEEPS = {
    "optim.lr=1e-4,nan": "optim.lr",
    "optim.lr=1e-4,abc": "optim.lr",
    "optim.lr=1e-4,-1,0,inf": "optim.lr",
    "optim.lr=": "optim.lr",
    "optim.lrr=1,2": "optim.lrr",
    "optim.lr=interval(1,2)": "sweep=tune",
    "optim.lr=tag(log,interval(1,2))": "sweep=tune",
    "optim.lr=range(1e-4)": "optim.lr",
    "optim.lr=1e-4,[1,2]": "optim.lr",
    "optim.lr=1e-4,${nope}": "optim.lr",
    "trainer.batch_size=20,49": "trainer.batch_size",
    "trainer.batch_size=20,1.5": "trainer.batch_size",
    "trainer.epochs=0,1": "trainer.epochs",
    "trainer.epochs=range(0)": "trainer.epochs",
    "seed=range(3,0)": "seed",
    "seed=range(0,3,0)": "seed",
    "seed=range(100000000)": "seed",
    "seed=range(0,1e18)": "seed",
    "seed=range(0,1,1e-9)": "seed",
    "seed=range(inf)": "seed",
    "seed=range(0,nan)": "seed",
    "seed=range(0,3": "seed",
    "seed=sort(range(3),nope=1)": "seed",
    "seed=glob(*)": "seed",
    "model=mlp,nope": "nope",
    "model=glob(nope*)": "model",
    "loss=wgan,": "loss",
    "dataset=digits,nope": "nope",
    "experiment=nope,debug": "nope",
    "sweep=nope": "nope",
    "sweep.name=a,b": "sweep.name",
    "sweep.retry=sometimes": "sweep.retry",
    "sweep.zip=[[seed]]": "sweep.zip",
    "sweep.zip=[[seed,seed]]": "sweep.zip",
    "sweep.zip=[[nope,seed]]": "sweep.zip",
    "sweep.zip=5": "sweep.zip",
    "sweep.zip=[5]": "sweep.zip",
    "sweep.read_off=[abc]": "sweep.read_off",
    "sweep.dry_run=maybe": "sweep.dry_run",
    "trust=[a],[b]": "trust",
    "hydra.sweep.dir=../file/x": "file/x",
    "hydra.sweep.dir=../file": "file",
    "hydra.sweep.dir=null": "hydra.sweep.dir",
    "hydra.sweeper.params=5": "hydra.sweeper.params",
    "hydra.sweeper.params.seed=range(3,0)": "seed",
    "+hydra.sweeper.params.nope=1,2": "nope",
    "hydra.sweeper.max_batch_size=abc": "max_batch_size",
    "hydra.sweeper.max_batch_size=0": "max_batch_size",
    "hydra.sweeper.max_batch_size=-1": "max_batch_size",
    "hydra.sweeper.nope=1": "hydra.sweeper.nope",
    "hydra.sweeper._target_=os.system": "os.system",
    "hydra.launcher._target_=os.system": "os.system",
    "hydra/launcher=nope": "nope",
    "hydra/launcher=joblib hydra.launcher.n_jobs=0": "hydra.launcher.n_jobs",
    "hydra/launcher=joblib hydra.launcher.n_jobs=abc": "hydra.launcher.n_jobs",
    "hydra/launcher=joblib hydra.launcher.n_jobs=-7": "hydra.launcher.n_jobs",
    "hydra/launcher=joblib hydra.launcher.inner_max_num_threads=0": "inner_max_num_threads",
    "hydra/launcher=joblib hydra.launcher.inner_max_num_threads=-1": "inner_max_num_threads",
    "hydra/launcher=joblib hydra.launcher.inner_max_num_threads=99999999": "inner_max_num_threads",
    "hydra/launcher=joblib hydra.launcher.backend=nope": "hydra.launcher.backend",
    "hydra/sweeper=nope": "nope",
}


@pytest.mark.parametrize("bad", BAD_SWEEPS)
def test_bad_sweeps_are_refused(bad: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    check_nothing_began(launch(tmp_path / "here", *SWEEP, *bad.split(" ")), BAD_SWEEPS[bad])


LR = "optim.lr=tag(log,interval(1e-4,1e-2))"

BAD_SEARCHES = {
    "optim.lr=interval(1,0)": "optim.lr",
    "optim.lr=interval(nan,1)": "optim.lr",
    "optim.lr=interval(1e-4,inf)": "optim.lr",
    "optim.lr=interval(-1,1)": "optim.lr",
    "optim.lr=tag(log,interval(0,1))": "optim.lr",
    "optim.lr=tag(log,interval(-1,1))": "optim.lr",
    "optim.lr=choice()": "optim.lr",
    "optim.lr=choice(abc,1e-3)": "optim.lr",
    "trainer.d_steps=range(5,1)": "trainer.d_steps",
    "trainer.d_steps=range(1,5,0)": "trainer.d_steps",
    "trainer.d_steps=int(interval(0,3))": "trainer.d_steps",
    "trainer.nothing=choice(1,2)": "trainer.nothing",
    "loss=choice(hinge,nope)": "nope",
    f"{LR} hydra.sweeper.n_trials=0": "n_trials",
    f"{LR} hydra.sweeper.n_trials=-3": "n_trials",
    f"{LR} hydra.sweeper.n_trials=abc": "n_trials",
    f"{LR} hydra.sweeper.n_trials=null": "n_trials",
    f"{LR} hydra.sweeper.n_jobs=0": "n_jobs",
    f"{LR} hydra.sweeper.max_failure_rate=2": "max_failure_rate",
    f"{LR} hydra.sweeper.max_failure_rate=nan": "max_failure_rate",
    f"{LR} hydra.sweeper.direction=sideways": "direction",
    f"{LR} hydra.sweeper.direction=maximize": "direction",
    f"{LR} hydra.sweeper.direction=5": "direction",
    f"{LR} hydra.sweeper.objectives=[]": "objectives",
    f"{LR} hydra.sweeper.objectives=[beauty]": "objectives",
    f"{LR} hydra.sweeper.objectives=cfd": "objectives",
    f"{LR} hydra.sweeper.storage=nonsense": "storage",
    f"{LR} hydra.sweeper.storage=sqlite:///../file/x.db": "storage",
    f"{LR} hydra.sweeper.storage=nope://host/db": "storage",
    f"{LR} hydra.sweeper.storage=5": "storage",
    f"{LR} hydra.sweeper.custom_search_space=nope.nope": "custom_search_space",
    f"{LR} hydra/sweeper/sampler=nope": "nope",
    f"{LR} hydra/sweeper/sampler=grid": "grid",
    f"{LR} hydra.sweeper.sampler.nope=1": "nope",
    f"{LR} hydra.sweeper.sampler.seed=abc": "seed",
    f"{LR} +hydra.sweeper.sampler.nope=1": "hydra.sweeper.sampler",
    f"{LR} hydra.sweeper.sampler._target_=os.system": "os.system",
    f"{LR} hydra.sweeper.sampler.n_startup_trials=abc": "n_startup_trials",
    f"{LR} hydra/sweeper/pruner=nope": "nope",
    f"{LR} hydra.sweeper.pruner._target_=os.system": "os.system",
    f"{LR} hydra.sweeper.pruner._target_=optuna.pruners.Nope": "Nope",
    f"{LR} hydra.sweeper.pruner.n_startup_trials=-1": "pruner",
    f"{LR} hydra.sweeper.pruner.n_startup_trials=abc": "n_startup_trials",
    f"{LR} hydra/sweeper/pruner=hyperband hydra.sweeper.pruner.reduction_factor=0": "pruner",
    f"{LR} hydra/sweeper/pruner=successive_halving hydra.sweeper.pruner.min_resource=0": "pruner",
    f"{LR} hydra.sweeper.objectives=[cfd,precision]": "pruner",
    f"{LR} metrics=none": "metrics.objective",
    f"{LR} hydra.sweep.dir=../file/x": "file/x",
}


@pytest.mark.parametrize("bad", BAD_SEARCHES)
def test_bad_searches_are_refused(bad: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    check_nothing_began(launch(tmp_path / "here", *SEARCH, *bad.split(" ")), BAD_SEARCHES[bad])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, warm: None) -> Path:
    """A folder with a finished run in it, an empty folder, a file, and a sweep."""
    top = tmp_path_factory.mktemp("commands") / "here"
    done = launch(top, *SMALL, "hydra.run.dir=run")
    assert done.status == 0, done.told
    (top / "empty").mkdir()
    (top / "file").write_text("nothing")
    (top / "loop").symlink_to(top / "loop")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "report"))
        from finished import Recipe, build

        build(top / "sweep", Recipe({"optim.lr": (1e-4, 1e-5)}))
    return top


DIRECTORIES = ("nothing", "empty", "file", "loop", "''", "file/x", "x" * 300, "\udcff", "ü")
MODULES = ("status", "report", "evaluate", "sample", "resume", "confirm", "clean")
NEEDED = {"sample": ("--out", "x.npy")}


@pytest.mark.parametrize("module", MODULES)
def test_what_is_no_run_or_sweep_is_refused_by_every_command(module: str, place: Path) -> None:
    for directory in DIRECTORIES:
        _check_told(command(place, module, directory, *NEEDED.get(module, ())))
    for arguments in (("--nothing",), ("run", "--nothing"), ("run", "sweep", "empty", "x=1", "--nothing=5")):
        _check_told(command(place, module, *arguments))
    if module == "status":  # it lists what there is
        listed = command(place, module)
        assert (listed.status, "sweep  2 runs" in listed.told) == (0, True), listed.told
    else:
        _check_told(command(place, module))


def _check_told(ended: Ended) -> None:
    """Status 2, something on standard error, and no traceback."""
    assert (ended.status, "Traceback" in ended.told) == (2, False), ended.told
    assert len(ended.err.strip()) > 8, ended.told
    assert not (ended.folder / "x.npy").exists()


HUGE = "9" * 40

BAD_OPTIONS = (
    *(f"sample run --out x.npy --num {value}" for value in ("0", "-1", "abc", "1.5", "nan", "10000000000", HUGE)),
    *(
        f"sample run --out x.npy --checkpoint {value}"
        for value in ("5", "epoch=", "epoch=-1", "epoch=²", "epoch=99", "x=1")
    ),
    *(f"sample run --out x.npy --checkpoint epoch={HUGE}", "sample run --out x.npy --checkpoint epoch=1e3"),
    *(f"sample run --out x.npy --label {value}" for value in ("-1", "0", "99", "abc")),
    *(f"sample run --out x.npy --seed {value}" for value in ("abc", "1.5", "")),
    *(
        f"sample run --out {value}"
        for value in ("x.gif", "x.tar", "nothing/x.npy", "empty", "file/x.npy", "loop/x.npy")
    ),
    "sample run --out x.npy --interpolate --num 10000000000",
    "sample sweep --out x.npy",
    *(f"evaluate run --metrics {value}" for value in ("nope", "../default", "default,none", "''", "none", "cfd")),
    *(f"evaluate run --metrics default --num-samples {value}" for value in ("1", "-5", "abc", "1.5")),
    *(f"evaluate run --metrics default --checkpoint {value}" for value in ("5", "epoch=99", "epoch=²")),
    "evaluate run",
    *(f"confirm sweep --top {value}" for value in ("0", "-1", "abc")),
    *(f"confirm sweep --seeds {value}" for value in ("0", "-1", "abc", "10000000000")),
    "confirm sweep nonsense --dry-run",
    "confirm empty --dry-run",
    "report sweep --out file",
    "report sweep --out file/x",
    "report sweep nothing",
    "report nothing --verify",
    "report sweep --verify",
    "report empty --best",
    "status run sweep",
    "clean run sweep",
    "resume run --retry maybe",
)


@pytest.mark.parametrize("line", BAD_OPTIONS)
def test_bad_options_are_refused(line: str, place: Path) -> None:
    module, *arguments = line.split(" ")
    _check_told(command(place, module, *arguments))


def test_odd_options_that_are_right_work(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "here" / "run")
    for number, line in enumerate(
        (
            *(
                "sample run --out 0.npy --seed -1",
                f"sample run --out 1.npy --seed {HUGE}",
                "sample run --out 2.png --num 1",
            ),
            *("sample run --out ü.npy --num 3", "evaluate run --metrics default --num-samples 2147483648", "clean run"),
            *("status run", "resume run", "resume run --retry --trust ''", "evaluate run --metrics default --trust ["),
        )
    ):
        module, *arguments = line.split(" ")
        ended = command(tmp_path / "here", module, *arguments)
        assert (ended.status, "Traceback" in ended.told) == (0, False), (number, ended.told)

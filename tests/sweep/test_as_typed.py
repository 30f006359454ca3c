"""What people type: refused in one line with the nearest line that works; keys that move files; lists in presets."""

import pytest

from ganexp.dataset import digits

DRY = ("metrics=none", "dataset.num_images=48", "sweep.dry_run=true")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hydra.sweep.dir=a=b"], "\"hydra.sweep.dir='a=b'\""),
        (["--optim.lr=1e-3"], "Did you mean 'optim.lr=1e-3'?"),
        (["--dataset", "mnist"], "Did you mean 'dataset=mnist'?"),
        (["--epochs", "5"], "Did you mean 'trainer.epochs=5'?"),
        (["dataset", "mnist"], "Did you mean 'dataset=mnist'?"),
        (["mnist", "dcgan"], "Did you mean 'dataset=mnist'?"),
        (["-m", "seed=0,", "1"], "Did you mean 'seed=0,1'?"),
        (["minst"], "Did you mean 'dataset=mnist'?"),
        (["-m", "seed=0,1", "wgan"], "Did you mean 'loss=wgan'?"),
        (["-m", "loss=hinge", "wgan"], "Did you mean 'loss=hinge,wgan'?"),
        (["dataset=minst"], "Did you mean 'mnist'?"),
        (["experiment=best_mnits"], "Did you mean 'best_mnist'?"),
        (["-m", "optim.lr=1e-4", ",1e-5"], "Did you mean 'optim.lr=1e-4,1e-5'?"),
        (["-m", "optim.lr=1e-4,1e-5,"], "Did you mean 'optim.lr=1e-4,1e-5'?"),
        (["-m", "seed=range", "3"], "Did you mean 'seed=range(3)'?"),
        (["-m", "optim.lr=(1e-4,2e-4)"], "Did you mean 'optim.lr=1e-4,2e-4'?"),
        (["dataset=digits,mnist"], "several values take --multirun: ganexp --multirun dataset=digits,mnist"),
        (["optim.lr=1e-4,2e-4"], "several values take --multirun"),
        (["trainer.epochs=range(3)"], "several values take --multirun"),
        (["+dataset=digits"], "Did you mean 'dataset=digits'?"),
        (["--config-name", "foo"], "--config-name: expected config, ganexp's own, got foo\n"),
        (["dataset=MNIST"], "Did you mean 'mnist'?"),
        (["-m", "model=DCGAN"], "Did you mean 'dcgan'?"),
        (["sweep.dry_run=true"], "sweep.dry_run: expected --multirun beside it, got True in a command of one run"),
        (["sweep=seed_grid", "sweep.max_seconds=9"], "sweep.max_seconds: expected --multirun beside it"),
        (["loss=[wgan,hinge]"], "Did you mean '--multirun loss=wgan,hinge'?"),
        (["seed=[1,2]"], "got '[1, 2]'. Several values to try take commas"),
        (["-m", "hydra/launcher=jobli"], "Did you mean 'joblib'?"),
        (["-m", "hydra.launcher=basic"], "Did you mean 'hydra/launcher=basic'?"),
        (["–multirun", "optim.lr=1e-4,1e-5"], "Did you mean '--multirun'?"),
        (["optim.lr=“1e-4”"], "typographic"),
        (["optim.lr=", "1e-4"], "Did you mean 'optim.lr=1e-4'?"),
        (["optim.lr", "=1e-4"], "Did you mean 'optim.lr=1e-4'?"),
        (["--config-dir", "nowhere"], "--config-dir: expected a folder that exists"),
        (["-m", "optim=sgd,rmsprop", "optim.momentum=0.9"], "++optim.momentum=0.9"),
        (["-m", "seed=0", "seed=1", "seed=2"], "Did you mean 'seed=0,1,2'?"),
        (["-m", "seed=0,1", "trainer.epochs", "5"], "Did you mean 'trainer.epochs=5'?"),
        (["-m", "optim.lr=1e-4,", "2e-4"], "Did you mean 'optim.lr=1e-4,2e-4'?"),
        (["-m", "sweep=tune", "sweep.max_runs=3"], "sweep.max_runs: expected null in a search"),
        (["-m", "sweep=tune", "sweep.zip=[[optim.lr,seed]]"], "sweep.zip: expected null in a search"),
        (["-m", "optim.lr=1e-4,1e-3", "++seed=0,1", "sweep.until=claim"], "seed: expected one with sweep.until=claim"),
        (["-m", "sweep=tune", "hydra.sweeper.n_trails=3"], "Did you mean 'hydra.sweeper.n_trials'?"),
    ],
)
def test_a_slip_of_the_hand_is_one_line_with_what_was_meant(ganexp, arguments, said, data_root):
    digits(root=data_root)  # prepared once, which is said on lines of its own
    done = ganexp(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hydra.cc" not in done.stderr
    assert "usage:" not in done.stderr


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize(
    "typed",
    [
        "hydra.sweep.subdir=${hydra.job.override_dirname}",
        "hydra.sweep.subdir=${hydra.job.num}",
        "hydra.sweep.dir=x/${hydra.job.num}",
        "hydra.job.chdir=true",
        "hydra.output_subdir=.hydra",
        "hydra.run.dir=x",
        "hydra.runtime.output_dir=x",
        "+hydra.job.env_set.GANEXP_DATA=x",
    ],
)
def test_a_key_that_moves_files_is_refused_in_words(ganexp, tmp_path, typed, launcher):
    done = ganexp("-m", "seed=0,1", "metrics=none", f"hydra/launcher={launcher}", typed)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith(f"ganexp: {typed.partition('=')[0].lstrip('+')}: expected ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("typed", ["hydra.job.chdir=true", "hydra.output_subdir=cfg", "hydra.sweep.dir=x"])
def test_so_it_is_in_a_single_run(ganexp, typed):
    done = ganexp(*DRY[:2], typed)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"ganexp: {typed.partition('=')[0]}: expected ")


def test_a_key_that_only_the_swept_options_have_works_with_two_plus_signs(ganexp):
    done = ganexp("-m", *DRY, "optim=sgd,rmsprop", "++optim.momentum=0.9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 runs of 2 missing" in done.stdout


@pytest.mark.slow
def test_a_value_below_a_swept_option_is_for_the_options_that_have_it(ganexp):
    done = ganexp("-m", *DRY, "penalty=r1,none", "penalty.gamma=1,10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 runs of 3 trajectories (4 points asked for, 1 of them the same run as another)" in done.stdout
    for few in (("++penalty.gamma=10",), ("penalty.gamma=1,10", "sweep.zip=[[penalty,penalty.gamma]]")):
        done = ganexp("-m", *DRY, "penalty=r1,none", *few)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 runs of 2 trajectories" in done.stdout
    done = ganexp("-m", *DRY, "penalty=r1,nonne", "penalty.gamma=1,10")
    assert done.returncode == 2
    assert "Did you mean 'none'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sweeper", ["grid", "optuna"])
@pytest.mark.parametrize("place", ["--config-dir=own", "hydra.searchpath=[file://own]"])
def test_a_list_in_a_preset_is_choices_unless_the_key_holds_a_list(ganexp, tmp_path, sweeper, place):
    (tmp_path / "own" / "sweep").mkdir(parents=True)
    (tmp_path / "own" / "sweep" / "lists.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      optim: {lr: [1e-4, 2e-4]}\n"
        "      loss: [hinge, minimax]\n      model.generator_widths: [16, 32]\n      trainer.max_steps: [null, 3]\n"
    )
    measured = "metrics=none" if sweeper == "grid" else "metrics=default"
    done = ganexp("-m", place, "sweep=lists", *DRY, measured, f"hydra/sweeper={sweeper}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 runs of 8 missing" in done.stdout if sweeper == "grid" else "optim.lr" in done.stdout


def test_log_files_and_names_go_where_the_list_says(ganexp, tmp_path):
    small = ("metrics=none", "dataset.num_images=48", "trainer.max_steps=1", "hydra/launcher=basic")
    log = ("hydra/job_logging=default", "hydra.job.name=mine", "hydra.run.dir=one", "hydra.sweep.dir=all")
    done = ganexp("-m", *small, *log, "sweep.report=false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "all" / "mine.log").exists()
    assert len(list((tmp_path / "all").glob("digits-*/result.json"))) == 1
    assert not (tmp_path / "one").exists()


def test_a_temporary_folder_of_joblib_is_refused(ganexp):
    done = ganexp("-m", *DRY, "hydra.launcher.temp_folder=x")
    assert done.returncode == 2
    assert "hydra.launcher.temp_folder: expected" in done.stderr

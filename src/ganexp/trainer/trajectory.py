"""Runs that differ in epochs alone: where a longer one starts from, and how a shorter one is read off it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from ganexp.config.run_spec import RunSpec, identify
from ganexp.files import atomic, checkpoint
from ganexp.files.checkpoint import CorruptCheckpointError
from ganexp.files.code_record import read_code
from ganexp.files.drawing import decoration
from ganexp.files.foreign import folder_below
from ganexp.files.generator import load_generator
from ganexp.files.lease import HeldError
from ganexp.files.record import Row, Texts
from ganexp.files.run_folder import RunFolder
from ganexp.trainer.columns import measured_in, settle
from ganexp.trainer.finish import draw_losses
from ganexp.trainer.state import TrainState
from ganexp.trainer.threads import recorded
from ganexp.types.endings import State

if TYPE_CHECKING:
    from ganexp.trainer.hooks import Session

OF_THE_LONGER: dict[str, Any] = {
    "trainer.milestones": [],
    "sweep.read_off": [],
    "sweep.run_id": None,
    "sweep.trial": None,
    "sweep.own_code": None,
}  # keys about the longer run alone, with their values in a shorter run that is read off it


def shorter(spec: RunSpec, epochs: int) -> RunSpec:
    """The run of the same trajectory that ends after `epochs`, in a directory beside `spec`'s."""
    changed = {**OF_THE_LONGER, "trainer.epochs": epochs}
    sections: dict[str, dict[str, Any]] = {"trainer": {}, "sweep": {}}
    for key, value in changed.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
    config = replace(
        spec.config,
        trainer=replace(spec.config.trainer, **sections["trainer"]),
        sweep=replace(spec.config.sweep, **sections["sweep"]),
    )
    identity = identify(config, spec.identity.content.get("init_from"))
    directory = spec.directory.parent / identity.name
    texts = _shorter_texts(spec.texts, changed)
    return replace(spec, config=config, identity=identity, texts=texts, directory=directory)


def _shorter_texts(texts: Texts, changed: Mapping[str, Any]) -> Texts:
    tree = OmegaConf.create(texts.config)
    for key, value in changed.items():
        OmegaConf.update(tree, key, value)
    recorded: Any = OmegaConf.to_container(OmegaConf.create(texts.overrides), resolve=False)
    overrides = [text for text in map(str, recorded) if text.partition("=")[0] not in changed]
    overrides_text = OmegaConf.to_yaml(OmegaConf.create([*overrides, f"trainer.epochs={changed['trainer.epochs']}"]))
    return replace(texts, config=OmegaConf.to_yaml(tree), overrides=overrides_text)


def siblings(spec: RunSpec) -> Iterator[Path]:
    """Other run directories beside this one that hold runs of the same trajectory.

    There are none for a run whose own code is not reproducible: its checkpoints cannot stand in for another training.
    """
    pattern = spec.identity.name.rpartition("-")[0] + "-*"
    for folder in sorted(spec.directory.parent.glob(pattern)):
        if folder == spec.directory or folder.is_symlink():
            continue
        if spec.code is not None and (spec.code.problems or _cannot_be_repeated(folder)):
            continue
        status = RunFolder(folder).status()
        if status is not None and status.trajectory_id == spec.identity.trajectory_id:
            yield folder


def restore_newest(
    spec: RunSpec, training: TrainState, total_steps: int, note: Callable[[str], None]
) -> dict[str, Any] | None:
    """Restore the newest usable checkpoint of the run's trajectory into `training`.

    Looks in the run's own directory and in its siblings', takes the one furthest on that is not past `total_steps`, and
    falls back to the one before it where one is damaged. `note` gets lines for the user.

    Returns:
        The checkpoint's metadata with "folder" added, or None where training starts from scratch.
    """
    folders = [spec.directory, *siblings(spec)]
    paths = [path for folder in folders for path in RunFolder(folder).state_checkpoints()]
    for path in sorted(paths, key=_step, reverse=True):
        if _step(path) > total_steps:
            continue
        try:
            meta = training.restore(path)
        except CorruptCheckpointError as error:
            note(f"{error}; going back to an earlier one")
            continue
        folder = path.parent.parent
        if folder != spec.directory:
            spec.folder.link_samples(RunFolder(folder), int(meta["epoch"]))
        return {**meta, "folder": folder}
    return None


def read_off_longer(session: Session) -> str | None:
    """Take the end of a run from a longer run of its trajectory that kept the generator of its last epoch.

    Returns the longer run's name, or None where there is none: then `session` is unchanged.
    """
    spec, training = session.spec, session.training
    epoch = spec.config.trainer.epochs
    longer = None if spec.config.trainer.max_steps else _longer_with_generator(spec, epoch)
    if longer is None:
        return None
    folder, rows = longer
    session.progress.note(f"read off {folder.path.name}, without training")
    load_generator(training.generator, folder.generator_checkpoint(epoch))
    training.average, training.history, training.step = None, rows, int(rows[-1]["step"] or 0)
    training.train_seconds = float(rows[-1]["train_seconds"] or 0.0)
    with decoration(spec.directory / "samples"):
        spec.folder.link_samples(folder, epoch)
    settle(session, folder, measured_in(folder))
    session.machine["threads"] = recorded(folder.result()) or session.machine["threads"]
    spec.folder.write_rows(training.history, session.columns)
    return folder.path.name


def _longer_with_generator(spec: RunSpec, epoch: int) -> tuple[RunFolder, list[Row]] | None:
    """A sibling that kept the generator of `epoch`, and its rows up to there."""
    for folder in map(RunFolder, siblings(spec)):
        path = folder.generator_checkpoint(epoch)
        if not path.exists():
            continue
        try:
            checkpoint.load(path)
            rows = [row for row in folder.rows() if int(row["epoch"] or 0) <= epoch]
        except (CorruptCheckpointError, OSError, ValueError, KeyError):
            continue
        if [row["epoch"] for row in rows] == list(range(1, epoch + 1)):
            return folder, rows
    return None


def write_shorter(session: Session, epoch: int) -> None:
    """Write the directory of the run of this trajectory that ends at `epoch`, whose generator is kept.

    Does nothing where that run is held or finished already, or its generator was never kept or is damaged: it is then
    trained by itself.
    """
    path = session.spec.folder.generator_checkpoint(epoch)
    short = shorter(session.spec, epoch)
    rows = session.training.history[:epoch]
    if not path.exists() or short.folder.finished_result() is not None:
        return
    if len(session.training.history) == epoch:
        generator = session.training.sampling_generator
        scores = session.drawn(generator, epoch).reported(session.scores(epoch))
    else:
        try:
            generator = load_generator(copy.deepcopy(session.training.sampling_generator), path)
        except CorruptCheckpointError as error:
            session.progress.note(f"{error}; {short.directory.name} is not read off")
            return
        scores = session.drawn(generator, epoch).reported()
    _write(session, short, rows, session.result(short, rows, scores))


def _write(session: Session, short: RunSpec, rows: Sequence[Row], result: Mapping[str, Any]) -> None:
    """Write the directory of a shorter run from the session's files; `rows` and `result` are the shorter run's."""
    longer, folder, epoch = session.spec.folder, short.folder, short.config.trainer.epochs
    short.directory.mkdir(parents=True, exist_ok=True)
    folder.claim(short.identity.run_id, short.identity.content)
    with contextlib.suppress(HeldError), folder.lease() as lease:
        status = folder.status()
        if status is not None and status.state is State.COMPLETED:
            return
        if lease.locked:
            folder.drop_left_over()
        lease.begin(short.new_status(State.RUNNING, epoch))
        folder.write_record(short.texts, short.identity.content, short.code)
        folder.write_rows(rows, session.columns)
        with decoration(short.directory / "samples"):
            folder.link_samples(longer, epoch)
        folder_below(short.directory, "checkpoints")
        atomic.copy(longer.generator_checkpoint(epoch), folder.generator_checkpoint(epoch))
        folder.write_result({**result, "read_off": longer.path.name})
        draw_losses(short, rows)
        lease.update(state=State.COMPLETED)


def _cannot_be_repeated(folder: Path) -> bool:
    code = read_code(folder)
    return code is not None and bool(code.problems)


def _step(path: Path) -> int:
    digits = path.stem.removeprefix("state_")
    return int(digits) if digits.isascii() and digits.isdigit() else -1

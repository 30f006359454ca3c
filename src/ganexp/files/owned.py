"""The files of a folder that are ganexp's own: those that a manifest records, unchanged since. All else is the user's.

Directories of 0.1.0 have no manifest: its names count there, beside a plan.json or status.json. In run directories the
names of `ganexp.files.run_folder.OWN` count.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ganexp.files.atomic import left_over, write_bytes, write_json
from ganexp.files.foreign import LARGE, read_bytes, read_json, refuse_links
from ganexp.files.locks import held
from ganexp.types.errors import DirectoryError
from ganexp.types.system import name_missing_guards

# Name below a folder -> sizes (bytes) and SHA-256 of ganexp's own versions of the file.
Prints = dict[str, list[tuple[int, str]]]

log = logging.getLogger("ganexp")
MANIFEST, LOCK, PLAN_LOCK = ".ganexp-files.json", ".ganexp-files.lock", ".plan.lock"
MULTIRUN = "multirun.yaml"

# Files of a sweep directory that are read back, and rewritten by name.
STATE = ("plan.json", "trials.json", "looks.json", MANIFEST)

FIRST = re.compile(
    r"multirun\.yaml|summary\.csv|report\.(html|md)|figures/("
    r"r[0-9]+-(intervals|heatmaps|importance|marginals|parallel|curves|budget|losses|equilibrium)\.svg"
    r"|r[0-9]+-(pictures-[0-9]+|neighbours|interpolation)\.png|search[0-9]+-(history|pruned|pareto)\.svg)"
)  # other names that 0.1.0 wrote into sweep directories

FORCE, MOVE = "--force replaces it", "move it away, or choose another directory"


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Hold the lock of files written into `folder`; yields as `ganexp.files.locks.held`."""
    with held(folder / LOCK, waiting=f"{folder}: waiting for another process that writes there") as locked:
        yield locked


def write(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    force: bool = False,
    beside: Callable[[str], Mapping[str, bytes]] | None = None,
    stale: re.Pattern[str] | None = None,
) -> str:
    """Write files, and record them as ganexp's own: before they are written, so that no kill leaves unrecorded ones.

    Args:
        folder: made where it does not exist.
        files: name below `folder` -> content.
        force: replace files of the user's.
        beside: suffix such as "-2" -> the same files under names with that suffix, written where files of the user's
            are in the way; those stay. None: those are refused.
        stale: files of this pattern that an earlier call wrote, and this one does not, are removed.

    Returns:
        The suffix that was needed, or "".

    Raises:
        DirectoryError: naming files of the user's that are in the way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder) as locked:
        before = _recorded(folder)
        theirs = [] if force else _in_the_way(folder, files, before)
        suffix, wanted = "", {name: content for name, content in files.items() if name not in theirs}
        if theirs:
            if beside is None:
                raise _refusal(folder, theirs, FORCE)
            number = next(n for n in range(2, 10**9) if not _in_the_way(folder, beside(f"-{n}"), before))
            suffix = f"-{number}"
            wanted |= beside(suffix)
            log.warning("%s: not as ganexp wrote it; left so, and written anew as *%s", _named(folder, theirs), suffix)
        gone = {n for n in before if stale and stale.fullmatch(n) and n not in files and n not in wanted}
        _replace(folder, wanted, gone, before, locked)
    return suffix


def _replace(folder: Path, files: Mapping[str, bytes], gone: Iterable[str], before: Prints, locked: bool) -> None:
    """Record files and write them; remove those of `gone` that are unchanged since an earlier call wrote them."""
    own = {name: [_print(content), *_own(folder, name, before)] for name, content in files.items()}
    _record(folder, {**{n: p for n, p in before.items() if os.path.lexists(folder / n)}, **own})
    for name, content in files.items():
        refuse_links(*_parents(folder, name))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, content)
    for name in gone:
        if _own(folder, name, before):
            (folder / name).unlink(missing_ok=True)
    if not locked:  # another process may have recorded its own in between
        _record(folder, {**_recorded(folder), **own})


def check(folder: Path, files: Mapping[str, bytes | None], *, force: bool = False, way: str = FORCE) -> None:
    """Refuse, before any work, what `write` would refuse; None stands for content yet to be made.

    Raises:
        DirectoryError: naming files of the user's that are in the way.
    """
    if not force and (theirs := _in_the_way(folder, files, _recorded(folder))):
        raise _refusal(folder, theirs, way)


def claim(folder: Path, names: Sequence[str], multirun: str) -> None:
    """Begin work in a sweep directory, made where it is missing: files from before the first sweep stay the user's.

    `names` are the files that this work rewrites by name, `multirun` is the text for multirun.yaml.

    Raises:
        DirectoryError: a user's own file is in the place of one of those, or of multirun.yaml.
        OSError: it cannot be written.
    """
    name_missing_guards()
    check(folder, {MULTIRUN: multirun.encode()}, way=MOVE)
    if not os.path.lexists(folder / MANIFEST) and not (folder / "plan.json").exists():
        if theirs := [name for name in names if os.path.lexists(folder / name)]:
            raise _refusal(folder, theirs, MOVE)
        write(folder, {})
    drop_left_over(folder)


def write_beside(folder: Path, name: str, text: str) -> None:
    """Write one file; where one of the user's has its name, under another name beside it, with a log line."""
    path, content = Path(name), text.encode()
    write(folder, {name: content}, beside=lambda suffix: {f"{path.stem}{suffix}{path.suffix}": content})


def left_over_files(folder: Path) -> list[Path]:
    """Temporary files of killed processes in a sweep directory, or of processes that write there now."""
    recorded = {*_recorded(folder), *STATE}

    def own(path: Path) -> bool:
        name = path.relative_to(folder).as_posix()
        return name in recorded or FIRST.fullmatch(name) is not None

    folders = [folder, folder / "figures", *([] if (folder / "best").is_symlink() else [folder / "best/experiment"])]
    return [path for each in folders for path in left_over(each, own)]


def drop_left_over(folder: Path) -> dict[Path, int]:
    """Remove the temporary files that nobody is writing now; returns their sizes in bytes."""
    if not left_over_files(folder):
        return {}
    with ExitStack() as stack:
        locked = [stack.enter_context(held(folder / name)) for name in (PLAN_LOCK, LOCK)]
        files = {path: path.lstat().st_size for path in left_over_files(folder)} if all(locked) else {}
        for path in files:
            path.unlink(missing_ok=True)
    return files


def _recorded(folder: Path) -> Prints:
    """The manifest's content; it may be a stranger's, and is empty where it is damaged."""
    try:
        files = read_json(folder / MANIFEST, LARGE)["files"]
        prints = {name: [(entry["size"], entry["sha256"]) for entry in files[name]] for name in files}
        return {n: p for n, p in prints.items() if all(isinstance(s, int) and isinstance(d, str) for s, d in p)}
    except FileNotFoundError:
        return _of_first_version(folder)
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _of_first_version(folder: Path) -> Prints:
    if not any((folder / name).is_file() for name in ("plan.json", "status.json")):
        return {}
    figures = folder / "figures"
    paths = [*folder.iterdir(), *([] if figures.is_symlink() or not figures.is_dir() else figures.iterdir())]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {name: _current(folder / name) for name in names if FIRST.fullmatch(name)}


def _record(folder: Path, files: Prints) -> None:
    prints = {name: [{"size": size, "sha256": digest} for size, digest in files[name]] for name in sorted(files)}
    write_json(folder / MANIFEST, {"format": 1, "files": prints})


def _in_the_way(folder: Path, files: Mapping[str, bytes | None], recorded: Prints) -> list[str]:
    """The names of somebody else's files, or with a link or file in the place of a folder."""

    def free(name: str, content: bytes | None) -> bool:
        if any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in _parents(folder, name)):
            return False
        same = content is not None and _current(folder / name) == [_print(content)]
        return same or not os.path.lexists(folder / name) or bool(_own(folder, name, recorded))

    return [name for name, content in files.items() if not free(name, content)]


def _own(folder: Path, name: str, recorded: Prints) -> Sequence[tuple[int, str]]:
    """The print of a file as it is now, where it is one of ganexp's own; else nothing."""
    linked = any(path.is_symlink() for path in _parents(folder, name))
    return [] if linked else [each for each in _current(folder / name) if each in recorded.get(name, ())]


def _current(path: Path) -> list[tuple[int, str]]:
    """The print of a file, or nothing where there is no plain one."""
    try:
        return [_print(read_bytes(path, LARGE))]
    except OSError:
        return []


def _print(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


def _parents(folder: Path, name: str) -> list[Path]:
    return [folder / parent for parent in Path(name).parents if parent.name]


def _named(folder: Path, names: Sequence[str]) -> str:
    return ", ".join(str(folder / name) for name in names)


def _refusal(folder: Path, theirs: Sequence[str], way: str) -> DirectoryError:
    refuse_links(*(path for name in theirs for path in _parents(folder, name)))
    names = _named(folder, theirs)
    return DirectoryError(f"{names}: expected what ganexp wrote, got a file that is not, or was changed since; {way}")

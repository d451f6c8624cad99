from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_export.categories.category_task import find_log, find_tasks, run_task
from softcore_runtime.errors import SoftCoreError, UsageError


@pytest.fixture
def root(own_discs: Path) -> Path:
    """A root with `cap` and `disc`, a folder without images, and a hidden one."""
    shutil.copytree(own_discs / "disc", own_discs / "cap")
    shutil.copytree(own_discs / "disc", own_discs / ".old")
    (own_discs / "notes").mkdir()
    (own_discs / "notes" / "read.txt").write_text("x")
    return own_discs


def test_each_folder_with_images_is_a_task(root: Path, tmp_path: Path) -> None:
    tasks = find_tasks(root, tmp_path / "out", ["--crop", "64"])
    assert [task.name for task in tasks] == ["cap", "disc"]
    assert tasks[0].command == (
        "--category", "cap", "--data", str(root), "--out", str(tmp_path / "out"), "--crop", "64",
    )  # fmt: skip
    assert tasks[0].log == find_log(tmp_path / "out", "cap")
    assert len({task.digest for task in tasks}) == 2


def test_the_folder_of_the_bundles_is_no_category(root: Path) -> None:
    assert [task.name for task in find_tasks(root, root / "cap", [])] == ["disc"]


def test_a_task_is_another_with_other_images_or_options(root: Path, tmp_path: Path) -> None:
    def digest(*options: str) -> str:
        return find_tasks(root, tmp_path, options)[1].digest

    before = digest()
    assert digest() == before
    assert digest("--crop", "64") != before
    image = next(iter(sorted((root / "disc").iterdir())))
    os.utime(image, ns=(1, 1))
    touched = digest()
    assert touched != before
    image.unlink()
    assert digest() not in (before, touched)


def test_folders_without_a_category_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder with images in it"):
        find_tasks(tmp_path, tmp_path, [])
    with pytest.raises(UsageError, match="can't be listed"):
        find_tasks(tmp_path / "none", tmp_path, [])


def test_what_goes_wrong_is_told_by_its_last_line(root: Path, tmp_path: Path) -> None:
    for path in sorted((root / "disc").iterdir())[3:]:
        path.unlink()
    task = find_tasks(root, tmp_path / "out", ["--backbone", "filterbank"])[1]
    result = run_task(task)
    assert (result.name, result.digest, result.code) == ("disc", task.digest, 3)
    assert result.told.startswith(f"{root / 'disc'}: 3 images, at least 8 are needed")
    assert result.told in task.log.read_text()
    with pytest.raises(SoftCoreError, match="No such file"):
        run_task(replace(task, folder=tmp_path / "gone"))

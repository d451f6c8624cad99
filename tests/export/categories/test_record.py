from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_export.categories.category_task import CategoryResult, CategoryTask
from softcore_export.categories.record import FILE, Record
from softcore_runtime.bundle.bundle import read_manifest, write_manifest
from softcore_runtime.errors import UsageError

TASK = CategoryTask("tiny", (), Path(), Path("log"), "d1")
DONE = CategoryResult("tiny", "d1", 0, 12.5)


@pytest.fixture
def out(tiny_bundle: Path) -> Path:
    return tiny_bundle.parent


def test_what_is_done_is_known_afterwards(out: Path) -> None:
    record = Record(out)
    assert not record.is_done(TASK)
    record.add(DONE)
    again = Record(out)
    assert again.results == {"tiny": DONE}
    assert again.is_done(TASK)
    assert not again.is_done(replace(TASK, digest="d2"))  # other images or options


def test_what_failed_or_is_gone_is_not_done(out: Path) -> None:
    Record(out).add(replace(DONE, code=3, told="too few images"))
    assert not Record(out).is_done(TASK)
    Record(out).add(DONE)
    shutil.rmtree(out / "tiny")
    assert not Record(out).is_done(TASK)


def test_a_bundle_that_is_calibrated_stays_and_another_one_does_not(out: Path) -> None:
    Record(out).add(DONE)
    manifest = read_manifest(out / "tiny")
    calibrated = manifest.threshold.model_copy(update={"value": 7.5, "provisional": False})
    write_manifest(out / "tiny", manifest.model_copy(update={"threshold": calibrated}))
    assert Record(out).is_done(TASK)
    later = manifest.created.replace(year=manifest.created.year + 1)
    write_manifest(out / "tiny", manifest.model_copy(update={"created": later}))
    assert not Record(out).is_done(TASK)


@pytest.mark.parametrize("content", ["", "[]", '{"tiny": 3}', '{"tiny": {"name": "tiny"}}', "\x00"])
def test_a_damaged_record_is_told(out: Path, content: str) -> None:
    (out / FILE).write_text(content)
    with pytest.raises(UsageError, match="delete it, and all categories are exported"):
        Record(out)


def test_a_record_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError):
        Record(tmp_path / "out").add(DONE)

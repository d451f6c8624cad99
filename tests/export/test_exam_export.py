"""An export sits the exam of the bundle that it replaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from softcore_export.cli.command import main
from softcore_export.data.confirmed_images import find_confirmed
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, export
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_image
from softcore_runtime.errors import ExportError
from softcore_runtime.exam.exam import read_exam
from softcore_runtime.exam.places import places_path, read_places

Snapshot = Callable[[Path], dict[str, bytes]]
Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("quick_network")


@pytest.fixture
def plain(small: ExportSettings) -> ExportSettings:
    """PatchCore, which learns whatever it is given."""
    return small.model_copy(update={"discriminator": "none", "floor": 0.0})


@pytest.fixture
def sound(own_discs: Path) -> Path:
    """Training images without the defective one."""
    (own_discs / "disc" / "05.png").unlink()
    return own_discs / "disc"


def learn(folder: Path, target: Path, settings: ExportSettings, **marks: list[Path]) -> Export:
    images = TrainingImages.find(folder).confirm(find_confirmed(**marks))
    return export(images, target, settings)


def test_a_bundle_that_learned_a_marked_defect_is_refused_and_the_old_one_stays(
    sound: Path, labelled_discs: Path, target: Path, plain: ExportSettings, snapshot: Snapshot
) -> None:
    first = learn(sound, target, plain, bad=[labelled_discs / "spot"])
    assert first.exam
    assert first.exam.compared == ()
    assert [part.name for part in first.taught] == [f"spot/{number}.png" for number in range(8)]
    for file in ("report.html", "manifest.json", "contamination.json", "exam/exam.json"):
        assert str(labelled_discs) not in (target / file).read_text()  # a bundle holds no paths
    found = [part.name for part in first.exam.judged if not part.fails]
    assert "spot/7.png" in found  # the plainest
    assert [part.name for part in read_exam(target).parts] == [f"spot/{number}.png" for number in range(8)]
    assert read_places(target) == (labelled_discs / "spot",)
    before = snapshot(target.parent)
    for number in range(8):
        shutil.copyfile(labelled_discs / "spot" / f"{number}.png", sound / f"dirt{number}.png")
    strict = plain.model_copy(update={"no_worse": True})
    with pytest.raises(ExportError, match=rf"loses {len(found)} of 8 marked parts.*add --accept"):
        learn(sound, target, strict)
    assert snapshot(target.parent) == before

    accepted = learn(sound, target, plain)
    assert accepted.exam
    assert [part.name for part in accepted.exam.lost] == found
    assert len(accepted.exam.learned) == 8
    inspector = Inspector.load(target)
    for part in read_exam(target).parts:
        path = labelled_discs / part.name
        assert part.score == pytest.approx(inspector.inspect(read_image(path)).score, rel=1e-6)
    page = (target / "report.html").read_text()
    assert 'id="exam"' in page
    assert "spot/7.png" in page


def test_a_bundle_that_is_as_good_is_taken(
    sound: Path, labelled_discs: Path, target: Path, plain: ExportSettings
) -> None:
    strict = plain.model_copy(update={"no_worse": True})
    marks = {"good": [labelled_discs / "good"], "bad": [labelled_discs / "spot"]}
    learn(sound, target, strict, **marks)
    again = learn(sound, target, strict, **marks)
    assert again.exam
    assert again.exam.lost == ()
    assert len(again.exam.compared) == 16
    good = [part for part in again.exam.judged if not part.defective]
    assert all(part.new.alone and part.old and part.old.alone for part in good)
    assert all(part.old == part.new for part in again.exam.judged)  # the same bundle once more


def test_without_marks_there_is_no_exam(sound: Path, target: Path, plain: ExportSettings) -> None:
    done = learn(sound, target, plain)
    assert done.exam is None
    assert not (target / "exam").exists()
    assert not places_path(target).exists()
    assert "exam" not in done.seconds
    assert 'id="exam"' not in (target / "report.html").read_text()


def test_the_command_says_what_the_exam_says(
    sound: Path, labelled_discs: Path, target: Path, capsys: Capture, tmp_path: Path
) -> None:
    spots = Path(shutil.copytree(labelled_discs / "spot", tmp_path / "marks" / "spot"))
    command = [
        "--category", "disc", "--data", str(sound.parent), "--out", str(target.parent),
        "--backbone", "filterbank", "--resize", "72", "--crop", "64", "--engine", "onnxruntime",
        "--precision", "fp32", "--discriminator", "none", "--floor", "0",
    ]  # fmt: skip
    assert main([*command, "--bad", str(spots)]) == 0
    assert "exam       8 marked parts (0 good, 8 bad), judged by this bundle\n" in capsys.readouterr().out
    (spots / "0.png").unlink()
    assert main([*command, "--no-worse"]) == 0
    said = capsys.readouterr()
    assert (
        "exam       7 marked parts (0 good, 7 bad), judged by this bundle and by the one before\n" in said.out
    )
    assert "1 of 8 marked parts wasn't found and isn't judged again" in said.err
    for file in spots.iterdir():
        shutil.copyfile(file, sound / f"dirt{file.name}")
    assert main([*command, "--no-worse"]) == 3
    assert "add --accept to take the new one all the same" in capsys.readouterr().err
    assert main([*command, "--no-worse", "--accept"]) == 0
    assert "lost: spot/" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "said"), [("disc/exam/exam.json", "not an exam"), ("disc.exam.json", "no list of folders")]
)
def test_a_damaged_exam_is_told_before_the_work(
    file: str, said: str, bundles: Path, discs: Path, capsys: Capture, snapshot: Snapshot
) -> None:
    (bundles / file).parent.mkdir(exist_ok=True)
    (bundles / file).write_text("{")
    before = snapshot(bundles)
    command = ["--category", "disc", "--data", str(discs), "--out", str(bundles), "--backbone", "filterbank"]
    assert main(command) == 3
    assert said in capsys.readouterr().err
    assert snapshot(bundles) == before

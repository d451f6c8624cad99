"""A folder in which every image is there twice gives the bundle that it gives with each once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_export.cli.command import main
from softcore_export.contamination.contamination import FILE, Contamination
from softcore_export.data.procedural_pill import draw_category
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.train import fit
from softcore_runtime import read_bundle
from softcore_runtime.images.image_file import find_images, read_image

GOOD, DEFECTIVE = 22, 2
ARGUMENTS = [
    *("--backbone", "filterbank", "--engine", "onnxruntime", "--precision", "fp32", "--device", "cpu"),
    *("--coreset-ratio", "0.01", "--align", "none"),
]


def run(category: str, root: Path, *more: str) -> int:
    out = root / "bundles"
    return main(["--category", category, "--data", str(root), "--out", str(out), *ARGUMENTS, *more])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`once`, a drawn category with two hidden defects, and `twice`: the same, each file with its copy."""
    folder = tmp_path_factory.mktemp("copies")
    draw_category(folder / "once", good=GOOD, unnoticed=DEFECTIVE, test_good=0, test_each=1)
    shutil.copytree(folder / "once", folder / "twice")
    for path in find_images(folder / "twice" / "train" / "good"):
        shutil.copy(path, path.with_name(f"{path.stem} - Copy.png"))
    for category in ("once", "twice"):
        assert run(category, folder) == 0
    return folder


def read_contamination(bundle: Path) -> Contamination:
    return Contamination.model_validate_json((bundle / FILE).read_bytes())


@pytest.fixture(scope="module")
def found(root: Path) -> Contamination:
    return read_contamination(root / "bundles" / "twice")


def test_the_bundle_is_the_same(root: Path) -> None:
    once, twice = (read_bundle(root / "bundles" / category) for category in ("once", "twice"))
    assert once.manifest.threshold == twice.manifest.threshold
    assert once.manifest.dataset == twice.manifest.dataset  # its fingerprint, too
    assert once.manifest.dataset.images == GOOD + DEFECTIVE
    assert once.manifest.index == twice.manifest.index
    for name in ("bank", "weights", "floors", "origins", "hints"):
        np.testing.assert_array_equal(getattr(once, name), getattr(twice, name))


def test_the_defects_are_found_all_the_same(root: Path, found: Contamination) -> None:
    once = read_contamination(root / "bundles" / "once")
    assert (once.images, once.estimate, once.copies) == (found.images, found.estimate, ())
    assert [image.suspicion > 1 for image in found.images[:3]] == [True, True, False]


def test_the_copies_are_counted_and_listed(root: Path, found: Contamination) -> None:
    names = [path.name for path in find_images(root / "once" / "train" / "good")]
    assert [(copy.path, copy.original, copy.alike) for copy in found.copies] == [
        (name.replace(".png", " - Copy.png"), name, "content") for name in names
    ]
    page = (root / "bundles" / "twice" / "report.html").read_text()
    assert "<li>000 - Copy.png is 000.png</li>" in page
    assert "can hardly be told from another one" not in page


def test_the_command_says_what_it_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned: list[MemoryBank] = []

    def fit_and_keep(*arguments: Any) -> MemoryBank:
        learned.append(fit(*arguments))
        return learned[-1]

    monkeypatch.setattr("softcore_export.export.fit", fit_and_keep)
    folder = tmp_path / "part"
    folder.mkdir()
    for path in find_images(root / "once" / "train" / "good")[:16]:
        shutil.copy(path, folder)
    image = read_image(folder / "003.png")
    assert cv2.imwrite(str(folder / "anew.bmp"), image)
    assert cv2.imwrite(str(folder / "beside.png"), np.roll(image, 1, 1))
    shutil.copy(folder / "004.png", folder / "the fifth.png")
    assert run("part", tmp_path, "--resize", "72", "--crop", "64") == 0
    said = capsys.readouterr().err
    assert "18 images in " in said
    assert "warning: 1 image more with the content of one of them, which is learned once: " in said
    assert "the fifth.png is 004.png\n" in said
    assert "warning: that is few" in said
    assert "warning: 1 image more with the very pixels of one of them: anew.bmp is 003.png\n" in said
    assert (
        "warning: 1 image can hardly be told from another one, and a defect in both is hidden: beside.png "
        "is like 003.png; delete what was saved twice, and export again\n"
    ) in said
    # Near copies are learned, and don't vouch for each other.
    (bank,) = learned
    assert bank.rule is not None
    assert bank.rule.groups.tolist() == [*range(16), 3]
    mine = np.isin(bank.owners, [3, 16])
    assert not (bank.rule.corroboration.vouchers[mine] == 3).any()
    assert (bank.rule.corroboration.vouchers[~mine] == 3).any()

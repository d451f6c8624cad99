from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
from softcore_runtime import Inspector, read_bundle
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.training import Training, read_training, write_training


def rows(shown: str) -> dict[str, str]:
    return dict(re.findall(r"<th[^>]*>([^<]+)</th><td[^>]*>([^<]+)</td>", shown))


def test_an_inspector_prints_in_one_line(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle, provider="cpu")
    assert repr(inspector) == (
        f"Inspector('{tiny_bundle}', category='tiny', threshold=12 (provisional), bank=768x3, "
        "network='cell means, onnxruntime in fp32')"
    )
    inspector.override_threshold(Threshold(value=13.5, provisional=False, method="by hand"))
    assert "threshold=13.5, bank" in repr(inspector)


def test_a_bundle_prints_in_one_line(tiny_bundle: Path) -> None:
    read = read_bundle(tiny_bundle)
    told = "category='tiny', threshold=12 (provisional), bank=768x3"
    assert repr(read) == str(read) == f"Bundle('{tiny_bundle}', {told})"


def test_a_notebook_shows_the_bundle_and_its_golden_frames(tiny_bundle: Path) -> None:
    inspector = Inspector.load(tiny_bundle, provider="cpu")
    shown = inspector._repr_html_()
    assert "Inspector: tiny" in shown
    assert rows(shown) == {
        "bundle": str(tiny_bundle),
        "threshold": "12, provisional: by hand",
        "network": "cell means, onnxruntime in fp32",
        "input": "frame resized to 36, inner 32 pixels inspected",
        "memory bank": "768 x 3, discriminator none, ratio 1",
        "training images": "12",
        "exported": "2026-01-01 00:00 UTC",
    }
    assert re.findall(r'alt="(good.png, score [\d.]+)" width="120" height="120"', shown)

    inspector.override_threshold(
        Threshold(value=13, provisional=False, method="at most <1 %>", fail_above=14)
    )
    assert rows(inspector._repr_html_())["threshold"] == "13, FAIL above 14: at most &lt;1 %&gt;"


def test_a_notebook_shows_the_floor(tiny_bundle: Path) -> None:
    was = bundle.read_manifest(tiny_bundle)
    bank = was.bank.model_copy(update={"floor": 0.81264})
    bundle.write_manifest(tiny_bundle, was.model_copy(update={"bank": bank}))
    shown = rows(Inspector.load(tiny_bundle, provider="cpu")._repr_html_())
    assert shown["memory bank"] == "768 x 3, discriminator none, ratio 1, floor 0.813"


def test_a_notebook_shows_how_many_training_images_are_suspect_or_unread(tiny_bundle: Path) -> None:
    known = read_training(tiny_bundle)
    write_training(tiny_bundle, Training(known.scores[:9], known.thumbnails, known.image_statistics))
    was = bundle.read_manifest(tiny_bundle)
    dataset = was.dataset.model_copy(update={"skipped": 2})
    files = bundle.record_files(tiny_bundle)
    bundle.write_manifest(tiny_bundle, was.model_copy(update={"dataset": dataset, "files": files}))
    shown = rows(Inspector.load(tiny_bundle)._repr_html_())
    assert shown["training images"] == "12, 3 of them suspect; 2 more could not be read"


def test_a_notebook_shows_a_remark_on_this_machine(tiny_bundle: Path) -> None:
    was = bundle.read_manifest(tiny_bundle)
    elsewhere = was.backbone.model_copy(update={"engine": "openvino"})
    bundle.write_manifest(tiny_bundle, was.model_copy(update={"backbone": elsewhere}))
    inspector = Inspector.load(tiny_bundle, engine="onnxruntime", provider="cpu")
    assert inspector.remark
    assert rows(inspector._repr_html_())["remark"] == inspector.remark


def test_it_is_shown_after_its_folder_was_moved(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    shutil.rmtree(tiny_bundle)
    shown = inspector._repr_html_()
    assert rows(shown)["training images"] == "12"
    assert "<img" not in shown
    assert inspector.inspect(good_frame)

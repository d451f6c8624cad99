"""`softcore-export --update`: the bundle of a whole export, for the cost of what is new."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from softcore_export.cli.command import main
from softcore_export.data import features
from softcore_export.feature_store.feature_store import find_store
from softcore_export.source import read_source, source_path
from softcore_runtime import Inspector
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.images.preprocessing import Preprocessing

Capsys = pytest.CaptureFixture[str]
Draw = Callable[..., np.ndarray]
QUICK = ["--backbone", "filterbank", "--resize", "72", "--crop", "64", "--engine", "onnxruntime"]
QUICK += ["--align", "none"]  # so that nothing depends on all images but where it is asked for
TIMES = re.compile(rb"<h2[^>]*>[^<]*[Tt]ime.*?</table>", re.DOTALL)
SIZES = re.compile(rb"[\d.,]+ [kM]?B")
EXPORTED = re.compile(rb'"exported": "[^"]*"')
MADE = re.compile(rb"Made on [^<]*")


def call(*arguments: object) -> int | str | None:
    """Run the command in this process: its exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def say_last(capsys: Capsys) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def draw_into(folder: Path, draw: Draw, seeds: range, bad: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        assert cv2.imwrite(str(folder / f"{seed:03}.png"), draw(seed, spot=seed == bad))


def read_contents(bundle: Path) -> dict[str, Any]:
    """A bundle's files but for times: when it was made, and how long that took."""
    files: dict[str, Any] = {
        path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }
    manifest = json.loads(files["manifest.json"])
    del manifest["created"], manifest["seal"], manifest["files"]["report.html"]
    files["manifest.json"] = manifest
    files["report.html"] = SIZES.sub(b"", MADE.sub(b"", TIMES.sub(b"", files["report.html"])))
    if "exam/exam.json" in files:
        files["exam/exam.json"] = EXPORTED.sub(b"", files["exam/exam.json"])
        manifest["files"].pop("exam/exam.json", None)
    return files


@settings(
    max_examples=5,
    phases=[Phase.generate],  # each example takes seconds: a failing one is not made smaller
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    old=st.integers(9, 12),
    new=st.integers(0, 4),
    bad=st.none() | st.integers(0, 11),
    shared=st.booleans(),
    options=st.sampled_from(
        [
            [],
            ["--discriminator", "lof"],
            ["--precision", "fp32", "--seed", "7"],
            ["--dimensions", "150"],
            ["--engine", "openvino"],
            ["--align", "translation"],
            ["--coreset-ratio", "0.3", "--sampler", "random"],
        ]
    ),
)
def test_the_bundle_is_that_of_a_whole_export(
    tmp_path_factory: pytest.TempPathFactory,
    draw_disc: Draw,
    old: int,
    new: int,
    bad: int | None,
    shared: bool,
    options: list[str],
) -> None:
    place = tmp_path_factory.mktemp("update")
    draw_into(place / "data" / "disc", draw_disc, range(old), bad)
    draw_into(place / "new", draw_disc, range(100, 100 + new))
    if shared:  # an image that is known already, under another name, and one with the same pixels
        shutil.copy(place / "data" / "disc" / "001.png", place / "new" / "known.png")
        image = cv2.imread(str(place / "data" / "disc" / "002.png"))
        assert cv2.imwrite(str(place / "new" / "again.bmp"), image)
    added = ["--good", place / "new"] if new or shared else []
    arguments = ["--category", "disc", "--data", place / "data", *QUICK, *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        assert call(*arguments, "--out", place / "bundles") == 0
        before = find_store().measure().entries
        shutil.copytree(place / "bundles", place / "whole")  # for the exam, which asks the earlier bundle
        code = call("--update", place / "bundles" / "disc", *added)
        # With few dimensions the decisions on some images differ too much from those with all.
        assert code == 0 or (code == 3 and "--dimensions" in options)
        if "--align" not in options:  # other images have another reference, and all crops are new
            fresh = 3  # facts, features, and those in FP32
            assert find_store().measure().entries <= before + fresh * (new + shared)
        patch.setenv("SOFTCORE_FEATURES_GB", "0")
        assert call(*arguments, *added, "--out", place / "whole") == code
    if code:
        return
    ours, theirs = (read_contents(place / name / "disc") for name in ("bundles", "whole"))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert read_source(place / "bundles" / "disc") == read_source(place / "whole" / "disc")


@pytest.fixture
def updated(tmp_path: Path, draw_disc: Draw) -> Path:
    """A bundle with its source, and a folder `new` beside `data` and `bundles`."""
    draw_into(tmp_path / "data" / "disc", draw_disc, range(10))
    draw_into(tmp_path / "new", draw_disc, range(100, 102))
    where = ["--category", "disc", "--data", tmp_path / "data", "--out", tmp_path / "bundles"]
    assert call(*where, *QUICK, "--precision", "fp32") == 0
    return tmp_path / "bundles" / "disc"


def test_old_images_cost_neither_network_nor_decoding(
    updated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []
    computed: list[np.ndarray] = []
    read, compute = Preprocessing.read, features.compute_features

    def count_read(self: Preprocessing, path: Path) -> np.ndarray:
        if sys._getframe(1).f_code.co_name in ("_look", "read"):  # the scan's, and of a `SeenImage`
            decoded.append(path)
        return read(self, path)

    def count_computed(backbone: Backbone, preprocessing: Preprocessing, seen: np.ndarray) -> np.ndarray:
        computed.append(seen)
        return compute(backbone, preprocessing, seen)

    monkeypatch.setattr(Preprocessing, "read", count_read)
    monkeypatch.setattr(features, "compute_features", count_computed)
    assert call("--update", updated) == 0
    assert (decoded, computed) == ([], [])
    assert call("--update", updated, "--good", tmp_path / "new") == 0
    assert len(computed) == 2
    assert [path.name for path in decoded] == ["100.png", "101.png"]
    monkeypatch.setenv("SOFTCORE_FEATURES_GB", "0")
    decoded.clear()
    assert call("--update", updated) == 0
    assert len(decoded) == 12
    assert len(computed) == 2 + 12


def test_without_a_store_the_images_are_read_again(updated: Path, tmp_path: Path) -> None:
    shutil.rmtree(find_store().place)
    assert call("--update", updated, "--good", tmp_path / "new") == 0
    assert len(read_source(updated).images) == 12
    assert find_store().measure().entries == 2 * 12


def test_updates_follow_each_other(updated: Path, tmp_path: Path, draw_disc: Draw) -> None:
    draw_into(tmp_path / "newer", draw_disc, range(200, 203))
    draw_into(tmp_path / "spots", draw_disc, range(300, 302), bad=300)
    assert call("--update", updated, "--good", tmp_path / "new") == 0
    assert call("--update", updated, "--good", tmp_path / "newer", "--bad", tmp_path / "spots") == 0
    source = read_source(updated)
    assert len(source.images) == 15
    assert (source.good, source.bad) == ((tmp_path / "new", tmp_path / "newer"), (tmp_path / "spots",))
    assert set(source.defects.values()) == {"300.png", "301.png"}
    assert Inspector.load(updated).manifest.dataset.images == 15


def refuse(capsys: Capsys, updated: Path, *arguments: object) -> tuple[int | str | None, str]:
    """Run an update that is refused: its code, and the one line; nothing may change."""
    before = read_contents(updated)
    capsys.readouterr()
    code = call("--update", updated, *arguments)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert read_contents(updated) == before
    assert [path.name for path in updated.parent.iterdir() if path.name.startswith(".")] == []
    return code, err.removeprefix("softcore-export: ").rstrip()


def test_missing_images_are_named(updated: Path, tmp_path: Path, capsys: Capsys, draw_disc: Draw) -> None:
    for number in (1, 3, 4, 8):
        (tmp_path / "data" / "disc" / f"{number:03}.png").unlink()
    draw_into(tmp_path / "data" / "disc", draw_disc, range(20, 26))
    code, line = refuse(capsys, updated, "--good", tmp_path / "new")
    assert code == 3
    assert line == (
        f"{updated}: 4 of its 10 training images can't be found (001.png, 003.png, 004.png and 1 more); put "
        f"them back into {tmp_path / 'data' / 'disc'}, or export anew without --update"
    )


def test_a_renamed_image_is_not_missing(updated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "disc"
    (folder / "003.png").rename(folder / "three.png")
    assert call("--update", updated) == 0


def test_an_image_may_be_confirmed_as_defective_later(updated: Path, tmp_path: Path) -> None:
    assert call("--update", updated, "--bad", tmp_path / "data" / "disc" / "003.png") == 0
    assert len(read_source(updated).images) == 9
    assert call("--update", updated) == 0


def test_a_missing_defect_is_named(updated: Path, tmp_path: Path, capsys: Capsys, draw_disc: Draw) -> None:
    draw_into(tmp_path / "spots", draw_disc, range(300, 302), bad=300)
    assert call("--update", updated, "--bad", tmp_path / "spots") == 0
    (tmp_path / "spots" / "300.png").unlink()
    code, line = refuse(capsys, updated)
    assert code == 3
    assert "1 of its 2 images of defective parts can't be found (300.png)" in line


def test_a_missing_place_is_named(updated: Path, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "data" / "disc").rename(tmp_path / "elsewhere")
    code, line = refuse(capsys, updated)
    assert code == 3
    assert line.startswith(f"{updated}: {tmp_path / 'data' / 'disc'}, from which it was exported, is gone;")


def test_settings_are_those_of_the_bundle(updated: Path, capsys: Capsys) -> None:
    code, line = refuse(capsys, updated, "--seed", "3", "--out", "there")
    assert (code, line) == (
        2,
        f"--update {updated}: takes the settings of that bundle; leave out --seed, --out",
    )


def test_an_unknown_source_is_told(updated: Path, capsys: Capsys) -> None:
    source_path(updated).unlink()
    code, line = refuse(capsys, updated)
    assert code == 2
    assert "disc.source.json isn't beside it" in line


@pytest.mark.parametrize("spoiled", ["{", '{"format_version": 2}', '{"more": 1}'])
def test_a_damaged_source_is_told(updated: Path, capsys: Capsys, spoiled: str) -> None:
    source_path(updated).write_text(spoiled)
    code, line = refuse(capsys, updated)
    assert code == 3
    assert line.startswith(f"{source_path(updated)}: ")


def test_the_source_of_another_bundle_is_told(updated: Path, capsys: Capsys) -> None:
    other = source_path(updated).read_text()
    fingerprint = json.loads(other)["fingerprint"]
    source_path(updated).write_text(other.replace(fingerprint, "0" * 64))
    code, line = refuse(capsys, updated)
    assert code == 3
    assert "belongs to another bundle" in line


def test_no_bundle_is_told(tmp_path: Path, capsys: Capsys) -> None:
    assert call("--update", tmp_path / "none") == 3
    assert "no bundle here" in say_last(capsys)


def test_killed_at_any_moment_it_leaves_the_old_or_the_new(updated: Path, tmp_path: Path) -> None:
    driver = Path(__file__).with_name("kill_update.py")
    networks = tmp_path / "networks"

    def run(bundle: Path, seconds: float) -> tuple[int, float]:
        """Update a bundle in a process that kills itself after so many seconds: its code, and its time."""
        done = subprocess.run(
            [sys.executable, driver, networks, str(seconds), bundle, tmp_path / "new"],
            capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, float(done.stdout.split()[-1]) if done.returncode == 0 else 0

    old = read_contents(updated)
    shutil.copytree(updated.parent, tmp_path / "whole")
    code, length = run(tmp_path / "whole" / "disc", 1000)
    assert code == 0
    new = read_contents(tmp_path / "whole" / "disc")
    assert old["bank.npy"] != new["bank.npy"]
    delays = np.random.default_rng().uniform(0, length, 3)
    for delay in (*delays, 0.95 * length):
        code, _ = run(updated, delay)
        found = read_contents(updated)
        assert found in (old, new)
        Inspector.load(updated)
        if found == new:
            break
    assert run(updated, 1000)[0] == 0  # goes on from whatever was left
    assert read_contents(updated)["bank.npy"] == new["bank.npy"]
    assert [path.name for path in updated.parent.iterdir() if path.name.startswith(".")] == []

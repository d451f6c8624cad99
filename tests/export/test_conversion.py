from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from softcore_export import conversion
from softcore_export.cli.command import main
from softcore_export.conversion import convert
from softcore_runtime import Decision, Inspector
from softcore_runtime.bundle.bundle import read_bundle, read_manifest
from softcore_runtime.bundle.manifest import FORMAT_VERSION
from softcore_runtime.bundle.threshold_change import set_threshold, sign_bundle
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleNotFoundError,
    BundleUntrustedError,
    ExportError,
    UsageError,
)
from softcore_runtime.signing.private_key import create_key
from softcore_runtime.signing.trust import Trust

Snapshot = Callable[[Path], dict[str, bytes]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=[3, 4])
def earlier(request: pytest.FixtureRequest, recordings: Path, tmp_path: Path) -> Path:
    """A bundle of an earlier format with a second threshold, an engine's folder and a note of somebody's."""
    path = Path(shutil.copytree(recordings / f"bundle_format_{request.param}" / "tiny", tmp_path / "tiny"))
    exported = read_manifest(path)
    set_threshold(path, exported.threshold.model_copy(update={"value": 14.0, "provisional": False}), exported)
    (path / "engines").mkdir()
    (path / "engines" / "built").write_bytes(b"engine")
    (path / "note.txt").write_text("of line 3")
    return path


def test_it_decides_as_before_with_its_threshold(
    earlier: Path, good_frame: np.ndarray, bad_frame: np.ndarray, snapshot: Snapshot
) -> None:
    before, files, old = Inspector.load(earlier), snapshot(earlier), read_manifest(earlier)
    scores = [before.inspect(frame).score for frame in (good_frame, bad_frame)]
    done = convert(earlier)
    assert (done.earlier, done.golden, done.done) == (old.format_version, 2, True)
    after = Inspector.load(earlier)
    assert [after.inspect(frame).score for frame in (good_frame, bad_frame)] == scores
    new = after.manifest
    assert new.format_version == FORMAT_VERSION
    assert (new.threshold, new.history) == (old.threshold, old.history)
    assert new.dataset == old.dataset
    assert new.created == old.created
    assert not after.bundle.floors.any()
    left = {
        name: data for name, data in snapshot(earlier).items() if name not in ("manifest.json", "floors.npy")
    }
    assert left == {name: data for name, data in files.items() if name not in ("manifest.json", "floors.npy")}
    assert [path.name for path in earlier.parent.iterdir()] == ["tiny"]


def test_its_signatures_are_of_the_earlier_manifest_and_go(earlier: Path, tmp_path: Path) -> None:
    key = create_key(tmp_path / "export.key")
    trust = Trust((key.public,))
    sign_bundle(earlier, tmp_path / "export.key")
    assert read_bundle(earlier, trust)
    assert str(convert(earlier)).endswith("; its signatures are gone: sign it with softcore keys sign")
    with pytest.raises(BundleUntrustedError, match="isn't signed"):
        read_bundle(earlier, trust)
    sign_bundle(earlier, tmp_path / "export.key")
    assert read_bundle(earlier, trust).manifest.threshold.value == 14


def test_a_present_bundle_is_left_alone(bundles: Path, snapshot: Snapshot) -> None:
    before = snapshot(bundles)
    assert str(convert(bundles / "disc")).endswith("the present one, already; nothing was changed")
    assert snapshot(bundles) == before


def test_golden_frames_that_are_decided_otherwise_refuse_it(
    earlier: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    before = snapshot(earlier.parent)
    decided = iter([Decision.PASS, Decision.FAIL, Decision.PASS, Decision.REVIEW])
    monkeypatch.setattr(conversion, "_decide", lambda *_: next(decided))
    with pytest.raises(
        ExportError, match=r"the golden frame \w+.png is decided REVIEW after the conversion, FAIL"
    ):
        convert(earlier)
    assert snapshot(earlier.parent) == before


def test_a_threshold_that_is_set_meanwhile_is_not_lost(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = conversion._update
    first = read_manifest(earlier)

    def set_meanwhile(*given: object) -> object:
        set_threshold(earlier, first.threshold.model_copy(update={"value": 13.0}), first)
        return update(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(conversion, "_update", set_meanwhile)
    with pytest.raises(UsageError, match="was changed while it was converted; convert it again"):
        convert(earlier)
    assert read_bundle(earlier).manifest.threshold.value == 13


def test_a_format_that_holds_too_little_needs_the_images(earlier: Path, snapshot: Snapshot) -> None:
    file = earlier / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 2}))
    before = snapshot(earlier)
    with pytest.raises(
        BundleCorruptError, match="format 2 holds too little to be converted: export it again, from its"
    ):
        convert(earlier)
    assert snapshot(earlier) == before


def test_a_damaged_bundle_is_not_converted(earlier: Path, snapshot: Snapshot) -> None:
    (earlier / "weights.npy").write_bytes(b"damaged")
    before = snapshot(earlier)
    with pytest.raises(BundleCorruptError, match=r"weights.npy"):
        convert(earlier)
    assert snapshot(earlier) == before
    with pytest.raises(BundleNotFoundError):
        convert(earlier.parent / "none")


def test_the_command_converts_each_by_itself(earlier: Path, capsys: Capture) -> None:
    damaged = Path(shutil.copytree(earlier, earlier.with_name("damaged")))
    (damaged / "bank.npy").unlink()
    assert main(["--convert", str(damaged), str(earlier)]) == 3
    said = capsys.readouterr()
    assert f"{earlier}: converted from format" in said.out
    assert said.err.count("\n") == 1
    assert "bank.npy: missing from the bundle" in said.err
    assert main(["--convert", str(earlier)]) == 0
    assert "nothing was changed" in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--demo"], ["--review"], ["--data", "x"], ["--bad", "x"]])
def test_an_option_that_asks_for_an_export_is_refused(option: list[str], capsys: Capture) -> None:
    assert main(["--convert", "pill", *option]) == 2
    assert f"--convert: rewrites bundles and learns nothing; leave out {option[0]}" in capsys.readouterr().err

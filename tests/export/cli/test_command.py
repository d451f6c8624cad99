from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from softcore_export.acceptance import golden_frames
from softcore_export.cli.command import main
from softcore_export.cli.options import build_parser
from softcore_export.cli.settings_options import read_settings
from softcore_export.contamination.choices import Choices, write_choices
from softcore_export.export import Export
from softcore_export.windows.drawn_region import DrawnPolygon, DrawnRegion
from softcore_runtime import Inspector, read_bundle

Capsys = pytest.CaptureFixture[str]
Snapshot = Callable[[Path], dict[str, bytes]]
SMALL = [
    "--category",
    "disc",
    "--backbone",
    "filterbank",
    "--resize",
    "72",
    "--crop",
    "64",
    "--engine",
    "onnxruntime",
    "--precision",
    "fp32",
    "--device",
    "cpu",
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("SOFTCORE_DATA", raising=False)


def call(*arguments: object) -> int | str | None:
    """Run the command in this process: its exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def only_line(capsys: Capsys) -> str:
    """What was said on standard error, which must be one line, with nothing on standard output."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("softcore-export: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


def last_line(capsys: Capsys) -> str:
    """The one-line error below what was said while the work went on."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert sum(line.startswith("softcore-export: ") for line in lines) == 1
    assert lines[-1].startswith("softcore-export: ")
    return lines[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tau", "2"], "--tau 2: must be a number from 0 up and below 1"),
        (["--tau", "nan"], "--tau nan: must be a number from 0 up and below 1"),
        (["--tau", "many"], "--tau many: must be a number from 0 up and below 1"),
        (["--lof-k", "0"], "--lof-k 0: must be a whole number from 1 up"),
        (["--lof-k", "2.5"], "--lof-k 2.5: must be a whole number from 1 up"),
        (["--coreset-ratio", "0"], "--coreset-ratio 0: must be auto or a number above 0 and at most 1"),
        *(
            (["--floor", wrong], f"--floor {wrong}: must be auto or a number from 0 to 100")
            for wrong in ("-1", "nan", "inf", "many", "1e9", "")
        ),
        (
            ["--floor", "1", "--discriminator", "lof"],
            "--floor 1: needs --no-soft-weights with --discriminator lof: an entry has either a floor or a "
            "soft weight",
        ),
        (["--seed", "-1"], "--seed -1: must be a whole number from 0 up and below 4294967296"),
        (["--resize", "256", "--crop", "300"], "--crop 300: must not exceed --resize (256)"),
        (["--resize", "100"], "--crop 224: must not exceed --resize (100)"),
        (["--crop", "8"], "--crop 8: must be a whole number from 32 to 4096"),
        (
            ["--roi", "1,2,3"],
            "--roi 1,2,3: must be X,Y,W,H: left, top, width and height in pixels, or each with a %",
        ),
        (["--roi", "0,0,0,9"], "--roi 0,0,0,9: has no width or no height"),
        (["--tile", "big"], "--tile big: must be a whole number from 16 to 1048576"),
        (["--tile", "8"], "--tile 8: must be a whole number from 16 to 1048576"),
        (["--overlap", "60"], "--overlap 60: must be a number from 0 to 50"),
        (["--overlap", "nan"], "--overlap nan: must be a number from 0 to 50"),
        (
            ["--tile", "100", "--no-keep-aspect"],
            "--tile 100: what tiles show is never squeezed; leave out --no-keep-aspect",
        ),
        (
            ["--tile", "100", "--resize", "256"],
            "--resize 256: has no meaning with --tile; --crop is a window's side",
        ),
        (
            ["--roi", "0,0,9,9", "--resize", "256"],
            "--resize 256: has no meaning with --roi; --crop is a window's side",
        ),
        *(
            (["--resolution", wrong], f"--resolution {wrong}: must be auto or a whole number from 32 to 4096")
            for wrong in ("many", "8", "5000", "-1", "224.5", "")
        ),
        (
            ["--resolution", "auto", "--crop", "224"],
            "--resolution auto: stands for --resize and --crop; leave out --crop",
        ),
        (
            ["--resolution", "448", "--resize", "448"],
            "--resolution 448: stands for --resize and --crop; leave out --resize",
        ),
        (["--budget", "0"], "--budget 0: must be a number above 0"),
        (["--grid", "1"], "--grid 1: must be a whole number from 2 up"),
        (["--category", "a/b"], "--category 'a/b': must be a plain name"),
        (["--category", "../up"], "--category '../up'"),
        (["--category", ""], "--category ''"),
        (["--category", ".."], "--category '..'"),
        (["--category", "/abs"], "--category '/abs'"),
        (["--max-images", "0"], "--max-images 0: at least 8 images are needed"),
        (["--max-images", "3"], "--max-images 3: at least 8 images are needed"),
        (["--max-images", "few"], "--max-images few: must be a whole number from 8 up"),
        (["--discriminator", "guess"], "--discriminator"),
        (["--device", "tpu"], "--device"),
        (["--engine", "tensorrt"], "--engine"),
        (["--precision", "int4"], "--precision"),
        (["--dimensions", "7"], "--dimensions 7: must be a whole number from 8 up"),
        (["--dimensions", "half"], "--dimensions half: must be a whole number from 8 up"),
        (["--max-loss", "-0.1"], "--max-loss -0.1: must be a number from 0 to 1"),
        (["--max-loss", "nan"], "--max-loss nan: must be a number from 0 to 1"),
        (["--unknown", "1"], "unknown option --unknown"),
        (["--back", "resnet18"], "--back"),  # an abbreviation may mean something else tomorrow
        (["stray"], "stray"),
        (["--data"], "--data"),
        (["--data", "nowhere"], "nowhere: no such folder; name with --data DIR the one that has pill/ in it"),
        (
            ["--data", "..", "--category", "her"],
            "../her: no such folder; did you mean here?; there are: here",
        ),
    ],
    ids=str,
)
def test_mistakes_are_answered_at_once(
    tmp_path: Path, discs: Path, capsys: Capsys, arguments: list[str], said: str
) -> None:
    there = (
        [] if "--data" in arguments else ["--data", discs, *([] if "--category" in arguments else SMALL[:2])]
    )
    assert call("--backbone", "filterbank", *there, *arguments) == 2
    assert said in only_line(capsys)
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


def test_a_category_that_is_not_there(discs: Path, capsys: Capsys) -> None:
    assert call(*SMALL, "--data", discs, "--category", "screw") == 2
    assert f"{discs / 'screw'}: no such folder; there are: disc" in only_line(capsys)


@pytest.mark.parametrize(("n", "said"), [(0, "no image"), (3, "3 images")])
def test_too_few_images(tmp_path: Path, discs: Path, capsys: Capsys, n: int, said: str) -> None:
    (tmp_path / "few" / "disc").mkdir(parents=True)
    for name in [f"{number:02}.png" for number in range(n)]:
        shutil.copy(discs / "disc" / name, tmp_path / "few" / "disc")
    assert call(*SMALL, "--data", tmp_path / "few") == 3
    line = only_line(capsys)
    assert str(tmp_path / "few" / "disc") in line
    assert said in line
    assert not Path("bundles").exists()


@pytest.mark.usefixtures("quick_network")
def test_too_few_images_that_can_be_read(own_discs: Path, capsys: Capsys) -> None:
    for path in sorted((own_discs / "disc").iterdir())[3:]:
        path.write_bytes(path.read_bytes()[:500])
    assert call(*SMALL, "--data", own_discs) == 3
    line = last_line(capsys)
    assert "3 images could be read, at least 8 are needed" in line
    assert f"{own_discs / 'disc' / '03.png'}: the image is cut off" in line
    assert not Path("bundles").exists()


@pytest.mark.usefixtures("quick_network")
def test_bad_images_among_good_ones_are_named_and_skipped(
    own_discs: Path, capsys: Capsys, draw_disc: Callable[..., np.ndarray]
) -> None:
    folder = own_discs / "disc"
    rgb = Image.fromarray(draw_disc(50)[:, :, ::-1].copy())
    (folder / "text.png").write_text("this is no image")
    # names that are no text
    (folder / "00.png").rename(folder / os.fsdecode(b"gr\xfcn_001.png"))
    (folder / os.fsdecode(b"br\xfcck.png")).write_text("this is no image either")
    for name in ("cut.png", "cut.jpg"):
        rgb.save(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[:-600])
    rgb.resize((1, 1)).save(folder / "pixel.png")
    # and good ones of other kinds
    Image.fromarray(draw_disc(51)[:, :, 0].astype(np.uint16) * 257).save(folder / "deep.tif")
    rgb.convert("CMYK").save(folder / "print.jpg", quality=95)

    assert call(*SMALL, "--data", own_discs) == 0
    out, err = capsys.readouterr()
    assert "from 14 images" in out
    assert "warning: 5 images could not be read and left out" in err
    named = [line for line in err.splitlines() if line.startswith("  /")]
    assert [Path(line.split(":")[0].strip()).name for line in named] == [
        "br\\udcfcck.png", "cut.jpg", "cut.png", "pixel.png", "text.png",
    ]  # fmt: skip
    assert "Traceback" not in err
    judged = json.loads((Path("bundles") / "disc" / "contamination.json").read_text(encoding="utf-8"))
    assert "gr\\udcfcn_001.png" in {image["path"] for image in judged["images"]}
    assert "br\\udcfcck.png" in (Path("bundles") / "disc" / "report.html").read_text(encoding="utf-8")
    dataset = read_bundle(Path("bundles") / "disc").manifest.dataset
    assert (dataset.images, dataset.skipped) == (14, 5)


def test_a_bundle_whose_name_is_no_text_is_refused(discs: Path, capsys: Capsys) -> None:
    name = os.fsdecode(b"gr\xfcn")
    for options in (["--out", name], ["--category", name]):
        assert call(*SMALL, "--data", discs, *options) == 2
        assert "gr\\udcfcn" in (said := only_line(capsys))
        assert "a bundle's path must be UTF-8; rename the folder, or choose --out" in said


@pytest.mark.usefixtures("quick_network")
def test_an_export_reports(exported: Export, discs: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert call(*SMALL, "--data", discs, "--discriminator", "lof", "--out", tmp_path / "a" / "b") == 0
    out, err = capsys.readouterr()
    for words in ("77 entries of", "from 12 images", "provisional", "recall@1", "onnxruntime in fp32"):
        assert words in out
    hints = exported.manifest.hints
    assert (
        f"hints      {hints.count} a position, which leave {hints.left_open:.1f} patches a frame open" in out
    )
    assert f"within {exported.manifest.parity.max_relative:.1e} of torch" in out
    assert "agreement" not in out  # there is nothing else to agree with
    assert "AUROC" not in out
    assert "suspects   05.png" in out
    assert "floors" not in out
    assert f"12 images in {discs / 'disc'}" in err
    assert "warning: that is few; 20 or more" in err
    found = read_bundle(tmp_path / "a" / "b" / "disc")
    np.testing.assert_array_equal(found.bank, np.load(exported.path / "bank.npy"))  # the options' settings


@pytest.mark.usefixtures("quick_network")
def test_a_region_drawn_in_the_review_is_followed_unless_another_is_given(
    discs: Path, capsys: Capsys
) -> None:
    corners = ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5))
    drawn = DrawnRegion(polygons=(DrawnPolygon(action="inspect", corners=corners),))
    Path("bundles").mkdir()
    write_choices(Path("bundles/disc.choices.json"), Choices(region=drawn))
    assert call(*SMALL, "--data", discs) == 0
    err = capsys.readouterr().err
    assert "region drawn in the review: 26 % of the frame, and the rest isn't inspected\n" in err
    assert (
        "warning: --resize 72: has no meaning with the region that was drawn in the review; --crop is a "
        "window's side\n"
    ) in err
    region = read_bundle(Path("bundles/disc")).manifest.preprocessing.region
    assert (region.x, region.height) == (pytest.approx(0.5, abs=0.02), pytest.approx(0.5, abs=0.02))

    options = [option for option in SMALL if option not in ("--resize", "72")]
    assert call(*options, "--data", discs, "--roi", "0,0,100%,50%", "--no-keep-aspect") == 0
    err = capsys.readouterr().err
    assert [line for line in err.splitlines() if "drawn" in line] == [
        "warning: --roi 0,0,100%,50%: overrules the region that was drawn in the review "
        "(bundles/disc.choices.json); leave it out to inspect that"
    ]
    assert read_bundle(Path("bundles/disc")).manifest.preprocessing.region.width == 1


@pytest.mark.usefixtures("quick_network")
def test_that_no_golden_frame_is_sure_to_fail_is_said_and_kept(
    discs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.setattr(golden_frames, "CLEAR", 1e6)
    assert call(*SMALL, "--data", discs) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "spoil" in line]
    note = Inspector.load(Path("bundles") / "disc").manifest.golden_note
    assert note is not None
    assert "none makes it fail for sure: the highest score is" in note
    assert said == [f"warning: {note}; the self-test can't tell then whether a machine finds defects"]


@pytest.mark.usefixtures("quick_network")
def test_fewer_dimensions_are_compared_on_labelled_images(
    discs: Path, labelled_discs: Path, capsys: Capsys
) -> None:
    options = ["--dimensions", "16", "--labelled", labelled_discs, "--max-loss", "0.5"]
    assert call(*SMALL, "--data", discs, "--discriminator", "none", *options) == 0
    out = capsys.readouterr().out
    manifest = read_bundle(Path("bundles") / "disc").manifest
    agreement = manifest.agreement
    assert manifest.bank.dim == 16
    assert agreement is not None
    assert (agreement.held_back, agreement.labelled) == (12, 16)
    assert "77 entries of 16 numbers" in out
    kept = agreement.held_back - agreement.flipped
    assert f"agreement  {kept} of 12 held-back images are decided as in fp32" in out
    line = f"AUROC      {agreement.auroc:.4f} on 16 labelled images, {agreement.auroc_fp32:.4f} in fp32"
    assert line in out


@pytest.mark.usefixtures("quick_network")
def test_by_default_there_may_be_something_to_agree_with(discs: Path, capsys: Capsys) -> None:
    """Engine and precision as this machine has them; without labelled images there is no AUROC."""
    options = ["--engine", "auto", "--precision", "auto"]
    assert call(*SMALL, "--data", discs, *options) == 0
    out = capsys.readouterr().out
    manifest = read_bundle(Path("bundles") / "disc").manifest
    backbone = manifest.backbone
    assert backbone.engine == "openvino"
    assert f"network    openvino in {backbone.precision}" in out
    assert ("held-back images are decided as in fp32" in out) is (backbone.precision == "bf16")
    assert "AUROC" not in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--precision", "bf16"],
            "--precision bf16: takes OpenVINO and a CPU that has it; take fp32 or int8",
        ),
        (["--labelled", "nowhere"], "--labelled nowhere: no such folder"),
    ],
    ids=str,
)
def test_speed_that_cannot_be_had(discs: Path, capsys: Capsys, options: list[str], said: str) -> None:
    """Said before the seconds that the network takes."""
    assert call(*SMALL, "--data", discs, *options) == 2
    assert said in last_line(capsys)
    assert not Path("bundles").exists()


@pytest.mark.usefixtures("quick_network")
def test_more_dimensions_than_there_are(discs: Path, capsys: Capsys) -> None:
    assert call(*SMALL, "--data", discs, "--dimensions", "4000") == 2
    assert "--dimensions 4000: the network gives only 203" in last_line(capsys)
    assert not Path("bundles").exists()


def test_a_missing_engine_is_one_line(discs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert call(*SMALL, "--data", discs, "--engine", "openvino") == 2
    assert "OpenVINO is not installed; run: pip install 'softcore[openvino]'" in last_line(capsys)
    assert not Path("bundles").exists()


@pytest.mark.usefixtures("quick_network")
def test_options_reach_the_bundle(discs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    monkeypatch.setenv("SOFTCORE_DATA", str(discs))
    options = "--lof-k 4 --tau 0.3 --coreset-ratio 0.05 --seed 9 --max-images 10 --no-soft-weights"
    assert call(*SMALL, *options.split()) == 0
    manifest = read_bundle(Path("bundles") / "disc").manifest
    bank = manifest.bank
    assert (bank.k, bank.tau, bank.ratio, bank.seed, bank.soft_weights) == (4, 0.3, 0.05, 9, False)
    assert manifest.dataset.images == 10
    assert (manifest.preprocessing.resize, manifest.preprocessing.crop) == (72, 64)
    others = "towards the third nearest image" if bank.evidence else "to the nearest other image"
    assert f"floors     {bank.floor:.3g} x the distance {others}; " in capsys.readouterr().out
    assert call(*SMALL, "--discriminator", "lof", "--no-soft-weights", "--floor", "40") == 0
    found = read_bundle(Path("bundles") / "disc")
    bank = found.manifest.bank
    assert (bank.discriminator, bank.floor) == ("lof", 40)
    above = (found.floors > found.manifest.threshold.value).sum()
    out, err = capsys.readouterr()
    assert f"floors     40 x the distance to the nearest other image; {above} of 77 entries have" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("target", ["out", "out/deeper"])
def test_a_file_where_the_output_should_be(discs: Path, capsys: Capsys, target: str) -> None:
    Path("out").write_text("precious")
    assert call(*SMALL, "--data", discs, "--out", target) == 2
    assert f"{target}: can't be written" in last_line(capsys)
    assert Path("out").read_text() == "precious"


def test_a_folder_that_is_no_bundle_is_not_replaced(discs: Path, capsys: Capsys) -> None:
    Path("bundles/disc").mkdir(parents=True)
    Path("bundles/disc/thesis.tex").write_text("precious")
    assert call(*SMALL, "--data", discs) == 2
    assert "bundles/disc: is there already and is not a bundle" in last_line(capsys)
    assert Path("bundles/disc/thesis.tex").read_text() == "precious"


def test_a_read_only_disk(discs: Path, capsys: Capsys, small_disk: Callable[..., Path]) -> None:
    disk = small_disk(1 << 20, "ro")
    assert call(*SMALL, "--data", discs, "--out", disk / "bundles") == 2
    line = last_line(capsys)
    assert str(disk) in line
    assert "Read-only file system" in line


@pytest.mark.usefixtures("quick_network")
@pytest.mark.parametrize(
    "stage", ["plain.onnx", "backbone.onnx", "features", "its copy", "index.hnsw", "bank.npy", "golden"]
)
def test_a_full_disk(
    exported: Export, discs: Path, capsys: Capsys, small_disk: Callable[..., Path], stage: str
) -> None:
    """The disk is full in the middle of each of the larger files."""
    bank = exported.manifest.bank
    sizes = {name: record.bytes for name, record in exported.manifest.files.items()}
    written = {
        "plain.onnx": sizes["backbone.onnx"],
        "backbone.onnx": sizes["backbone.onnx"],
        "features": 12 * 64 * bank.dim * 4,
        "its copy": sizes["backbone.onnx"],  # the network's, in the bundle
        "index.hnsw": sizes["index.hnsw"],
        "bank.npy": sizes["bank.npy"],
        "golden": sizes["golden/plain.png"],
    }
    before = list(written)[: list(written).index(stage)]
    disk = small_disk(4096 + sum(written[name] for name in before) + written[stage] // 2)
    assert call(*SMALL, "--data", discs, "--out", disk / "bundles") == 3
    line = last_line(capsys)
    assert str(disk / "bundles") in line
    assert list(disk.iterdir()) == []


def test_a_full_disk_under_the_exporter_of_onnx(
    discs: Path, capsys: Capsys, small_disk: Callable[..., Path]
) -> None:
    disk = small_disk(8192)
    assert call(*SMALL, "--data", discs, "--out", disk) == 3
    line = last_line(capsys)
    assert str(disk) in line
    assert "No space left on device" in line
    assert list(disk.iterdir()) == []


def test_weights_of_another_network(discs: Path, tmp_path: Path, capsys: Capsys) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    weights = tmp_path / "other.pth"
    assert call(*SMALL, "--data", discs, "--backbone", "resnet18", "--weights", weights) == 2
    assert f"--weights {weights}: conv1.weight is [64, 3, 3, 3]" in last_line(capsys)
    assert not Path("bundles").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--backbone", "resnet18", "--weights", "nowhere.pth"], "--weights nowhere.pth: No such file"),
        (["--backbone", "resnet18", "--weights", "."], "--weights .: Is a directory"),
        (["--backbone", "resnet19"], "--backbone resnet19: no such network; did you mean resnet18?"),
        (["--layers", "layer2"], "--backbone filterbank has fixed filters"),
        (["--backbone", "resnet18", "--layers", "layer9"], "--layers layer9: resnet18 has no such layer"),
    ],
    ids=str,
)
def test_a_network_that_cannot_be_had(discs: Path, capsys: Capsys, arguments: list[str], said: str) -> None:
    assert call(*SMALL, "--data", discs, *arguments) == 2
    assert said in last_line(capsys)
    assert not Path("bundles").exists()


def test_no_network_to_download_from(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    assert call(*SMALL, "--data", discs, "--backbone", "resnet18") == 2
    line = last_line(capsys)
    for words in ("Name or service not known", "--weights FILE", "--backbone filterbank"):
        assert words in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("option", ["--device", "--provider"])
def test_no_cuda(discs: Path, capsys: Capsys, option: str) -> None:
    assert call(*SMALL, "--data", discs, option, "cuda") == 2
    line = only_line(capsys)
    assert line.startswith(f"softcore-export: {option} cuda: ")
    assert line.endswith(f"; take {option} cpu, or auto\n")
    assert not Path("bundles").exists()


def test_all_mistakes_are_told_at_once(discs: Path, capsys: Capsys) -> None:
    Path("taken").write_text("precious")
    wrong = {
        "--max-images": "3",
        "--tau": "2",
        "--resize": "256",
        "--crop": "300",
        "--backbone": "resnet19",
        "--weights": "gone.pth",
        "--labelled": "gone",
        "--category": "dsc",
        "--out": "taken",
    }
    assert call("--data", discs, *(text for pair in wrong.items() for text in pair)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"softcore-export: {line}"
        for line in (
            "--max-images 3: at least 8 images are needed",
            "--tau 2: must be a number from 0 up and below 1",
            "--crop 300: must not exceed --resize (256)",
            "--backbone resnet19: no such network; did you mean resnet18?",
            "--weights gone.pth: No such file or directory",
            "--labelled gone: no such folder",
            f"{discs / 'dsc'}: no such folder; did you mean disc?; there are: disc",
            "taken: can't be written (File exists); choose another --out",
        )
    ]


def test_mistakes_are_answered_without_the_seconds_that_torch_takes(discs: Path) -> None:
    """In a process of its own, for this one has torch."""
    mistakes = [
        ["--data", str(discs), "--backbone", "resnet19"],
        ["--data", str(discs), "--weights", __file__],
        ["--data", str(discs), "--category", "dsc"],
        ["--data", str(discs), "--labelled", str(discs)],
        ["--data", str(discs), "--category", "disc", "--out", __file__],
        ["--data", str(discs), "--tau", "2"],
        ["--data", str(discs), "--device", "cuda"],
        ["--data", str(discs), "--engine", "onnxruntime", "--precision", "bf16"],
        ["--data", "nowhere"],
    ]
    script = (
        "import sys\n"
        "from softcore_export.cli.command import main\n"
        f"codes = [main(arguments) for arguments in {mistakes}]\n"
        "print(codes, [name for name in ('torch', 'onnx', 'openvino', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{[2] * len(mistakes)} []\n", done.stderr


def test_what_may_not_be_meant_is_said_before_the_work(
    own_discs: Path,
    draw_disc: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capsys,
) -> None:
    folder = own_discs / "disc"
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    for number in range(2):
        part = np.hstack([draw_disc(number)] * 3)
        assert cv2.imwrite(str(folder / f"wide{number}.png"), part)
    monkeypatch.setattr("softcore_export.export.export", _stop)
    with pytest.raises(RuntimeError, match="as far as this"):
        call("--debug", *SMALL, "--resize", "144", "--crop", "128", "--data", own_discs)
    assert capsys.readouterr().err.splitlines() == [
        f"14 images in {folder}",
        "warning: that is few; 20 or more give a threshold that means something",
        f"warning: {folder}: 1 symbolic link leads nowhere and is left out: gone.png",
        "warning: 14 images of 2 sizes: 80 x 80 (12), 240 x 80 (2); each is resized to 144 x 144, so a part "
        "may look different in each",
        "warning: 2 of 14 images are far from square: 240 x 80 (2); they are squeezed to 144 x 144, the "
        "width 3.0 times as much as the height; --resize 288 --crop 256 shows finer defects along it, in "
        "4 times the time",
        "warning: 12 of 14 images are smaller than the network's input: 80 x 80 (12); they are enlarged 1.8 "
        "times to 144 x 144, which shows no finer defects",
    ]


def _stop(*_arguments: object) -> None:
    raise RuntimeError("as far as this")


def test_debug_shows_the_traceback(discs: Path, capsys: Capsys) -> None:
    with pytest.raises(Exception, match="no such folder"):
        call("--debug", *SMALL, "--data", discs, "--category", "screw")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("quick_network")
def test_the_demo_draws_its_category(monkeypatch: pytest.MonkeyPatch, discs: Path, capsys: Capsys) -> None:
    drawn = []

    def draw_category(folder: Path, seed: int) -> None:
        drawn.append((folder, seed))
        shutil.copytree(discs / "disc", folder / "train" / "good")

    monkeypatch.setattr("softcore_export.data.procedural_pill.draw_category", draw_category)
    small = SMALL[SMALL.index("--resize") :]
    arguments = ["--demo", *small, "--seed", "3"]
    for _ in range(2):  # what is there is not drawn again
        assert call(*arguments) == 0
        assert drawn == [(Path("demo/pill"), 3)]
    assert read_bundle(Path("bundles/pill")).manifest.backbone.name == "filterbank"
    assert "drawing demo/pill" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_the_old_bundle(
    discs: Path, bundles: Path, snapshot: Snapshot, how: signal.Signals
) -> None:
    before = snapshot(bundles)
    # The default handler anew: a shell starts what it puts into the background with Ctrl-C ignored.
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from softcore_export.cli.command import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", start, *SMALL, "--data", str(discs), "--out", str(bundles)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        before_that: set[Path] = set()
        # Until the work has begun: trying whether the bundle can be written takes less time than this.
        while not (there := set(bundles.glob(".*.partial"))) & before_that:
            before_that = there
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "softcore-export: interrupted"
    assert "Traceback" not in err
    assert snapshot(bundles) == before


def test_help_and_version_are_quick_about_it(capsys: Capsys) -> None:
    """Without torch, which takes seconds to load."""
    script = (
        "import sys; from softcore_export.cli.command import main\n"
        "try: main(['--help'])\n"
        "finally: print([name for name in ('torch', 'onnx', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0
    assert done.stdout.endswith("[]\n")
    assert "usage: softcore-export" in done.stdout
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("softcore-export ")


def test_images_are_not_changed(discs: Path, draw_disc: Callable[..., np.ndarray]) -> None:
    """A guard for this file: everything above reads the same images."""
    assert len(list((discs / "disc").iterdir())) == 12
    np.testing.assert_array_equal(cv2.imread(str(discs / "disc" / "05.png")), draw_disc(5, spot=True))


def test_without_torch_it_says_what_to_install(discs: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from softcore_export.cli.command import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *SMALL, "--data", str(discs)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "softcore-export: PyTorch is not installed; run: pip install 'softcore[export]'"
    )


def test_help_tells_the_exit_codes_and_only_examples_that_are_parsed(capsys: Capsys) -> None:
    assert call("--help") == 0
    text = capsys.readouterr().out
    codes = text[text.index("exit codes:") :].splitlines()[1:]
    assert [line.split()[0] for line in codes] == ["0", "2", "3", "70", "130"]
    examples = [line for line in text.splitlines() if line.startswith("  softcore-export ")]
    assert len(examples) == 8
    for line in examples:
        command = line.split("   ")[0]
        build_parser().parse_args(command.split()[1:])


@pytest.mark.parametrize(
    ("arguments", "resize", "crop"),
    [([], 224, 224), (["--crop", "300"], 300, 300), (["--resize", "256"], 256, 224)],
)
def test_the_whole_image_is_inspected_unless_a_crop_of_it_is_asked_for(
    arguments: list[str], resize: int, crop: int
) -> None:
    preprocessing = read_settings(build_parser().parse_args(arguments)).preprocessing
    assert (preprocessing.resize, preprocessing.crop) == (resize, crop)
    window = preprocessing.window(480, 640)
    assert (window.x == 0 and window.width == 640) == (resize == crop)

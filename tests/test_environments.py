"""What each extra brings is enough for its commands, and what it lacks is named in one line."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from softcore_runtime.images.image_file import read_image

from .environments import ROOT, Environment

COMMANDS = {  # and their packages and extras
    "softcore-calibrate": ("softcore_calibration", "calibrate"),
    "softcore-edge": ("softcore_edge_app", "edge"),
    "softcore-export": ("softcore_export", "export"),
}
EDGE_COMMANDS = ("ask", "check", "install-service", "ledger", "ledger verify", "prepare", "replay")


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A function that gives the environment of some extras; each is made once."""
    made: dict[tuple[str, ...], Environment] = {}

    def make(*extras: str) -> Environment:
        if extras not in made:
            made[extras] = Environment(tmp_path_factory.mktemp("environments") / "venv", extras)
        return made[extras]

    return make


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small good images, each a little different, in a category of their own."""
    import cv2

    root = tmp_path_factory.mktemp("data")
    folder = root / "tile" / "train" / "good"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(10):
        noise = rng.integers(0, 20, (64, 64), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:02}.png"), noise + 100)
    return root


@pytest.mark.parametrize(
    "extras",
    [
        (), ("cpu",), ("cpu", "edge"), ("cpu", "calibrate"), ("cpu", "export"), ("cpu", "edge", "openvino"),
        ("cpu", "export", "calibrate", "edge"),
    ],
)  # fmt: skip
def test_each_command_helps_or_names_the_extra_that_it_needs(extras: tuple[str, ...], make) -> None:  # type: ignore[no-untyped-def]
    environment = make(*extras)
    for command, (package, own) in COMMANDS.items():
        ended = environment.run("-m", package, "--help")
        if ended.returncode == 0:
            assert ended.stdout.startswith(f"usage: {command} ")
        else:
            assert own not in extras, ended.stderr
            assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
            assert ended.stderr.startswith(f"{command}: ")
            wanted = own if extras else f"cpu,{own}"  # all that is to be installed, in one command
            assert ended.stderr.endswith(f" is not installed; run: pip install 'softcore[{wanted}]'\n")
    assert environment.run("-m", package, "--version").stdout.startswith(f"{command} ")
    umbrella = environment.run("-m", "softcore_runtime", "--help")
    assert (umbrella.returncode, umbrella.stderr) == (0, "")
    for _, extra in COMMANDS.values():
        needs = f"(needs: pip install 'softcore[{extra}]')"
        assert (needs in " ".join(umbrella.stdout.split())) is (extra not in extras)


def test_a_line_computer_inspects_without_torch(make, tiny_bundle: Path) -> None:  # type: ignore[no-untyped-def]
    line = make("cpu", "edge")
    assert not {"torch", "torchvision", "onnx"} & line.distributions
    assert "No module named 'torch'" in line.run("-c", "import torch").stderr
    frame = tiny_bundle / "golden" / "good.png"
    ended = line.run("-m", "softcore_edge_app", tiny_bundle, "--source", frame, "--ledger", "line.ledger")
    assert ended.returncode == 0, ended.stderr
    assert "PASS" in ended.stdout
    for command in EDGE_COMMANDS:
        helped = line.run("-m", "softcore_edge_app", *command.split(), "--help")
        assert helped.returncode == 0, helped.stderr
        assert helped.stdout.startswith(f"usage: softcore-edge {command} ")
    assert line.run("-m", "softcore_edge_app", "ledger", "verify", "line.ledger").returncode == 0
    assert line.run("-m", "softcore_runtime", "edge", "ledger", "verify", "line.ledger").returncode == 0
    absent = line.run("-m", "softcore_runtime", "backbones")
    assert (absent.returncode, absent.stderr.count("\n")) == (2, 1)
    assert absent.stderr.startswith("softcore backbones: torchvision is not installed; run: pip install")
    completion = line.run("-m", "softcore_runtime", "completion", "bash")
    assert (completion.returncode, completion.stderr) == (0, "")
    without = line.run("-m", "softcore_edge_app", "ledger", "export", "line.ledger", "--out", "rows.parquet")
    assert (without.returncode, without.stderr.count("\n")) == (2, 1)
    assert "pip install 'softcore[parquet]'" in without.stderr
    assert [file.name for file in line.home.iterdir() if not file.name.startswith("line.ledger")] == []


def test_a_threshold_is_set_without_torch(make, tiny_bundle: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import cv2

    frame = read_image(tiny_bundle / "golden" / "good.png")
    good = tmp_path / "good"
    good.mkdir()
    for number in range(20):
        cv2.imwrite(
            str(good / f"{number:02}.png"), np.clip(frame.astype(int) + number - 10, 0, 255).astype(np.uint8)
        )
    calibration = make("cpu", "calibrate")
    assert "torch" not in calibration.distributions
    ended = calibration.run(
        "-m",
        "softcore_calibration",
        tiny_bundle,
        "--good",
        good,
        "--max-overkill",
        "0.1",
        "--report",
        "r.html",
        "--accept",
    )
    assert ended.returncode == 0, ended.stderr
    assert (calibration.home / "r.html").stat().st_size > 10_000
    (calibration.home / "r.html").unlink()


def test_a_bundle_is_exported(make, images: Path) -> None:  # type: ignore[no-untyped-def]
    ended = make("cpu", "export").run(
        "-m", "softcore_export", "--category", "tile", "--data", images, "--backbone", "filterbank",
        "--resize", "64", "--crop", "64", "--precision", "fp32", "--out", images / "bundles",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert (images / "bundles" / "tile" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("library", "options", "extra"),
    [
        ("paho-mqtt", ("--mqtt", "127.0.0.1", "--ledger", "line.ledger"), "edge"),
        ("pymodbus", ("--modbus", "127.0.0.1", "--ledger", "line.ledger"), "edge"),
        ("uvicorn", ("--http", "8799"), "edge"),
        ("jinja2", ("--http", "8799"), "edge"),
        ("prometheus-client", ("--http", "8799"), "edge"),
        ("structlog", ("--log", "json"), "edge"),
        ("pydantic-settings", (), "edge"),
        ("onnxruntime", (), "cpu"),
        ("opencv-python-headless", (), "cpu"),
        ("tenacity", (), "edge"),
    ],
)  # fmt: skip
def test_a_library_that_was_removed_is_one_line_with_the_extra(
    library: str, options: tuple[str, ...], extra: str, tmp_path: Path, tiny_bundle: Path
) -> None:
    line = Environment(tmp_path / "venv", ("cpu", "edge"), without=[library])
    frame = tiny_bundle / "golden" / "good.png"
    ended = line.run("-m", "softcore_edge_app", tiny_bundle, "--source", frame, *options)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert f"is not installed; run: pip install 'softcore[{extra}]'" in ended.stderr


def test_the_environments_have_the_code_of_this_clone(make) -> None:  # type: ignore[no-untyped-def]
    ended = make("cpu").run("-c", "import softcore_runtime; print(softcore_runtime.__file__)")
    assert Path(ended.stdout.strip()).is_relative_to(ROOT)


def test_each_script_starts_where_a_missing_library_is_one_line() -> None:
    points = distribution("softcore").entry_points
    scripts = {script.name: script.value for script in points.select(group="console_scripts")}
    packages = {command: package for command, (package, _) in COMMANDS.items()} | {
        "softcore": "softcore_runtime"
    }
    assert scripts == {command: f"{package}.__main__:main" for command, package in packages.items()}

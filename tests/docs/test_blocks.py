"""What README and tutorials tell a reader to type is typed here; what the README says of the demo is so."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from softcore_export.data import procedural_pill
from softcore_runtime import Decision, Inspector, read_bundle, read_image
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing, remove_alignment
from softcore_runtime.images.image_file import find_images

from .pages import Block, read_blocks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
VENV = Path(sys.executable).parents[1]
READY = VENV / ".ready"
PATIENCE = 200  # seconds for a command, or for a line to answer

# What a reader does once, before all else, and what the tests can't do inside themselves.
ELSEWHERE = re.compile(r"sudo apt |git clone |cd softcore$|python3 -m venv |\. \S*/bin/activate$")
INSTALL = re.compile(r"(?:uv )?pip install (?:--torch-backend cpu )?'\.\[(?P<extras>[a-z,]+)\]'$")
MAKE = re.compile(r"make (?P<target>\w+)$")


class Reader:
    """Types the blocks of a page in one folder, in their order.

    Args:
        folder: where; holds what the commands need of a clone.
        make_demo: brings the folder to the state after `make demo`.
    """

    def __init__(self, folder: Path, make_demo: Callable[[Path], None]) -> None:
        self._folder, self._make_demo = folder, make_demo
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOFTCORE_")},
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "",
        }
        self._running: list[tuple[Block, subprocess.Popen[str]]] = []

    def read(self, block: Block) -> None:
        """Type one block, as far as it is code to be run."""
        if block.language == "python":
            self._run(block, [sys.executable, "-c", block.text])
        elif block.language == "console":
            assert block.commands, f"{block}: a console block without a command"
            for command in block.commands:
                self._type(block, command)

    def end(self) -> None:
        """Press Ctrl-C where something still runs."""
        for block, process in self._running:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
            assert process.returncode in (0, 130), f"{block}: exit code {process.returncode}\n{said}"

    def kill(self) -> None:
        """Leave nothing running, whatever went wrong."""
        for _, process in self._running:
            process.kill()

    def _type(self, block: Block, command: str) -> None:
        bare = re.sub(r"\s+#.*", "", command)
        if ELSEWHERE.match(bare):
            return
        if install := INSTALL.match(bare):
            known = metadata("softcore").get_all("Provides-Extra") or []
            assert set(install["extras"].split(",")) <= set(known), f"{block}: {command}"
        elif (make := MAKE.match(bare)) and make["target"] == "demo":
            self._make_demo(self._folder)
        elif make:
            self._run(block, ["make", "--dry-run", "-C", str(ROOT), make["target"]])
        elif block.title == "Terminal 1":
            self._start(block, bare)
        else:
            self._run(block, ["bash", "-euc", command])

    def _run(self, block: Block, command: list[str]) -> None:
        ended = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ended.returncode == 0, f"{block}: {command[-1]}\n{ended.stdout}\n{ended.stderr}"

    def _start(self, block: Block, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-euc", f"exec {command}"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append((block, process))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            if answers("http://127.0.0.1:8765/readyz"):
                return
            time.sleep(0.2)
        process.kill()
        pytest.fail(f"{block}: {command}: no line answers\n{process.communicate()[1]}")


def answers(url: str) -> bool:
    """Tell whether a line is there, and ready."""
    try:
        with urlopen(url):  # noqa: S310 - on this machine
            return True
    except URLError:
        return False


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make demo` leaves it, but for the environment, which is the tests' own."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "tests" / "recordings", folder / "tests" / "recordings")
    options = [f"VENV={VENV}", f"--old-file={READY}"]  # set up already
    done = subprocess.run(["make", "demo", *options], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def copy_demo(demo: Path, folder: Path) -> None:
    """Copy what `make demo` left, with fewer images: exports and inspections take a third of the time."""
    shutil.copytree(demo, folder)
    for images, most in (("train/good", 32), *((f"test/{defect}", 2) for defect in procedural_pill.DEFECTS)):
        for image in sorted((folder / "pill" / images).iterdir())[most:]:
            image.unlink()


@pytest.fixture
def reader(demo: Path, tmp_path: Path) -> Iterator[Reader]:
    for name in ("pyproject.toml", "tests"):
        (tmp_path / name).symlink_to(demo / name)
    reader = Reader(tmp_path, lambda folder: copy_demo(demo / "demo", folder / "demo"))
    yield reader
    reader.kill()


@pytest.mark.timeout(600)  # the first page waits for the demo, too
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_that_a_page_prints_can_be_typed(page: Path, reader: Reader) -> None:
    blocks = list(read_blocks(page))
    assert any(block.language == "console" for block in blocks)
    for block in blocks:
        reader.read(block)
    reader.end()


def list_hidden(category: Path) -> dict[str, str]:
    """List the unnoticed defects that the category's own README names, by file name, in order."""
    lines = (category / "README.txt").read_text().splitlines()
    named = (line.split() for line in lines if line.startswith("train/good/"))
    return {Path(path).name: defect for path, defect in named}


def test_the_hidden_defects_are_the_most_suspect_images(demo: Path) -> None:
    defects = list_hidden(demo / "demo" / "pill")
    assert sorted(defects.values()) == sorted(procedural_pill.DEFECTS)
    told = json.loads((demo / "demo" / "bundles" / "pill" / "contamination.json").read_text())
    images = told["images"]
    first = images[: len(defects)]
    assert {image["path"] for image in first} == set(defects)
    assert all(image["suspicion"] > 1 and image["decision"] != "kept" for image in first)
    assert sum(image["decision"] == "kept" for image in images) > 0.75 * len(
        images
    )  # little else is left out
    assert told["estimate"]["low"] <= len(defects) / len(images) <= told["estimate"]["high"]


def test_no_entry_of_the_bank_lies_on_a_hidden_defect(demo: Path) -> None:
    images = demo / "demo" / "pill" / "train" / "good"
    bundle = read_bundle(demo / "demo" / "bundles" / "pill")
    grid = bundle.manifest.grid
    names = [path.name for path in find_images(images)]
    for number, (name, defect) in enumerate(list_hidden(demo / "demo" / "pill").items()):
        generator = procedural_pill._generator(0, "unnoticed", number)
        image, mask = procedural_pill.draw_pill(generator, defect)
        np.testing.assert_array_equal(image, read_image(images / name))
        if isinstance(bundle.preprocessing, AlignedPreprocessing):
            to_frame = bundle.preprocessing.align(image).registration.matrix(*mask.shape[:2])
            flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            mask = cv2.warpAffine(mask, to_frame, mask.shape[1::-1], flags=flags)
        plain = remove_alignment(bundle.preprocessing)
        crop = plain.apply(mask)[:, :, 0].reshape(grid.height, 8, grid.width, 8)
        share = crop.mean(axis=(1, 3)) / 255
        assert (share >= 0.5).any()
        owner, row, column = bundle.origins.T
        mine = owner == names.index(name)
        assert not (share[row[mine], column[mine]] >= 0.5).any()


def test_every_recorded_frame_is_decided_rightly(demo: Path, recordings: Path) -> None:
    inspector = Inspector.load(demo / "demo" / "bundles" / "pill")
    for path in find_images(recordings / "pill"):
        decision = inspector.inspect(read_image(path)).decision
        assert decision is (Decision.PASS if path.stem.endswith("good") else Decision.FAIL), path.name

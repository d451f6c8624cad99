from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from softcore_runtime import Inspector
from softcore_runtime.backends.engine import ENGINES, Engine, choose_engine
from softcore_runtime.errors import MissingLibraryError

SAID = {
    "openvino": "OpenVINO is not installed; run: pip install 'softcore[openvino]'",
    "onnxruntime": "ONNX Runtime is not installed; run: pip install 'softcore[cpu]'",
}


def miss(patch: pytest.MonkeyPatch, *libraries: str) -> None:
    """Let Python's own machinery find these no more, as where they aren't installed."""
    for library in libraries:
        patch.setitem(sys.modules, library, None)


def test_auto_takes_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENGINES == get_args(Engine) == ("openvino", "onnxruntime")
    assert choose_engine() == choose_engine("auto") == "openvino"
    miss(monkeypatch, "openvino")
    assert choose_engine("auto") == "onnxruntime"


def test_auto_takes_the_last_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    miss(monkeypatch, "onnxruntime")
    assert choose_engine("auto") == "openvino"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_one_that_is_wanted_is_taken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_engine(engine) == engine
    miss(monkeypatch, *(other for other in ENGINES if other != engine))
    assert choose_engine(engine) == engine


@pytest.mark.parametrize("engine", ENGINES)
def test_none_takes_the_place_of_a_missing_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    miss(monkeypatch, engine)
    with pytest.raises(MissingLibraryError) as caught:
        choose_engine(engine)
    assert str(caught.value) == SAID[engine]


def test_without_any_the_command_is_that_of_every_platforms(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss(monkeypatch, *ENGINES)
    with pytest.raises(MissingLibraryError) as caught:
        choose_engine()
    assert str(caught.value) == SAID["onnxruntime"]
    with pytest.raises(MissingLibraryError) as caught:
        Inspector.load(tiny_bundle)
    assert str(caught.value) == SAID["onnxruntime"]


@pytest.mark.parametrize(
    ("missing", "options", "said"),
    [
        (ENGINES, [], SAID["onnxruntime"]),
        (("openvino",), ["--engine", "openvino"], SAID["openvino"]),
        (("onnxruntime",), ["--engine", "onnxruntime"], SAID["onnxruntime"]),
    ],
    ids=str,
)
def test_the_line_says_in_one_line_what_it_lacks(
    tiny_bundle: Path, good_frame: np.ndarray, missing: tuple[str, ...], options: list[str], said: str
) -> None:
    """In a fresh interpreter, where nothing has loaded them yet."""
    frame = tiny_bundle.parent / "frame.png"
    assert cv2.imwrite(str(frame), good_frame)
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from softcore_edge_app.cli.command import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, str(tiny_bundle), "--source", str(frame), *options]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"softcore-edge: {said}\n")


def run_pinned(code: str, cpus: list[int]) -> list[str]:
    """Run code in an interpreter that may use just these CPUs; the words that it prints."""
    pinned = f"import os; os.sched_setaffinity(0, {cpus!r})\n{code}"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, "-c", pinned], capture_output=True, text=True, check=True, env=environment
    )
    return ended.stdout.split()


def test_threads_are_as_many_as_were_asked_for(tiny_bundle: Path) -> None:
    """ONNX Runtime keeps them beside the one that calls; the kernel counts them."""
    code = (
        "from pathlib import Path\n"
        "from softcore_runtime.backends.backbones import open_backbone\n"
        f"path, kept = Path({str(tiny_bundle / 'backbone.onnx')!r}), []\n"
        "def count(): return len(list(Path('/proc/self/task').iterdir()))\n"
        "import softcore_runtime.backends.ort\n"
        "for threads in (1, 3, 5, None):\n"
        "    before = count()\n"
        "    kept.append(open_backbone(path, 'onnxruntime', threads=threads))\n"
        "    print(count() - before)\n"
    )
    first = sorted(os.sched_getaffinity(0))[:1]
    assert run_pinned(code, first) == ["0", "2", "4", "0"]  # None: the one CPU that may be used

"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from weakref import WeakValueDictionary

import hypothesis
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from playwright.sync_api import Browser, expect, sync_playwright
from softcore_runtime import Inspector
from softcore_runtime.backends import backbones, ort
from softcore_runtime.backends.devices import Device
from softcore_runtime.bundle import bundle, manifest
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.training import (
    Training,
    draw_thumbnail,
    measure_image_statistics,
    write_training,
)
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.search.hnsw import HnswIndex

# How long an example takes is the machine's business.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

# It may start and update nothing, and ask nobody.
QUIET = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# At its import joblib (of scikit-learn) tries a semaphore, and warns where /dev/shm can't be written to.
os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")
# Where the tests run in a shell's background they are deaf to Ctrl-C, and so would be all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
RESIZE, CROP, CELL = 36, 32, 4
GRID = CROP // CELL


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded frames."""
    return Path(__file__).parent / "recordings"


@pytest.fixture(scope="session")
def good_frame() -> np.ndarray:
    """A frame that `tiny_bundle` passes: uint8 BGR [48, 48, 3], grey with a gradient."""
    ramp = np.linspace(90, 130, 48)
    return np.repeat((ramp[:, None] + ramp[None, :])[:, :, None] / 2, 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def bad_frame(good_frame: np.ndarray) -> np.ndarray:
    """A frame that `tiny_bundle` fails: the same with a white spot right of the middle."""
    frame = good_frame.copy()
    frame[20:28, 30:38] = 255
    return frame


@pytest.fixture(scope="session")
def _tiny_bundle(tmp_path_factory: pytest.TempPathFactory, good_frame: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "tiny"
    path.mkdir()
    _write_cell_means(path / bundle.BACKBONE)
    preprocessing = Preprocessing(resize=RESIZE, crop=CROP)
    rng = np.random.default_rng(0)
    frames = [
        np.clip(good_frame.astype(int) + rng.integers(-6, 7) + rng.integers(-2, 3, good_frame.shape), 0, 255)
        for _ in range(12)
    ]
    crops = np.stack([preprocessing.apply(frame.astype(np.uint8)) for frame in frames])
    cells = crops.reshape(12, GRID, CELL, GRID, CELL, 3).mean((2, 4)).astype(np.float32)
    bank = cells.reshape(-1, 3)
    origins = np.stack(np.unravel_index(np.arange(len(bank)), (12, GRID, GRID)), 1).astype(np.int32)
    weights = (1 + 0.2 * rng.random(len(bank))).astype(np.float32)
    hints = np.arange(4 * GRID * GRID, dtype=np.int32).reshape(4, -1).T  # each position's own, of four images
    arrays = {"bank": bank, "weights": weights, "origins": origins, "hints": hints}
    bundle.write_arrays(path, arrays | {"floors": np.zeros(len(bank), np.float32)})
    thumbnails = np.stack([draw_thumbnail(crop) for crop in crops])
    image_statistics = np.stack(
        [measure_image_statistics(frame.astype(np.uint8)) for frame in (*frames[1:], good_frame)]
    )
    write_training(path, Training(np.linspace(4, 10, 12), thumbnails, image_statistics))
    HnswIndex.build(bank, m=8, ef_construction=100, seed=0).save(path / bundle.INDEX)

    spoiled = good_frame.copy()
    spoiled[8:40, 8:40] = 255
    golden = {"good": good_frame, "spoiled": spoiled}

    def write(scores: dict[str, float]) -> None:
        bundle.write_golden(path, golden, scores)
        bundle.write_manifest(
            path,
            manifest.Manifest(
                category="tiny",
                created=datetime(2026, 1, 1, tzinfo=timezone.utc),
                tools={"softcore": "test"},
                preprocessing=preprocessing,
                backbone=manifest.BackboneRecord(
                    name="cell means", layers=(), weights_sha256=None, engine="onnxruntime", provider="cpu",
                    precision="fp32",
                ),
                grid=manifest.Grid(height=GRID, width=GRID),
                bank=manifest.BankRecord(
                    n=len(bank), dim=3, discriminator="none", tau=0, k=6, ratio=1, sampler="greedy",
                    soft_weights=True, weight_max=float(weights.max()), seed=0,
                ),
                index=manifest.IndexRecord(m=8, ef_construction=100, ef_search=16, recall=1),
                hints=manifest.HintsRecord(count=4, left_open=0),
                parity=manifest.Parity(max_abs=0, max_relative=0, frames=1),
                agreement=None,
                threshold=Threshold(value=12, provisional=True, method="by hand"),
                history=(),
                dataset=manifest.DatasetRecord(images=12, skipped=0, fingerprint="0" * 64),
                files=bundle.record_files(path),
            ),
        )  # fmt: skip

    write(dict.fromkeys(golden, 0.0))
    inspector = Inspector.load(path, self_test=False)
    write({name: inspector.inspect(frame).score for name, frame in golden.items()})
    return path


@pytest.fixture
def tiny_bundle(_tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose features are the mean colours of 4 x 4 cells; its own copy, to be spoiled at will."""
    return Path(shutil.copytree(_tiny_bundle, tmp_path / "bundles" / "tiny"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A function that mounts a disk of so many bytes, with further options of mount."""
    place = tmp_path / "disk"
    mounted = []

    def mount(size: int, *options: str) -> Path:
        place.mkdir()
        wanted = ",".join([f"size={size}", *options])
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", wanted, "tmpfs", place], capture_output=True, text=True
            )
        except FileNotFoundError:
            pytest.skip("needs mount: apt install mount")
        if done.returncode:
            pytest.skip("needs the right to mount a disk, as root has")
        mounted.append(place)
        return place

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of Debian's; without it the test is skipped."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("needs chromium: apt install chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # a busy machine is no fault of the page
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


class Gpu:
    """ONNX Runtime as on a machine with a GPU, all of whose parts compute on the CPU.

    Attributes:
        asked: the providers and options of each session.
        takes: whether TensorRT takes a part of the network.
        refuses: a folder whose engines it can't read.
        fails: whether every run on it fails.
        version: TensorRT's.
        device: the GPU.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[dict[str, dict[str, object]]] = []
        self.takes, self.fails, self.version = True, False, "10.3.0"
        self.refuses: Path | None = None
        self.device = Device("Orin", "8.7", "12.6")
        outer = self

        class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
            def __init__(self, path: str, options: object, providers: list[object], **more: object) -> None:
                chain = dict(one if isinstance(one, tuple) else (one, {}) for one in providers)
                outer.asked.append(chain)
                self.first = next(iter(chain))
                folder = chain.get("TensorrtExecutionProvider", {}).get("trt_engine_cache_path")
                if folder and outer.refuses and folder == str(outer.refuses):
                    raise RuntimeError("could not deserialize engine")
                if folder and outer.takes and not list(Path(folder).glob("*.engine")):
                    (Path(folder) / "network_fp32_sm87.engine").write_bytes(b"engine")
                super().__init__(path, options, providers=["CPUExecutionProvider"], **more)

            def get_providers(self) -> list[str]:
                return [self.first]

            def run(self, *arguments: object) -> list[np.ndarray]:
                if outer.fails and self.first != "CPUExecutionProvider":
                    raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")
                return super().run(*arguments)

        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        monkeypatch.setattr(backbones, "_open", WeakValueDictionary())  # nobody else's test shares these
        monkeypatch.setattr(onnxruntime, "cuda_version", "12.6")
        monkeypatch.setattr(
            onnxruntime,
            "get_available_providers",
            lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
        )
        monkeypatch.setattr(ort, "find_device", lambda: self.device)
        monkeypatch.setattr(backbones, "find_device", lambda: self.device)
        monkeypatch.setattr(ort, "find_missing", lambda _: [])
        monkeypatch.setattr(ort, "_read_tensorrt_version", lambda: self.version)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """A GPU for ONNX Runtime, with TensorRT; see `Gpu`."""
    return Gpu(monkeypatch)


def _write_cell_means(path: Path) -> None:
    """Write an ONNX network uint8 [B, 32, 32, 3] -> float32 [B, 64, 3], without torch."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [0, 3, GRID * GRID])
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["crop"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node(
                "AveragePool", ["planes"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]
            ),
            helper.make_node("Reshape", ["cells", "shape"], ["rows"]),
            helper.make_node("Transpose", ["rows"], ["features"], perm=[0, 2, 1]),
        ],
        "cell_means",
        [helper.make_tensor_value_info("crop", TensorProto.UINT8, ["batch", CROP, CROP, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", GRID * GRID, 3])],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)

"""Devices: the NVIDIA GPU of this machine, and what a bundle stores for it.

::

    engines/KEY/           KEY: the first 16 digits of a SHA-256 over all that an engine depends on
        made.json          the same in words, and the SHA-256 of the engines
        *.engine           as TensorRT built them
    engines/timing-KEY/    TensorRT's timings of kernels, for the next engine on this GPU
    engines/search.json    times of the search of the bank on this GPU and on its host

No file of `engines/` is in the manifest. Engines of another GPU, driver or library, and incomplete ones, are
built again.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.errors import ProviderError, UsageError
from softcore_runtime.record import Record, Sha256
from softcore_runtime.regular_file import hash_file, read_regular

__all__ = [
    "ENGINE_FOLDER",
    "Build",
    "Device",
    "SearchTimes",
    "find_device",
    "find_engines",
    "find_missing",
    "list_needed",
    "read_search_times",
    "save_engines",
    "save_search_times",
]

ENGINE_FOLDER = "engines"  # in the bundle's folder
_RECORD, _SEARCH = "made.json", "search.json"
_LARGEST = 2**20  # size limit of either file, in bytes
_DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR of cuda.h
_KERNEL_DRIVER = Path("/sys/module/nvidia/version")
_TEGRA_RELEASE = Path("/etc/nv_tegra_release")  # of a Jetson: its first line names the L4T release


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        name: NVIDIA's.
        capability: compute capability, `8.7`.
        driver: the CUDA version of the driver, and the release of the driver or of the Jetson's Linux.
    """

    name: str
    capability: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name} ({self.capability}, driver {self.driver})"


@dataclass(frozen=True)
class Build:
    """Everything that an engine depends on: if any of it changes, the engine is built again.

    Attributes:
        device: the GPU that it is built on and for.
        tensorrt, onnxruntime: the libraries' versions.
        precision: precision that it computes in.
        network: SHA-256 of `backbone.onnx`, in hex.
    """

    device: Device
    tensorrt: str
    onnxruntime: str
    precision: str
    network: str

    @property
    def key(self) -> str:
        """The name of the engines' folder."""
        return _make_key(asdict(self))

    @property
    def timing_key(self) -> str:
        """The name of the folder of timings, which don't depend on network and precision."""
        return f"timing-{_make_key({'device': asdict(self.device), 'tensorrt': self.tensorrt})}"


class _EngineRecord(Record):
    """`made.json`: what engines were built for, and the SHA-256 of each file."""

    build: dict[str, str | dict[str, str]]
    files: dict[str, Sha256]


class SearchTimes(Record):
    """Times of a search for one frame's patches, in milliseconds, measured on this machine.

    Attributes:
        device: the GPU, in words.
        onnxruntime: the library's version.
        bank: SHA-256 of `bank.npy`.
        hnsw: with the index, on the host.
        graph: with a matrix product over the whole bank, on the GPU.
    """

    device: str
    onnxruntime: str
    bank: Sha256
    hnsw: float
    graph: float


def find_device() -> Device:
    """Return the first GPU, as NVIDIA's driver describes it.

    Raises:
        ProviderError: there is no driver, or it has no GPU.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError as error:
        raise ProviderError("there is no NVIDIA driver here") from error
    count, version = ctypes.c_int(), ctypes.c_int()
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        raise ProviderError(f"NVIDIA's driver finds no GPU here (code {code})")
    name, major, minor = ctypes.create_string_buffer(256), ctypes.c_int(), ctypes.c_int()
    code = (
        driver.cuDeviceGetName(name, len(name), 0)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, 0)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, 0)
        or driver.cuDriverGetVersion(ctypes.byref(version))
    )
    if code:
        raise ProviderError(f"NVIDIA's driver can't describe its GPU (code {code})")
    thousands, rest = divmod(version.value, 1000)
    return Device(
        name=name.value.decode(errors="replace"),
        capability=f"{major.value}.{minor.value}",
        driver=" ".join([f"{thousands}.{rest // 10}", *_read_releases()]),
    )


def list_needed(library: Path) -> list[str]:
    """Return the shared libraries that `library` needs, by `ldd`; [] without `ldd`."""
    try:
        listed = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    return [words[0] for line in listed.splitlines() if "=>" in line and (words := line.split())]


def find_missing(library: Path) -> list[str]:
    """Return those of `list_needed` that can't be loaded; loaded ones count as found."""
    return [name for name in list_needed(library) if not _can_load(name)]


def find_engines(bundle: Path, build: Build) -> Path | None:
    """Return the folder of complete engines that were built for `build`; None if there is none."""
    folder = bundle / ENGINE_FOLDER / build.key
    try:
        made = _EngineRecord.model_validate_json(read_regular(folder / _RECORD, _LARGEST)[0])
        whole = made.files == _hash_engines(folder) != {}
    except (OSError, ValidationError):
        return None
    return folder if whole and made.build == asdict(build) else None


@contextmanager
def save_engines(bundle: Path, build: Build) -> Iterator[tuple[Path, Path]]:
    """Yield a folder to build engines in and one for timings; save the engines at the end of the block.

    Raises:
        ProviderError: the block built no engines.
        UsageError: the bundle can't be written.
    """
    root = bundle / ENGINE_FOLDER
    draft = None
    try:
        root.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=root))
        timing = root / build.timing_key
        timing.mkdir(exist_ok=True)
        yield draft, timing
        made = _EngineRecord(build=asdict(build), files=_hash_engines(draft))
        if not made.files:
            raise ProviderError("TensorRT takes no part of this network")
        (draft / _RECORD).write_text(json.dumps(made.model_dump(mode="json"), indent=2) + "\n")
        draft.chmod(0o755)
        target = root / build.key
        shutil.rmtree(target, ignore_errors=True)  # incomplete, or it would have been used
        draft.rename(target)
    except OSError as error:
        raise UsageError(f"{root}: engines can't be kept there ({error.strerror or error})") from error
    finally:
        if draft:
            shutil.rmtree(draft, ignore_errors=True)


def read_search_times(bundle: Path, device: Device, onnxruntime: str, bank: str) -> SearchTimes | None:
    """Return the times measured on this machine for this bank; None if there are none."""
    try:
        times = SearchTimes.model_validate_json(read_regular(bundle / ENGINE_FOLDER / _SEARCH, _LARGEST)[0])
    except (OSError, ValidationError):
        return None
    asked = {"device": str(device), "onnxruntime": onnxruntime, "bank": bank}
    return times if times == times.model_copy(update=asked) else None


def save_search_times(bundle: Path, times: SearchTimes) -> None:
    """Write the times.

    Raises:
        UsageError: the bundle can't be written.
    """
    file = bundle / ENGINE_FOLDER / _SEARCH
    try:
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, times.model_dump_json(indent=2) + "\n", mode=0o644)
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror or error})") from error


def _read_releases() -> list[str]:
    """Return the release of the driver, and on a Jetson that of its Linux."""
    releases = [file.read_text() for file in (_KERNEL_DRIVER, _TEGRA_RELEASE) if file.is_file()]
    return [line.partition("\n")[0].strip(" #") for line in releases]


def _can_load(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _make_key(fields: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def _hash_engines(folder: Path) -> dict[str, str]:
    return {file.name: hash_file(file) for file in sorted(folder.glob("*.engine"))}

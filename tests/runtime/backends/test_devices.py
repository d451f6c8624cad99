"""Devices are described by a driver that is compiled here, for there is no GPU in most places that test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_runtime.backends import devices
from softcore_runtime.backends.devices import (
    Build,
    Device,
    SearchTimes,
    find_device,
    find_engines,
    find_missing,
    list_needed,
    read_search_times,
    save_engines,
    save_search_times,
)
from softcore_runtime.errors import ProviderError, UsageError

ORIN = Device("Orin", "8.7", "12.6 540.4.0 R36 (release), REVISION: 4.3")
BUILD = Build(ORIN, tensorrt="10.3.0", onnxruntime="1.23.0", precision="fp16", network="ab" * 32)
DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Orin", size); return 0; }
int cuDeviceGetAttribute(int *value, int what, int device) { *value = what == 75 ? 8 : 7; return BAD; }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
"""


def compile_driver(folder: Path, init: int = 0, count: int = 1, bad: int = 0) -> str:
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler: apt install gcc")
    (folder / "driver.c").write_text(DRIVER)
    defined = [f"-DINIT={init}", f"-DCOUNT={count}", f"-DBAD={bad}"]
    library = folder / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", *defined, "-o", library, folder / "driver.c"], check=True)
    return str(library)


def test_a_gpu_is_described_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_DRIVER", compile_driver(tmp_path))
    (tmp_path / "version").write_text("540.4.0\n")
    (tmp_path / "release").write_text("# R36 (release), REVISION: 4.3, GCID: 1\n# KERNEL_VARIANT: oot\n")
    monkeypatch.setattr(devices, "_KERNEL_DRIVER", tmp_path / "version")
    monkeypatch.setattr(devices, "_TEGRA_RELEASE", tmp_path / "release")
    found = find_device()
    assert found == Device("Orin", "8.7", "12.6 540.4.0 R36 (release), REVISION: 4.3, GCID: 1")
    assert str(found) == f"Orin (8.7, driver {found.driver})"
    monkeypatch.setattr(devices, "_KERNEL_DRIVER", tmp_path / "none")
    monkeypatch.setattr(devices, "_TEGRA_RELEASE", tmp_path / "none")
    assert find_device().driver == "12.6"


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"init": 100}, "finds no GPU here .code 100"),
        ({"count": 0}, "finds no GPU"),
        ({"bad": 1}, "can't describe"),
    ],
)
def test_a_driver_without_a_gpu_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: dict[str, int], said: str
) -> None:
    monkeypatch.setattr(devices, "_DRIVER", compile_driver(tmp_path, **faults))
    with pytest.raises(ProviderError, match=said):
        find_device()


def test_a_missing_driver_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_DRIVER", str(tmp_path / "libcuda.so.1"))
    with pytest.raises(ProviderError, match=r"^there is no NVIDIA driver here$"):
        find_device()


def test_libraries_that_a_library_lacks_are_named(tmp_path: Path) -> None:
    library = compile_driver(tmp_path)
    assert "libc.so.6" in list_needed(Path(library))
    assert find_missing(Path(library)) == []
    needing = tmp_path / "needing.so"
    (tmp_path / "other.c").write_text("int other(void) { return 1; }\n")
    other = tmp_path / "libother.so.7"
    compiler = ["cc", "-shared", "-fPIC", "-Wl,--no-as-needed"]
    subprocess.run([*compiler, "-Wl,-soname,libother.so.7", "-o", other, tmp_path / "other.c"], check=True)
    subprocess.run([*compiler, "-o", needing, tmp_path / "other.c", other], check=True)
    assert find_missing(needing) == ["libother.so.7"]
    assert list_needed(tmp_path / "none.so") == []


@pytest.mark.parametrize(
    "other",
    [
        replace(BUILD, device=replace(ORIN, name="NVIDIA L4")),
        replace(BUILD, device=replace(ORIN, capability="8.9")),
        replace(BUILD, device=replace(ORIN, driver="12.8 570.1")),
        replace(BUILD, tensorrt="10.4.0"),
        replace(BUILD, onnxruntime="1.24.0"),
        replace(BUILD, precision="int8"),
        replace(BUILD, network="cd" * 32),
    ],
    ids=["gpu", "capability", "driver", "tensorrt", "onnxruntime", "precision", "network"],
)
def test_an_engine_is_for_one_gpu_driver_library_precision_and_network(tmp_path: Path, other: Build) -> None:
    assert other.key != BUILD.key
    with save_engines(tmp_path, BUILD) as (draft, _):
        (draft / "a.engine").write_bytes(b"engine")
    assert find_engines(tmp_path, BUILD) == tmp_path / "engines" / BUILD.key
    assert find_engines(tmp_path, other) is None
    # Nor where it lies in the other's folder, as after a rename.
    (tmp_path / "engines" / BUILD.key).rename(tmp_path / "engines" / other.key)
    assert find_engines(tmp_path, other) is None


def test_timings_are_shared_by_all_networks_of_one_gpu_and_tensorrt() -> None:
    same = {replace(BUILD, precision="fp32", network="cd" * 32).timing_key, BUILD.timing_key}
    assert len(same) == 1
    others = {
        replace(BUILD, device=replace(ORIN, driver="13.0")).timing_key,
        replace(BUILD, tensorrt="10.4.0").timing_key,
    }
    assert len(others - same) == 2


@pytest.mark.parametrize(
    "fault", ["cut", "gone", "more", "no made.json", "not JSON", "other made.json", "pipe"]
)
def test_engines_that_are_not_whole_are_built_anew(tmp_path: Path, fault: str) -> None:
    with save_engines(tmp_path, BUILD) as (draft, timing):
        (draft / "a.engine").write_bytes(b"engine")
        (timing / "cache.timing").write_bytes(b"times")
    folder = tmp_path / "engines" / BUILD.key
    made = folder / "made.json"
    if fault == "cut":
        (folder / "a.engine").write_bytes(b"engin")
    elif fault == "gone":
        (folder / "a.engine").unlink()
    elif fault == "more":
        (folder / "b.engine").write_bytes(b"planted")
    elif fault == "no made.json":
        made.unlink()
    elif fault == "pipe":  # whoever opens it waits for a writer
        os.mkfifo(folder / "b.engine")
    elif fault == "not JSON":
        made.write_text("{")
    else:
        made.write_text(json.dumps({**json.loads(made.read_text()), "more": 1}))
    assert find_engines(tmp_path, BUILD) is None
    with save_engines(tmp_path, BUILD) as (draft, timing):
        assert not list(draft.iterdir())
        assert (timing / "cache.timing").read_bytes() == b"times"
        (draft / "c.engine").write_bytes(b"anew")
    assert find_engines(tmp_path, BUILD) == folder
    assert sorted(file.name for file in folder.iterdir()) == ["c.engine", "made.json"]


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), save_engines(tmp_path, BUILD) as (draft, _):  # noqa: PT012
        (draft / "a.engine").write_bytes(b"half")
        raise KeyboardInterrupt
    assert find_engines(tmp_path, BUILD) is None
    assert [file.name for file in (tmp_path / "engines").iterdir()] == [BUILD.timing_key]


def test_tensorrt_that_took_no_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="takes no part"), save_engines(tmp_path, BUILD):
        pass


def test_a_bundle_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file")
    with (
        pytest.raises(UsageError, match=r"engines: engines can't be kept there"),
        save_engines(tmp_path, BUILD),
    ):
        pass


def test_search_times_hold_for_one_gpu_library_and_bank(tmp_path: Path) -> None:
    assert read_search_times(tmp_path, ORIN, "1.23.0", "ab" * 32) is None
    times = SearchTimes(device=str(ORIN), onnxruntime="1.23.0", bank="ab" * 32, hnsw=2.0, graph=1.0)
    save_search_times(tmp_path, times)
    assert read_search_times(tmp_path, ORIN, "1.23.0", "ab" * 32) == times
    assert read_search_times(tmp_path, replace(ORIN, name="L4"), "1.23.0", "ab" * 32) is None
    assert read_search_times(tmp_path, ORIN, "1.24.0", "ab" * 32) is None
    assert read_search_times(tmp_path, ORIN, "1.23.0", "cd" * 32) is None
    (tmp_path / "engines/search.json").write_text("{}")
    assert read_search_times(tmp_path, ORIN, "1.23.0", "ab" * 32) is None
    (tmp_path / "engines/search.json").unlink()
    os.mkfifo(tmp_path / "engines/search.json")  # whoever opens it waits for a writer
    assert read_search_times(tmp_path, ORIN, "1.23.0", "ab" * 32) is None

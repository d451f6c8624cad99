from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle.bundle import (
    read_bundle,
    record_files,
    write_manifest,
)
from softcore_runtime.bundle.manifest import FileRecord, Manifest, parse_manifest
from softcore_runtime.errors import (
    BundleCorruptError,
    BundleError,
    BundleNotFoundError,
    BundleTooNewError,
)

FILES = [
    "backbone.onnx",
    "bank.npy",
    "floors.npy",
    "golden/good.png",
    "golden/scores.json",
    "golden/spoiled.png",
    "hints.npy",
    "index.hnsw",
    "origins.npy",
    "training/looks.npy",
    "training/scores.npy",
    "training/thumbnails.npy",
    "weights.npy",
]


def manifest_of(path: Path) -> Manifest:
    return parse_manifest((path / "manifest.json").read_bytes(), "m")


def reseal(path: Path, **changes: object) -> None:
    """Record the files as they are now: a fault that is properly hashed must be found by other means."""
    write_manifest(path, manifest_of(path).model_copy(update={"files": record_files(path), **changes}))


def test_reads_what_was_written(tiny_bundle: Path) -> None:
    found = read_bundle(tiny_bundle)
    n = found.manifest.bank.n
    assert sorted(found.manifest.files) == FILES
    assert (found.bank.shape, found.bank.dtype) == ((n, 3), np.float32)
    assert (found.weights.shape, found.weights.dtype) == ((n,), np.float32)
    assert (found.floors.shape, found.floors.dtype) == ((n,), np.float32)
    assert (found.origins.shape, found.origins.dtype) == ((n, 3), np.int32)
    assert (found.hints.shape, found.hints.dtype) == ((64, 4), np.int32)
    for name in ("bank", "weights", "floors", "origins", "hints"):
        array = np.load(tiny_bundle / f"{name}.npy", allow_pickle=False)
        np.testing.assert_array_equal(getattr(found, name), array)
    assert not found.bank.flags.writeable


def test_golden_frames_come_back_unchanged(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    found = read_bundle(tiny_bundle)
    assert [frame.file for frame in found.golden] == ["good.png", "spoiled.png"]
    np.testing.assert_array_equal(found.read_golden(found.golden[0]), good_frame)


def test_every_file_but_the_manifest_is_recorded(tiny_bundle: Path) -> None:
    assert sorted(record_files(tiny_bundle)) == FILES
    assert record_files(tiny_bundle) == manifest_of(tiny_bundle).files


def test_hashes_are_those_of_coreutils(tiny_bundle: Path) -> None:
    (tiny_bundle / "large").write_bytes(os.urandom((1 << 20) + 1))  # more than one block
    said = subprocess.run(
        ["sha256sum", *FILES, "large"], cwd=tiny_bundle, capture_output=True, check=True, text=True
    ).stdout
    for line in said.splitlines():
        digest, name = line.split()
        assert record_files(tiny_bundle)[name].sha256 == digest


def flip_first(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 0x80])


def flip_middle(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 4]) + data[half + 1 :]


SPOILERS: list[Callable[[bytes], bytes]] = [
    flip_first, flip_middle, flip_last,
    lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: data[:0],
    lambda data: data + b"\0",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(tiny_bundle: Path, name: str) -> None:
    original = (tiny_bundle / name).read_bytes()
    for spoil in SPOILERS:
        (tiny_bundle / name).write_bytes(spoil(original))
        with pytest.raises(BundleCorruptError) as caught:
            read_bundle(tiny_bundle)
        assert str(tiny_bundle / name) in str(caught.value)
    (tiny_bundle / name).write_bytes(original)
    read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tiny_bundle: Path, name: str) -> None:
    (tiny_bundle / name).unlink()
    with pytest.raises(BundleCorruptError, match="missing") as caught:
        read_bundle(tiny_bundle)
    assert str(caught.value).startswith(f"{tiny_bundle / name}: ")


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_a_files_place_is_named(tiny_bundle: Path, name: str) -> None:
    (tiny_bundle / name).unlink()
    (tiny_bundle / name).mkdir()
    with pytest.raises(BundleCorruptError) as caught:
        read_bundle(tiny_bundle)
    assert str(caught.value).startswith(f"{tiny_bundle / name}: ")


def test_no_bundle_at_this_place(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "folders" / "manifest.json").mkdir(parents=True)
    for name in ("missing", "empty", "file", "folders"):
        with pytest.raises(BundleNotFoundError) as caught:
            read_bundle(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: no bundle here")
    (tiny_bundle / "manifest.json").unlink()
    with pytest.raises(BundleNotFoundError):
        read_bundle(tiny_bundle)


def test_a_spoiled_manifest_is_named(tiny_bundle: Path) -> None:
    manifest = tiny_bundle / "manifest.json"
    data = manifest.read_bytes()
    for spoil in SPOILERS:
        manifest.write_bytes(spoil(data))
        with pytest.raises(BundleCorruptError) as caught:
            read_bundle(tiny_bundle)
        assert str(caught.value).startswith(f"{manifest}: ")


def test_a_later_bundle_is_refused_as_such(tiny_bundle: Path) -> None:
    document = json.loads((tiny_bundle / "manifest.json").read_bytes())
    (tiny_bundle / "manifest.json").write_text(json.dumps({**document, "format_version": 99, "new": 1}))
    with pytest.raises(BundleTooNewError, match="99"):
        read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", ["../secret", "golden/../../secret", "link", "ABSOLUTE"])
def test_a_file_outside_the_bundle_is_refused(tiny_bundle: Path, name: str) -> None:
    secret = tiny_bundle.parent / "secret"
    secret.write_bytes(b"secret")
    (tiny_bundle / "link").symlink_to(secret)
    name = str(secret) if name == "ABSOLUTE" else name
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    files = manifest_of(tiny_bundle).files | {name: FileRecord(sha256=digest, bytes=6)}
    write_manifest(tiny_bundle, manifest_of(tiny_bundle).model_copy(update={"files": files}))
    with pytest.raises(BundleCorruptError, match=r"outside the bundle|can't be the name of a file"):
        read_bundle(tiny_bundle)


def test_a_link_to_a_bundle_is_a_bundle(tiny_bundle: Path) -> None:
    (tiny_bundle.parent / "current").symlink_to(tiny_bundle)
    assert read_bundle(tiny_bundle.parent / "current").manifest == manifest_of(tiny_bundle)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".png")])
def test_a_manifest_must_list_every_file_that_is_needed(tiny_bundle: Path, name: str) -> None:
    files = {key: record for key, record in manifest_of(tiny_bundle).files.items() if key != name}
    write_manifest(tiny_bundle, manifest_of(tiny_bundle).model_copy(update={"files": files}))
    with pytest.raises(BundleCorruptError, match=f"does not list {name}"):
        read_bundle(tiny_bundle)


def test_a_golden_frame_must_be_listed(tiny_bundle: Path) -> None:
    files = {
        key: record for key, record in manifest_of(tiny_bundle).files.items() if key != "golden/good.png"
    }
    write_manifest(tiny_bundle, manifest_of(tiny_bundle).model_copy(update={"files": files}))
    with pytest.raises(BundleCorruptError, match=r"golden/good\.png: .*not in the manifest"):
        read_bundle(tiny_bundle)


ARRAYS: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("bank", lambda a: a.astype(np.float64)),
    ("bank", lambda a: a.astype(">f4")),
    ("bank", lambda a: a[:-1]),
    ("bank", lambda a: a[:, :2]),
    ("bank", lambda a: a.reshape(-1)),
    ("bank", lambda a: np.where(np.arange(len(a))[:, None] == 5, np.float32(np.nan), a)),
    ("bank", lambda a: np.where(np.arange(len(a))[:, None] == 5, np.float32(np.inf), a)),
    ("weights", lambda a: a[:-1]),
    ("weights", lambda a: a[:, None]),
    ("weights", lambda a: a.astype(np.float16)),
    ("weights", lambda a: np.concatenate([a[:-1], np.float32([np.nan])])),
    ("weights", lambda a: np.concatenate([a[:-1], np.float32([np.inf])])),
    ("weights", lambda a: np.concatenate([a[:-1], np.float32([-1])])),
    ("floors", lambda a: a[:-1]),
    ("floors", lambda a: a[:, None]),
    ("floors", lambda a: a.astype(np.float64)),
    ("floors", lambda a: np.concatenate([a[:-1], np.float32([np.nan])])),
    ("floors", lambda a: np.concatenate([a[:-1], np.float32([np.inf])])),
    ("floors", lambda a: np.concatenate([a[:-1], np.float32([-1])])),
    ("floors", lambda a: np.concatenate([a[:-1], np.float32([1])])),  # the bundle has soft weights
    ("origins", lambda a: a.astype(np.int64)),
    ("origins", lambda a: a[:, :2]),
    ("origins", lambda a: a[:0]),
    ("hints", lambda a: a.astype(np.int64)),
    ("hints", lambda a: a[:-1]),
    ("hints", lambda a: a[:, :-1]),
    ("hints", lambda a: a.reshape(-1)),
    ("hints", lambda a: np.where(np.arange(64)[:, None] == 5, np.int32(-1), a)),
    ("hints", lambda a: np.where(np.arange(64)[:, None] == 5, np.int32(12 * 64), a)),  # one past the last
]


@pytest.mark.parametrize(("name", "spoil"), ARRAYS)
def test_a_wrong_array_is_refused_though_hashed(
    tiny_bundle: Path, name: str, spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    file = tiny_bundle / f"{name}.npy"
    np.save(file, spoil(np.load(file)))
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError) as caught:
        read_bundle(tiny_bundle)
    assert str(caught.value).startswith(f"{file}: ")


def write_floors(path: Path, floors: np.ndarray, **bank: object) -> None:
    """Give a bundle floors, and weights of 1."""
    found = manifest_of(path)
    np.save(path / "floors.npy", floors.astype(np.float32))
    np.save(path / "weights.npy", np.ones(found.bank.n, np.float32))
    reseal(path, bank=found.bank.model_copy(update={"soft_weights": False, "weight_max": 1.0, **bank}))


def test_floors_are_read(tiny_bundle: Path) -> None:
    assert not read_bundle(tiny_bundle).floors.any()
    floors = np.linspace(0, 5, manifest_of(tiny_bundle).bank.n).astype(np.float32)
    write_floors(tiny_bundle, floors, floor=1.0)
    found = read_bundle(tiny_bundle)
    np.testing.assert_array_equal(found.floors, floors)
    assert found.manifest.bank.floor == 1


def test_floors_beside_soft_weights_are_refused(tiny_bundle: Path) -> None:
    write_floors(tiny_bundle, np.arange(manifest_of(tiny_bundle).bank.n), floor=1.0)
    weights = np.load(tiny_bundle / "weights.npy")
    weights[7] = np.nextafter(np.float32(1), np.float32(2))
    np.save(tiny_bundle / "weights.npy", weights)
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError, match=r"floors\.npy: holds floors beside soft weights$"):
        read_bundle(tiny_bundle)


def test_floors_that_the_manifest_denies_are_refused(tiny_bundle: Path) -> None:
    write_floors(tiny_bundle, np.arange(manifest_of(tiny_bundle).bank.n))
    with pytest.raises(BundleCorruptError, match=r"floors\.npy: holds floors that the manifest denies$"):
        read_bundle(tiny_bundle)


class Bomb:
    """What a pickle must never be given the chance to do."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return (os.mkdir, ("EXPLODED",))


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()] * 3, dtype=object), allow_pickle=True)
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, bank=np.zeros((3, 3), np.float32))
    assert zipfile.is_zipfile(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [pickled(), pickle.dumps(Bomb()), archive(), b"", b"\x93NUMPY", b"\x93NUMPY\x09\x09" + bytes(100),
     b"\x93NUMPY\x01\x00\x76\x00{'descr': __import__('os')" + b" " * 92 + b"\n", b"garbage" * 99],
    ids=["object array", "pickle", "archive", "empty", "magic only", "version", "header", "garbage"],
)  # fmt: skip
def test_a_file_that_is_no_plain_array_is_refused_though_hashed(
    tiny_bundle: Path, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bank", "weights", "floors", "origins", "hints"):
        file = tiny_bundle / f"{name}.npy"
        original = file.read_bytes()
        file.write_bytes(content)
        reseal(tiny_bundle)
        with pytest.raises(BundleCorruptError) as caught:
            read_bundle(tiny_bundle)
        assert str(caught.value).startswith(f"{file}: ")
        file.write_bytes(original)
    assert not (tmp_path / "EXPLODED").exists()


@pytest.mark.parametrize(
    "scores",
    ["", "{}", "[1]", '[{"file": "good.png"}]', '[{"file": "good.png", "score": -1}]',
     '[{"file": "good.png", "score": NaN}]', '[{"file": "../good.png", "score": 1}]',
     '[{"file": "good.png", "score": 1, "limit": 2}]', '[{"file": "other.png", "score": 1}]',
     '[{"file": "..", "score": 1}]'],
)  # fmt: skip
def test_wrong_golden_scores_are_refused_though_hashed(tiny_bundle: Path, scores: str) -> None:
    (tiny_bundle / "golden/scores.json").write_text(scores)
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError, match="golden/") as caught:
        read_bundle(tiny_bundle)
    assert "\n" not in str(caught.value)


def test_a_half_copied_bundle_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    """However few of its files have arrived, in any order."""
    for arrived in range(len(FILES)):
        copy = tmp_path / f"copy{arrived}"
        for name in ["manifest.json", *FILES][: arrived + 1]:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tiny_bundle / name, copy / name)
        with pytest.raises(BundleError):
            read_bundle(copy)


def test_what_write_arrays_writes_holds_no_pickle(tmp_path: Path) -> None:
    arrays = {
        "bank": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "weights": np.ones(4, np.float32)[::2],
        "floors": np.zeros(4, np.float32)[::2],
        "origins": np.zeros((2, 3), np.int32),
        "hints": np.arange(8, dtype=np.int32).reshape(2, 4).T,
    }
    bundle.write_arrays(tmp_path, arrays)
    for name, array in arrays.items():
        found = np.load(tmp_path / f"{name}.npy", allow_pickle=False)
        np.testing.assert_array_equal(found, array)
        assert found.flags.c_contiguous
    with pytest.raises(ValueError, match="Object arrays"):
        bundle.write_arrays(tmp_path, {**arrays, "weights": np.array([None], dtype=object)})


def test_what_a_device_built_is_no_part_of_the_bundle(tiny_bundle: Path) -> None:
    before = record_files(tiny_bundle)
    (tiny_bundle / "engines/0123456789abcdef").mkdir(parents=True)
    (tiny_bundle / "engines/0123456789abcdef/a.engine").write_bytes(b"whatever")
    assert record_files(tiny_bundle) == before
    assert read_bundle(tiny_bundle).manifest.files == before


def test_a_bundles_path_may_be_text(tiny_bundle: Path) -> None:
    assert bundle.read_bundle(str(tiny_bundle)).path == tiny_bundle


@pytest.mark.parametrize("name", ["manifest.json", "bank.npy", "golden/good.png", "backbone.onnx"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tiny_bundle: Path, name: str, kind: str) -> None:
    (tiny_bundle / name).unlink()
    if kind == "pipe":
        os.mkfifo(tiny_bundle / name)  # whoever opens it waits for a writer
    else:
        (tiny_bundle / name).symlink_to("/dev/zero")
    with pytest.raises(BundleError, match=r"not a regular file|outside the bundle"):
        read_bundle(tiny_bundle)


def test_a_manifest_without_end_is_not_read(tiny_bundle: Path) -> None:
    with (tiny_bundle / "manifest.json").open("r+b") as stream:
        stream.truncate(2**40)  # takes no place on the disk
    with pytest.raises(BundleNotFoundError, match="larger than 16,777,216 bytes"):
        read_bundle(tiny_bundle)


@pytest.mark.parametrize(
    "name", ["bank.npy", "index.hnsw", "training/looks.npy", "golden/scores.json", "other"]
)
def test_a_file_larger_than_it_can_be_is_not_hashed(tiny_bundle: Path, name: str) -> None:
    with (tiny_bundle / name).open("a+b") as stream:
        stream.truncate(2**40)
    files = manifest_of(tiny_bundle).files | {name: FileRecord(sha256="0" * 64, bytes=2**40)}
    write_manifest(tiny_bundle, manifest_of(tiny_bundle).model_copy(update={"files": files}))
    with pytest.raises(BundleCorruptError, match=f"{name}: .*more than it can hold"):
        read_bundle(tiny_bundle)


def test_a_bank_that_memory_cannot_hold_is_refused(tiny_bundle: Path) -> None:
    found = manifest_of(tiny_bundle)
    bank = found.bank.model_copy(update={"n": 2**31 - 1, "dim": 2**16})
    files = found.files | {"bank.npy": FileRecord(sha256="0" * 64, bytes=128)}
    write_manifest(tiny_bundle, found.model_copy(update={"bank": bank, "files": files}))
    with pytest.raises(BundleCorruptError, match=r"needs 524,288\.0 GB, more than this machine's memory"):
        read_bundle(tiny_bundle)


def test_sparse_files_that_are_larger_than_memory_are_not_hashed(tiny_bundle: Path) -> None:
    found = manifest_of(tiny_bundle)
    records = {f"extra-{number}": FileRecord(sha256="0" * 64, bytes=2**30) for number in range(9_000)}
    write_manifest(tiny_bundle, found.model_copy(update={"files": found.files | records}))
    with pytest.raises(BundleCorruptError, match=r"needs 9,000\.0 GB, more than this machine's memory"):
        read_bundle(tiny_bundle)


def test_features_that_memory_cannot_hold_are_refused(tiny_bundle: Path) -> None:
    found = manifest_of(tiny_bundle)
    grid = found.grid.model_copy(update={"height": 4096, "width": 4096})
    bank = found.bank.model_copy(update={"dim": 2**16})
    write_manifest(tiny_bundle, found.model_copy(update={"grid": grid, "bank": bank}))
    with pytest.raises(BundleCorruptError, match=r"needs 4,096\.0 GB, more than this machine's memory"):
        read_bundle(tiny_bundle)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[]", "names no golden frame"),
        ('[{"file": "good.png", "score": 0, "score": 9}]', "'score' comes twice"),
        ('[{"file": "good.png", "score": NaN}]', "NaN is no number"),
        ('[{"file": "good.png", "score": true}]', "valid number"),
        ("[" * 50_000, "nested too deeply"),
        ("[" + ",".join(['{"file": "good.png", "score": 0}'] * 100_000) + "]", "more than it can hold"),
    ],
)
def test_golden_frames_are_there_and_named_once(tiny_bundle: Path, content: str, fault: str) -> None:
    (tiny_bundle / "golden/scores.json").write_text(content)
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError, match=fault):
        read_bundle(tiny_bundle)


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "a\nb", "", "/etc/passwd", "a/../b", "é", "x" * 300])
def test_names_that_no_file_of_a_bundle_has_are_refused(tiny_bundle: Path, name: str) -> None:
    document = json.loads((tiny_bundle / "manifest.json").read_text())
    document["files"][name] = {"sha256": "0" * 64, "bytes": 0}
    document["seal"] = "0" * 64
    unsealed = (json.dumps(document, indent=2) + "\n").encode()
    seal = hashlib.sha256(unsealed).hexdigest().encode()
    (tiny_bundle / "manifest.json").write_bytes(unsealed.replace(b"0" * 64, seal, 1))
    with pytest.raises(
        BundleCorruptError, match=r"can't be the name of a file|half of a surrogate"
    ) as caught:
        read_bundle(tiny_bundle)
    assert str(caught.value).isprintable()


def test_links_that_lead_to_each_other_are_refused(tiny_bundle: Path) -> None:
    (tiny_bundle / "bank.npy").unlink()
    (tiny_bundle / "bank.npy").symlink_to("weights.npy")
    (tiny_bundle / "weights.npy").unlink()
    (tiny_bundle / "weights.npy").symlink_to("bank.npy")
    with pytest.raises(BundleCorruptError, match=r"(bank|weights)\.npy: missing"):
        read_bundle(tiny_bundle)


def test_a_path_that_cannot_be_one_is_no_bundle() -> None:
    for path in ("a\0b", "a\ud800b"):
        with pytest.raises(BundleNotFoundError, match="no bundle here"):
            read_bundle(path)


def test_numbers_without_bounds_are_refused(tiny_bundle: Path) -> None:
    found = manifest_of(tiny_bundle)
    for part, field in (("index", "ef_search"), ("index", "m"), ("hints", "count"), ("grid", "height")):
        record = getattr(found, part).model_copy(update={field: 2**64})
        write_manifest(tiny_bundle, found.model_copy(update={part: record}))
        with pytest.raises(BundleCorruptError, match=f"{part}.{field}: .*less than"):
            read_bundle(tiny_bundle)


def test_a_key_that_comes_twice_is_refused(tiny_bundle: Path) -> None:
    text = (tiny_bundle / "manifest.json").read_text()
    doubled = text.replace('"category": "tiny",', '"category": "tiny",\n  "category": "other",', 1)
    (tiny_bundle / "manifest.json").write_text(doubled)
    with pytest.raises(BundleCorruptError, match="'category' comes twice"):
        read_bundle(tiny_bundle)


def test_a_network_that_reads_another_file_is_refused(tiny_bundle: Path) -> None:
    network = onnx.load(tiny_bundle / "backbone.onnx")
    tensor = network.graph.initializer.add(name="spy", data_type=1, dims=[3])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="bank.npy")
    (tiny_bundle / "backbone.onnx").write_bytes(network.SerializeToString())
    reseal(tiny_bundle)
    with pytest.raises(BundleCorruptError, match=r"backbone\.onnx: takes numbers from another file"):
        read_bundle(tiny_bundle)


def test_what_happens_to_the_files_later_changes_nothing(tiny_bundle: Path) -> None:
    found = read_bundle(tiny_bundle)
    kept = found.bank.copy()
    for name in ("bank.npy", "weights.npy", "floors.npy", "hints.npy", "origins.npy"):
        os.truncate(tiny_bundle / name, 10)  # a mapped array would end the process
    np.testing.assert_array_equal(found.bank, kept)
    assert found.weights.sum() > 0
    with pytest.raises(ValueError, match="read-only"):
        found.bank[0] = 0

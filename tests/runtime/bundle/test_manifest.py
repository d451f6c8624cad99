from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_runtime.alignment.alignment import Alignment
from softcore_runtime.bundle.manifest import (
    FORMAT_VERSION,
    Agreement,
    Manifest,
    dump_manifest,
    parse_manifest,
    seal_of,
)
from softcore_runtime.errors import BundleCorruptError, BundleError, BundleTooNewError
from softcore_runtime.images.windows import Region, Size, Windows


@pytest.fixture
def data(tiny_bundle: Path) -> bytes:
    return (tiny_bundle / "manifest.json").read_bytes()


def seal(document: dict[str, Any], **changes: object) -> bytes:
    """Seal a document as the format says, by this test's own hand: the seal is the first field."""
    text = json.dumps({**document, **changes, "seal": "0" * 64}, indent=2) + "\n"
    return text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest(), 1).encode()


def test_round_trip(data: bytes) -> None:
    manifest = parse_manifest(data, "m")
    assert dump_manifest(manifest) == data
    assert parse_manifest(dump_manifest(manifest), "m") == manifest
    assert seal_of(manifest) == json.loads(data)["seal"]
    assert manifest.format_version == FORMAT_VERSION
    assert manifest.threshold.value == 12


def test_every_number_survives_exactly(data: bytes) -> None:
    manifest = parse_manifest(data, "m")
    for value in (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, float(np.float32(0.1))):
        threshold = manifest.threshold.model_copy(update={"value": value})
        changed = manifest.model_copy(update={"threshold": threshold})
        assert parse_manifest(dump_manifest(changed), "m").threshold.value == value


def test_the_seal_is_what_the_format_says(data: bytes) -> None:
    document = json.loads(data)
    assert next(iter(document)) == "seal"
    unsealed = data.replace(document["seal"].encode(), b"0" * 64, 1)
    assert hashlib.sha256(unsealed).hexdigest() == document["seal"]
    assert parse_manifest(seal(document), "m") == parse_manifest(data, "m")


def test_a_changed_bit_anywhere_is_refused(data: bytes) -> None:
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises(BundleError):
            parse_manifest(bytes(changed), "m")


def test_a_changed_digit_of_the_threshold_is_refused(data: bytes) -> None:
    assert data.count(b'"value": 12.0') == 1
    with pytest.raises(BundleCorruptError, match=r"^m: changed since it was written; .*softcore-calibrate"):
        parse_manifest(data.replace(b'"value": 12.0', b'"value": 92.0'), "m")


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d + b" ", lambda d: d.replace(b"\n", b"\r\n")])
def test_added_or_missing_space_is_refused(data: bytes, spoil: Any) -> None:
    with pytest.raises(BundleCorruptError):
        parse_manifest(spoil(data), "m")


def test_a_later_format_is_named_even_where_nothing_else_is_understood(data: bytes) -> None:
    later = FORMAT_VERSION + 1
    for document in (
        {**json.loads(data), "format_version": later, "moon_phase": "waxing"},
        {"format_version": later},
        {"format_version": later, "seal": {"algorithm": "blake3"}},
    ):
        with pytest.raises(
            BundleTooNewError, match=rf"^m: .*format {later}.*up to {FORMAT_VERSION}.*upgrade"
        ):
            parse_manifest(json.dumps(document).encode(), "m")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_earlier_format_is_to_be_exported_again(data: bytes, version: int) -> None:
    """Its fields are others, so the message can't be about one of them."""
    earlier = {key: value for key, value in json.loads(data).items() if key not in ("hints", "agreement")}
    said = rf"^m: .*format {version}, this SoftCore reads 3 to {FORMAT_VERSION}; export the bundle again$"
    with pytest.raises(BundleCorruptError, match=said):
        parse_manifest(seal(earlier, format_version=version), "m")


LATER = {"floor": ("bank", 0.0), "evidence": ("bank", 0.0), "windows": ("preprocessing", None)}
LATER_PARTS = ("alignment",)


@pytest.mark.parametrize(("version", "later"), [(3, ["floor", "evidence", "windows"]), (4, ["windows"])])
def test_an_earlier_manifest_stays_as_it_is(recordings: Path, version: int, later: list[str]) -> None:
    """A change of the threshold must leave a manifest that the SoftCore that wrote it still reads."""
    data = (recordings / f"bundle_format_{version}" / "tiny" / "manifest.json").read_bytes()
    manifest = parse_manifest(data, "m")
    assert (manifest.format_version, manifest.bank.floor) == (version, 0)
    assert manifest.preprocessing.windows is None
    assert dump_manifest(manifest) == data
    assert seal_of(manifest) == json.loads(data)["seal"]
    document = json.loads(data)
    for name in later:
        part, value = LATER[name]
        said = rf"^m: : Value error, {part}\.{name} isn't in format {version}$"
        with pytest.raises(BundleCorruptError, match=said):
            parse_manifest(seal({**document, part: document[part] | {name: value}}), "m")
    for part in LATER_PARTS:
        with pytest.raises(
            BundleCorruptError, match=rf"^m: : Value error, {part} isn't in format {version}$"
        ):
            parse_manifest(seal({**document, part: None}), "m")


def test_an_alignment_survives(data: bytes) -> None:
    document = json.loads(data)
    manifest = parse_manifest(seal({**document, "alignment": {"mode": "rigid", "floor": 1 / 3}}), "m")
    assert manifest.alignment == Alignment(mode="rigid", floor=1 / 3)
    assert parse_manifest(dump_manifest(manifest), "m") == manifest


def test_windows_survive(data: bytes) -> None:
    document = json.loads(data)
    windows = Windows(
        frame=Size(width=400, height=100), region=Region(x=1 / 3, width=0.5), columns=3, across=16
    )
    changed = document["preprocessing"] | {"resize": 32, "windows": windows.model_dump()}
    manifest = parse_manifest(seal({**document, "preprocessing": changed}), "m")
    assert manifest.preprocessing.windows == windows
    assert parse_manifest(dump_manifest(manifest), "m") == manifest


@pytest.mark.parametrize("floor", [0.0, 0.5, 1 / 3])
def test_a_floor_survives(data: bytes, floor: float) -> None:
    document = json.loads(data)
    manifest = parse_manifest(seal({**document, "bank": document["bank"] | {"floor": floor}}), "m")
    assert manifest.bank.floor == floor
    assert parse_manifest(dump_manifest(manifest), "m") == manifest


@pytest.mark.parametrize("evidence", [-0.1, 1.1, None])
def test_evidence_is_a_share(data: bytes, evidence: object) -> None:
    document = json.loads(data)
    assert (
        parse_manifest(seal({**document, "bank": document["bank"] | {"evidence": 1.0}}), "m").bank.evidence
        == 1
    )
    with pytest.raises(BundleCorruptError, match=r"^m: bank\.evidence: "):
        parse_manifest(seal({**document, "bank": document["bank"] | {"evidence": evidence}}), "m")


@pytest.mark.parametrize("floor", [-1.0, None, "1", True])
def test_a_wrong_floor_is_refused(data: bytes, floor: object) -> None:
    document = json.loads(data)
    with pytest.raises(BundleCorruptError, match=r"^m: bank\.floor: "):
        parse_manifest(seal({**document, "bank": document["bank"] | {"floor": floor}}), "m")


@pytest.mark.parametrize(
    ("field", "value"), [("engine", "tensorrt"), ("precision", "int4"), ("engine", None)]
)
def test_an_engine_or_a_precision_that_there_is_not_is_refused(
    data: bytes, field: str, value: str | None
) -> None:
    document = json.loads(data)
    with pytest.raises(BundleCorruptError, match=rf"^m: backbone\.{field}: "):
        parse_manifest(seal({**document, "backbone": {**document["backbone"], field: value}}), "m")


def test_agreement_survives(data: bytes) -> None:
    manifest = parse_manifest(data, "m")
    assert manifest.agreement is None
    measured = Agreement(held_back=60, flipped=1, labelled=7, auroc=1 / 3, auroc_fp32=0.1)
    changed = dump_manifest(manifest.model_copy(update={"agreement": measured}))
    assert parse_manifest(changed, "m").agreement == measured


def test_every_missing_field_is_refused_by_name(data: bytes) -> None:
    document = json.loads(data)
    for field in set(Manifest.model_fields) - {
        "alignment",
        "format_version",
        "golden_note",
    }:  # of later bundles
        without = {key: value for key, value in document.items() if key != field}
        with pytest.raises(BundleCorruptError, match=rf"^m: {field}: "):
            parse_manifest(seal(without), "m")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"moon_phase": "waxing"}, "moon_phase"),
        ({"threshold": {"value": True, "provisional": True, "method": ""}}, "threshold.value"),
        ({"threshold": {"value": "12", "provisional": True, "method": ""}}, "threshold.value"),
        ({"threshold": {"value": 12, "provisional": 1, "method": ""}}, "threshold.provisional"),
        ({"threshold": {"value": 12, "provisional": True, "method": "", "min_area": True}},
         "threshold.min_area"),
        ({"threshold": {"value": 0, "provisional": True, "method": ""}}, "threshold.value"),
        ({"threshold": {"value": -1, "provisional": True, "method": ""}}, "threshold.value"),
        ({"threshold": {"value": float("nan"), "provisional": True, "method": ""}}, "NaN is no number"),
        ({"threshold": {"value": float("inf"), "provisional": True, "method": ""}}, "Infinity is no number"),
        ({"threshold": {"value": 1, "provisional": True, "method": "", "v": 2}}, "threshold.v"),
        ({"grid": {"height": 0, "width": 8}}, "grid.height"),
        ({"preprocessing": {"resize": 32, "crop": 64}}, "preprocessing"),
        ({"format_version": "2"}, "format_version"),
        ({"category": ""}, "category"),
        ({"files": {"bank.npy": {"sha256": "F" * 64, "bytes": 1}}}, "files.bank.npy.sha256"),
        ({"files": {"bank.npy": {"sha256": "f" * 64, "bytes": -1}}}, "files.bank.npy.bytes"),
        ({"created": "yesterday"}, "created"),
        ({"hints": {"count": 0, "left_open": 0}}, "hints.count"),
        ({"hints": {"count": 4, "left_open": float("nan")}}, "NaN is no number"),
        ({"agreement": {"held_back": 9, "flipped": -1, "labelled": 0, "auroc": None, "auroc_fp32": None}},
         "agreement.flipped"),
        ({"agreement": {"held_back": 9, "flipped": 0, "labelled": 9, "auroc": 1.1, "auroc_fp32": 1}},
         "agreement.auroc"),
        ({"agreement": {"held_back": 9, "flipped": 0, "labelled": 9, "auroc": 1}}, "agreement.auroc_fp32"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_though_sealed(data: bytes, changes: dict[str, Any], place: str) -> None:
    unsealed = {"seal": None, **json.loads(data)}
    with pytest.raises(BundleCorruptError, match=rf"^m: (not a .*)?\(?{place}[:)]") as caught:
        parse_manifest(seal(unsealed, **changes), "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe\xfd",
        b"null",
        b"[]",
        b"3",
        b'"manifest"',
        b"{",
        b"<html></html>",
        b"{}",
        b'{"seal": null}',
        b'{"seal": 3, "format_version": "2"}',
        b'{"seal": "' + b"\\ud800" * 64 + b'"}',
        b'{"format_version": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"format_version": 1e400}',
        b'{"format_version": NaN}',
        b'{"format_version": true}',
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(BundleCorruptError, match=r"^m: "):
        parse_manifest(data, "m")

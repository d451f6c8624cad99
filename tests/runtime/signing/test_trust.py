"""Whom a reader believes: signatures of a real bundle by real keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from softcore_runtime import BundleError, BundleUntrustedError, Inspector, UsageError, read_bundle
from softcore_runtime.bundle.bundle import manifest_path, read_manifest, write_manifest
from softcore_runtime.bundle.manifest import seal_of
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import revert_threshold, set_threshold, sign_bundle
from softcore_runtime.signing.private_key import create_key
from softcore_runtime.signing.signatures import SIGNATURES, list_bytes, read_signatures
from softcore_runtime.signing.trust import Trust

NEW = Threshold(value=15, provisional=False, method="by hand")


class Keys:
    """Two keys, of the export and of quality."""

    def __init__(self, folder: Path) -> None:
        self.export, self.quality = folder / "export.key", folder / "quality.key"
        publics = [create_key(file).public for file in (self.export, self.quality)]
        self.trust = Trust((publics[0],), (publics[1],))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def test_a_signed_bundle_is_taken_with_trust_and_without(tiny_bundle: Path, keys: Keys) -> None:
    with pytest.raises(BundleUntrustedError, match="the export isn't signed"):
        Inspector.load(tiny_bundle, trust=keys.trust)
    assert sign_bundle(tiny_bundle, keys.export) == ("export",)
    assert Inspector.load(tiny_bundle, trust=keys.trust).manifest == Inspector.load(tiny_bundle).manifest
    copy = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("copy")))
    assert read_bundle(copy, keys.trust)
    sign_bundle(tiny_bundle, keys.export)
    assert len(read_signatures(tiny_bundle)) == 1  # not twice


def test_a_foreign_key_is_refused_and_one_for_thresholds_signs_no_export(
    tiny_bundle: Path, keys: Keys
) -> None:
    sign_bundle(tiny_bundle, keys.quality)
    with pytest.raises(BundleUntrustedError, match=r"signed by the key [0-9a-f]{16}, which isn't trusted"):
        read_bundle(tiny_bundle, keys.trust)
    sign_bundle(tiny_bundle, keys.export)
    assert read_bundle(tiny_bundle, keys.trust)  # the foreign signature beside it does no harm


def test_what_was_sealed_anew_by_another_is_refused(tiny_bundle: Path, keys: Keys) -> None:
    sign_bundle(tiny_bundle, keys.export)
    manifest = read_manifest(tiny_bundle)
    write_manifest(tiny_bundle, manifest.model_copy(update={"category": "another"}))
    assert read_bundle(tiny_bundle)  # its seal is right
    with pytest.raises(BundleUntrustedError, match="the export was changed since it was signed"):
        read_bundle(tiny_bundle, keys.trust)


def test_a_threshold_needs_a_signature_of_its_own(tiny_bundle: Path, keys: Keys) -> None:
    sign_bundle(tiny_bundle, keys.export)
    exported = read_manifest(tiny_bundle)
    set_threshold(tiny_bundle, NEW, exported)
    with pytest.raises(BundleUntrustedError, match="the threshold isn't signed"):
        read_bundle(tiny_bundle, keys.trust)
    set_threshold(tiny_bundle, NEW.model_copy(update={"value": 16}), exported, key=keys.quality)
    assert read_bundle(tiny_bundle, keys.trust).manifest.threshold.value == 16
    set_threshold(tiny_bundle, NEW.model_copy(update={"value": 17}), exported)
    with pytest.raises(BundleUntrustedError, match="the threshold was changed since it was signed"):
        read_bundle(tiny_bundle, keys.trust)
    revert_threshold(tiny_bundle)
    assert read_bundle(tiny_bundle, keys.trust).manifest.threshold.value == 16  # its signature is there
    sign_bundle(tiny_bundle, keys.export)
    assert read_bundle(tiny_bundle, Trust(keys.trust.keys))  # a key of `keys` may sign thresholds, too


def test_history_and_mask_of_a_threshold_are_signed(tiny_bundle: Path, keys: Keys) -> None:
    sign_bundle(tiny_bundle, keys.export)
    signed = set_threshold(tiny_bundle, NEW, read_manifest(tiny_bundle), key=keys.quality)
    other = NEW.model_copy(update={"value": 14})
    for change in (
        {"threshold": other},
        {"history": (*signed.history, other)},
        {"history": (other,)},
        {"threshold": signed.history[0].model_copy(update={"value": 13}), "history": ()},
    ):
        write_manifest(tiny_bundle, signed.model_copy(update=change))
        with pytest.raises(BundleUntrustedError, match="changed since it was signed"):
            read_bundle(tiny_bundle, keys.trust)


def test_a_running_inspector_keeps_its_threshold_where_a_new_one_is_not_signed(
    tiny_bundle: Path, keys: Keys
) -> None:
    sign_bundle(tiny_bundle, keys.export)
    inspector = Inspector.load(tiny_bundle, trust=keys.trust)
    set_threshold(tiny_bundle, NEW, inspector.manifest)
    with pytest.raises(BundleUntrustedError):
        inspector.refresh()
    assert inspector.manifest.threshold.value == 12
    assert sign_bundle(tiny_bundle, keys.quality, threshold_only=True) == ("calibration",)
    assert inspector.refresh()
    assert inspector.manifest.threshold.value == 15


def test_no_threshold_to_sign(tiny_bundle: Path, keys: Keys) -> None:
    with pytest.raises(UsageError, match="has the threshold that the export set"):
        sign_bundle(tiny_bundle, keys.quality, threshold_only=True)
    assert not (tiny_bundle / SIGNATURES).exists()


def test_no_damaged_bundle_is_signed(tiny_bundle: Path, keys: Keys) -> None:
    with (tiny_bundle / "bank.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(BundleError, match="changed since it was written"):
        sign_bundle(tiny_bundle, keys.export)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_manifest_and_signatures_is_refused(
    tiny_bundle: Path, keys: Keys, data: st.DataObject
) -> None:
    if not (tiny_bundle / SIGNATURES).exists():
        sign_bundle(tiny_bundle, keys.export)
        set_threshold(tiny_bundle, NEW, read_manifest(tiny_bundle), key=keys.quality)
    file = data.draw(st.sampled_from([manifest_path(tiny_bundle), tiny_bundle / SIGNATURES]))
    sound = file.read_bytes()
    place = data.draw(st.integers(0, len(sound) - 1))
    # Digits of hex first: other bytes are refused by the form alone.
    byte = data.draw(st.sampled_from(b"0123456789abcdef") | st.integers(0, 255))
    assume(byte != sound[place])
    file.write_bytes(sound[:place] + bytes([byte]) + sound[place + 1 :])
    try:
        with pytest.raises(BundleError):
            read_manifest(tiny_bundle, keys.trust)
    finally:
        file.write_bytes(sound)
    assert read_manifest(tiny_bundle, keys.trust)


@pytest.mark.parametrize("number", [0, 1])
def test_a_forged_signature_is_refused(tiny_bundle: Path, keys: Keys, number: int) -> None:
    """By each of its digits, and by another key under the name of a trusted one."""
    sign_bundle(tiny_bundle, keys.export)
    set_threshold(tiny_bundle, NEW, read_manifest(tiny_bundle), key=keys.quality)
    file = tiny_bundle / SIGNATURES
    sound = file.read_text()
    there = read_signatures(tiny_bundle)[number]
    stranger = create_key(tiny_bundle.parent / "stranger.key")
    forged = [stranger.sign(list_bytes(there.role, there.seal))]
    forged.append(there.signature[::-1])
    forged += [
        there.signature[:place]
        + ("1" if there.signature[place] == "0" else "0")
        + there.signature[place + 1 :]
        for place in range(128)
    ]
    for signature in forged:
        file.write_text(sound.replace(there.signature, signature))
        with pytest.raises(BundleUntrustedError, match=r"the signature of .* by the key .* is wrong"):
            read_manifest(tiny_bundle, keys.trust)


def test_a_signature_of_another_role_or_bundle_is_none_of_this(tiny_bundle: Path, keys: Keys) -> None:
    """Role and seal are part of what is signed."""
    sign_bundle(tiny_bundle, keys.export)
    set_threshold(tiny_bundle, NEW, read_manifest(tiny_bundle))
    file = tiny_bundle / SIGNATURES
    document = json.loads(file.read_text())
    (export,) = document["signatures"]
    seal = seal_of(read_manifest(tiny_bundle))
    document["signatures"].append({**export, "role": "calibration", "seal": seal})
    file.write_text(json.dumps(document, indent=2) + "\n")
    with pytest.raises(BundleUntrustedError, match="the signature of the threshold by the key"):
        read_manifest(tiny_bundle, keys.trust)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_garbage_in_place_of_signatures_is_one_line(tiny_bundle: Path, keys: Keys, content: bytes) -> None:
    (tiny_bundle / SIGNATURES).write_bytes(content)
    with pytest.raises(BundleUntrustedError, match="no signatures of a bundle, or changed; sign it again"):
        read_bundle(tiny_bundle, keys.trust)
    assert read_bundle(tiny_bundle)  # who asks for no signatures doesn't read them


def test_signatures_that_cannot_be_read(tiny_bundle: Path, keys: Keys) -> None:
    (tiny_bundle / SIGNATURES).mkdir()
    with pytest.raises(BundleUntrustedError, match="can't be read"):
        read_bundle(tiny_bundle, keys.trust)

"""Keys as files: made once, readable by their owner alone, and nothing else is taken for one."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from softcore_runtime import UsageError
from softcore_runtime.signing.private_key import create_key, read_key, verify
from softcore_runtime.signing.public_key import format_public, parse_public


def test_a_key_is_its_owners_and_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "export.key"
    key = create_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_key(file).public == key.public
    assert "\n" not in key.public
    assert verify(key.public, b"text", read_key(file).sign(b"text"))
    assert not verify(key.public, b"another", key.sign(b"text"))
    assert not verify(create_key(tmp_path / "other.key").public, b"text", key.sign(b"text"))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "export.key"
    before = create_key(file).public
    with pytest.raises(UsageError, match="is there already; a key is never overwritten"):
        create_key(file)
    link = tmp_path / "link.key"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError):
        create_key(link)
    with pytest.raises(UsageError, match="the key can't be written"):
        create_key(tmp_path / "no folder" / "export.key")
    assert read_key(file).public == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "export.key"
    create_key(file)
    file.chmod(mode)
    with pytest.raises(UsageError, match=r"others .* can read or write the key; run: chmod 600"):
        read_key(file)


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    file.chmod(0o600)
    return file


def test_what_is_no_key_is_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(UsageError, match="the key can't be read"):
        read_key(tmp_path / "gone")
    with pytest.raises(UsageError, match="the key can't be read"):
        read_key(tmp_path)
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for content in (b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", locked):
        with pytest.raises(UsageError, match="no private key without a password"):
            read_key(write(file, content))
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with pytest.raises(UsageError, match="no key of Ed25519"):
        read_key(write(file, other))


def test_openssl_reads_the_key_and_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "export.key"
    key = create_key(file)
    try:
        shown = subprocess.run(
            ["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], capture_output=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("needs openssl: apt install openssl")
    assert shown.stdout[-32:] == parse_public(key.public)
    made = tmp_path / "made.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", made], check=True)
    made.chmod(0o600)
    assert read_key(made).public.startswith("ed25519:")


@given(st.binary(min_size=32, max_size=32))
def test_a_public_key_has_one_spelling(data: bytes) -> None:
    text = format_public(data)
    assert parse_public(text) == data
    for other in (text[:-1], f" {text}", f"{text}\n", text.upper(), text.removeprefix("ed25519:")):
        if other != text:
            with pytest.raises(ValueError, match="a public key is ed25519"):
                parse_public(other)

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from softcore_edge_app.health.logs import configure_logs
from softcore_edge_app.web.port.server import WebServer
from softcore_edge_app.web.port.token_file import read_token, take_token
from softcore_runtime.errors import UsageError

Capsys = pytest.CaptureFixture[str]
TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else


def test_a_token_file(token_file: Path) -> None:
    assert read_token(token_file) == TOKEN
    token_file.chmod(0o640)  # a group that reads it is somebody's decision
    assert read_token(token_file) == TOKEN


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"", 0o600, "16 to 4096 characters, not 0"),
        (b" \n", 0o600, "not 0"),
        (b"fifteen letters", 0o600, "not 15"),
        (b"x" * 5000, 0o600, "characters"),
        (b"two words of a token", 0o600, "one word"),
        (b"a-token-of-two\nlines-0123", 0o600, "one word"),
        ("ein-schöner-langer-Schlüssel".encode(), 0o600, "ASCII"),
        (TOKEN.encode(), 0o604, "chmod o="),
        (TOKEN.encode(), 0o602, "chmod o="),
    ],
)
def test_a_file_that_holds_no_token(token_file: Path, content: bytes, mode: int, words: str) -> None:
    token_file.write_bytes(content)
    token_file.chmod(mode)
    with pytest.raises(UsageError, match=words) as caught:
        read_token(token_file)
    assert str(caught.value).startswith(f"{token_file}: ")
    assert TOKEN not in str(caught.value)


def test_a_token_that_can_not_be_read(tmp_path: Path, serve: Callable[..., WebServer]) -> None:
    with pytest.raises(UsageError, match=r"can't be read \(Is a directory\)"):
        serve(token_file=tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="is no file"):
        serve(token_file=tmp_path / "pipe")


def test_a_token_that_is_not_there_is_made(
    tmp_path: Path, serve: Callable[..., WebServer], capsys: Capsys
) -> None:
    """Random, for its owner alone, and said once: where it is, never what it is."""
    configure_logs("text")
    file = tmp_path / "token"
    url = serve(token_file=file).url
    token = file.read_text().strip()
    assert (len(bytes.fromhex(token)), stat.S_IMODE(file.stat().st_mode)) == (32, 0o600)
    assert capsys.readouterr().err == (
        f"softcore-edge: made a new token for changes over HTTP in {file}, which only its owner can read\n"
    )
    for shown, code in ((token, 200), ("0" * 64, 403)):
        headers = {"X-SoftCore-Token": shown}
        assert httpx.post(f"{url}api/token", json={}, headers=headers).status_code == code
    assert take_token(file) == token
    assert take_token(tmp_path / "other") != token
    assert token not in capsys.readouterr().err


def test_a_umask_takes_nothing_from_the_secret(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        take_token(tmp_path / "token")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_token_is_not_made_anywhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no token can be made there .no folder {tmp_path}/none"):
        take_token(tmp_path / "none" / "token")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=f"dangling symbolic link, to {tmp_path}/elsewhere"):
        take_token(tmp_path / "link")
    assert [file.name for file in tmp_path.iterdir()] == ["link"]

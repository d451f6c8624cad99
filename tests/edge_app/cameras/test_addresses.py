from __future__ import annotations

import pytest
from softcore_edge_app.cameras.addresses import find_scheme, hide_password, is_address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://operator:s3cret@10.0.0.5:554/live?x=1", "rtsp://10.0.0.5:554/live?x=1"),
        ("http://operator@cam/", "http://cam/"),
        ("http://a:p@ss@cam/x@y", "http://cam/x@y"),
        ("http://a:secret@[::1/x", "http://[::1/x"),
        ("http://cam/who@where", "http://cam/who@where"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("RTSP://cam:554/1", "rtsp", True),
        ("csi://0", "csi", True),
        ("gst://videotestsrc", "gst", False),
        ("videotestsrc ! identity", None, False),
        ("line/2026://1", None, False),
        ("0", None, False),
        ("", None, False),
    ],
)
def test_a_scheme_is_that_of_a_url(text: str, scheme: str | None, address: bool) -> None:
    assert find_scheme(text) == scheme
    assert is_address(text) is address

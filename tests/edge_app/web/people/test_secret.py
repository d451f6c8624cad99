from __future__ import annotations

import subprocess
import sys

from softcore_edge_app.web.people import secret
from softcore_edge_app.web.people.secret import hash_badge, hash_secret, match_badge, match_secret


def test_a_secret() -> None:
    one, two = hash_secret("Grüße 4711"), hash_secret("Grüße 4711")
    assert one != two  # a salt of its own
    assert one.startswith("$argon2id$")
    assert "4711" not in one
    assert match_secret("Grüße 4711", one)
    for wrong, stored in (("Grüße 4712", one), ("", one), ("x", "no hash"), ("x", None), ("", None)):
        assert not match_secret(wrong, stored)


def test_a_name_that_nobody_has_takes_a_hash_too(monkeypatch: object) -> None:
    asked = []
    verify = secret._HASHER.verify

    class Noting:
        def verify(self, stored: str, given: str) -> bool:
            asked.append(stored)
            return verify(stored, given)

    monkeypatch.setattr(secret, "_HASHER", Noting())  # type: ignore[attr-defined]
    assert not match_secret("4711", None)
    assert asked == [secret._NOBODY]


def test_badges_of_a_file_share_a_salt_and_are_found_by_one_hash(monkeypatch: object) -> None:
    first = hash_badge("badge 1")
    stored = [first, *(hash_badge(f"badge {number}", first) for number in range(2, 6))]
    assert len(set(stored)) == 5
    made = []
    monkeypatch.setattr(  # type: ignore[attr-defined]
        secret, "hash_badge", lambda code, like: made.append(like) or hash_badge(code, like)
    )
    assert [match_badge(f"badge {number}", stored) for number in range(1, 7)] == [0, 1, 2, 3, 4, None]
    assert len(made) == 6
    assert match_badge("badge 1", []) is None
    assert match_badge("badge 9", [first, hash_badge("badge 9")]) == 1  # of another salt


def test_without_the_library_one_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['argon2'] = None\n"
        "from softcore_runtime import MissingLibraryError\n"
        "try:\n    import softcore_edge_app.web.people.secret\n"
        "except MissingLibraryError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "argon2" in done.stdout
    assert "softcore[edge]" in done.stdout

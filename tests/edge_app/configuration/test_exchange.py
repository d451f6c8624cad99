from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from softcore_edge_app.configuration.configuration import read_configuration
from softcore_edge_app.configuration.exchange import exchange_texts, exchange_values
from softcore_runtime import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = """\
# The pills' line; don't touch.
bundle = "bundles/pill"   # "bundles/pill" since March
shadow = 'bundles/pill-new'
source = "bundles/pill"
"""
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
COMMENTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


def test_the_two_values_change_places_and_nothing_else_does() -> None:
    changed = exchange_texts(FILE, ("bundle",), ("shadow",))
    assert changed == FILE.replace('bundle = "bundles/pill" ', 'bundle = "bundles/pill-new" ').replace(
        "'bundles/pill-new'", "'bundles/pill'"
    )
    assert exchange_texts(changed, ("bundle",), ("shadow",)) == FILE  # the way back


@pytest.mark.parametrize(
    "text",
    [
        '[cameras.left]\nrecipes = { pill = "a", cap = "b" }\nshadows = { pill = "b" }\n',
        '[cameras.left.recipes]\npill = "a"\ncap = "b"\n[cameras.left.shadows]\npill = "b"\n',
        'cameras.left.recipes.pill = "a"\ncameras.left.shadows."pill" = "b"\n',
        '[cameras.left]\r\nsource = "a"\r\nrecipes.pill = "a"\r\nshadows.pill = "b"\r\n',
    ],
)
def test_tables_may_be_written_in_any_way(text: str) -> None:
    places = ("cameras", "left", "recipes", "pill"), ("cameras", "left", "shadows", "pill")
    changed = exchange_texts(text, *places)
    assert changed is not None
    left = tomllib.loads(changed)["cameras"]["left"]
    assert (left["recipes"]["pill"], left["shadows"]["pill"]) == ("b", "a")
    assert left["recipes"].get("cap", "b") == "b"
    assert changed.count("\r\n") == text.count("\r\n")


def write_text(text: str, draw: Any) -> str:
    literal = draw(st.booleans()) and "'" not in text and text.isprintable()
    return f"'{text}'" if literal else json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@given(bundle=NAMES, shadow=NAMES, other=NAMES, comment=COMMENTS, data=st.data())
def test_whatever_is_in_the_file_only_the_two_change(
    bundle: str, shadow: str, other: str, comment: str, data: st.DataObject
) -> None:
    lines = [
        f"bundle = {write_text(bundle, data.draw)}  # {comment}",
        f"shadow = {write_text(shadow, data.draw)}",
        f"camera = {write_text(other, data.draw)} # {comment}",
        f"# {comment}",
    ]
    text = "\n".join(data.draw(st.permutations(lines)))
    try:
        before = tomllib.loads(text)
    except ValueError:
        assume(False)  # what a comment may not hold
    changed = exchange_texts(text, ("bundle",), ("shadow",))
    if changed is None:  # a comment's quotes hide the values; the user is told to write it by hand
        assert "'" in comment or '"' in comment
        return
    assert tomllib.loads(changed) == {**before, "bundle": before["shadow"], "shadow": before["bundle"]}


def test_a_text_over_several_lines_is_left_to_a_person(tmp_path: Path) -> None:
    file = tmp_path / "line.toml"
    text = 'source = "images"\nbundle = """\nbundles/pill"""\nshadow = "new"\n'
    file.write_text(text)
    assert read_configuration(file).bundle == "bundles/pill"
    with pytest.raises(UsageError) as refused:
        exchange_values(file, ("bundle",), ("shadow",))
    assert str(refused.value) == (
        f'{file}: can\'t be changed safely; write it by hand: bundle = "new" and shadow = "bundles/pill"'
    )
    assert file.read_text() == text


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "real.toml", tmp_path / "line.toml"
    file.write_text(FILE)
    link.symlink_to(file)
    exchange_values(link, ("bundle",), ("shadow",))
    assert link.is_symlink()
    assert read_configuration(file).bundle == "bundles/pill-new"

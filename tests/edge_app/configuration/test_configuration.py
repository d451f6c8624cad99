from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.configuration.configuration import (
    Configuration,
    configure,
    describe_configuration,
    parse_setting,
    read_configuration,
)
from softcore_edge_app.configuration.mistakes import ConfigurationError
from softcore_runtime import UsageError

WHOLE = """\
bundle = "pill"
camera = 0
save_overlays = "seen"
ledger = "line1.ledger"
json = true
frames = 12
unchecked = true
engine = "openvino"
threads = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "line.toml"


def test_every_option_is_a_key(file: Path) -> None:
    file.write_text(WHOLE)
    found = read_configuration(file)
    assert found == Configuration(
        bundle="pill", camera="0", save_overlays=Path("seen"), ledger=Path("line1.ledger"), json=True,
        frames=12, unchecked=True, engine="openvino", threads=2,
    )  # fmt: skip
    assert describe_configuration(found) == [
        "bundle = pill", "camera = 0", "save_overlays = seen", "ledger = line1.ledger", "json = True",
        "frames = 12", "unchecked = True", "engine = openvino", "threads = 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" + ".a" * 100_000 + " = 1", id="key"),
        pytest.param("[a" + ".a" * 100_000 + "]", id="table"),
        pytest.param("  [[a" + " . 'a'" * 100_000 + "]]", id="list of tables"),
        pytest.param("x = {a.b.c" + ".a" * 100_000 + " = 1}", id="inner key"),
        pytest.param("\n".join(["a" + ".a" * 99 + f".x{n} = 1" for n in range(200)]), id="many keys"),
        pytest.param("x = " + "[" * 100_000, id="open lists"),
        pytest.param("x = " + "{a=" * 100_000, id="open tables"),
        pytest.param("x = " + "[" * 400 + "]" * 400, id="lists"),
        pytest.param("x = " + "{a=" * 200 + "1" + "}" * 200, id="tables"),
        pytest.param("[a.b.c.d.e.f]\ng.h.i.j.k.l = {m.n.o.p.q = [1]}", id="of all kinds"),
    ],
)
def test_what_is_nested_without_end_is_refused_at_once(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_configuration(file)
    assert str(caught.value) == f"{file}: not TOML (more than 16 tables, or lists, are in each other)"


def test_a_setting_with_a_key_without_end() -> None:
    with pytest.raises(UsageError, match=r"--set a[.a]+: a[.a]+ is no key") as caught:
        parse_setting("a" + ".a" * 100_000 + "=1")
    assert len(str(caught.value)) < 500


def test_dots_that_are_no_keys(file: Path) -> None:
    file.write_text(f"# {'.' * 999}\nbundle = 'p{'.' * 99}'\ncamera = 0\n")
    assert read_configuration(file).camera == "0"


def test_a_file_that_is_no_configuration_is_not_read_to_its_end() -> None:
    with pytest.raises(UsageError, match="/dev/zero: no configuration of a line has more than 1048576 bytes"):
        read_configuration(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camrea = 0", "camrea: no such key; did you mean camera?"),
        ("camera = 0\nthread = 2", "thread: no such key; did you mean threads?"),
        (
            "camera = 0\nxyz = 2",
            "xyz: no such key; there are: bundle, recipes, shadow, shadows, camera",
        ),
        ("camera = 0\n[ledger]\nfile = 'x'", "ledger: must be a path, not a table"),
        ("camera = 0\nthreads = 0", "threads: must be from 1 up, not 0"),
        ("camera = 0\nengine = 'abacus'", 'engine: must be openvino, onnxruntime or auto, not "abacus"'),
        ("camera = 0.5", "camera: must be a text, not 0.5"),
        ("camera = true", "camera: must be a text, not true"),
        ("camera = 0\nsource = 'x'", "takes either camera or source, not both"),
        ("bundle = 'pill'", "needs either camera or source"),
        (
            "camera = 0\ntrigger = 'interval'\ninterval = 1\nlatency = 1",
            "latency: a trigger's frame comes 1 s after it, and its deadline is 1 s after it; give a longer",
        ),
        ("camera = 0\nfast = true\nsave_overlays = 'x'", "--fast draws no maps"),
        (
            "camera = 0\nrecipes = { a = 'x' }\nshadow = 'y'",
            "shadow: with recipes, name a shadow for each of them that has one, in shadows",
        ),
        (
            "camera = 0\nrecipes = { pill = 'x' }\nshadows = { pil = 'y' }",
            "shadows.pil: no recipe 'pil'; did you mean pill?",
        ),
        ("camera = 0\nshadows = { a = 'y' }", "shadows.a: no recipe 'a'; there are none; use shadow"),
        ("camera =", "not TOML (Invalid value"),
        ("camera = 0\ncamera = 1", "not TOML (Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_said_with_its_place(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_configuration(file)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_all_mistakes_are_said_each_in_a_line(file: Path) -> None:
    file.write_text("camrea = 0\nqueue = 0\nthreads = 'two'\n[mqtt]\nhots = 'x'\n")
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file)
    assert set(caught.value.lines) == {
        f"{file}: camrea: no such key; did you mean camera?",
        f"{file}: queue: must be from 1 to 10000, not 0",
        f'{file}: threads: must be a whole number from 1 up, not "two"',
        f"{file}: mqtt.hots: no such key; did you mean mqtt.host?",
        f"{file}: mqtt: needs a ledger (--ledger FILE), which keeps what it misses",
    }


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml: can't be read \(No such file"):
        read_configuration(tmp_path / "gone.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        read_configuration(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"threads": 7, "fast": None}, {"threads": 7}),
        ({"source": "x", "camera": None}, {"source": "x", "camera": None}),
        ({"camera": "3"}, {"camera": "3"}),
        ({"bundle": "tile", "json": True}, {"bundle": "tile"}),
    ],
)
def test_the_command_line_goes_first(file: Path, options: dict[str, Any], changes: dict[str, Any]) -> None:
    file.write_text(WHOLE)
    assert configure(file, options) == read_configuration(file).model_copy(update=changes)


def test_without_a_file_the_options_are_all() -> None:
    assert configure(None, {"camera": "0", "threads": None}) == Configuration(camera="0")
    with pytest.raises(UsageError, match=r"^needs either camera or source"):
        configure(None, {})

"""Rules of alarms: without configuration, changed key by key, of one's own, and wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS, AlarmOptions
from softcore_edge_app.configuration.configuration import (
    configure,
    describe_configuration,
    parse_setting,
    read_configuration,
)
from softcore_edge_app.configuration.mistakes import ConfigurationError
from softcore_edge_app.configuration.options import Configuration

CAMERA = "camera = 0\n"


def read(folder: Path, text: str) -> Configuration:
    file = folder / "line.toml"
    file.write_text(CAMERA + text)
    return read_configuration(file)


def test_a_line_has_rules_without_being_told() -> None:
    alarms = Configuration(camera="0").alarms
    assert alarms == dict(DEFAULT_ALARMS)
    assert [rule.find_clash() for rule in alarms.values()] == [None] * len(alarms)
    run, share = alarms["fail-run"], alarms["fail-share"]
    assert (run.decisions, run.count, run.parts, run.level) == (("FAIL",), 10, 10, "alarm")
    assert (share.count, share.parts, share.level) == (20, 50, "alarm")


def test_a_table_changes_what_it_gives_or_is_a_rule_of_its_own(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "[alarms.fail-share]\ncount = 30\n[alarms.fail-run]\nenabled = false\n"
        '[alarms.rejected]\ndecisions = ["FAIL", "INVALID"]\nparts = 200\ncount = 30\ndelay_seconds = 60\n',
    ).alarms
    assert found["fail-share"] == DEFAULT_ALARMS["fail-share"].model_copy(update={"count": 30})
    assert not found["fail-run"].enabled
    assert found["rejected"] == AlarmOptions(
        decisions=("FAIL", "INVALID"), parts=200, count=30, delay_seconds=60.0
    )
    assert found.keys() == {*DEFAULT_ALARMS, "rejected"}


def test_options_and_variables_change_a_rule_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTCORE_ALARMS", '{"fail-run": {"parts": 12}}')
    found = configure(None, {"camera": "0", **parse_setting("alarms.fail-run.count=12")})
    run = found.alarms["fail-run"]
    assert (run.parts, run.count) == (12, 12)
    assert describe_configuration(found) == [
        "camera = 0",
        "alarms.fail-run.decisions = ['FAIL']",
        "alarms.fail-run.parts = 12",
        "alarms.fail-run.count = 12",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[alarms.a]\ncount = 3", "alarms.a: takes either decisions or image; give one of the two"),
        (
            '[alarms.a]\ndecisions = "FAIL"\nimage = "brightness"',
            "alarms.a: takes either decisions or image; give one of the two",
        ),
        (
            '[alarms.a]\ndecisions = "FAIL"',
            "alarms.a: decisions go with count (how many of the last parts raise it) or share (of the parts "
            "of the shift), one of the two, and without change",
        ),
        (
            '[alarms.a]\ndecisions = "FAIL"\ncount = 3\nshare = 0.1',
            "alarms.a: decisions go with count (how many of the last parts raise it) or share (of the parts "
            "of the shift), one of the two, and without change",
        ),
        (
            '[alarms.a]\nimage = "sharpness"\ncount = 3',
            "alarms.a: image goes with change (by which share the images must differ), without count and "
            "share",
        ),
        (
            "[alarms.fail-run]\ncount = 11",
            "alarms.fail-run: count is 11, of the last 10 parts; give a smaller count, or more parts",
        ),
        (
            '[alarms.a]\ndecisions = "FIAL"\ncount = 3',
            'alarms.a.decisions.0: must be FAIL, REVIEW or INVALID, not "FIAL"; did you mean FAIL?',
        ),
        (
            '[alarms.a]\nimage = "contrast"\nchange = 1',
            'alarms.a.image: must be brightness or sharpness, not "contrast"',
        ),
        (
            '[alarms.fail-run]\nlevel = "alert"',
            'alarms.fail-run.level: must be warning or alarm, not "alert"',
        ),
        ("[alarms.fail-run]\ncuont = 3", "alarms.fail-run.cuont: no such key; did you mean"),
        (
            '[alarms.a]\ndecisions = "FAIL"\nshare = 5',
            "alarms.a.share: must be above 0 and at most 1, not 5",
        ),
        ("alarms = 3", "alarms: must be a table, not 3"),
        ("alarms.fail-run = 3", "alarms.fail-run: must be a table, not 3"),
        ("[alarms.fail-run]\ndelay_parts = -1", "alarms.fail-run.delay_parts: must be "),
    ],
)
def test_each_mistake_is_told_once_and_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    (line,) = caught.value.lines
    assert told in line

from __future__ import annotations

import shlex

import pytest
from softcore_calibration.cli.options import build_parser, list_given, rewrite_command
from softcore_runtime.cli.checks import MistakesError
from softcore_runtime.cli.numbers import check_numbers


@pytest.mark.parametrize(
    ("given", "advised"),
    [
        ("pill", "pill --max-overkill 0.1"),
        ("pill --max-overkill 0.01 --serve", "pill --max-overkill 0.1 --serve"),
        ("--max-overkill=0.01 pill", "--max-overkill=0.1 pill"),
        ("--max-overkill 0.3 --max-overkill 0.01 pill", "--max-overkill 0.1 --max-overkill 0.1 pill"),
        ("--good 'my parts' -- -pill", "--good 'my parts' --max-overkill 0.1 -- -pill"),
    ],
)
def test_a_command_is_written_with_another_value(given: str, advised: str) -> None:
    words = shlex.split(given)
    written = rewrite_command(words, {"--max-overkill": "0.1"})
    assert written == f"softcore-calibrate {advised}"
    options = build_parser().parse_args(shlex.split(written)[1:])
    assert options.max_overkill == 0.1
    before = vars(build_parser().parse_args(words))
    assert {name for name, value in vars(options).items() if value != before[name]} == {"max_overkill"}


def test_several_values_are_changed() -> None:
    changes = {"--max-overkill": "0.1", "--max-escape": "0.2"}
    assert rewrite_command(["pill", "--max-escape", "0.01"], changes) == (
        "softcore-calibrate pill --max-escape 0.2 --max-overkill 0.1"
    )


def test_wrong_numbers_are_told_together() -> None:
    options = build_parser().parse_args(
        [
            "pill",
            "--max-overkill",
            "1",
            "--percentile",
            "x",
            "--value",
            "inf",
            "--min-area",
            "2.5",
            "--review-band=0",
        ]
    )
    with pytest.raises(MistakesError) as caught:
        check_numbers(options)
    assert sorted(caught.value.lines) == [
        "--max-overkill 1: must be a number above 0 and below 1",
        "--min-area 2.5: must be a whole number from 1 up",
        "--percentile x: must be a number above 0 and below 100",
        "--review-band 0: must be a number above 0 and below 1",
        "--value inf: must be a number above 0",
    ]
    check_numbers(build_parser().parse_args(["pill", "--max-overkill", "0.5", "--threads", "2"]))


def test_what_was_given() -> None:
    assert list_given(build_parser().parse_args(["pill"])) == []
    given = build_parser().parse_args(["pill", "--good", "a", "--dry-run", "--debug"])
    assert list_given(given) == ["--debug", "--dry-run", "--good"]


def test_help_tells_the_exit_codes_and_only_examples_that_are_parsed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    codes = text[text.index("exit codes:") :].splitlines()[1:]
    assert [line.split()[0] for line in codes] == ["0", "2", "3", "70", "130"]
    examples = [line for line in text.splitlines() if line.startswith("  softcore-calibrate ")]
    assert len(examples) == 7
    for line in examples:
        check_numbers(build_parser().parse_args(line.split()[1:]))

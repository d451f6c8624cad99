from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.exam.summary import describe_exam, describe_figures, list_remarks, refuse_losses
from softcore_runtime.errors import ExportError

from .test_outcome import make_outcome, make_part

ALIKE = (make_part("g", "good", 1, 1), make_part("b", "bad", 12, 9))


def test_every_figure_has_its_interval_and_its_threshold() -> None:
    rows = {name: (old, new) for name, old, new in describe_figures(make_outcome(*ALIKE))}
    assert rows["AUROC"] == ("1.0000 (0.207 to 1.000)", "1.0000 (0.207 to 1.000)")
    assert rows["threshold"] == ("10, provisional", "5, provisional")
    assert rows["overkill"] == ("0.00% (0 of 1; 0.00% to 97.50%)",) * 2
    assert rows["escape"] == ("0.00% (0 of 1; 0.00% to 97.50%)",) * 2
    assert rows["escape at equal overkill"] == (
        "0.00% (0 of 1; 0.00% to 97.50%) at 1",
        "0.00% (0 of 1; 0.00% to 97.50%) at 1",
    )


def test_the_terminal_names_what_changes() -> None:
    lines = describe_exam(
        make_outcome(*ALIKE, make_part("a.png", "bad", 12, 0.5), make_part("z", "good", 11, 1))
    )
    assert lines[0] == "4 marked parts (2 good, 2 bad), judged by this bundle and by the one before"
    assert "lost: a.png (bad: FAIL at 12, now passes at equal overkill with 0.5)" in lines
    assert "gained: z (good: FAIL at 11, now passes at equal overkill with 1)" in lines
    calibrated = make_outcome(*ALIKE, make_part("a.png", "bad", 12, 2), provisional=False)
    assert "lost: a.png (bad: FAIL at 12, now PASS at 2)" in describe_exam(calibrated)
    assert describe_exam(make_outcome(*ALIKE))[-1] == "no marked part has changed sides"


def test_without_an_old_bundle() -> None:
    outcome = make_outcome(make_part("a", "bad", None, 2))
    lines = describe_exam(outcome)
    assert lines[0] == "1 marked part (0 good, 1 bad), judged by this bundle"
    assert lines[1:] == [
        "AUROC unknown",
        "threshold 5, provisional",
        "overkill unknown",
        "escape 100.00% (1 of 1; 2.50% to 100.00%)",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"missing": ("a", "b")},
            "2 of 4 marked parts weren't found and aren't judged again (name their folder with --good or "
            "--bad): a, b",
        ),
        (
            {"missing": ("a",)},
            "1 of 3 marked parts wasn't found and isn't judged again (name their folder with --good or "
            "--bad): a",
        ),
        ({"unread": ("a: no image",)}, "1 marked part can't be read: a: no image"),
        (
            {"relabelled": tuple("abcdefg")},
            "7 marked parts had another label before, and the latest counts: a, b, c, d, e and 2 more",
        ),
        (
            {"learned": ("a",)},
            "1 marked part called bad is among the training images (--bad leaves out what it is given): a",
        ),
        (
            {"note": "pill: damaged"},
            "the earlier bundle can't be asked again, and its recorded scores count: pill: damaged",
        ),
    ],
)
def test_what_should_be_known_is_said(changes: dict[str, object], said: str) -> None:
    outcome: ExamOutcome = replace(make_outcome(*ALIKE), **changes)  # type: ignore[arg-type]
    assert list_remarks(outcome) == [said]
    assert list_remarks(make_outcome(*ALIKE)) == []


def test_swapped_marks_are_noticed() -> None:
    swapped = make_outcome(
        *(make_part(f"g{number}", "good", 11, 12) for number in range(20)),
        *(make_part(f"b{number}", "bad", 1, 2) for number in range(20)),
    )
    (remark,) = list_remarks(swapped)
    assert remark.startswith("bad parts score lower than good ones (AUROC 0.0000 (0.000 to ")
    assert remark.endswith("are the folders of --good and --bad swapped?")


def test_parts_that_are_not_compared_are_counted() -> None:
    (remark,) = list_remarks(make_outcome(*ALIKE, make_part("t", "good", None, 1)))
    assert remark.startswith("1 marked part not compared: the earlier bundle had learned such images")


def test_a_bundle_that_loses_a_part_is_refused() -> None:
    refuse_losses(Path("bundles/pill"), make_outcome(*ALIKE))
    with pytest.raises(ExportError) as caught:
        refuse_losses(Path("bundles/pill"), make_outcome(*ALIKE, make_part("bad/a.png", "bad", 12, 0.5)))
    assert str(caught.value) == (
        "bundles/pill: the new bundle loses 1 of 3 marked parts, and the earlier one stays: bad/a.png (bad: "
        "FAIL at 12, now passes at equal overkill with 0.5); add --accept to take the new one all the same"
    )
    many = make_outcome(*(make_part(str(number), "bad", 12, 2) for number in range(500)))
    with pytest.raises(ExportError, match=r"loses 500 of 500 marked parts.* and 495 more; add --accept"):
        refuse_losses(Path("bundles/pill"), many)

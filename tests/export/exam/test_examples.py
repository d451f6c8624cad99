"""What an exam is made of has examples in its docstrings, which print what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import softcore_runtime
from softcore_export import conversion
from softcore_export.exam import marked_parts, measures, outcome, sitting, summary
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.export import PreparedExport
from softcore_export.report import exam_section
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector

from ...examples import find_documented, has_example, type_example

EXAMPLES = {
    name: thing
    for module in (conversion, exam_section, marked_parts, measures, outcome, sitting, summary)
    for name, thing in find_documented(module).items()
    if has_example(thing)
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(
    name: str,
    outcome: ExamOutcome,
    prepared: PreparedExport,
    discs: Path,
    small: ExportSettings,
    bundles: Path,
) -> None:
    module = vars(__import__(EXAMPLES[name].__module__, fromlist=["_"]))
    known = {**vars(softcore_runtime), **vars(marked_parts), **module, "outcome": outcome, "small": small}
    known |= {"prepared": prepared, "discs": discs, "target": bundles / "disc"}
    known["inspector"] = Inspector.load(bundles / "disc")
    assert not type_example(name, EXAMPLES[name], known)

from __future__ import annotations

import pytest
from softcore_calibration.command import main


def test_it_says_that_it_is_not_there_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "not there yet" in message

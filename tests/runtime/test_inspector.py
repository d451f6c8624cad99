from __future__ import annotations

from pathlib import Path

import numpy as np
from softcore_runtime import Decision, Inspector


def test_good_passes_and_bad_fails(tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle)
    good, bad = inspector.inspect(good_frame), inspector.inspect(bad_frame)
    assert good.decision is Decision.PASS
    assert bad.decision is Decision.FAIL
    assert good.share < 1 < bad.share

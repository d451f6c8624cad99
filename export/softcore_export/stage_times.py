"""Stage times: measures how long each stage of an export takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from softcore_runtime.cli.progress import end_bars

__all__ = ["time_stage"]


@contextmanager
def time_stage(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Time the block and add its seconds to those of the stage; an error ends its progress bars.

    Args:
        seconds: wall time by stage; filled here, if the block ends without an error.
        stage: its name.
    """
    start = time.perf_counter()
    try:
        yield
    except BaseException:
        end_bars()
        raise
    seconds[stage] = round(seconds.get(stage, 0) + time.perf_counter() - start, 3)

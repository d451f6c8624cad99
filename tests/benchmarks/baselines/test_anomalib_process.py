from __future__ import annotations

import sys
from pathlib import Path

import pytest
from softcore_benchmarks.baselines.anomalib_process import AnomalibProcess
from softcore_runtime.errors import SoftCoreError

ECHO = """
import json, sys
print("chatter", file=sys.stderr, flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "end":
        sys.exit("last words")
    print(json.dumps({"error": "it is so" if word == "fail" else None, "word": word}), flush=True)
"""


class EchoError(SoftCoreError):
    pass


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(ECHO)
    return path


def test_it_answers_and_goes_on_after_what_fails(worker: Path) -> None:
    process = AnomalibProcess(Path(sys.executable), worker, "Echo", EchoError)
    assert process.request("one") == {"error": None, "word": "one"}
    with pytest.raises(EchoError, match=r"^Echo failed: it is so$"):
        process.request("fail")
    assert process.request("two")["word"] == "two"
    assert process.alive
    process.close()
    assert not process.alive


def test_its_last_words_are_told(worker: Path) -> None:
    process = AnomalibProcess(Path(sys.executable), worker, "Echo", EchoError)
    for _ in range(2):  # also if asked again
        with pytest.raises(EchoError, match=r"^Echo's process ended: last words$"):
            process.request("end")
    process.close()


def test_what_is_not_there_is_told(worker: Path, tmp_path: Path) -> None:
    with pytest.raises(EchoError, match=r"nothing: can't be started .*make anomalib"):
        AnomalibProcess(tmp_path / "nothing", worker, "Echo", EchoError)

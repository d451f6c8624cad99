from __future__ import annotations

import json
from pathlib import Path

from softcore_benchmarks.latency_report import Measured, write_report
from softcore_benchmarks.measuring.interleaving import Times

GOOD = {
    "a fp32: bare network": Times(10.0, 11.0, 1.0),
    "a fp32: decide": Times(11.0, 12.0, 1.1),
    "anomalib onnx: bare network": Times(15.0, 16.0, 1.0),
    "anomalib onnx": Times(66.0, 70.0, 4.4),
    "anomalib openvino: bare network": Times(10.0, 11.0, 1.0),
    "anomalib openvino": Times(44.0, 50.0, 4.4),
}
STAGES = {"certified_by_hint": 780.0, "by_hnsw": 4.0, "exact": 0.0}


def test_ratios_to_anomalibs_fastest_form_and_to_its_onnx_form(tmp_path: Path) -> None:
    found = Measured(
        machine="a machine, 2 cores",
        images=90,
        entries=7056,
        hints={"a fp32": 32},
        auroc={"a fp32": 0.98765, "anomalib onnx": 0.5},
        milliseconds={"good": GOOD, "bad": GOOD},
        stages={"good, decide": STAGES},
        first_decision_seconds=1.234,
        peak_mb=210.4,
    )
    page = write_report({"pill": found, "tile": found}, tmp_path).read_text()
    assert found.fastest("anomalib") == "anomalib openvino"
    assert "fastest form (*anomalib openvino*), good parts: 4.0 with a fp32." in page
    assert "ONNX form (*anomalib onnx*), good parts: 6.0 with a fp32." in page
    for words in ("7,056 entries", "1.23 s", "210 MB", "780.0", "0.9877", "4.40", "12.0 (1.20 x)", "## tile"):
        assert words in page
    told = json.loads((tmp_path / "results/latency.json").read_text())
    assert told["pill"]["milliseconds"]["good"]["a fp32: decide"]["median"] == 11.0

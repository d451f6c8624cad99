from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from softcore_benchmarks import gpu as gpu_module
from softcore_benchmarks.gpu import find_refusals, main, measure_networks, measure_search
from softcore_runtime.backends import devices

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = ["--rounds", "1", "--networks", "resnet18", "--crop", "64", "--sizes", "60", "--images", "10",
         "--positions", "6"]  # fmt: skip


def test_without_a_gpu_the_cpu_s_half_runs_and_the_rest_is_said_to_be_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_DRIVER", str(tmp_path / "none"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*SMALL, "--out", str(tmp_path / "gpu.json")]) == 0
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert told["machine"]["gpu"] is None
    assert set(told["unmeasured"]) == {"cuda", "tensorrt", "torch on cuda"}
    assert [(row["provider"], row["batch"]) for row in told["networks"]] == [("cpu", 1), ("cpu", 8)]
    assert [row["device"] for row in told["learning"]] == ["cpu"]
    (export,) = told["export"]
    assert export["shared"] == 1
    assert {row["search"] for row in told["search"]} == {"hnsw", "numpy", "graph on cpu"}
    exact = [row["right"] for row in told["search"] if row["search"] != "hnsw"]
    assert min(exact) > 0.99


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu_its_half_is_measured_beside_the_cpu_s(tmp_path: Path) -> None:
    refused = {name: why for name, why in find_refusals().items() if not name.startswith("torch")}
    assert refused == {}
    rows = measure_networks(tmp_path, ["resnet18"], 1, 64, refused)
    assert [row["provider"] for row in rows] == ["cpu"] * 2 + ["cuda"] * 2 + ["tensorrt"] * 2
    assert max(row.get("largest_difference", 0) for row in rows) < 1e-6


def test_a_wrong_answer_of_a_search_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def __init__(self, *_: Any) -> None: ...

        def nearest(self, queries: np.ndarray) -> np.ndarray:
            return np.full(len(queries), -1)

    monkeypatch.setattr(gpu_module, "OnnxIndex", Wrong)
    rows = measure_search([60], 1, {"cuda": "", "tensorrt": ""})
    assert {row["right"] for row in rows if row["search"] == "graph on cpu"} == {0.0}


def test_the_tables_have_the_figures_of_the_results() -> None:
    told = json.loads((BENCHMARKS / "results" / "gpu.json").read_text())
    networks = {(row["network"], row["batch"], row["provider"]): row for row in told["networks"]}
    searches = {(row["entries"], row["patches"], row["search"]): row for row in told["search"]}
    cells = [
        line.split(" | ") for line in (BENCHMARKS / "GPU.md").read_text().splitlines() if line[:2] == "| "
    ]
    seen = 0
    for first, *values in cells:
        name = {"| ResNet-18": "resnet18", "| WRN-50": "wide_resnet50_2"}.get(first)
        if name:
            rows = [networks[name, batch, provider] for batch in (1, 8) for provider in ("cpu", "cuda")]
            assert [float(value) for value in values[:4]] == [row["milliseconds"] for row in rows]
            assert float(values[4].rstrip(" |")) == float(f"{rows[3]['largest_difference']:.1e}")
            seen += 1
        elif (entries := first.strip("| ").replace(",", "")).isdigit():
            patches, hnsw, *others, right = values
            by = {kind: searches[int(entries), int(patches), kind] for kind in
                  ("hnsw", "numpy", "graph on cpu", "graph on cuda")}  # fmt: skip
            assert [float(value) for value in (hnsw, *others)] == [row["milliseconds"] for row in by.values()]
            assert float(right.rstrip(" |")) == by["hnsw"]["right"]
            assert {row["right"] for kind, row in by.items() if kind != "hnsw"} == {1.0}
            seen += 1
    assert seen == 7
    assert [row["coreset_shared"] for row in told["learning"]] == [1.0, 1.0]
    assert [row["shared"] for row in told["export"]] == [1.0, 1.0]

from __future__ import annotations

from softcore_benchmarks.measuring.machine import describe_machine
from softcore_runtime.backends.cpus import usable_cpus


def test_the_processor_its_cores_and_its_formats() -> None:
    name, cores, *formats = describe_machine().split(", ")
    assert name
    assert cores == f"{usable_cpus()} cores"
    assert set(formats) <= {"BF16", "FP16", "INT8"}

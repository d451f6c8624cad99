"""Machine: what timings depend on, in a few words."""

from __future__ import annotations

# First, for it keeps OpenVINO's import from telling Google Analytics of this machine.
import softcore_runtime.backends.openvino  # noqa: F401

# isort: split
import openvino
from softcore_runtime.backends.cpus import usable_cpus

__all__ = ["describe_machine"]


def describe_machine() -> str:
    """Name the processor, the cores that may be used and what it computes in natively."""
    core = openvino.Core()
    formats = sorted({"BF16", "FP16", "INT8"} & set(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, {usable_cpus()} cores, {', '.join(formats)}"

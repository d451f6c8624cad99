"""Machine: a description of what timings depend on."""

from __future__ import annotations

# First, since it keeps OpenVINO's import from reporting this machine to Google Analytics.
import softcore_runtime.backends.openvino  # noqa: F401

# isort: split
import openvino
from softcore_runtime.backends.cpus import usable_cpus

__all__ = ["describe_machine"]


def describe_machine() -> str:
    """Return the processor, the number of cores that may be used and the native number formats."""
    core = openvino.Core()
    formats = sorted({"BF16", "FP16", "INT8"} & set(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, {usable_cpus()} cores, {', '.join(formats)}"

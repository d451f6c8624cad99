"""MQTT health: the content of TOPIC/health and TOPIC/alarms."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from softcore_edge_app.pipeline.controls import Status

__all__ = ["OFFLINE", "describe_alarms", "describe_health"]

OFFLINE = {"state": "offline"}
_ON_THEIR_WAY = 10  # decisions that may wait for an output that isn't behind


def describe_health(status: Status) -> dict[str, Any]:
    """Return the health of a line, without what changes often: each change is a message to the whole site."""
    return {
        "state": "online",
        "ready": status.ready,
        "ledger_fault": status.ledger_fault,
        "stuck": status.stuck,
        "alarms": list(status.alarms),
        "cameras": [
            {
                "name": camera.name,
                "fault": camera.fault,
                "recipe": camera.recipe,
                "recipes": list(camera.recipes),
                "category": camera.category,
                "bundle": camera.bundle,
                "threshold": camera.threshold,
                "fail_above": camera.fail_above,
            }
            for camera in status.cameras
        ],
        "outputs": [
            {"name": output.name, "fault": output.fault, "behind": output.backlog > _ON_THEIR_WAY}
            for output in status.outputs
        ],
    }


def describe_alarms(status: Status) -> dict[str, Any]:
    """Return the alarms of a line that aren't cleared, without what changes while they stay as they are."""
    return {
        "alarms": [
            {key: value for key, value in asdict(alarm).items() if key != "raises"}
            for alarm in status.open_alarms
        ]
    }

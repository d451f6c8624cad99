"""Watcher: a subscriber that records the decisions that a broker delivers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["Watcher"]


class Watcher:
    """A client of a broker that records a line's decisions and sends triggers.

    Args:
        port: the broker's.
        topic: the line's.

    Attributes:
        decisions: in order of arrival, by trigger; the first of each.
        copies: number of arrivals of each: a broker that was killed may repeat itself.
        newest: the highest number of a part that is called m1, m2, ...
    """

    def __init__(self, port: int, topic: str = "softcore") -> None:
        self.decisions: dict[str, dict[str, Any]] = {}
        self.copies: Counter[str] = Counter()
        self.newest = 0
        self._topic = topic
        self._changed = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="watcher", clean_session=False)
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]  # seconds, of any kind
        self._client.on_connect = lambda client, *_rest: client.subscribe(f"{topic}/+/decision", qos=1)
        self._client.on_message = self._record
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def trigger(self, camera: str, part: str) -> None:
        """Trigger a part; without a broker the trigger is lost."""
        payload = json.dumps({"camera": camera, "part": part})
        self._client.publish(f"{self._topic}/trigger", payload, qos=0)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds; return whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _record(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        decision = json.loads(message.payload)
        with self._changed:
            self.copies[decision["trigger"]] += 1
            if decision["part"][:1] == "m":
                self.newest = max(self.newest, int(decision["part"][1:]))
            self.decisions.setdefault(decision["trigger"], decision)
            self._changed.notify_all()

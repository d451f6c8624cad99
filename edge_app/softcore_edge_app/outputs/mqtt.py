"""MQTT: publishes decisions and health to a broker, and gets commands; the only module that knows paho.

It uses MQTT 5, whose acknowledgements say whether a broker refuses a message: a broker of MQTT 3.1.1
acknowledges messages that it then drops. The session ends with the connection. paho keeps a decision that is
in flight and sends it again over the next connection, so nothing is lost. In a session that went on, a
trigger sent while the line was offline would fire later, for a part that has long passed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from softcore_runtime.errors import OutputError
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.options import MqttOptions
from softcore_edge_app.configuration.password_file import read_password
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.outputs.mqtt_commands import LARGEST, MqttCommands
from softcore_edge_app.outputs.mqtt_health import OFFLINE, describe_alarms, describe_health
from softcore_edge_app.outputs.mqtt_login import find_risks, trust
from softcore_edge_app.pipeline.controls import Controls, Status

try:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError as error:  # pragma: no cover - seen by a test in a subprocess
    raise explain_import(error, "edge") from error

__all__ = ["MqttOutput"]

_PATIENCE = 0.2  # seconds for a connection, and again for an acknowledgement
_FIRST_PAUSE, _LONGEST_PAUSE, _CONNECTING = 0.1, 0.5, 1.0  # seconds; a broker that is back is found within 2
_TAKEN_PAUSE = 10.0  # seconds, if another client seems to have the same id: that is so after
_SHORT, _OFTEN = 5.0, 3  # seconds that a connection lasted at most, so many times in a row
_ON_THE_WAY = 16  # decisions without an acknowledgement; paho and most brokers take 20
_HEALTH = 1.0  # seconds between two checks of the line
_JOINING = 0.3  # seconds
_UNANSWERED = 2000  # milliseconds for which TCP retries: after a pulled cable it would pause for long
_log = logging.getLogger(__name__)


@dataclass
class _Retained:
    """What a topic retains.

    Attributes:
        describe: returns its content.
        published: the connection's number, and the content that was published last.
        message: the message that is on its way; None without one.
    """

    describe: Callable[[Status], dict[str, Any]]
    published: tuple[int, dict[str, Any]] | None = None
    message: MQTTMessageInfo | None = None


class MqttOutput:
    """A broker; see `docs/reference/mqtt.md` for the topics.

    Args:
        options: address, login and topics.
        controls: the line that commands are for, and whose health is published.

    Attributes:
        name: "mqtt".
        commands: handles the commands, and counts them.

    Raises:
        UsageError: the password or the certificates can't be read.
    """

    name = "mqtt"

    def __init__(self, options: MqttOptions, controls: Controls) -> None:
        self.commands = MqttCommands(controls, self._answer)
        self._controls = controls
        self._where = f"{options.host}:{options.port}"
        self._topic = options.topic
        self._fault: str | None = "has not answered as an MQTT 5 broker yet"
        self._refused: dict[int, str] = {}  # why, by message id
        self._sent: dict[str, MQTTMessageInfo] = {}  # messages in flight, by trigger
        self._connected = threading.Event()
        self._connections = 0
        self._since, self._short = (
            0.0,
            0,
        )  # when the last connection began, and how many in a row ended quickly
        self._health_due = threading.Event()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._publish_health, name="mqtt health", daemon=True)
        self._client = self._make_client(options)
        for risk in find_risks(options):
            _log.warning("%s", risk)

    def start(self) -> None:
        """Connect, in the background, and again whenever the connection is lost."""
        self.commands.start()
        self._client.loop_start()
        self._watcher.start()

    @property
    def fault(self) -> str | None:
        """Why the broker can take nothing now, in plain words; None if it can."""
        fault = self._fault
        return fault and f"{self._where}: {fault}"

    def deliver(self, record: DecisionRecord, following: Sequence[DecisionRecord] = ()) -> None:
        """Publish a decision and some that follow it, and wait until the broker has the first of them.

        See `Output.deliver`. paho keeps the order, on a new connection too.

        Raises:
            OutputError: it hasn't, yet.
        """
        for one in (record, *following[: _ON_THE_WAY - 1]):
            if one.trigger not in self._sent:
                if not self._connected.wait(_PATIENCE):
                    raise OutputError(self.fault or f"{self._where}: not connected")
                topic = f"{quote(one.camera, safe='')}/decision"
                self._sent[one.trigger] = self._publish(topic, one.content())
        message = self._sent[record.trigger]
        if not self._wait(message):
            raise OutputError(self.fault or f"{self._where}: has not acknowledged {record.trigger} yet")
        del self._sent[record.trigger]
        if refusal := self._refused.pop(message.mid, None):
            raise OutputError(f"{self._where}: refuses decisions ({refusal})")

    def close(self) -> None:
        """Publish that the line is offline, and disconnect; takes half a second at most."""
        self._closing.set()
        self._health_due.set()
        self.commands.close()
        with suppress(OSError):  # the broker is gone, and publishes the last will
            self._leave()
        # It ends at once, unless it waits for a name server.
        ending = threading.Thread(target=self._client.loop_stop, name="mqtt end", daemon=True)
        ending.start()
        ending.join(_JOINING)
        if self._watcher.is_alive():
            self._watcher.join(_JOINING / 3)

    def _make_client(self, options: MqttOptions) -> Client:
        # With the same id after a broken connection the broker knows that the old one is dead. Else it would
        # find out later, and publish "offline" for a line that has long been back.
        own = hashlib.sha256(f"{socket.gethostname()} {options.topic}".encode()).hexdigest()
        self._id = options.client_id or f"softcore{own[:15]}"
        client = Client(CallbackAPIVersion.VERSION2, self._id, protocol=MQTTProtocolVersion.MQTTv5)
        if options.username is not None:
            client.username_pw_set(options.username, read_password(options.password_file))
        if options.tls:
            client.tls_set_context(trust(options))
        client.will_set(f"{options.topic}/health", json.dumps(OFFLINE), qos=1, retain=True)
        _pause_between(client, _FIRST_PAUSE, _LONGEST_PAUSE)
        client.connect_timeout = _CONNECTING
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = (
            16 * LARGEST
        )  # above LARGEST it is refused, above this not even sent to us
        client.connect_async(
            options.host, options.port, options.keepalive, clean_start=True, properties=properties
        )
        return client

    def _publish(self, topic: str, content: dict[str, Any], *, retain: bool = False) -> MQTTMessageInfo:
        payload = json.dumps(content, allow_nan=False)
        message = self._client.publish(f"{self._topic}/{topic}", payload, qos=1, retain=retain)
        if message.rc == MQTTErrorCode.MQTT_ERR_NO_CONN:
            # The connection broke just before. paho keeps the message and sends it over the next one, but
            # wait_for_publish would raise. Setting `rc`, a public attribute, is the only way to wait for
            # it: the callback on_publish names messages by ids that are used again, also for QoS 0.
            message.rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        return message

    def _wait(self, message: MQTTMessageInfo) -> bool:
        message.wait_for_publish(_PATIENCE)
        return message.is_published()

    def _answer(self, topic: str, content: dict[str, Any]) -> None:
        # At most once: an answer over the next connection is of no use.
        self._client.publish(f"{self._topic}/{topic}", json.dumps(content), qos=0)

    def _publish_health(self) -> None:
        retained = {"health": _Retained(describe_health), "alarms": _Retained(describe_alarms)}  # by topic
        while True:
            self._health_due.wait(_HEALTH)
            self._health_due.clear()
            if self._closing.is_set():
                return
            self._revive()
            for topic, one in retained.items():
                self._publish_change(topic, one)

    def _publish_change(self, topic: str, retained: _Retained) -> None:
        """Publish what a topic retains, if it has changed or the connection is another."""
        message = retained.message
        # One at a time: paho would send an old one again after the newer one.
        if not self._connected.is_set() or (message and not self._wait(message)):
            return
        if message and (refusal := self._refused.pop(message.mid, None)):
            _log.warning("%s: refuses %s (%s)", self._where, topic, refusal)
        retained.message = None
        content = self._connections, retained.describe(self._controls.describe())
        if content != retained.published:
            retained.message = self._publish(topic, content[1], retain=True)
            retained.published = content

    def _revive(self) -> None:
        if self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            # An error has ended paho's thread, perhaps over a packet that it would now process again.
            _log.warning("%s: paho failed, and is connected anew", self._where)
            with suppress(OSError):
                self._client.reconnect()

    def _leave(self) -> None:
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))

    # The methods that follow are called in paho's thread.

    def _on_socket_open(self, _: Client, __: Any, connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED)

    def _on_connect(
        self, client: Client, _: Any, __: ConnectFlags, reason: ReasonCode, ___: Properties | None
    ) -> None:
        if reason.is_failure:
            self._fault = f"refuses the connection ({reason})"
        elif self._closing.is_set():
            self._leave()
        else:
            # A retained message is old, and a trigger is for now. Without `retainAsPublished` a message that
            # is being retained would come without its flag, and so would the one that clears it.
            options = SubscribeOptions(
                qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND
            )
            client.subscribe([(f"{self._topic}/{command}", options) for command in ("trigger", "recipe")])
            self._fault = None
            self._connections += 1
            self._since = time.monotonic()
            self._connected.set()
            self._health_due.set()

    def _on_connect_fail(self, _: Client, __: Any) -> None:
        error = sys.exc_info()[1]  # paho calls this where it caught the error, and doesn't pass it on
        self._fault = f"can't be reached ({getattr(error, 'strerror', None) or error})"

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, __: Properties | None
    ) -> None:
        if not self._connected.is_set():
            return
        self._connected.clear()
        ended = f"ended the connection ({reason})" if flags.is_disconnect_packet_from_server else None
        self._fault = ended or "the connection is lost"
        self._short = self._short + 1 if time.monotonic() - self._since < _SHORT else 0
        pauses = _FIRST_PAUSE, _LONGEST_PAUSE
        # Some brokers say that another client took the session over, others don't (mosquitto up to 2.0).
        if reason == "Session taken over" or self._short >= _OFTEN:
            self._fault = (
                f"ends each connection at once; is there another client with the id {self._id}? "
                "Give each line an mqtt.topic or an mqtt.client_id of its own"
            )
            pauses = _TAKEN_PAUSE, _TAKEN_PAUSE  # or the two would reconnect as fast as they can
        _pause_between(client, *pauses)

    def _on_publish(self, _: Client, __: Any, mid: int, reason: ReasonCode, ___: Properties) -> None:
        # paho calls this before it wakes the thread that waits for the message.
        if reason.is_failure:
            self._refused[mid] = str(reason)
        else:
            self._refused.pop(mid, None)  # ids are used again

    def _on_subscribe(
        self, _: Client, __: Any, ___: int, reasons: list[ReasonCode], ____: Properties
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                _log.warning("%s: lets no commands through (%s)", self._where, reason)

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        kind, payload = message.topic.removeprefix(f"{self._topic}/"), bytes(message.payload)
        if message.retain:
            if payload:  # else a retained message is cleared
                self.commands.refuse_retained(kind)
        elif kind == "trigger":
            self.commands.handle_trigger(payload)
        elif kind == "recipe":
            self.commands.handle_recipe(payload)


def _pause_between(client: Client, first: float, longest: float) -> None:
    """Set the seconds between two attempts to connect."""
    client.reconnect_delay_set(first, longest)  # type: ignore[arg-type]  # it only sleeps them

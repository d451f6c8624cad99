from __future__ import annotations

import json
import logging
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import ValidationError
from softcore_benchmarks.line.rig.broker import Broker, find_mosquitto
from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.configuration.options import MqttOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.outputs import mqtt as module
from softcore_edge_app.outputs.mqtt import MqttOutput
from softcore_edge_app.outputs.mqtt_commands import LARGEST, MqttCommands
from softcore_edge_app.pipeline.controls import CameraStatus, Status
from softcore_runtime import BundleError, Decision, OutputError, UsageError

pytestmark = pytest.mark.skipif(
    not find_mosquitto() or not shutil.which("mosquitto_passwd") or not shutil.which("mosquitto_sub"),
    reason="needs mosquitto: apt install mosquitto mosquitto-clients",
)

WAIT = 30  # seconds until something that should happen has not
SECRET = "sesame-äöü"  # noqa: S105

ALARM = AlarmStatus(
    camera="left", rule="fail-run", level="alarm", state="raised", holds=True, since=1, watched="FAIL",
    matches=10, parts=10, change=None, of_shift=False,
    text="left: 10 of the last 10 parts are FAIL (rule fail-run)", acknowledged_by=None,
    acknowledged_at=None, raises=1,
)  # fmt: skip
CAMERA = CameraStatus(
    name="left",
    fault=None,
    reopened=0,
    recipe="pill",
    recipes=("pill", "tablet"),
    category="pill",
    bundle="ab" * 32,
    threshold=1.5,
    fail_above=1.5,
    waiting=0,
    capacity=16,
    triggers=0,
    decisions=0,
)


SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.edge_app.outputs.test_mqtt import Line, MqttOptions, MqttOutput
output = MqttOutput(MqttOptions(host="127.0.0.1", port=int(sys.argv[1])), Line())
output.start()
time.sleep(600)
"""


class Line:
    """Controls of a line with one camera, "left", and the recipes "pill" and "tablet"."""

    def __init__(self) -> None:
        self.status = Status((CAMERA,), (OutputStatus("mqtt", None, 0, 0, 0),), None, None, ())
        self.triggered: list[tuple[str | None, str | None]] = []
        self.switched: list[str] = []
        self.threads: set[str] = set()
        self.go = threading.Event()  # a change of recipe takes until this is set
        self.go.set()

    def trigger(self, camera: str | None = None, part: str | None = None, by: str | None = None) -> str:
        assert by == "mqtt"
        if camera == "broken":
            raise ZeroDivisionError("secret detail")
        self._check(camera)
        self.threads.add(threading.current_thread().name)
        self.triggered.append((camera, part))
        return f"t{len(self.triggered)}"

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        assert by == "mqtt"
        self._check(camera)
        if recipe == "spoiled":
            raise BundleError("spoiled: its self-test fails")
        if recipe not in CAMERA.recipes:
            raise UsageError(f"no recipe {recipe}; there are: pill, tablet")
        self.go.wait(WAIT)
        self.switched.append(recipe)

    def describe(self) -> Status:
        return self.status

    def _check(self, camera: str | None) -> None:
        if camera not in (None, "left"):
            raise UsageError(f"no camera {camera}; there is: left")


class Site:
    """Who listens at the broker, by a session that outlives the connection, and gives commands."""

    def __init__(self, broker: Broker, topic: str = "#", *, login: tuple[str, str] | None = None) -> None:
        self.came: list[MQTTMessage] = []
        self._subscribed = threading.Event()
        self.client = Client(
            CallbackAPIVersion.VERSION2, f"site{id(self)}", protocol=MQTTProtocolVersion.MQTTv5
        )
        if login:
            self.client.username_pw_set(*login)
        self.client.reconnect_delay_set(0.05, 0.1)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _, __, message: self.came.append(message)
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 600
        self.client.connect_async("127.0.0.1", broker.port, 10, clean_start=False, properties=lasting)
        self.client.loop_start()
        assert self._subscribed.wait(WAIT)

    def on(self, topic: str) -> list[Any]:
        return [json.loads(message.payload) for message in self.came if message.topic == topic]

    def say(self, topic: str, payload: bytes | str = b"", *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(happened: Callable[[], Any], what: str = "") -> Any:
    ends = time.monotonic() + WAIT
    while not (found := happened()):
        assert time.monotonic() < ends, f"it doesn't happen: {what}"
        time.sleep(0.005)
    return found


def make_entry(number: int = 1, camera: str = "left") -> DecisionRecord:
    return DecisionRecord(
        trigger=f"run-{number}", part=f"P{number}", name=f"{number}.png", camera=camera, category="pill",
        bundle="ab" * 32, decision=Decision.INVALID if number % 7 == 0 else Decision.PASS,
        score=None if number % 7 == 0 else number / 3, bound=None if number % 7 == 0 else "exact",
        threshold=1.5, fail_above=1.5, engine="onnxruntime", provider="CPU", precision="fp32",
        triggered_at=1_700_000_000_000_000_001 + number, deadline_at=None,
        decided_at=1_700_000_000_000_000_002 + number,
        milliseconds=5.25, reason="late" if number % 7 == 0 else None,
    )  # fmt: skip


def bring(output: MqttOutput, entry: DecisionRecord) -> int:
    """Deliver as a worker does; gives the number of attempts."""
    attempts = 1
    ends = time.monotonic() + WAIT
    while not take(output, entry):
        assert time.monotonic() < ends, "not delivered"
        attempts += 1
        time.sleep(0.01)
    return attempts


def take(output: MqttOutput, entry: DecisionRecord) -> bool:
    try:
        output.deliver(entry)
    except OutputError:
        return False
    return True


@contextmanager
def running(options: MqttOptions, line: Line) -> Iterator[MqttOutput]:
    output = MqttOutput(options, line)
    output.start()
    try:
        yield output
    finally:
        line.go.set()
        output.close()


def wait_until_heard(broker: Broker, connections: int = 1) -> None:
    wait_for(lambda: broker.log.count("Sending SUBACK to softcore") >= connections)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def site(broker: Broker) -> Iterator[Site]:
    site = Site(broker)
    yield site
    site.close()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def output(broker: Broker, line: Line) -> Iterator[MqttOutput]:
    with running(MqttOptions(host="127.0.0.1", port=broker.port), line) as output:
        wait_until_heard(broker)
        yield output


def test_a_decision_arrives_whole(output: MqttOutput, site: Site) -> None:
    entry = make_entry(7)
    output.deliver(entry)
    (message,) = wait_for(lambda: [each for each in site.came if each.topic == "softcore/left/decision"])
    assert (message.qos, message.retain) == (1, False)
    content = json.loads(message.payload)
    assert content["decision"] == "INVALID"
    assert DecisionRecord(**content) == entry


@pytest.mark.parametrize("name", ["a/b", "+", "#", "left 1", "50 %", "Süd", "rtsp://cam:554/x?y#z"])
def test_any_name_of_a_camera_makes_one_level_of_the_topic(name: str, broker: Broker, line: Line) -> None:
    site = Site(broker, "softcore/+/decision")
    with running(MqttOptions(host="127.0.0.1", port=broker.port), line) as output:
        bring(output, make_entry(camera=name))
        (message,) = wait_for(lambda: site.came)
    site.close()
    assert json.loads(message.payload)["camera"] == name


def test_each_decision_arrives_once_in_order_though_the_broker_is_killed(
    broker: Broker, site: Site, output: MqttOutput
) -> None:
    entries = [make_entry(number) for number in range(1, 301)]

    def strike() -> None:
        for number in (50, 150, 220):
            wait_for(lambda number=number: len(site.on("softcore/left/decision")) >= number)
            broker.kill()
            time.sleep(0.5)  # longer than a delivery waits
            broker.start()

    striking = threading.Thread(target=strike, daemon=True)
    striking.start()
    attempts = [bring(output, entry) for entry in entries]
    striking.join()
    wait_for(lambda: len({each["trigger"] for each in site.on("softcore/left/decision")}) == 300)
    came = [each["trigger"] for each in site.on("softcore/left/decision")]
    # A broker that was killed repeats what it had not yet noted that its receivers have.
    assert list(dict.fromkeys(came)) == [entry.trigger for entry in entries]
    assert max(attempts) > 1, "no delivery was hit"
    sent = re.findall(r"Received PUBLISH from softcore\w+ \(d(\d), .*?'softcore/left/decision'", broker.log)
    assert sent.count("0") <= 300
    assert sent.count("1") <= 3


def test_what_is_on_its_way_is_not_published_again(broker: Broker, site: Site, output: MqttOutput) -> None:
    broker.freeze()
    for _ in range(5):
        with pytest.raises(OutputError, match="has not acknowledged run-1 yet"):
            output.deliver(make_entry())
    broker.thaw()
    bring(output, make_entry())
    bring(output, make_entry(2))
    wait_for(lambda: len(site.on("softcore/left/decision")) >= 2)
    assert [each["trigger"] for each in site.on("softcore/left/decision")] == ["run-1", "run-2"]


def test_a_decision_survives_a_broker_that_forgets_all(
    broker: Broker, output: MqttOutput, line: Line
) -> None:
    broker.freeze()
    with pytest.raises(OutputError):
        output.deliver(make_entry())
    broker.kill()
    broker.forget()
    with pytest.raises(OutputError):
        output.deliver(make_entry())
    broker.start()
    bring(output, make_entry())
    # What was retained is there again, and commands come through.
    later = Site(broker)
    wait_for(lambda: [each for each in later.on("softcore/health") if each["state"] == "online"])
    wait_until_heard(broker, 2)
    later.say("softcore/trigger")
    wait_for(lambda: line.triggered)
    later.close()


def test_without_a_broker_nothing_is_queued(tmp_path: Path, line: Line) -> None:
    with Broker(tmp_path / "broker") as broker:
        site = Site(broker)
        broker.stop()
        with running(MqttOptions(host="127.0.0.1", port=broker.port), line) as output:
            wait_for(lambda: "can't be reached" in (output.fault or ""))
            with pytest.raises(OutputError, match="Connection refused"):
                output.deliver(make_entry(1))
            broker.start()
            bring(output, make_entry(2))
            wait_for(lambda: site.on("softcore/left/decision"))
        assert [each["trigger"] for each in site.on("softcore/left/decision")] == ["run-2"]
        site.close()


def test_a_connection_that_breaks_just_as_a_decision_is_published(
    broker: Broker, site: Site, output: MqttOutput
) -> None:
    broker.kill()
    wait_for(lambda: output.fault)
    output._connected.set()  # as it was a moment ago
    for _ in range(3):
        with pytest.raises(OutputError, match=r"lost|can't be reached"):
            output.deliver(make_entry())
    broker.start()
    bring(output, make_entry())
    bring(output, make_entry(2))
    wait_for(lambda: len(site.on("softcore/left/decision")) >= 2)
    assert [each["trigger"] for each in site.on("softcore/left/decision")] == ["run-1", "run-2"]


def test_a_decision_that_the_broker_refuses_is_not_delivered(
    tmp_path: Path, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    with (
        Broker(tmp_path / "broker", ["allow_anonymous true", f"acl_file {rights}"]) as broker,
        running(MqttOptions(host="127.0.0.1", port=broker.port), line) as output,
    ):
        wait_for(lambda: output.fault is None)
        for _ in range(2):
            with pytest.raises(OutputError, match=r"refuses decisions \(Not authorized\)"):
                output.deliver(make_entry())
        wait_for(lambda: "refuses health (Not authorized)" in caplog.text)


def test_a_server_that_is_no_broker_is_a_fault_and_no_end(line: Line) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for said in (
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                b"\x20\x02\x00\x01",
                b"\x20\x00",
                b"\x31\xff\xff",
            ):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        with running(MqttOptions(host="127.0.0.1", port=server.getsockname()[1]), line) as output:
            answering.join(WAIT)
            assert not answering.is_alive(), "it gave up"
            assert output.fault
            with pytest.raises(OutputError):
                output.deliver(make_entry())


def test_alarms_are_retained_and_follow_the_line(output: MqttOutput, broker: Broker, line: Line) -> None:
    site = Site(broker, "softcore/alarms")
    assert wait_for(lambda: site.on("softcore/alarms")) == [{"alarms": []}]
    line.status = replace(line.status, open_alarms=(ALARM,))
    output._health_due.set()
    (told,) = wait_for(lambda: site.on("softcore/alarms")[1:])
    assert told["alarms"] == [{key: value for key, value in vars(ALARM).items() if key != "raises"}]
    line.status = replace(line.status, open_alarms=(replace(ALARM, raises=2),))  # no news
    output._health_due.set()
    later = Site(broker, "softcore/alarms")
    assert wait_for(lambda: later.on("softcore/alarms")) == [told]
    line.status = replace(line.status, open_alarms=(replace(ALARM, state="acknowledged"),))
    output._health_due.set()
    wait_for(lambda: site.on("softcore/alarms")[-1]["alarms"][0]["state"] == "acknowledged")
    assert len(site.on("softcore/alarms")) == 3
    for one in (site, later):
        one.close()


def test_health_is_retained_and_follows_the_line(output: MqttOutput, broker: Broker, line: Line) -> None:
    site = Site(broker, "softcore/health")
    health = wait_for(lambda: site.on("softcore/health"))[0]
    assert (health["state"], health["ready"]) == ("online", True)
    assert health["cameras"][0]["recipe"] == "pill"
    site.came.clear()
    # What changes with every part is no news.
    line.status = replace(line.status, cameras=(replace(CAMERA, triggers=99, waiting=3),))
    line.status = replace(line.status, cameras=(replace(CAMERA, fault="no new frame"),))
    health = wait_for(lambda: site.on("softcore/health"))[0]
    assert (health["ready"], health["cameras"][0]["fault"]) == (False, "no new frame")
    line.status = replace(line.status, alarms=("scores drift",))
    wait_for(lambda: site.on("softcore/health")[-1]["alarms"] == ["scores drift"])
    assert len(site.on("softcore/health")) == 2
    output.close()
    wait_for(lambda: site.on("softcore/health")[-1] == {"state": "offline"})
    site.close()
    later = Site(broker, "softcore/health")
    assert wait_for(lambda: later.on("softcore/health")) == [{"state": "offline"}]
    later.close()


def test_a_broken_connection_is_offline_and_then_online_again(output: MqttOutput, site: Site) -> None:
    wait_for(lambda: site.on("softcore/health"))
    connection = output._client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: len(site.on("softcore/health")) == 3)
    assert [each["state"] for each in site.on("softcore/health")] == ["online", "offline", "online"]


@pytest.mark.usefixtures("output")
def test_counts_alone_are_no_news(site: Site, line: Line) -> None:
    wait_for(lambda: site.on("softcore/health"))
    looks = queue.Queue[None]()
    describe = line.describe
    line.describe = lambda: looks.put(None) or describe()  # type: ignore[method-assign, func-returns-value]
    busy = OutputStatus("mqtt", None, 1000, 2, 5)
    line.status = replace(line.status, cameras=(replace(CAMERA, triggers=99),), outputs=(busy,))
    for _ in range(3):
        looks.get(timeout=WAIT)
    assert len(site.on("softcore/health")) == 1


def test_the_last_will_is_seen_when_the_process_is_killed(broker: Broker) -> None:
    watching = subprocess.Popen(
        ["mosquitto_sub", "-p", str(broker.port), "-t", "softcore/health", "-C", "2", "-W", str(WAIT)],
        stdout=subprocess.PIPE,
        text=True,
    )
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(broker.port)])
    try:
        assert watching.stdout
        assert json.loads(watching.stdout.readline())["state"] == "online"
        process.kill()
        assert json.loads(watching.stdout.readline()) == {"state": "offline"}
    finally:
        process.kill()
        process.wait()
        watching.communicate()


def test_a_connection_left_behind_does_not_say_offline_later(broker: Broker, line: Line) -> None:
    site = Site(broker, "softcore/health")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(broker.port)])
    try:
        wait_for(lambda: site.on("softcore/health"))
        process.send_signal(signal.SIGSTOP)  # as a machine that lost its power, and now starts again
        with running(MqttOptions(host="127.0.0.1", port=broker.port), line) as output:
            wait_for(lambda: output.fault is None)
            wait_for(lambda: "already connected, closing old connection" in broker.log)
            wait_for(lambda: site.on("softcore/health")[-1]["state"] == "online")
    finally:
        process.kill()
        process.wait()
        site.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # paho's
def test_an_error_in_paho_is_not_the_end(
    output: MqttOutput, site: Site, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    fails = threading.Event()

    def fail(*_: Any) -> None:
        fails.set()
        raise ZeroDivisionError

    take, output._client.on_message = output._client.on_message, fail
    site.say("softcore/trigger")
    assert fails.wait(WAIT)
    wait_for(lambda: "paho failed, and is connected anew" in caplog.text)
    output._client.on_message = take
    wait_for(lambda: output.fault is None and bring(output, make_entry()))
    wait_for(lambda: site.on("softcore/health")[-1]["state"] == "online")
    site.say("softcore/trigger", '{"part": "next"}')
    wait_for(lambda: line.triggered)


def test_a_trigger_is_answered(output: MqttOutput, site: Site, line: Line) -> None:
    site.say("softcore/trigger")
    site.say("softcore/trigger", '{"camera": "left", "part": 17, "id": "a"}')
    answers = wait_for(
        lambda: len(site.on("softcore/trigger/accepted")) == 2 and site.on("softcore/trigger/accepted")
    )
    assert answers == [
        {"trigger": "t1", "camera": None, "part": "t1", "id": None},
        {"trigger": "t2", "camera": "left", "part": "17", "id": "a"},
    ]
    assert line.triggered == [(None, None), ("left", "17")]
    assert (output.commands.accepted, output.commands.refused) == (2, 0)


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("trigger", "now", "Invalid JSON"),
        ("trigger", '{"camera": "left"', "Invalid JSON"),
        ("trigger", b"\xff\xfe", "Invalid JSON"),
        ("trigger", "[" * 5000, "Invalid JSON"),
        ("trigger", "17", "should be an object"),
        ("trigger", '{"part": ["a"]}', "part: Input should be a valid string"),
        ("trigger", '{"part": ""}', "part: String should have at least 1 character"),
        ("trigger", json.dumps({"part": "x" * 201}), "at most 200 characters"),
        ("trigger", '{"part": "\\ud800"}', "Invalid JSON"),
        ("trigger", '{"prat": "1"}', "prat: Extra inputs are not permitted"),
        ("trigger", '{"camera": "right"}', "no camera right; there is: left"),
        ("trigger", '{"camera": "broken"}', "internal error (ZeroDivisionError)"),
        ("trigger", "x" * (LARGEST + 1), "65537 bytes; 65536 is the most"),
        ("recipe", "", "recipe: String should have at least 1 character"),
        ("recipe", b"\xff", "isn't UTF-8"),
        ("recipe", "unknown", "no recipe unknown; there are: pill, tablet"),
        ("recipe", "spoiled", "its self-test fails"),
        ("recipe", '{"recipe": "pill", "camera": "right"}', "no camera right"),
        ("recipe", '{"camera": "left"}', "recipe: Field required"),
        ("recipe", "x" * (LARGEST + 1), "65537 bytes"),
    ],
)
def test_a_bad_command_is_refused_with_the_reason(topic: str, payload: str | bytes, reason: str) -> None:
    answers = queue.Queue[tuple[str, dict[str, Any]]]()
    line = Line()
    commands = MqttCommands(line, lambda end, content: answers.put((end, content)))
    commands.start()
    take = commands.handle_trigger if topic == "trigger" else commands.handle_recipe
    take(payload.encode() if isinstance(payload, str) else payload)
    end, content = answers.get(timeout=WAIT)
    commands.close()
    assert end == f"{topic}/refused"
    assert reason in content["reason"]
    assert "\n" not in content["reason"]
    assert "secret" not in content["reason"]
    assert (commands.accepted, commands.refused) == (0, 1)
    assert not line.triggered
    assert not line.switched


def test_bad_commands_leave_the_connection_as_it_is(
    broker: Broker, output: MqttOutput, site: Site, line: Line
) -> None:
    site.say("softcore/trigger", '{"camera": "broken"}')
    site.say("softcore/trigger", b"\xff" * LARGEST)
    site.say("softcore/trigger", b"x" * 2 * LARGEST)
    site.say("softcore/trigger", b"x" * 20 * LARGEST)  # the broker keeps that one from us
    site.say("softcore/recipe", "unknown")
    site.say("softcore/trigger", '{"part": "last"}')
    wait_for(lambda: line.triggered == [(None, "last")])
    wait_for(lambda: output.commands.refused == 4)
    output.deliver(make_entry())
    assert broker.log.count("Sending SUBACK to softcore") == 1


@pytest.mark.usefixtures("output")
def test_a_command_that_comes_again_is_done_once(site: Site, line: Line) -> None:
    for _ in range(3):
        site.say("softcore/trigger", '{"part": "A", "id": 5}')
        site.say("softcore/recipe", '{"recipe": "tablet", "id": "5"}')
    site.say("softcore/trigger", '{"part": "B", "id": 6}')
    wait_for(lambda: len(line.triggered) == 2 and len(site.on("softcore/trigger/accepted")) == 4)
    assert line.triggered == [(None, "A"), (None, "B")]
    # Who asks again for want of an answer gets the first one.
    assert [each["trigger"] for each in site.on("softcore/trigger/accepted")] == ["t1", "t1", "t1", "t2"]
    wait_for(lambda: site.on("softcore/recipe/accepted"))
    assert line.switched == ["tablet"]


def test_a_command_that_was_refused_may_be_given_again(line: Line) -> None:
    commands = MqttCommands(line, lambda *_: None)
    commands.handle_trigger(b'{"camera": "right", "id": "1"}')
    commands.handle_trigger(b'{"camera": "left", "id": "1"}')
    assert line.triggered == [("left", None)]
    commands.close()


def test_ids_are_forgotten_in_time(line: Line) -> None:
    commands = MqttCommands(line, lambda *_: None)
    for number in range(3000):
        commands.handle_trigger(b'{"id": "%d"}' % number)
    assert len(commands._known) <= 1000
    commands.handle_trigger(b'{"id": "2999"}')
    assert len(line.triggered) == 3000
    commands.close()


def test_what_is_retained_is_no_command(broker: Broker, site: Site, line: Line) -> None:
    site.say("softcore/trigger", '{"part": "old"}', retain=True)
    site.say("softcore/recipe", "tablet", retain=True)
    with running(MqttOptions(host="127.0.0.1", port=broker.port), line):
        wait_until_heard(broker)
        broker.kill()
        broker.start()
        wait_until_heard(broker, 2)
        later = Site(broker)
        later.say("softcore/trigger", '{"part": "now"}', retain=True)  # while the line listens
        later.say("softcore/recipe", "tablet", retain=True)
        later.say("softcore/trigger", retain=True)  # clears it, and would be a trigger without its flag
        later.say("softcore/recipe", retain=True)
        later.say("softcore/trigger", '{"part": "new"}')
        wait_for(lambda: line.triggered)
        refused = [
            wait_for(lambda t=topic: later.on(f"softcore/{t}/refused")) for topic in ("trigger", "recipe")
        ]
        later.close()
    assert line.triggered == [(None, "new")]
    assert line.switched == []
    assert refused == [[{"reason": "it is retained; publish commands without the flag"}]] * 2


def test_a_client_id_that_two_lines_have(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKEN_PAUSE", 600.0)
    monkeypatch.setattr(module, "_SHORT", 60.0)
    options = MqttOptions(host="127.0.0.1", port=broker.port, client_id="twins")
    with running(options, Line()) as first, running(options, Line()) as second:
        said = "ends each connection at once; is there another client with the id twins?"
        out = wait_for(lambda: next((one for one in (first, second) if said in (one.fault or "")), None))
        other = second if out is first else first
        wait_for(lambda: other.fault is None)
        bring(other, make_entry())  # one of the two works
        with pytest.raises(OutputError, match=r"an mqtt\.topic or an mqtt\.client_id of its own"):
            out.deliver(make_entry(2))
        assert broker.log.count("already connected, closing old connection") < 10


def test_a_trigger_that_was_sent_while_the_line_was_away_does_not_fire_later(
    broker: Broker, site: Site, line: Line
) -> None:
    options = MqttOptions(host="127.0.0.1", port=broker.port, client_id="softcore1")
    with running(options, line):
        wait_until_heard(broker)
    site.say("softcore/trigger", '{"part": "gone"}')
    with running(options, line):
        wait_until_heard(broker, 2)
        site.say("softcore/trigger", '{"part": "here"}')
        wait_for(lambda: line.triggered)
    assert line.triggered == [(None, "here")]


def test_changes_of_recipe_wait_for_each_other_and_for_nobody_else(
    output: MqttOutput, site: Site, line: Line
) -> None:
    line.go.clear()
    site.say("softcore/recipe", "tablet")
    site.say("softcore/recipe", '{"recipe": "pill", "camera": "left", "id": "x"}')
    site.say("softcore/trigger", '{"part": "meanwhile"}')
    wait_for(lambda: site.on("softcore/trigger/accepted"))
    output.deliver(make_entry())
    assert line.switched == []
    for _ in range(30):
        site.say("softcore/recipe", "pill")
    refused = wait_for(lambda: site.on("softcore/recipe/refused"))
    assert "16 changes of recipe are waiting already" in refused[0]["reason"]
    line.go.set()
    wait_for(lambda: len(site.on("softcore/recipe/accepted")) >= 2)
    assert line.switched[:2] == ["tablet", "pill"]
    assert site.on("softcore/recipe/accepted")[:2] == [
        {"recipe": "tablet", "camera": None, "id": None},
        {"recipe": "pill", "camera": "left", "id": "x"},
    ]


def test_the_end_waits_for_nothing(broker: Broker, line: Line) -> None:
    output = MqttOutput(MqttOptions(host="127.0.0.1", port=broker.port), line)
    output.start()
    wait_for(lambda: output.fault is None)
    line.go.clear()
    for _ in range(20):
        output.commands.handle_recipe(b"tablet")
    broker.freeze()
    with pytest.raises(OutputError):
        output.deliver(make_entry())
    output.close()
    with pytest.raises(OutputError):
        output.deliver(make_entry(2))
    broker.thaw()
    line.go.set()
    MqttOutput(MqttOptions(host="127.0.0.1", port=broker.port), line).close()  # one that was never started


def test_a_password_is_asked_for_and_told_to_nobody(
    tmp_path: Path, line: Line, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "line", SECRET], check=True)
    password = tmp_path / "password"
    caplog.set_level(logging.DEBUG)
    lines = ["allow_anonymous false", f"password_file {passwords}"]
    with Broker(tmp_path / "broker", lines) as broker:
        options = MqttOptions(host="127.0.0.1", port=broker.port, username="line", password_file=password)
        password.write_text("wrong\n")
        with running(options, line) as output:
            wait_for(lambda: "refuses the connection (Not authorized)" in (output.fault or ""))
            with pytest.raises(OutputError, match="Not authorized"):
                output.deliver(make_entry())
        password.write_text(SECRET + "\n")
        with running(options, line) as output:
            site = Site(broker, login=("line", SECRET))
            bring(output, make_entry())
            wait_for(lambda: site.on("softcore/left/decision"))
            site.close()
    said = caplog.text + "".join(capfd.readouterr()) + repr(options) + repr(vars(output))
    assert "sesame" not in said


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho's, of a failed handshake
def test_tls_trusts_the_given_authority_alone(tmp_path: Path, line: Line) -> None:
    for name in ("ours", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    tls = [f"certfile {tmp_path / 'ours.pem'}", f"keyfile {tmp_path / 'ours.key'}"]
    with Broker(tmp_path / "broker", tls=tls) as broker:

        def reach(host: str, authority: str) -> MqttOptions:
            return MqttOptions(host=host, port=broker.port, tls=True, ca_file=tmp_path / authority)

        with running(reach("localhost", "ours.pem"), line) as output:
            bring(output, make_entry())
        for host, authority in [("localhost", "other.pem"), ("127.0.0.1", "ours.pem")]:
            with running(reach(host, authority), line) as output:
                wait_for(lambda output=output: "certificate" in (output.fault or "").lower())
                with pytest.raises(OutputError):
                    output.deliver(make_entry())


def test_what_is_not_safe_is_warned_of(tmp_path: Path, line: Line, caplog: pytest.LogCaptureFixture) -> None:
    password = tmp_path / "password"
    password.write_text("sesame\n")
    login = {"username": "line", "password_file": password}
    password.chmod(0o644)
    for host in ("localhost", "127.0.0.1", "::1"):
        MqttOutput(MqttOptions(host=host, **login), line)
    said = f"{password}: everybody on this machine can read or write the password; run: chmod o= {password}"
    assert caplog.messages == [said] * 3
    caplog.clear()
    password.chmod(0o640)
    MqttOutput(MqttOptions(host="broker.plant", tls=True, **login), line)
    assert caplog.messages == []
    MqttOutput(MqttOptions(host="broker.plant", **login), line)
    MqttOutput(MqttOptions(host="192.0.2.1"), line)
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "mqtt: the password and all messages go to broker.plant unencrypted, "
        "and who can listen there can read and send them",
        "mqtt: all messages go to 192.0.2.1 unencrypted, and who can listen there can read and send them",
    ]


@pytest.mark.parametrize("kind", ["pipe", "long"])
def test_a_password_file_that_holds_none(tmp_path: Path, line: Line, kind: str) -> None:
    file = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.write_text("x" * 70_000)
    with pytest.raises(UsageError, match=f"{file}: "):
        MqttOutput(MqttOptions(host="localhost", username="line", password_file=file), line)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_files_that_can_not_be_read_are_said_at_once(
    content: bytes | None, tmp_path: Path, line: Line
) -> None:
    file = tmp_path / "file"
    if content:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=str(file)):
        MqttOutput(MqttOptions(host="localhost", username="line", password_file=file), line)
    with pytest.raises(UsageError, match=str(file)):
        MqttOutput(MqttOptions(host="localhost", tls=True, ca_file=file), line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "a/#"},
        {"topic": "+"},
        {"topic": "$SYS"},
        {"topic": ""},
        {"topic": "a\n"},
        {"host": ""},
        {"host": "a..b"},
        {"host": "x" * 64 + ".local"},
        {"password_file": "secret"},
        {"ca_file": "ca.pem"},
        {"client_id": ""},
    ],
)
def test_settings_that_can_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MqttOptions(**{"host": "localhost", **wrong})


def test_without_paho_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['paho'] = None; import softcore_edge_app.outputs.mqtt"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert "paho-mqtt is not installed; run: pip install 'softcore[edge]'" in done.stderr

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from softcore_benchmarks.line.rig.plc import Plc
from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.configuration.alarm_options import AlarmLevel
from softcore_edge_app.configuration.options import ModbusOptions
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.origin import Origin, find_origin, make_trigger_id
from softcore_edge_app.outputs.modbus import PlcLink
from softcore_edge_app.outputs.modbus_map import OutputCoils, OutputRegisters, number_part
from softcore_edge_app.pipeline.controls import CameraStatus, Status
from softcore_runtime import BundleCorruptError, Decision, OutputError, UsageError

DECISIONS = (Decision.PASS, Decision.FAIL, Decision.REVIEW, Decision.INVALID)
TYPES = ModbusClientMixin.DATATYPE


def enter(number: int, part: str, camera: str = "top", by: Origin | None = "modbus") -> DecisionRecord:
    decision = DECISIONS[number % 4]
    invalid = decision is Decision.INVALID
    return DecisionRecord(
        trigger=make_trigger_id("run", number, by), part=part, name="frame", camera=camera,
        category="pill", bundle="0" * 64,
        decision=decision, score=None if invalid else 0.5 * number, bound=None if invalid else "exact",
        threshold=2.0, fail_above=2.0, engine="onnxruntime", provider="CPU", precision="fp32", triggered_at=1,
        deadline_at=None, decided_at=2, milliseconds=None if invalid else 1.0,
        reason="black" if invalid else None,
    )  # fmt: skip


class Line:
    """Decides at once, keeps what it decided, and has a worker bring it to the newest link."""

    def __init__(self, port: int, **options: object) -> None:
        self.options = ModbusOptions(host="127.0.0.1", port=port, poll=0.001, **options)
        self.entries: list[DecisionRecord] = []
        self.delivered = 0
        self.refusal: UsageError | None = None
        self.switches: list[str] = []
        self.may_switch = threading.Event()
        self.may_switch.set()
        self.broken: set[str] = set()
        self.open_alarms: tuple[AlarmStatus, ...] = ()
        self.camera = CameraStatus(
            "top", None, 0, "white", ("white", "blue", "red"), "pill", "0" * 64, 2.0, 2.0, 0, 16, 0, 0
        )
        self.links: list[PlcLink] = []
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._bring)

    def trigger(self, camera: str | None = None, part: str | None = None, by: Origin | None = None) -> str:
        if self.refusal:
            raise self.refusal
        assert camera in (None, "top")
        entry = enter(len(self.entries) + 1, part or "?", by=by)
        self.entries.append(entry)
        return entry.trigger

    def switch_recipe(self, recipe: str, camera: str | None = None, by: str = "command") -> None:
        assert camera in (None, "top")
        assert by == "modbus"
        self.switches.append(recipe)
        assert self.may_switch.wait(60)
        if recipe in self.broken:
            raise BundleCorruptError("bundles/red: backbone.onnx was changed")
        self.camera = replace(self.camera, recipe=recipe)

    def describe(self) -> Status:
        count = len(self.entries)
        camera = replace(self.camera, triggers=count, decisions=count)
        return Status((camera,), (), None, None, (), self.open_alarms)

    def connect(self) -> PlcLink:
        parts = [entry.part for entry in self.entries if find_origin(entry.trigger) == "modbus"]
        self.links.append(PlcLink(self.options, self, last_part=parts[-1] if parts else None))
        self.links[-1].start()
        if self._worker.ident is None:
            self._worker.start()
        return self.links[-1]

    def close(self) -> None:
        self._closing.set()
        if self._worker.ident is not None:
            self._worker.join()
        for link in self.links:
            link.close()
            link._thread.join()

    def _bring(self) -> None:
        while not self._closing.is_set():
            if self.delivered == len(self.entries):
                time.sleep(0.0005)
                continue
            try:
                self.links[-1].deliver(self.entries[self.delivered])
            except OutputError:
                time.sleep(0.001)  # a closed link answers at once
            else:
                self.delivered += 1


@pytest.fixture
def plc() -> Iterator[Plc]:
    plc = Plc()
    yield plc
    plc.silent = False
    plc.stop()


@pytest.fixture
def line(plc: Plc) -> Iterator[Line]:
    line = Line(plc.port, timeout=0.3)
    yield line
    line.close()


def check(plc: Plc, line: Line, parts: int, before: int = 0) -> None:
    """See that each part was triggered once and has its own result once, in order, at both ends."""
    numbers = list(range(1, parts + 1))
    assert plc.acknowledged == numbers
    assert [entry.part for entry in line.entries] == [str(number) for number in numbers]
    assert [result.part for result in plc.results] == numbers
    assert plc.decisions == [entry.decision.value for entry in line.entries]
    assert [result.sequence for result in plc.results] == [before + number for number in numbers]


def test_packs_numbers_as_modbus_has_them() -> None:
    words = OutputRegisters(
        part=4_000_000_000, sequence=65535, code=4, score=1, key=2**64 - 2, recipe=3, decisions=70_000
    )
    registers = words.pack()
    assert ModbusClientMixin.convert_from_registers(registers[0:2], TYPES.UINT32) == words.part
    assert registers[2:5] == [65535, 4, 1]
    assert ModbusClientMixin.convert_from_registers(registers[5:9], TYPES.UINT64) == words.key
    assert registers[9] == 3
    assert ModbusClientMixin.convert_from_registers(registers[10:12], TYPES.UINT32) == words.decisions
    assert OutputRegisters.unpack([0] * 8 + registers) == words


def test_puts_a_result_into_registers() -> None:
    first = OutputRegisters(sequence=65535, recipe=2, decisions=9).add_result(enter(1, "17"))
    assert (first.part, first.sequence, first.code, first.score) == (17, 0, 2, 250)
    assert (first.recipe, first.decisions) == (2, 9)
    assert first.add_result(enter(1, "17")).sequence == 0  # the same result again
    assert first.add_result(enter(2, "17")).sequence == 1
    assert first.has_result_of(enter(1, "17"))
    assert not first.has_result_of(enter(2, "17"))
    assert (
        OutputRegisters().add_result(enter(3, "x")).score == 65535
    )  # INVALID has no score and must not look good
    assert OutputRegisters().add_result(replace(enter(1, "x"), score=1e9)).score == 65535
    assert OutputRegisters().add_result(replace(enter(1, "x"), threshold=0)).score == 65535


@pytest.mark.parametrize(
    ("part", "number"),
    [
        ("0", 0),
        ("42", 42),
        ("4294967295", 2**32 - 1),
        ("4294967296", 0),
        ("-1", 0),
        ("", 0),
        ("a1", 0),
        ("²", 0),
        ("1" * 5000, 0),
    ],
)
def test_numbers_only_parts_that_a_plc_can_have_named(part: str, number: int) -> None:
    assert number_part(enter(1, part)) == number
    for other in ("http", "mqtt", "page", None):
        assert number_part(enter(1, part, by=other)) == 0


def test_three_hundred_parts(plc: Plc, line: Line) -> None:
    plc.parts = 300
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 300)
    check(plc, line, 300)
    plc.wait(lambda: line.delivered == 300 and not plc.output_coils.result_valid)
    plc.wait(lambda: plc.output_registers.decisions == 300)
    assert plc.output_coils.ready
    assert plc.repeats == 0
    assert plc.connections == 1
    plc.wait(lambda: plc.heartbeats > 3)


def open_alarm(camera: str, level: AlarmLevel) -> AlarmStatus:
    return AlarmStatus(
        camera=camera, rule="run", level=level, state="raised", holds=True, since=1, watched="FAIL",
        matches=10, parts=10, change=None, of_shift=False, text="10 of 10", acknowledged_by=None,
        acknowledged_at=None, raises=1,
    )  # fmt: skip


def test_two_coils_tell_of_alarms_where_the_plc_has_them(plc: Plc, line: Line) -> None:
    line.options = line.options.model_copy(update={"alarm_coils": True})
    plc.parts = 5
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 5)
    assert plc.bits[20:22] == [False, False]
    line.open_alarms = (open_alarm("top", "alarm"), open_alarm("other", "warning"))
    plc.wait(lambda: plc.bits[20:22] == [True, False])
    line.open_alarms = (open_alarm("top", "warning"),)
    plc.wait(lambda: plc.bits[20:22] == [False, True])
    plc.bits[20:22] = [True, False]  # the PLC forgets
    plc.wait(lambda: plc.bits[20:22] == [False, True])
    line.open_alarms = ()
    plc.wait(lambda: plc.bits[20:22] == [False, False])


def test_a_plc_without_those_coils_is_left_alone(plc: Plc, line: Line) -> None:
    line.open_alarms = (open_alarm("top", "alarm"),)
    plc.parts = 20
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 20)
    assert not any(plc.bits[20:])


def test_parts_without_numbers(plc: Plc, line: Line) -> None:
    plc.parts, plc.numbered = 40, False
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 40)
    assert plc.acknowledged == [0] * 40
    assert [entry.part for entry in line.entries] == ["0"] * 40
    assert plc.decisions == [entry.decision.value for entry in line.entries]


def test_a_map_that_lies_elsewhere(plc: Plc, line: Line) -> None:
    plc.coils, plc.registers, plc.parts = 1003, 2001, 10
    plc.__post_init__()
    line.options = line.options.model_copy(update={"coils": 1003, "registers": 2001})
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 10)
    check(plc, line, 10)
    assert not any(plc.bits[:1003])
    assert not any(plc.numbers[:2001])


@pytest.mark.parametrize("clear", [False, True], ids=["keeps its memory", "loses its memory"])
def test_plc_switched_off_and_on_again_in_the_middle(plc: Plc, line: Line, clear: bool) -> None:
    plc.parts = 120
    plc.start()
    link = line.connect()
    for count in (1, 13, 30, 31, 75, 110):
        plc.wait(lambda count=count: len(plc.results) >= count)
        plc.stop(clear=clear)
        plc.wait(lambda: link.fault)
        plc.start()
    plc.wait(lambda: len(plc.results) == 120)
    check(plc, line, 120)
    plc.wait(lambda: line.delivered == 120)
    assert link.fault is None


def test_plc_that_forgets_its_memory_on_a_living_connection(plc: Plc, line: Line) -> None:
    plc.parts = 60
    plc.start()
    line.connect()
    for count in range(5, 60, 5):
        plc.acknowledging = False
        plc.wait(lambda: plc.output_coils.result_valid and not plc.input_coils.result_ack)
        plc.bits[8:20] = [False] * 12
        plc.numbers[8:20] = [0] * 12
        plc.acknowledging = True
        plc.wait(lambda count=count: len(plc.results) >= count)
    plc.wait(lambda: len(plc.results) == 60)
    check(plc, line, 60)


def test_registers_are_there_again_before_a_result_is_raised_again(plc: Plc, line: Line) -> None:
    plc.parts, plc.acknowledging = 1, False
    plc.start()
    line.connect()
    hollow = 0
    for _ in range(12):
        plc.wait(lambda: plc.output_coils.result_valid and plc.output_registers.code)
        plc.numbers[8:20] = [0] * 12
        plc.bits[8:20] = [False] * 12
        plc.wait(lambda: plc.output_coils.result_valid)
        hollow += plc.output_registers.code == 0
    assert hollow <= 2  # what is on its way while the memory is cleared can't be called back


@pytest.mark.parametrize("answered", [False, True])
def test_plc_that_begins_anew_with_the_same_part(plc: Plc, line: Line, answered: bool) -> None:
    plc.run_program = lambda: None  # done by hand
    plc.start()
    link = line.connect()
    plc.numbers[1] = 7
    plc.bits[0] = True
    plc.wait(lambda: plc.output_coils.trigger_ack and plc.output_coils.result_valid)
    if answered:
        plc.bits[1] = True
        plc.wait(lambda: line.delivered == 1 and not plc.output_coils.result_valid)
    plc.stop(clear=True)
    plc.wait(lambda: link.fault)
    plc.numbers[1] = 7
    plc.bits[0] = True
    plc.start()
    plc.wait(lambda: plc.output_coils.trigger_ack and plc.output_coils.result_valid)
    assert [entry.part for entry in line.entries] == (["7", "7"] if answered else ["7"])
    assert plc.output_registers.part == 7


def test_plc_that_falls_silent(plc: Plc, line: Line) -> None:
    plc.parts = 40
    plc.start()
    link = line.connect()
    plc.wait(lambda: len(plc.results) >= 10)
    plc.acknowledging = False
    plc.wait(lambda: plc.output_coils.result_valid and not plc.input_coils.result_ack)
    plc.silent = True
    plc.wait(lambda: link.fault)
    assert link.fault == f"the PLC at 127.0.0.1:{plc.port} does not answer"
    with pytest.raises(OutputError, match="does not answer"):
        link.deliver(line.entries[line.delivered])
    plc.silent = False
    plc.acknowledging = True
    plc.wait(lambda: len(plc.results) == 40)
    check(plc, line, 40)
    assert link.fault is None


def test_plc_that_takes_its_time_to_acknowledge(plc: Plc, line: Line) -> None:
    plc.parts, plc.acknowledging = 3, False
    plc.start()
    line.connect()
    plc.wait(lambda: plc.output_coils.result_valid)
    with pytest.raises(OutputError, match="has not acknowledged"):
        line.links[-1].deliver(line.entries[0])
    plc.wait(lambda: len(plc.acknowledged) == 3)  # triggers go on
    plc.acknowledging = True
    plc.wait(lambda: len(plc.results) == 3)
    check(plc, line, 3)
    assert plc.repeats == 0


def break_requests(link: PlcLink, every: int, sent: bool, how: Callable[[], BaseException]) -> None:
    """Let every so manieth request fail, before it is sent or before its answer is read."""
    real, counter = link._plc._request, itertools.count(1)

    def request(what: str, send: Callable[[], object]) -> object:
        fails = next(counter) % every == 0
        if not fails or sent:
            answer = real(what, send)
        if fails:
            link._plc.close()
            raise how()
        return answer

    link._plc._request = request


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "unanswered"])
@pytest.mark.parametrize("every", [7, 8, 11])
def test_connection_lost_at_any_request(plc: Plc, line: Line, every: int, sent: bool) -> None:
    plc.parts = 40
    link = line.connect()
    break_requests(link, every, sent, lambda: OutputError("torn"))
    plc.start()
    plc.wait(lambda: len(plc.results) == 40)
    check(plc, line, 40)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "unanswered"])
@pytest.mark.parametrize("every", [8, 9, 11])
def test_own_side_killed_at_any_request(plc: Plc, line: Line, every: int, sent: bool) -> None:
    plc.parts = 40
    plc.start()
    while len(plc.results) < 40:
        link = line.connect()
        break_requests(link, every, sent, SystemExit)  # ends the thread without a word
        plc.wait(lambda link=link: not link._thread.is_alive() or len(plc.results) == 40)
        assert link._thread.is_alive() or "has stopped" in str(link.fault)
        link.close()
    check(plc, line, 40)


def test_result_that_was_raised_is_not_raised_again_by_the_next_run(plc: Plc, line: Line) -> None:
    plc.parts, plc.acknowledging = 1, False
    plc.start()
    line.connect()
    plc.wait(lambda: plc.output_coils.result_valid)
    line.links[-1].close()
    assert plc.output_coils.result_valid
    assert not plc.output_coils.ready
    assert plc.output_coils.failed
    raised = plc.output_registers
    link = line.connect()
    plc.wait(lambda: plc.output_coils.ready)
    assert (plc.output_registers.part, plc.output_registers.sequence, plc.output_registers.key) == (
        1,
        1,
        raised.key,
    )
    plc.acknowledging = True
    plc.wait(lambda: line.delivered == 1)
    check(plc, line, 1)
    # What the PLC took, but the line didn't note: delivered without a word to the PLC.
    link.close()
    link = line.connect()
    link.deliver(line.entries[0])
    assert plc.repeats == 0
    assert len(plc.results) == 1


def test_part_that_is_inspected_again_under_the_same_number(plc: Plc, line: Line) -> None:
    plc.parts = 1
    plc.start()
    line.connect()
    plc.wait(lambda: line.delivered == 1 and not plc.input_coils.trigger)
    line.links[-1].close()
    plc.acknowledged.clear()
    plc.results.clear()
    plc.bits[8] = True  # as if it were ready: the trigger is up before SoftCore is
    plc.wait(lambda: plc.input_coils.trigger)
    line.connect()
    plc.wait(lambda: len(plc.results) == 1)
    assert [entry.part for entry in line.entries] == ["1", "1"]


def test_results_of_parts_that_the_plc_did_not_trigger(plc: Plc, line: Line) -> None:
    plc.start()
    link = line.connect()
    line.entries.append(enter(1, "from the page", by="page"))
    plc.wait(lambda: line.delivered == 1)
    assert [result.part for result in plc.results] == [0]
    link.deliver(enter(2, "5"))
    assert [result.part for result in plc.results] == [0, 5]


@pytest.mark.parametrize("other", ["http", "mqtt", "page", None])
def test_a_part_that_somebody_else_calls_by_the_plcs_next_number(
    plc: Plc, line: Line, other: Origin | None
) -> None:
    plc.parts = 2
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 2)
    line.trigger(None, "3", other)
    plc.wait(lambda: len(plc.results) == 3)
    plc.parts = 3
    plc.wait(lambda: len(plc.results) == 4)
    assert [result.part for result in plc.results] == [1, 2, 0, 3]
    assert plc.acknowledged == [1, 2, 3]


def test_a_plc_without_numbers_gets_the_results_of_its_own_parts_alone(plc: Plc, line: Line) -> None:
    plc.parts, plc.numbered = 2, False
    plc.start()
    line.connect()
    plc.wait(lambda: len(plc.results) == 2)
    line.trigger(None, "0", "http")
    line.trigger(None, "0", "mqtt")
    plc.wait(lambda: line.delivered == 4)
    line.links[-1].close()
    line.trigger(None, "0", "page")  # which the next run finds in the ledger
    line.connect()
    plc.parts = 3
    plc.wait(lambda: len(plc.results) == 3)
    own = [entry.decision.value for entry in line.entries if find_origin(entry.trigger) == "modbus"]
    assert len(line.entries) == 6
    assert plc.decisions == own


def test_a_killed_runs_trigger_is_not_taken_for_that_of_another(plc: Plc, line: Line) -> None:
    plc.run_program = lambda: None  # done by hand
    plc.start()
    line.trigger(None, "7", "mqtt")  # the last row's part has the number that the PLC triggers now
    plc.numbers[1] = 7
    plc.bits[0] = True
    line.connect()
    plc.wait(lambda: plc.output_coils.trigger_ack)
    assert [find_origin(entry.trigger) for entry in line.entries] == ["mqtt", "modbus"]


def test_other_cameras_results_are_none_of_its_business(line: Line) -> None:
    line.options = line.options.model_copy(update={"camera": "top"})
    link = line.connect()  # there is no PLC
    link.deliver(enter(1, "1", camera="side"))
    with pytest.raises(OutputError, match="reached"):
        link.deliver(enter(2, "2", camera="top"))


@pytest.mark.parametrize("named", [None, "left"])
def test_a_camera_must_be_one_of_the_lines(line: Line, named: str | None) -> None:
    both = replace(line.describe(), cameras=(line.camera, replace(line.camera, name="side")))
    line.describe = lambda: both
    link = PlcLink(line.options.model_copy(update={"camera": named}), line)
    with pytest.raises(UsageError, match=r"modbus\.camera: .* top, side"):
        link.start()


def test_trigger_that_is_refused(plc: Plc, line: Line) -> None:
    line.refusal = UsageError("the camera goes by itself")
    plc.start()
    line.connect()
    plc.parts = 1
    plc.wait(lambda: plc.refused == 2)
    assert plc.acknowledged == []
    line.refusal = None
    plc.wait(lambda: len(plc.results) == 1)
    check(plc, line, 1)
    assert not plc.output_coils.trigger_refused


def test_recipe_is_switched_beside_the_handshakes(plc: Plc, line: Line) -> None:
    plc.start()
    line.connect()
    plc.wait(lambda: plc.output_registers.recipe == 1 and plc.output_coils.ready)
    line.may_switch.clear()
    plc.select_recipe(2)
    plc.wait(lambda: line.switches == ["blue"])
    plc.wait(lambda: not plc.output_coils.ready)
    assert plc.output_registers.recipe == 1
    beats = plc.heartbeats
    plc.wait(lambda: plc.heartbeats > beats)
    line.may_switch.set()
    plc.wait(lambda: plc.output_registers.recipe == 2 and plc.output_coils.ready)
    plc.select_recipe(0)
    plc.wait(lambda: plc.input_registers.recipe == 0)
    beats = plc.heartbeats
    plc.wait(lambda: plc.heartbeats > beats)
    plc.select_recipe(2)  # is in use
    plc.parts = 3
    plc.wait(lambda: len(plc.results) == 3)
    check(plc, line, 3)
    assert line.switches == ["blue"]


def test_recipe_that_is_refused(plc: Plc, line: Line) -> None:
    line.broken.add("red")
    plc.start()
    line.connect()
    plc.select_recipe(3)
    plc.wait(lambda: plc.output_coils.recipe_refused)
    plc.wait(lambda: plc.output_coils.ready)
    assert plc.output_registers.recipe == 1
    assert line.switches == ["red"]
    plc.select_recipe(2)
    plc.wait(lambda: plc.output_registers.recipe == 2)
    assert not plc.output_coils.recipe_refused
    plc.select_recipe(4)
    plc.wait(lambda: plc.output_coils.recipe_refused)
    plc.select_recipe(0)
    plc.wait(lambda: not plc.output_coils.recipe_refused)
    assert plc.output_coils.ready
    assert line.switches == ["red", "blue"]


@pytest.mark.parametrize(
    "change",
    [{"fault": "the camera gives no images"}, {"waiting": 16}],
)
def test_ready_says_whether_a_part_would_be_inspected(
    plc: Plc, line: Line, change: dict[str, object]
) -> None:
    plc.start()
    line.connect()
    plc.wait(lambda: plc.output_coils.ready)
    well = line.camera
    line.camera = replace(well, **change)
    plc.wait(lambda: not plc.output_coils.ready)
    assert plc.output_coils.busy == ("waiting" in change)
    line.camera = well
    plc.wait(lambda: plc.output_coils.ready and not plc.output_coils.busy)


def test_plc_that_has_no_such_coils(plc: Plc, line: Line) -> None:
    line.options = line.options.model_copy(update={"coils": 500})
    plc.start()
    link = line.connect()
    plc.wait(lambda: "refuses" in str(link.fault))
    assert str(link.fault).startswith(f"the PLC at 127.0.0.1:{plc.port} refuses reading coils 500 to 519")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\1\0\0\0\4\1\1\1\0",
        b"\0\1\0\0\0\3\1\1\3",
        b"\0\1\0\0\0\2\1\1",
        b"\0" * 260,
    ],
    ids=["ssh", "few coils", "cut off", "empty", "zeros"],
)
def test_something_that_is_no_plc(plc: Plc, line: Line, answer: bytes) -> None:
    link = line.connect()
    with socket.create_server(("127.0.0.1", plc.port)) as server:
        server.settimeout(30)
        for _ in range(3):
            with server.accept()[0] as connection:
                connection.settimeout(30)
                connection.recv(100)
                connection.sendall(answer)
                plc.wait(lambda: link.fault and "not reached yet" not in link.fault)
    assert link.fault
    plc.parts = 3
    plc.start()
    plc.wait(lambda: len(plc.results) == 3)
    check(plc, line, 3)


def test_a_memory_full_of_something_else(plc: Plc, line: Line) -> None:
    plc.bits[8:20] = [True] * 12
    plc.numbers[8:20] = [0xABCD] * 12
    plc.acknowledging = False  # it begins when the heartbeat does
    plc.start()
    line.connect()
    plc.wait(
        lambda: (
            plc.output_coils.ready and not plc.output_coils.result_valid and not plc.output_coils.trigger_ack
        )
    )
    plc.parts, plc.acknowledging = 3, True
    plc.wait(lambda: len(plc.results) == 3)
    check(plc, line, 3, before=0xABCD)


def test_closes_quickly_whatever_the_plc_does(plc: Plc, line: Line) -> None:
    line.options = line.options.model_copy(update={"timeout": 30.0})
    plc.start()
    link = line.connect()
    plc.wait(lambda: plc.output_coils.ready)
    plc.silent = True
    plc.wait(lambda: plc.heartbeats >= 0)
    link.close()  # returns although a request has no answer for another half a minute
    with pytest.raises(OutputError):
        link.deliver(enter(1, "1"))
    plc.silent = False


def test_writes_nothing_to_standard_error_when_there_is_no_plc() -> None:
    code = (
        "import logging\n"
        "logging.basicConfig(level='DEBUG')\n"
        "from softcore_edge_app.configuration.options import ModbusOptions\n"
        "from softcore_edge_app.outputs.modbus_client import ModbusClient\n"
        "from softcore_runtime import OutputError\n"
        "client = ModbusClient(ModbusOptions(host='127.0.0.1', port=1))\n"
        "try: client.read_coils()\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == "the PLC at 127.0.0.1:1 can't be reached\n"


@pytest.mark.parametrize("library", ["pymodbus", "tenacity"])
def test_names_the_library_that_is_missing(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import softcore_edge_app.outputs.modbus"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = f"MissingLibraryError: {library} is not installed; run: pip install 'softcore[edge]'"
    assert message in done.stderr


def test_signals_that_tell_nothing() -> None:
    words = OutputRegisters().add_result(enter(1, "1"))
    raised = OutputCoils(failed=True, toggle=True)
    assert raised.belong_to(words)
    assert not OutputCoils(failed=True).belong_to(words)
    assert not OutputCoils(failed=True, invalid=True, toggle=True).belong_to(words)
    assert not OutputCoils().belong_to(OutputRegisters())

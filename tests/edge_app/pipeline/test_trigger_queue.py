from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.pipeline.recipes import Recipe, Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors
from softcore_edge_app.pipeline.trigger import Trigger
from softcore_edge_app.pipeline.trigger_queue import TriggerQueue
from softcore_runtime import Decision, Inspector

CAPACITY, DEADLINE = 3, 1.0
FRAME = Frame(7, "seventh.png", image=np.zeros((8, 8, 3), np.uint8))


@pytest.fixture
def recipe(tiny_bundle: Path) -> Recipe:
    return Recipes({"tiny": tiny_bundle}, SharedInspectors(Inspector.load)).current


class Woken:
    """A queue, and how often it woke the publisher."""

    def __init__(
        self, *, capacity: int = CAPACITY, deadline: float | None = DEADLINE, last: int | None = None
    ) -> None:
        self.calls = 0
        self.queue = TriggerQueue("left", "run", capacity, deadline, last, self._call)

    def _call(self) -> None:
        self.calls += 1


def decide(queue: TriggerQueue, trigger: Trigger, frame: Frame = FRAME) -> None:
    trigger.frame = trigger.frame or frame
    queue.refuse(trigger, None, "as it is asked for")


def reasons(triggers: list[Trigger]) -> list[str | None]:
    return [trigger.make_record().reason for trigger in triggers if trigger.settled]


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["admit", "admit with a frame", "settle", "refuse", "expire", "collect", "halt", "go on", "close"]
        ),
        st.integers(0, 5),
    ),
    max_size=60,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_each_has_one_decision_and_all_are_collected_in_order(
    recipe: Recipe, steps: list[Step]
) -> None:
    queue, came, collected = Woken().queue, list[Trigger](), list[Trigger]()
    first: dict[str, object] = {}
    for kind, which in steps:
        chosen = came[-1 - which] if which < len(came) else None
        if kind.startswith("admit"):
            frame = FRAME if kind.endswith("frame") else None
            came.append(queue.admit(recipe, float(len(came)), frame=frame))
        elif kind == "settle" and chosen:
            decide(queue, chosen)
        elif kind == "refuse" and chosen:
            queue.refuse(chosen, None, "for a reason")
        elif kind == "expire":
            due = queue.expire(len(came) - which)
            left = [trigger for trigger in came if not trigger.settled]
            assert due is None or due > len(came) - which
            assert (due is None) == (not left)
        elif kind == "collect":
            collected += queue.collect()
        elif kind in ("halt", "go on"):
            queue.halt(running=kind == "go on")
        elif kind == "close":
            queue.close(len(came) + 5.0)
        for trigger in came:
            if trigger.settled:
                assert first.setdefault(trigger.id, trigger._refusal) is trigger._refusal
        assert queue.waiting == sum(not trigger.settled for trigger in came)
    queue.close(0.0)
    assert queue.expire(float(len(came))) is None
    collected += queue.collect()
    assert queue.empty
    assert collected == came
    assert [trigger.number for trigger in came] == list(range(1, queue.count + 1))
    assert len({trigger.part for trigger in came}) == len(came)
    assert all(trigger.settled for trigger in came)


def test_what_is_too_many_is_invalid_in_its_place(recipe: Recipe) -> None:
    woken = Woken()
    triggers = [woken.queue.admit(recipe, time.monotonic()) for _ in range(CAPACITY + 1)]
    assert woken.queue.collect() == []  # it waits for those before it
    for trigger in triggers[:-1]:
        decide(woken.queue, trigger)
    assert woken.queue.collect() == triggers
    assert reasons(triggers)[-1] == f"too many triggers: {CAPACITY} wait for their decision"
    last = triggers[-1].make_record()
    assert (last.frame_number, last.name, last.kind) == (CAPACITY + 1, "left#4", "overflow")
    assert woken.calls == 2 * CAPACITY + 1  # for each a deadline to note or a decision to enter


def test_what_cannot_be_in_time_is_too_many(recipe: Recipe) -> None:
    """By the usual time of an inspection: one that took long by chance keeps nobody out."""
    queue = Woken(capacity=100).queue
    for seconds in (3.0, *[0.24] * 8, 5.0):
        queue.pace.add(seconds)
    triggers = [queue.admit(recipe, time.monotonic()) for _ in range(6)]
    assert [trigger.settled for trigger in triggers] == [False] * 4 + [True] * 2
    assert reasons(triggers) == ["too many triggers: 4 wait, and it would come too late"] * 2
    decide(queue, triggers[0])
    assert not queue.admit(recipe, time.monotonic()).settled


def test_the_only_one_is_let_in_however_long_it_may_take(recipe: Recipe) -> None:
    queue = Woken().queue
    for _ in range(15):
        queue.pace.add(60.0)
    assert not queue.admit(recipe, time.monotonic()).settled


def test_a_frame_that_was_taken_is_never_too_many(recipe: Recipe) -> None:
    queue = Woken(deadline=None).queue
    triggers = [queue.admit(recipe, 0.0, frame=FRAME) for _ in range(2 * CAPACITY)]
    assert queue.waiting == 2 * CAPACITY
    assert not any(trigger.settled for trigger in triggers)


def test_what_is_late_says_how_far_it_came(recipe: Recipe) -> None:
    queue = Woken().queue
    without, waits, inspected, in_time = (queue.admit(recipe, at) for at in (0.0, 0.1, 0.2, 0.3))
    waits.frame = inspected.frame = FRAME
    inspected.stages["queue"] = 0.0
    queue.refuse(in_time, None, "black")
    assert queue.expire(1.15) == 1.2
    assert queue.expire(1.25) is None
    assert queue.collect() == [without, waits, inspected, in_time]
    assert reasons([without, waits, inspected]) == [
        "late: still without a frame after 1.15 s",
        "late: still waiting for its turn after 1.05 s",
        "late: still being inspected after 1.05 s",
    ]
    record = waits.make_record()
    assert (record.frame_number, record.name, record.kind) == (FRAME.number, FRAME.name, "late")


def test_without_a_hurry_only_the_end_refuses(recipe: Recipe) -> None:
    queue = Woken(deadline=None).queue
    trigger, frameless = queue.admit(recipe, 0.0, frame=FRAME), queue.admit(recipe, 0.0)
    assert queue.expire(1e9) is None
    queue.close(2e9)
    assert (trigger.settled, frameless.settled) == (False, True)
    assert queue.expire(1e9) == 2e9
    assert queue.expire(2e9) is None
    assert reasons([trigger, frameless]) == ["the line was stopped before it was decided on"] * 2


def test_while_it_is_stopped_parts_are_invalid(recipe: Recipe) -> None:
    queue = Woken().queue
    queue.halt(running=False)
    stopped = queue.admit(recipe, 0.0)
    queue.halt(running=True)
    assert not queue.admit(recipe, 0.0).settled
    assert reasons([stopped]) == ["the line was stopped on the page"]


def test_the_first_decision_counts(recipe: Recipe) -> None:
    woken = Woken()
    trigger = woken.queue.admit(recipe, time.monotonic(), part="4711")
    queue, calls = woken.queue, woken.calls
    decide(queue, trigger)
    queue.refuse(trigger, "late", "for that")
    queue.refuse_for(ValueError("nor this"), trigger)
    record = trigger.make_record()
    assert (record.decision, record.reason) == (Decision.INVALID, "as it is asked for")
    assert (queue.waiting, woken.calls, trigger.part) == (0, calls + 1, "4711")


def test_it_says_when_the_last_came(recipe: Recipe) -> None:
    queue = Woken(last=2).queue
    told = [queue.full]
    for _ in range(2):
        queue.admit(recipe, 0.0)
        told.append(queue.full)
    assert told == [False, False, True]


def test_waiting_for_room_waits_for_the_publisher_too(recipe: Recipe) -> None:
    queue = Woken().queue
    room = threading.Semaphore(0)

    def follow() -> None:
        while queue.wait_for_room(1):
            room.release()
            decide(queue, queue.admit(recipe, time.monotonic(), frame=FRAME))

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    for _ in range(CAPACITY + 1):
        assert room.acquire(timeout=60)
    assert not room.acquire(timeout=0.2)  # nobody collects
    assert len(queue.collect()) == CAPACITY + 1
    assert room.acquire(timeout=60)
    queue.close(0.0)
    following.join(60)
    assert not following.is_alive()


def test_who_waits_is_woken_by_the_end() -> None:
    queue = Woken().queue
    assert not queue.wait_for_close(time.monotonic() + 0.01)
    assert queue.wait_until_running()
    queue.halt(running=False)
    told = list[bool]()
    waiting = [
        threading.Thread(target=lambda wait=wait: told.append(wait()), daemon=True)
        for wait in (queue.wait_until_running, lambda: queue.wait_for_close(time.monotonic() + 60))
    ]
    for thread in waiting:
        thread.start()
    queue.close(0.0)
    for thread in waiting:
        thread.join(60)
    assert sorted(told) == [False, True]


def test_ids_are_unique_over_lines_and_runs(recipe: Recipe) -> None:
    queues = [TriggerQueue("left", run, CAPACITY, None, None, lambda: None) for run in ("a-1", "a-2", "b-1")]
    ids = [queue.admit(recipe, 0.0).id for queue in queues for _ in range(3)]
    assert ids[:3] == ["a-1-1", "a-1-2", "a-1-3"]
    assert len(set(ids)) == 9

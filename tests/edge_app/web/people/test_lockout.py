from __future__ import annotations

from softcore_edge_app.web.people.lockout import LONGEST, Lockout

from .conftest import Clock


def try_often(lockout: Lockout, person: str | None, address: str, times: int) -> list[float]:
    return [lockout.begin(person, address) for _ in range(times)]


def test_the_wait_grows_with_each_wrong_try(clock: Clock) -> None:
    lockout = Lockout(clock)
    assert try_often(lockout, "Anna", "a", 3) == [0, 0, 0]
    waits = []
    for _ in range(4):
        waits.append(wait := lockout.begin("anna", "a"))  # one person, however it is written
        clock.now += wait - 0.01
        assert lockout.begin("Anna", "a") > 0
        clock.now += 0.01
        assert lockout.begin("Anna", "a") == 0
    assert waits == [2, 4, 8, 16]


def test_it_has_an_end(clock: Clock) -> None:
    lockout = Lockout(clock)
    for _ in range(40):
        clock.now += lockout.begin("Anna", "a")
        lockout.begin("Anna", "a")
    assert lockout.begin("Anna", "a") == LONGEST
    clock.now += 3601
    assert try_often(lockout, "Anna", "a", 3) == [0, 0, 0]


def test_others_at_another_address_are_not_kept_waiting(clock: Clock) -> None:
    lockout = Lockout(clock)
    assert try_often(lockout, "Anna", "a", 9)[-1] > 0
    assert lockout.begin("Anna", "b") == 0
    assert lockout.begin("Bert", "a") == 0


def test_an_address_that_tries_all_names_waits_and_so_do_badges(clock: Clock) -> None:
    lockout = Lockout(clock)
    waits = [lockout.begin(f"name {number}", "a") for number in range(11)]
    assert (waits[:10], waits[10] > 0) == ([0] * 10, True)
    assert lockout.begin(None, "a") > 0
    assert try_often(lockout, None, "b", 11)[-1] > 0


def test_a_person_who_is_tried_from_everywhere_is_locked(clock: Clock) -> None:
    lockout = Lockout(clock)
    waits = [lockout.begin("Anna", f"address {number}") for number in range(21)]
    assert (waits[:20], waits[20] > 0) == ([0] * 20, True)


def test_the_right_secret_forgets_the_wrong_ones_there(clock: Clock) -> None:
    lockout = Lockout(clock)
    for number in range(30):  # many people at one screen, who mistype twice
        assert try_often(lockout, f"name {number}", "a", 3) == [0, 0, 0]
        lockout.succeed(f"name {number}", "a")
    # Who logs in between can't try the secret of another for ever.
    waits = []
    for _ in range(9):
        waits.append(lockout.begin("Anna", "a"))
        lockout.begin("Bert", "a")
        lockout.succeed("Bert", "a")
    assert (waits[:3], min(waits[3:])) == ([0, 0, 0], 2)


def test_a_flood_of_names_takes_no_memory(clock: Clock) -> None:
    lockout = Lockout(clock)
    for number in range(20_000):
        lockout.begin(f"name {number}", f"address {number}")
    assert len(lockout._counters) <= 10_000

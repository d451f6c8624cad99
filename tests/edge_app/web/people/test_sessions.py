from __future__ import annotations

from softcore_edge_app.web.people.person import Person, Role
from softcore_edge_app.web.people.sessions import Sessions

from .conftest import Clock

ANNA = Person("Anna", Role.SETTER, "")


def test_a_session_ends_when_its_person_does_nothing(clock: Clock) -> None:
    sessions = Sessions(60, 3600, clock)
    key = sessions.open(ANNA)
    for _ in range(5):
        clock.now += 59
        session = sessions.find(key, active=True)
        assert session
        assert session.person == ANNA
        assert sessions.measure_rest(session) == 60
    clock.now += 40
    assert sessions.find(key)  # a look isn't something that the person does
    clock.now += 20
    assert sessions.find(key, active=True) is None
    assert sessions.find(key) is None


def test_a_session_ends_in_any_case(clock: Clock) -> None:
    sessions = Sessions(60, 600, clock)
    key = sessions.open(ANNA)
    for _ in range(11):
        clock.now += 50
        assert sessions.find(key, active=True)
    clock.now += 50
    assert sessions.find(key, active=True) is None


def test_keys_are_not_guessed_nor_kept(clock: Clock) -> None:
    sessions = Sessions(60, 600, clock)
    keys = [sessions.open(ANNA) for _ in range(1100)]
    assert len(set(keys)) == 1100
    assert min(map(len, keys)) >= 43
    assert not any(key in str(sessions._sessions) for key in keys)
    assert sessions.find(keys[0]) is None  # there are at most 1000
    assert sessions.find(keys[-1])
    sessions.close(keys[-1])
    for key in (keys[-1], "", "x", "\udcff", keys[-2][:-1]):
        assert sessions.find(key) is None

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.outputs.archive_quota import ArchiveQuota
from softcore_edge_app.outputs.archive_record import IMAGE, SIDECAR, Kept, format_moment, list_kept
from softcore_runtime import Decision

BLOCK = 4096
DAY = 86_400 * 10**9
START = 20_000 * DAY
WORTH = {Decision.PASS: 0, Decision.INVALID: 1, Decision.REVIEW: 2, Decision.FAIL: 3}


def put(folder: Path, number: int, decision: Decision, at: int, blocks: int = 1) -> Kept:
    """Write a part's sidecar and image: `blocks` and one more."""
    moment = format_moment(at)
    day, time = moment.split("/")
    kept = Kept(moment, f"{day}/camera-{number % 2}/{time}_{number}_{decision}", decision)
    kept.file(folder, SIDECAR).parent.mkdir(parents=True, exist_ok=True)
    kept.file(folder, SIDECAR).write_bytes(b"{}")
    kept.file(folder, IMAGE).write_bytes(b"x" * (BLOCK * blocks - 5))
    return kept


def view(folder: Path) -> set[Kept]:
    return {kept for found in list_kept(folder) for kept in found}


PARTS = st.lists(
    st.tuples(st.sampled_from(list(Decision)), st.integers(0, 60 * 24 * 10), st.integers(1, 5)), max_size=25
)


@settings(deadline=None, max_examples=60)
@given(before=PARTS, during=PARTS, after=PARTS, blocks=st.integers(0, 60), days=st.integers(1, 12))
def test_what_stays_is_what_a_simple_model_keeps(
    before: list[tuple[Decision, int, int]],
    during: list[tuple[Decision, int, int]],
    after: list[tuple[Decision, int, int]],
    blocks: int,
    days: int,
) -> None:
    now = START + 10 * DAY
    with tempfile.TemporaryDirectory() as place:
        folder, number, model = Path(place), 0, dict[Kept, int]()

        def add(part: tuple[Decision, int, int]) -> Kept:
            nonlocal number
            number += 1
            decision, minutes, size = part
            kept = put(folder, number, decision, START + minutes * 60 * 10**9, size)
            model[kept] = size + 1
            return kept

        def trim() -> None:
            for kept in [kept for kept in model if kept.moment < format_moment(now - days * DAY)]:
                del model[kept]
            for kept in sorted(model, key=lambda kept: (WORTH[kept.decision], kept)):
                if sum(model.values()) > blocks:
                    del model[kept]

        for part in before:
            add(part)
        quota = ArchiveQuota(folder, blocks * BLOCK, days)
        scan = quota.scan()
        done = False
        for part in during:
            quota.enter(add(part), (part[2] + 1) * BLOCK)
            done = done or next(scan, quota) is quota
            quota.trim(now)
            if done:  # before, nothing may go: the oldest may not be known yet
                trim()
            assert view(folder) == set(model)
        for _ in scan:
            pass
        quota.trim(now)
        trim()
        assert view(folder) == set(model)
        for part in after:
            quota.enter(add(part), (part[2] + 1) * BLOCK)
            quota.trim(now)
            trim()
            assert view(folder) == set(model)
        assert quota.bytes == BLOCK * sum(model.values())


def test_room_is_made_of_the_oldest_pass_alone(tmp_path: Path) -> None:
    old = put(tmp_path, 1, Decision.FAIL, START)
    passed = [put(tmp_path, number, Decision.PASS, START + number * DAY) for number in (4, 2, 3)]
    quota = ArchiveQuota(tmp_path, 1e9, 1e6)
    for _ in quota.scan():
        pass
    assert quota.make_room(3 * BLOCK)
    assert view(tmp_path) == {old, passed[0]}
    assert quota.make_room(3 * BLOCK)
    assert view(tmp_path) == {old}
    assert not quota.make_room(3 * BLOCK)
    assert view(tmp_path) == {old}
    assert quota.bytes == 2 * BLOCK


def test_what_cannot_be_removed_stays_in_the_books(tmp_path: Path) -> None:
    kept = put(tmp_path, 1, Decision.FAIL, START)
    quota = ArchiveQuota(tmp_path, 0, 1e6)
    for _ in quota.scan():
        pass
    file = kept.file(tmp_path, SIDECAR)
    file.unlink()
    file.mkdir()  # as good as a folder that may not be written, for root too
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            quota.trim(START)
    assert quota.bytes == 2 * BLOCK
    file.rmdir()
    quota.trim(START)
    assert quota.bytes == 0
    assert not file.parent.exists()


def test_what_was_removed_by_hand_is_no_fault(tmp_path: Path) -> None:
    kept = put(tmp_path, 1, Decision.FAIL, START)
    quota = ArchiveQuota(tmp_path, 0, 1e6)
    for _ in quota.scan():
        pass
    kept.file(tmp_path, SIDECAR).unlink()
    kept.file(tmp_path, IMAGE).unlink()
    quota.trim(START)
    assert quota.bytes == 0

"""The age of what a door knows, and commands that are good once. All times are given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeface.domain.freshness import BEHIND_S, MODE_BEHIND_S, Freshness, Known, Sync
from edgeface.domain.messages_door import Beacon
from edgeface.domain.nonces import MAX_OUTSTANDING, CommandNonces
from edgeface.domain.refusal import Refusal

DEVICE, N1, N2 = "d" * 32, b"1" * 16, b"2" * 16
KNOWN = Known(5, b"m" * 32, 2, b"r" * 32, in_step=True, since_s=0.0)
BEACON = Beacon(DEVICE, N1, 5, b"m" * 32, 2, b"r" * 32)


@pytest.fixture
def fresh() -> Freshness:
    fresh = Freshness(DEVICE, first_sync_wait_s=5)
    fresh.begin(100)
    fresh.asked(N1, 101)
    return fresh


def test_the_age_runs_from_the_nonce_not_from_its_answer(fresh: Freshness) -> None:
    assert fresh.age_s(102) is None
    assert fresh.take(BEACON, KNOWN, 130) is None
    assert fresh.age_s(130) == 29
    assert not fresh.too_old(130, 60)
    assert fresh.too_old(162, 60)
    assert not fresh.too_old(10_000, None)


def test_grants_wait_for_the_first_answer_and_no_longer_than_allowed(fresh: Freshness) -> None:
    assert fresh.sync(101) is Sync.WAITING
    assert fresh.sync(105) is Sync.UNCONFIRMED
    fresh.take(BEACON, KNOWN, 106)
    assert fresh.sync(106) is Sync.CONFIRMED
    fresh.begin(200)
    assert fresh.sync(201) is Sync.WAITING, "after a reconnect anew"
    assert Freshness(DEVICE, 5).sync(0) is Sync.WAITING


def test_an_answer_that_names_more_than_is_here_counts_once_it_is_here(fresh: Freshness) -> None:
    ahead = Beacon(DEVICE, N1, 6, b"n" * 32, 2, b"r" * 32)
    assert fresh.take(ahead, KNOWN, 102) is None
    assert fresh.age_s(103) is None
    fresh.caught_up(Known(6, b"n" * 32, 2, b"r" * 32, in_step=False, since_s=103))
    assert fresh.age_s(103) is None
    fresh.caught_up(Known(6, b"n" * 32, 2, b"r" * 32, in_step=True, since_s=103))
    assert fresh.age_s(103) == 2


def test_what_the_agent_names_and_never_comes_makes_the_gallery_unconfirmed(fresh: Freshness) -> None:
    fresh.take(BEACON, KNOWN, 102)
    assert fresh.sync(10_000) is Sync.CONFIRMED
    fresh.asked(N2, 200)
    fresh.take(replace(BEACON, nonce=N2, manifest=6), KNOWN, 201)
    assert fresh.sync(200 + BEHIND_S) is Sync.CONFIRMED
    assert fresh.sync(201 + BEHIND_S) is Sync.UNCONFIRMED
    fresh.caught_up(replace(KNOWN, manifest=6))
    assert fresh.sync(201 + BEHIND_S) is Sync.CONFIRMED


def test_it_stays_so_however_often_the_agent_is_asked(fresh: Freshness) -> None:
    fresh.take(BEACON, KNOWN, 102)
    for second in range(100):
        nonce = second.to_bytes(16, "big")
        fresh.asked(nonce, 200 + second)
        fresh.take(replace(BEACON, nonce=nonce, mode=3), KNOWN, 200 + second)
    assert fresh.sync(300) is Sync.UNCONFIRMED
    assert fresh.mode_withheld(300)
    fresh.begin(300)
    assert fresh.sync(306) is Sync.UNCONFIRMED, "a reconnection makes nothing known"
    assert fresh.mode_withheld(306)


def test_a_mode_that_the_agent_names_and_that_does_not_come_is_withheld(fresh: Freshness) -> None:
    fresh.take(replace(BEACON, mode=4), replace(KNOWN, mode=3), 102)
    assert not fresh.mode_withheld(101 + MODE_BEHIND_S)
    assert fresh.mode_withheld(102 + MODE_BEHIND_S)
    fresh.caught_up(replace(KNOWN, mode=4))
    assert not fresh.mode_withheld(1000)
    assert fresh.age_s(102) == 1


@pytest.mark.parametrize(
    ("beacon", "at_s", "refusal"),
    [
        (Beacon("e" * 32, N1, 5, b"m" * 32, 2, b"r" * 32), 102, Refusal.WRONG_RECIPIENT),
        (Beacon(DEVICE, N2, 5, b"m" * 32, 2, b"r" * 32), 102, Refusal.UNKNOWN_NONCE),
        (BEACON, 200, Refusal.EXPIRED),
        (Beacon(DEVICE, N1, 4, b"m" * 32, 2, b"r" * 32), 102, Refusal.ROLLED_BACK),
        (Beacon(DEVICE, N1, 5, b"m" * 32, 1, b"r" * 32), 102, Refusal.ROLLED_BACK),
        (Beacon(DEVICE, N1, 5, b"x" * 32, 2, b"r" * 32), 102, Refusal.CONFLICT),
        (Beacon(DEVICE, N1, 5, b"m" * 32, 2, b"x" * 32), 102, Refusal.CONFLICT),
    ],
)
def test_what_confirms_nothing_is_refused(fresh: Freshness, beacon: Beacon, at_s: float, refusal: Refusal) -> None:
    assert fresh.take(beacon, KNOWN, at_s) is refusal
    assert fresh.age_s(at_s) is None


def test_an_answer_overtaken_by_a_newer_manifest_is_no_rollback(fresh: Freshness) -> None:
    newer = Known(6, b"n" * 32, 2, b"r" * 32, in_step=True, since_s=101.5)
    assert fresh.take(BEACON, newer, 102) is None
    assert fresh.age_s(102) == 1


def test_an_answer_counts_once(fresh: Freshness) -> None:
    fresh.take(BEACON, KNOWN, 102)
    assert fresh.take(BEACON, KNOWN, 103) is Refusal.UNKNOWN_NONCE


def test_a_laxer_mode_waits_for_an_answer_that_was_asked_for_after_it_came(fresh: Freshness) -> None:
    fresh.asked(N2, 110)
    fresh.take(replace(BEACON, nonce=N2, mode=3), KNOWN, 111)
    assert fresh.confirms_mode(3, 109)
    assert not fresh.confirms_mode(3, 110.5)
    assert not fresh.confirms_mode(2, 109), "an old one, replayed"
    fresh.take(replace(BEACON, mode=9), KNOWN, 112)
    assert fresh.confirms_mode(3, 109), "an answer to an earlier question says nothing of later"


def test_only_some_questions_are_remembered(fresh: Freshness) -> None:
    for i in range(16):
        fresh.asked(bytes([i]) * 16, 102)
    assert fresh.take(BEACON, KNOWN, 103) is Refusal.UNKNOWN_NONCE


def test_a_command_is_good_once_for_its_admin_in_time() -> None:
    nonces = CommandNonces()
    nonces.issue(N1, "ann", 100)
    assert nonces.take(N1, "bob", 101) is Refusal.UNKNOWN_NONCE
    assert nonces.take(N1, "ann", 101, retained=True) is Refusal.RETAINED_COMMAND
    assert nonces.take(N1, "ann", 110) is None
    assert nonces.take(N1, "ann", 110) is Refusal.UNKNOWN_NONCE
    nonces.issue(N2, "ann", 100)
    assert nonces.take(N2, "ann", 110.01) is Refusal.EXPIRED
    for i in range(MAX_OUTSTANDING + 1):
        nonces.issue(bytes([i]) * 16, "ann", 200)
    assert nonces.take(bytes(16), "ann", 200) is Refusal.UNKNOWN_NONCE

"""A door in step with its site over a broker: apply, durable, receipt; every refusal counted; every fault harmless."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.oldgallery import make_old
from support.opening import HereOpener
from support.people import person, person_id
from support.sitedoor import Scene
from support.siteowner import NOBODY, Site

from edgeface.adapters.link import ahead, topics
from edgeface.adapters.link import codec as c
from edgeface.adapters.link.memory_broker import MemoryBroker, Misbehaviour
from edgeface.domain.errors import StorageError
from edgeface.domain.messages import Removal, SiteMode
from edgeface.domain.messages_door import CommandOp
from edgeface.domain.roster import ADMIN_ROLES, Party
from edgeface.domain.site_change import SiteChange


@pytest.fixture(params=["as they come", "opened ahead"])
def scene(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """All of it holds just the same where records are opened ahead, as a whole gallery's are."""
    if request.param == "as they come":
        made = Scene(tmp_path)
    else:
        for name, value in (("BULK", 1), ("ENOUGH", 1), ("AT_ONCE", 3)):
            monkeypatch.setattr(ahead, name, value)
        made = Scene(tmp_path, opener=type("Opener", (HereOpener,), {}))
    yield made
    made.door.close()


def enrol(scene: Scene, *numbers: int, seq: int = 1) -> list[str]:
    ids = [scene.site.put(n, seq=seq) for n in numbers]
    scene.site.new_manifest()
    scene.settle()
    return ids


# -- the way of a record -----------------------------------------------------------------------------------------


def test_an_enrolment_reaches_the_door_and_comes_back_as_a_receipt(scene: Scene) -> None:
    ids = enrol(scene, 1, 2, 3)
    assert scene.door.ids() == scene.door.known() == set(ids)
    last = scene.site.receipts[-1]
    assert last.in_step
    assert last.people == 3
    assert last.digest == scene.site.shards.overall()
    assert (last.manifest, last.manifest_hash) == (scene.site.version, scene.site.manifest_hash)
    assert (last.audit_seq, last.model) == (7, "test-1")
    assert scene.door.kinds().count("person_enrolled") == 3
    assert not scene.door.refusals()


def test_a_new_door_becomes_right_by_connecting(scene: Scene) -> None:
    """From the retained shards and the manifest alone: it never saw the log."""
    scene.door.link.close()
    ids = [scene.site.put(n) for n in range(60)]
    scene.site.new_manifest()
    scene.broker._sessions.clear()
    scene.door.again()
    scene.site.link.start()
    scene.site.begin()
    scene.settle(6)
    assert scene.door.ids() == set(ids)
    assert scene.door.in_step


def test_a_change_replaces_the_record_and_an_older_one_is_refused(scene: Scene) -> None:
    (one,) = enrol(scene, 1)
    old = next(raw for topic, raw, _ in scene.site.said if topic.endswith(one))
    enrol(scene, 1, seq=2)
    assert scene.door.store.get(one).seq == 2
    scene.site.say("gallery-log", old, retain=False)
    scene.settle()
    assert scene.door.store.get(one).seq == 2
    assert scene.door.refusals() == {"replayed": 1}


def test_a_removal_counts_before_any_manifest_and_for_good(scene: Scene) -> None:
    one, two = enrol(scene, 1, 2)
    old = next(raw for topic, raw, _ in scene.site.said if topic.endswith(one))
    scene.site.remove(one)
    while scene.site.turn() or scene.door.turn():
        pass
    assert scene.door.known() == scene.door.ids() == {two}
    scene.site.new_manifest()
    scene.settle()
    assert scene.site.receipts[-1].in_step
    scene.site.say("gallery-log", old, retain=False)
    scene.settle()
    assert scene.door.ids() == {two}
    assert scene.door.refusals() == {"removed": 1}
    scene.door.again()
    scene.settle()
    assert scene.door.ids() == {two}
    assert scene.door.in_step


def test_a_revoke_admin_needs_no_agent(scene: Scene) -> None:
    """His tombstone is refused by nobody while the agent is away; the manifest that comes later agrees."""
    one, _ = enrol(scene, 1, 2)
    scene.site.remove(one, by=scene.site.admin)
    scene.settle()
    assert one not in scene.door.ids()
    scene.site.new_manifest()
    scene.settle()
    assert scene.door.in_step


def test_a_door_that_was_away_refuses_at_once_with_the_manifest(scene: Scene) -> None:
    one, two = enrol(scene, 1, 2)
    scene.door.link.close()
    scene.site.remove(one)
    scene.site.new_manifest()
    scene.broker._sessions.pop(scene.door.keys.id)  # the broker kept nothing for it but what is retained
    scene.door.again()
    assert scene.door.gate.gallery() == "waiting"  # nobody gets in before the site has been asked
    scene.settle()
    assert scene.door.ids() == {two}
    assert scene.door.gate.gallery() == "confirmed"


def test_an_erasure_comes_back_with_a_signed_receipt_once(scene: Scene) -> None:
    one, _ = enrol(scene, 1, 2)
    query = "SELECT wrapped_key, sealed FROM person WHERE id = ?"
    wrapped, sealed = scene.door.store._file.db.execute(query, (one,)).fetchone()
    scene.site.remove(one, erased=True)
    scene.site.new_manifest()
    scene.settle(10)
    assert [e.record for e in scene.site.erasures] == [one]
    scene.door.again()
    scene.settle(10)
    assert len(scene.site.erasures) == 1
    raw = b"".join(path.read_bytes() for path in scene.door.folder.glob("gallery.db*"))
    assert wrapped not in raw
    assert sealed[:48] not in raw


def test_an_erasure_has_one_more_receipt_when_the_wrapping_key_is_renewed(scene: Scene) -> None:
    one, two, _ = enrol(scene, 1, 2, 3)
    scene.site.remove(one, erased=True)
    scene.site.new_manifest()
    scene.settle(10)
    assert [(e.record, e.rotated, e.rotated_s) for e in scene.site.erasures] == [(one, False, 0)]
    scene.door.again()  # it is owed over a restart
    destroyed_s = scene.site.erasures[0].destroyed_s
    scene.door.store._utc_s = lambda: destroyed_s + 3600.5
    scene.door.store.renew()
    scene.door.parts.reports.erasures_due()
    scene.settle(10)
    told = scene.site.erasures[1:]
    assert [(e.record, e.destroyed_s, e.rotated, e.rotated_s) for e in told] == [
        (one, destroyed_s, True, destroyed_s + 3600)
    ]
    scene.door.store.renew()
    scene.door.again()
    scene.settle(10)
    assert len(scene.site.erasures) == 2, "and no more"
    scene.site.remove(two, erased=True)
    scene.site.new_manifest()
    scene.settle(10)
    assert [(e.record, e.rotated) for e in scene.site.erasures[2:]] == [(two, False)]


def test_a_renewal_before_the_first_receipt_got_through_makes_one_receipt_of_two(scene: Scene) -> None:
    one, two = enrol(scene, 1, 2)
    scene.site.remove(two)
    scene.site.new_manifest()
    scene.settle(10)
    scene.door.store.renew()
    scene.door.memory.commit(SiteChange(removals=((one, True), (two, True)), at_s=77))
    scene.door.store.renew()
    scene.door.again()
    scene.settle(10)
    told = {(e.record, e.destroyed_s, e.rotated) for e in scene.site.erasures}
    assert told == {(one, 77, True), (two, 77, True)}
    assert len(scene.site.erasures) == 2


def test_a_door_of_before_goes_on_with_the_erasures_that_it_owed(scene: Scene) -> None:
    """Its table of removals knows nothing of wrapping keys yet."""
    one, two = enrol(scene, 1, 2)
    scene.door.memory.commit(SiteChange(removals=((one, True),), at_s=77))
    scene.door.close()
    make_old(scene.door.folder / "gallery.db", scene.door.device_keys)
    scene.door.open()
    assert scene.door.ids() == {two}
    scene.settle(10)
    assert [(e.record, e.rotated) for e in scene.site.erasures] == [(one, False)]
    scene.door.store.renew()
    scene.door.parts.reports.erasures_due()
    scene.settle(10)
    assert [(e.record, e.rotated) for e in scene.site.erasures] == [(one, False), (one, True)]


@pytest.mark.parametrize("seed", range(8))
def test_any_order_loss_and_duplicate_end_in_step(tmp_path: Path, seed: int) -> None:
    broker = MemoryBroker(misbehaviour=Misbehaviour(drop=0.15, duplicate=0.2, reorder=0.3, delay=0.1), seed=seed)
    scene = Scene(tmp_path, broker)
    ids = [scene.site.put(n) for n in range(12)]
    scene.site.new_manifest()
    scene.settle(2)
    scene.site.put(3, seq=2)
    scene.site.remove(ids[5])
    scene.site.new_manifest()
    scene.settle(5)
    broker.release()
    broker.misbehaviour = Misbehaviour(duplicate=0.2, reorder=0.2)
    broker.cut(scene.door.keys.id)
    scene.site.new_manifest()
    scene.settle(30)
    assert scene.door.in_step
    assert scene.door.ids() == set(ids) - {ids[5]}
    assert scene.door.store.get(ids[3]).seq == 2
    scene.door.close()


# -- what is refused -----------------------------------------------------------------------------------------


def test_forgeries_are_refused_counted_and_alarmed(scene: Scene) -> None:
    """Unknown signer, wrong site, altered bytes, nonsense, ten megabytes, a grant for somebody else."""
    ids = enrol(scene, 1)
    site, door = scene.site, scene.door
    signed = site.sign_person(person(7, templates=1), NOBODY)
    by_nobody = c.seal_record(signed, site.epoch, site.id, site.agent, site.version)
    site.say_record(person_id(7), by_nobody)  # the admin is a stranger
    from_nobody = c.seal_record(site.people[ids[0]], site.epoch, site.id, NOBODY, site.version)
    site.say("gallery-log", from_nobody, retain=False)  # the agent is one
    other = Site(None)
    site.say("roster", other.roster_raw)
    altered = bytearray(site.manifest_raw)
    altered[-1] ^= 1
    site.say("manifest", bytes(altered))
    site.say("manifest", b"\x01\xff")
    site.say("mode", b"x" * 5000)
    scene.broker.inject(topics.of_site(site.id, "manifest"), bytes(10 << 20))
    scene.broker.inject(topics.grant(site.id, door.keys.id, 1), b"\x01")
    scene.settle()
    refused = door.refusals()
    assert refused["unknown_signer"] >= 2
    assert refused["wrong_site"] == 1
    assert refused["bad_signature"] == 1
    assert refused["malformed"] >= 2
    assert refused["too_large"] == 1
    assert door.link.status().oversized_in == 1
    assert door.ids() == set(ids)
    assert door.in_step
    assert "message_refused" in door.kinds()
    scene.settle(8)
    assert site.receipts[-1].refused == sum(refused.values())


def test_a_revoked_signer_and_a_lesser_role_are_refused(scene: Scene) -> None:
    bob = c.PartyKeys.generate()
    site = scene.site
    site.admins.append(Party("Bob", bob.ed25519, bob.x25519, (ADMIN_ROLES[3],)))  # audit alone
    site.new_roster()
    (one,) = enrol(scene, 1)
    raw = c.sign(c.REMOVAL, Removal(one, 9), site.id, bob)
    site.publish(topics.removal(site.id, one), raw, retain=True)
    scene.settle()
    assert scene.door.refusals() == {"not_allowed": 1}
    site.admins.pop()
    site.revoked.add(bob.id)
    site.new_roster()
    site.new_manifest()
    site.publish(topics.removal(site.id, one), raw, retain=True)
    scene.settle()
    assert scene.door.refusals()["revoked_signer"] >= 1
    assert scene.door.ids() == {one}


def test_an_old_manifest_and_an_old_roster_roll_nothing_back(scene: Scene) -> None:
    old_roster = scene.site.roster_raw
    enrol(scene, 1)
    old_manifest = scene.site.manifest_raw
    scene.site.new_roster()
    enrol(scene, 2)
    scene.site.say("manifest", old_manifest)
    scene.site.say("roster", old_roster)
    scene.settle()
    assert scene.door.refusals() == {"rolled_back": 2}
    scene.door.again()  # also over a restart
    scene.broker.inject(topics.of_site(scene.site.id, "manifest"), old_manifest)
    scene.settle()
    assert scene.door.refusals()["rolled_back"] >= 1
    assert len(scene.door.ids()) == 2


def test_a_message_that_trips_the_software_does_not_stop_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = scene.door.sync._book
    real = book.take
    monkeypatch.setattr(book, "take", lambda *_: 1 // 0)
    scene.site.put(1)
    scene.site.new_manifest()
    scene.settle(1)
    assert scene.door.refusals()["malformed"] >= 2
    monkeypatch.setattr(book, "take", real)
    scene.site.new_manifest()
    scene.settle()
    assert scene.door.in_step


# -- epochs -----------------------------------------------------------------------------------------


def test_a_new_epoch_turns_the_gallery_and_forgets_the_old_key(scene: Scene) -> None:
    site, door = scene.site, scene.door
    ids = enrol(scene, 1, 2, 3)
    before = door.store._keyring.read(door.store._file.db).rotation.id
    rows = door.store._rows()[1]
    site.rotate()
    site.new_roster()
    for record, signed in site.people.items():  # the records come before the key: held aside
        site.say_record(record, site.record(signed))
    scene.settle()
    assert door.sync.status()["waiting"] >= 3
    site.grant(door.device)
    site.new_manifest()
    scene.settle()
    assert door.in_step
    assert door.sync.status()["epoch"] == 2
    assert door.store._keyring.read(door.store._file.db).rotation.id != before
    assert door.known() == set(ids)
    assert not {r[3] for r in rows} & {r[3] for r in door.store._rows()[1]}
    assert set(door.sync._book.epochs) == {2}
    old = c.seal_record(site.people[ids[0]], c.new_epoch(1), site.id, site.agent, site.version)
    site.say("gallery-log", old, retain=False)
    scene.settle()
    assert door.refusals() == {"wrong_epoch": 1}
    door.again()
    scene.settle()
    assert door.known() == set(ids)
    assert door.in_step


def test_a_door_that_was_removed_lets_nobody_in(scene: Scene) -> None:
    enrol(scene, 1)
    scene.site.remove_device(scene.door.keys.id)
    scene.site.new_roster()
    scene.settle()
    assert scene.door.gate.gallery() == "refused"
    assert "removed_from_site" in scene.door.kinds()


def test_the_roster_names_the_door(scene: Scene) -> None:
    assert scene.door.name == "front"


# -- site mode -----------------------------------------------------------------------------------------


def test_a_lockdown_counts_at_once_and_over_a_restart_and_its_end_waits_for_the_beacon(scene: Scene) -> None:
    site, door = scene.site, scene.door
    scene.settle()
    site.mode(SiteMode.LOCKDOWN)
    door.turn()
    assert door.gate.mode is SiteMode.LOCKDOWN
    scene.settle()
    door.again()
    assert door.gate.mode is SiteMode.LOCKDOWN
    site.answers = False
    site.mode(SiteMode.NORMAL)
    scene.settle()
    assert door.gate.mode is SiteMode.LOCKDOWN  # nobody has said that it stands
    site.answers = True
    scene.settle(25)
    assert door.gate.mode is SiteMode.NORMAL
    assert door.kinds().count("site_mode_changed") == 2
    assert site.receipts[-1].mode == 2


def test_a_free_access_of_last_year_opens_nothing(scene: Scene) -> None:
    """Signed once, withheld, and played to a door that never saw it."""
    old = scene.site.mode(SiteMode.FREE_ACCESS, say=False)
    scene.site.mode(SiteMode.NORMAL)
    scene.broker.retained.clear()
    scene.door.sync._book.site.mode = None
    scene.broker.inject(topics.of_site(scene.site.id, "mode"), old, retain=True)
    scene.settle(30)
    assert scene.door.gate.mode is SiteMode.NORMAL


def test_a_lockdown_that_the_broker_withholds_is_noticed(tmp_path: Path) -> None:
    """Its content isn't known; but that it stands is, and so that this gallery is not what the site says."""
    scene = Scene(tmp_path, refuse=True)
    enrol(scene, 1)
    assert scene.door.gate.gallery() == "confirmed"
    scene.site.mode(SiteMode.LOCKDOWN, say=False)
    scene.settle(60)
    assert scene.door.gate.gallery() == "refused"
    assert "gallery_unconfirmed" in scene.door.kinds()
    scene.site.mode(SiteMode.LOCKDOWN, version=1)
    scene.settle()
    assert scene.door.gate.mode is SiteMode.LOCKDOWN
    assert scene.door.gate.gallery() == "confirmed"
    scene.door.close()


def test_a_door_does_not_stay_open_when_the_end_of_free_access_is_withheld(scene: Scene) -> None:
    enrol(scene, 1)
    scene.site.mode(SiteMode.FREE_ACCESS)
    scene.settle(30)
    assert scene.door.gate.mode is SiteMode.FREE_ACCESS
    ended = scene.site.mode(SiteMode.NORMAL, say=False)
    scene.settle(60)
    assert scene.door.gate.mode is SiteMode.NORMAL
    assert scene.door.gate.gallery() == "unconfirmed"
    scene.door.turn()
    enrol(scene, 2)  # other news of the site doesn't open it again
    assert scene.door.gate.mode is SiteMode.NORMAL
    scene.broker.inject(topics.of_site(scene.site.id, "mode"), ended, retain=True)
    scene.settle(30)
    assert scene.door.gate.mode is SiteMode.NORMAL
    assert scene.door.gate.gallery() == "confirmed"


def test_a_manifest_that_is_withheld_is_noticed_also_where_any_age_will_do(scene: Scene) -> None:
    enrol(scene, 1)
    scene.site.new_manifest(say=False)
    scene.settle(60)
    assert scene.door.gate.gallery() == "unconfirmed"
    assert "gallery_unconfirmed" in scene.door.kinds()


def test_a_removed_door_is_not_open_for_everybody(scene: Scene) -> None:
    enrol(scene, 1)
    scene.site.mode(SiteMode.FREE_ACCESS)
    scene.settle(30)
    assert scene.door.gate.mode is SiteMode.FREE_ACCESS
    scene.site.remove_device(scene.door.keys.id)
    scene.site.new_roster()
    scene.settle()
    assert scene.door.gate.mode is SiteMode.NORMAL
    scene.door.again()
    assert scene.door.gate.mode is SiteMode.NORMAL
    assert scene.door.gate.gallery() == "refused"


# -- freshness -----------------------------------------------------------------------------------------


def test_grants_wait_at_start_for_the_beacon_and_then_go_on_marked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.site.answers = False
    assert scene.door.gate.gallery() == "waiting"
    scene.settle(4.5)
    assert scene.door.gate.gallery() == "waiting"
    scene.settle(1)
    assert scene.door.gate.gallery() == "unconfirmed"
    assert "gallery_unconfirmed" in scene.door.kinds()
    scene.site.answers = True
    scene.site.new_manifest()
    scene.settle(3)
    assert scene.door.gate.gallery() == "confirmed"
    scene.broker.cut(scene.door.keys.id)
    while scene.door.turn():
        pass
    assert scene.door.gate.gallery() == "waiting"  # a reconnect asks again
    scene.settle(1)
    assert scene.door.gate.gallery() == "confirmed"
    scene.door.close()


def test_a_broker_that_withholds_is_noticed_within_the_age_and_the_policy_follows(tmp_path: Path) -> None:
    """The agent answers beacons with a newer manifest that never comes."""
    scene = Scene(tmp_path, max_age_s=60.0, refuse=True)
    enrol(scene, 1)
    assert scene.door.gate.gallery() == "confirmed"
    scene.site.new_manifest(say=False)
    scene.settle(40)
    assert scene.door.gate.gallery() == "confirmed"
    scene.settle(25)
    assert scene.door.gate.gallery() == "refused"
    scene.site.say("manifest", scene.site.manifest_raw)
    scene.settle(20)
    assert scene.door.gate.gallery() == "confirmed"
    scene.door.close()


# -- commands -----------------------------------------------------------------------------------------


def nonce(scene: Scene) -> bytes:
    scene.site.ask(scene.door.keys.id)
    scene.settle(0.5)
    return scene.site.nonces[-1].nonce


def test_a_command_works_once_within_ten_seconds_and_never_retained(scene: Scene) -> None:
    site, door, me = scene.site, scene.door, scene.door.keys.id
    raw = site.command(me, nonce(scene), CommandOp.UNLOCK, 500)
    scene.settle(0.2)
    assert site.replies[-1].done
    assert not door.door.status().locked
    assert "command_run" in door.kinds()
    scene.settle(2)
    site.publish(topics.of_device(site.id, me, "cmd/run"), raw)
    scene.settle(1)
    assert door.refusals() == {"unknown_nonce": 1}
    late = nonce(scene)
    scene.settle(11)
    site.command(me, late, CommandOp.UNLOCK)
    site.command(me, nonce(scene), CommandOp.UNLOCK, retain=True)
    scene.settle(1)
    assert door.refusals()["expired"] == 1
    door.again()  # what a broker retained comes to a new session
    scene.broker._sessions.pop(me)
    door.again()
    scene.settle(1)
    assert door.refusals() == {"retained_command": 1}
    assert door.door.status().locked


def test_this_doors_own_lockdown_survives_a_restart(scene: Scene) -> None:
    scene.site.command(scene.door.keys.id, nonce(scene), CommandOp.LOCKDOWN)
    scene.settle(1)
    assert scene.door.gate.mode is SiteMode.LOCKDOWN
    scene.door.again()
    assert scene.door.gate.mode is SiteMode.LOCKDOWN
    scene.site.command(scene.door.keys.id, nonce(scene), CommandOp.RELEASE)
    scene.settle(1)
    assert scene.door.gate.mode is SiteMode.NORMAL


# -- the disk -----------------------------------------------------------------------------------------


def test_a_full_disk_acknowledges_nothing_and_still_refuses_who_was_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = enrol(scene, 1, 2)
    memory = scene.door.memory
    real = memory.commit

    def full(change: object) -> None:
        raise StorageError("The disk is full.", "Free some.")

    monkeypatch.setattr(memory, "commit", full)
    scene.site.remove(one)
    scene.site.put(3)
    scene.site.new_manifest()
    scene.settle(2)
    assert scene.door.known() == {two}
    assert scene.door.ids() == {one, two}
    assert scene.door.sync.status()["not_stored"]
    receipts = len(scene.site.receipts)
    assert scene.site.receipts[-1].manifest < scene.site.version
    monkeypatch.setattr(memory, "commit", real)
    scene.settle(3)
    assert scene.door.ids() == {two, person_id(3)}
    assert scene.door.in_step
    assert len(scene.site.receipts) > receipts
    assert {"storage_fault", "storage_recovered"} <= set(scene.door.kinds())


def test_a_damaged_record_is_sent_again_by_the_site(scene: Scene) -> None:
    one, _ = enrol(scene, 1, 2)
    db = scene.door.store._file.db
    db.execute("UPDATE person SET sealed = zeroblob(200) WHERE id = ?", (one,))
    scene.door.again()
    assert scene.door.store.damaged()
    scene.settle(6)
    assert not scene.door.store.damaged()
    assert len(scene.door.ids()) == 2


def test_a_broker_that_lost_its_database_gets_the_site_again(scene: Scene) -> None:
    ids = enrol(scene, 1, 2, 3)
    scene.broker.stop(lose_database=True)
    scene.settle(1)
    scene.broker.start()
    scene.site.republish()
    scene.settle()
    assert scene.door.in_step
    scene.site.put(4)
    scene.site.new_manifest()
    scene.settle()
    assert scene.door.ids() == {*ids, person_id(4)}
    assert {"link_lost", "link_restored"} <= set(scene.door.kinds())

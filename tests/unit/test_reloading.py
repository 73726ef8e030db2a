"""New settings for a running door: what they change, what they don't, and that wrong ones change nothing."""

from __future__ import annotations

import threading

import pytest
from support.doorway import RULE, Seen, enrolled
from support.running import Running

from edgeface.app.people import LiveGallery
from edgeface.app.reloading import Reloads, Taker, can_change_live, change_of
from edgeface.app.rules import rules_of
from edgeface.app.settings import Settings
from edgeface.app.settings_help import fields
from edgeface.domain.errors import ConfigError, StorageError
from edgeface.domain.lockout import DoorLockout, FailureRule, SpoofRule, TrackLockout
from edgeface.domain.streak import Cooldown

BEFORE = Settings()
OFFICE = {"name": "office", "windows": [{"days": ["mon"], "from": "08:00", "to": "17:00"}]}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"quality": {"min_sharpness": 0.2}}, "quality.min_sharpness"),
        ({"liveness": {"mode": ["passive", "blink"]}}, "liveness.mode"),
        ({"matching": {"fixed_threshold": 0.6}}, "matching.fixed_threshold"),
        ({"decision": {"cooldown_s": 3}}, "decision.cooldown_s"),
        ({"lockout": {"failures": 2}}, "lockout.failures"),
        ({"schedule": [OFFICE]}, "schedule"),
        ({"time_zone": "Europe/Berlin"}, "time_zone"),
        ({"log": {"level": "debug"}}, "log.level"),
        ({"door": {"pulse_ms": 1000}}, "door.pulse_ms"),
        ({"reader": {"valid_s": 5}}, "reader.valid_s"),
        ({"reader": {"patience_s": 5}}, "reader.patience_s"),
        ({"reader": {"step_up": False}}, "reader.step_up"),
    ],
)
def test_what_is_only_a_rule_changes_live(given: dict, key: str) -> None:
    wanted = Settings(**given)
    change = change_of(BEFORE, wanted)
    assert (change.changed, change.refused) == ((key,), ())
    assert change.settings == wanted


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"camera": {"fps": 15}}, "camera.fps"),
        ({"door": {"pin": 4}}, "door.pin"),
        ({"door": {"max_pulse_ms": 9000}}, "door.max_pulse_ms"),
        ({"audit": {"scores": True}}, "audit.scores"),
        ({"state_dir": "/elsewhere"}, "state_dir"),
        ({"door_name": "back"}, "door_name"),
        ({"reader": {"usb": "/dev/input/by-id/one"}}, "reader.usb"),
        ({"reader": {"usb_reads": "card"}}, "reader.usb_reads"),
    ],
)
def test_what_a_part_was_built_with_is_refused_by_name(given: dict, key: str) -> None:
    change = change_of(BEFORE, Settings(**given, lockout={"failures": 3}))
    assert (change.changed, change.refused) == (("lockout.failures",), (key,))
    assert change.settings == Settings(lockout={"failures": 3})


def test_the_relay_and_what_it_hangs_on_never_change_live() -> None:
    live = {key for key in fields(Settings) if key.startswith("door.") and can_change_live(key)}
    assert live == {"door.pulse_ms", "door.free_schedule", "door.first_person_in"}


def test_what_is_taken_over_must_fit_what_stays() -> None:
    """The longest pulse stays at ten seconds, so a pulse of twelve is none."""
    wanted = Settings(door={"pulse_ms": 12_000, "max_pulse_ms": 15_000})
    with pytest.raises(ConfigError, match="max_pulse_ms"):
        change_of(BEFORE, wanted)


def test_a_lockout_that_runs_goes_on_by_the_old_rule_and_the_next_one_by_the_new() -> None:
    tracks, door, cooldown = (
        TrackLockout(FailureRule(failures=1, first_s=30)),
        DoorLockout(SpoofRule(spoofs=2)),
        Cooldown(10),
    )
    tracks.failed(1, 0.0)
    door.spoofed(0.0)
    cooldown.granted("a", 0.0)
    tracks.change(FailureRule(failures=1, first_s=60))
    door.change(SpoofRule(spoofs=5))
    cooldown.change(2)
    assert tracks.remaining_s(1, 0.0) == 30
    assert tracks.failed(2, 0.0) == 60
    assert [door.spoofed(t) is None for t in (1.0, 2.0, 3.0, 4.0)] == [True, True, True, False]
    cooldown.granted("b", 0.0)
    assert (cooldown.remaining_s("a", 0.0), cooldown.remaining_s("b", 0.0)) == (10, 2)


def test_a_gallery_that_cant_be_read_keeps_threshold_and_people() -> None:
    from dataclasses import replace

    running = Running(enrolled("ada"))
    gallery: LiveGallery = running.parts.gallery
    before = gallery.now

    def broken() -> int:
        raise StorageError("The disk is gone.")

    running.store.version = broken
    with pytest.raises(StorageError):
        gallery.change(replace(RULE, fixed_threshold=0.9))
    assert gallery.now is before


class Door:
    """A running daemon whose settings are `wanted` (a ConfigError: the file is wrong)."""

    def __init__(self, **given) -> None:
        self.running = Running(enrolled("ada"), faces=[Seen("ada")], **given)
        self.wanted: Settings | ConfigError = self.running.settings
        parts, daemon = self.running.parts, self.running.daemon
        daemon.reloads = Reloads(
            parts.settings,
            self._read,
            lambda _: RULE,
            Taker(parts.loop.change, parts.gallery.change, daemon.take_over),
            parts.recorder.record,
            parts.clock,
        )

    def _read(self) -> Settings:
        if isinstance(self.wanted, ConfigError):
            raise self.wanted
        return self.wanted

    def with_change(self, **given) -> Settings:
        values = self.running.settings.model_dump(by_alias=True)
        for table, changed in given.items():
            values[table] = {**values[table], **changed} if isinstance(changed, dict) else changed
        return Settings(**values)


def test_a_longer_pulse_is_in_force_for_the_next_grant() -> None:
    door = Door()

    def script() -> None:
        r = door.running
        r.until(lambda: r.count("door_locked") == 1)
        door.wanted = door.with_change(door={"pulse_ms": 450})
        change = r.daemon.reloads.wait()
        assert change.changed == ("door.pulse_ms",)
        at = r.count("door_unlocked")
        r.until(lambda: r.count("door_unlocked") > at + 1)

    door.running.play(script)
    pulses = [e.pulse_ms for e in door.running.events if e.kind == "door_unlocked"]
    assert pulses[0] == 300
    assert pulses[-1] == 450
    assert [e.changed for e in door.running.events if e.kind == "settings_reloaded"] == ["door.pulse_ms"]


def test_a_stricter_limit_counts_for_a_face_that_stands_there() -> None:
    """Its evidence was gathered by the old limit: it is gathered anew."""
    door = Door(decision={"cooldown_s": 0.0, "freshness_ms": 2000})

    def script() -> None:
        r = door.running
        r.until(lambda: r.count("access_granted") >= 1)
        door.wanted = door.with_change(quality={"min_eye_distance_px": 60})  # ada's eyes are 40 apart
        r.daemon.reloads.wait()
        r.frames_pass(3)
        at = r.count("access_granted")
        r.frames_pass(60)
        assert r.count("access_granted") == at

    door.running.play(script)


def test_wrong_settings_change_nothing_and_are_recorded() -> None:
    door = Door()

    def script() -> None:
        r = door.running
        door.wanted = ConfigError("door.pulse_ms must be a whole number.")
        before = r.parts.loop.rules
        with pytest.raises(ConfigError, match="whole number"):
            r.daemon.reloads.wait()
        r.frames_pass(3)
        assert r.parts.loop.rules is before

    door.running.play(script)
    (refused,) = [e for e in door.running.events if e.kind == "settings_refused"]
    assert "whole number" in refused.detail


def test_two_who_ask_at_once_are_both_answered() -> None:
    door = Door()
    answers: list = []

    def script() -> None:
        threads = [
            threading.Thread(target=lambda: answers.append(door.running.daemon.reloads.wait())) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    door.running.play(script)
    assert len(answers) == 5


def test_free_access_follows_its_schedule_at_once() -> None:
    """And ends as soon as there is none."""
    door = Door()
    asked: list[tuple[int, bool]] = []
    door.running.door.free = lambda for_ms, first: asked.append((for_ms, first))

    def script() -> None:
        r = door.running
        door.wanted = door.with_change(door={"free_schedule": "always", "first_person_in": False})
        r.daemon.reloads.wait()
        r.until(lambda: (30_000, False) in asked)
        door.wanted = door.with_change(door={"free_schedule": ""})
        r.daemon.reloads.wait()
        r.until(lambda: asked[-1][0] == 0)

    door.running.play(script)


def test_rules_of_everything_that_changes_live_can_be_made() -> None:
    assert rules_of(change_of(BEFORE, Settings(schedule=[OFFICE])).settings).timetable is not None

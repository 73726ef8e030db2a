"""Liveness of one track: fused spoof scores, blinks, head turns, challenges, flat motion."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.domain.alignment import head_pose
from edgeface.domain.challenge import Action, Challenge, ChallengeRule, HeadTurn
from edgeface.domain.eyes import Blink, BlinkDetector, eye_lightness
from edgeface.domain.liveness import (
    LivenessRule,
    LivenessState,
    LivenessTracker,
    Mode,
    SpoofEvidence,
    SpoofRule,
    Verdict,
)
from edgeface.domain.planarity import PlanarityCue
from edgeface.domain.types import Landmarks

scores = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def gathered(values: list[float], rule: SpoofRule | None = None, dt: float = 1 / 30) -> SpoofEvidence:
    evidence = SpoofEvidence(rule)
    for k, value in enumerate(values):
        evidence.add(k * dt, value)
    return evidence


class TestSpoofEvidence:
    @given(scores, st.data())
    @settings(max_examples=200, deadline=None)
    def test_a_higher_score_never_lowers_the_fused_one(self, values: list[float], data: st.DataObject) -> None:
        """Monotone in every score."""
        k = data.draw(st.integers(0, len(values) - 1))
        raised = list(values)
        raised[k] = data.draw(st.floats(values[k], 1))
        before, after = gathered(values).fused, gathered(raised).fused
        assert before is not None
        assert after is not None
        assert after >= before - 1e-12

    def test_no_verdict_before_enough_frames(self) -> None:
        """One perfect score is not a person."""
        assert gathered([0.0] * 2).verdict() is Verdict.UNSURE
        assert gathered([0.0] * 3).verdict() is Verdict.LIVE
        assert gathered([1.0] * 3).verdict() is Verdict.ATTACK
        assert SpoofEvidence().fused is None

    def test_a_run_of_attack_frames_is_not_washed_out(self) -> None:
        """Three sure frames of an attack among many kind ones are an attack."""
        assert gathered([0.02] * 10 + [0.97] * 3 + [0.02] * 10).verdict() is Verdict.ATTACK

    def test_a_single_bad_frame_does_not_refuse_a_person(self) -> None:
        """Models err in single frames."""
        assert gathered([0.05] * 5 + [1.0] + [0.05] * 5).verdict() is Verdict.LIVE

    def test_near_the_limit_it_waits(self) -> None:
        """Neither live nor attack while the scores do not say."""
        assert gathered([0.5] * 20).verdict() is Verdict.UNSURE

    def test_an_attack_is_not_forgotten_when_the_scores_turn_kind(self) -> None:
        """Waiting until the model likes the print does not pay within hold_s."""
        evidence = gathered([1.0] * 5)
        for k in range(90):
            evidence.add(1 + k / 30, 0.0)
        assert evidence.verdict() is Verdict.ATTACK

    def test_old_scores_are_no_evidence(self) -> None:
        """After the window without scores there is nothing to go by."""
        evidence = gathered([0.0] * 10)
        evidence.advance(10.0)
        assert evidence.verdict() is Verdict.UNSURE
        assert evidence.frames == 0

    @pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
    def test_a_score_that_is_no_probability_is_refused(self, score: float) -> None:
        """A broken model must not pass for a kind one."""
        with pytest.raises(ValueError):
            SpoofEvidence().add(0.0, score)

    def test_a_rule_without_sense_is_refused(self) -> None:
        """Limits of 0 and 1 would accept or refuse everybody."""
        with pytest.raises(ValueError):
            SpoofRule(limit=1.0)


def eye_signal(t_s: float, blinks: list[tuple[float, float]], base: float, top: float) -> float:
    """Lightness with raised-cosine blinks, given as (middle, width at half height)."""
    rise = 0.0
    for middle, width in blinks:
        x = abs(t_s - middle) / width
        rise = max(rise, 0.5 + 0.5 * math.cos(math.pi * x) if x < 1 else 0.0)
    return base + (top - base) * rise


def found(
    fps: float,
    seconds: float,
    signal: list[tuple[float, float]],
    base: float,
    top: float,
    noise: float,
    seed: int = 0,
    phase: float = 0.0,
) -> list[Blink]:
    rng, detector, out = np.random.default_rng(seed), BlinkDetector(), []
    for k in range(int(seconds * fps)):
        t_s = (k + phase) / fps
        value = eye_signal(t_s, signal, base, top)
        right, left = (max(0.0, value + noise * rng.uniform(-1, 1)) for _ in range(2))
        if (blink := detector.add(t_s, right, left)) is not None:
            out.append(blink)
    return out


class TestBlinks:
    @given(st.floats(15, 60), st.floats(0.15, 0.3), st.floats(0.25, 0.5), st.floats(0, 1), st.integers(0, 99))
    @settings(max_examples=60, deadline=None)
    def test_every_blink_is_found_from_15_to_60_frames_a_second(
        self, fps: float, width: float, base: float, phase: float, seed: int
    ) -> None:
        """Three blinks in six seconds, at any phase of the frames, in sensor noise."""
        signal = [(1.5, width), (3.0, width), (4.6, width)]
        blinks = found(fps, 6.0, signal, base, 0.85, 0.015, seed, phase)
        assert [round(b.shut_s + b.opened_s, 0) / 2 for b in blinks] == pytest.approx([1.5, 3.0, 4.6], abs=0.3)

    @given(st.floats(5, 60), st.floats(0.2, 0.9), st.floats(-0.3, 0.3), st.floats(2.5, 20), st.integers(0, 99))
    @settings(max_examples=60, deadline=None)
    def test_constant_and_slowly_varying_signals_have_no_blink(
        self, fps: float, base: float, swing: float, period: float, seed: int
    ) -> None:
        """Light, pose and focus change slowly."""
        rng, detector = np.random.default_rng(seed), BlinkDetector()
        for k in range(int(10 * fps)):
            value = base + swing * math.sin(2 * math.pi * k / fps / period)
            right, left = value + rng.uniform(-0.015, 0.015, 2)
            assert detector.add(k / fps, right, left) is None

    def test_long_closures_and_winks_are_no_blinks(self) -> None:
        """Shut for a second, or one eye alone."""
        assert found(30, 5, [(2.5, 1.2)], 0.35, 0.85, 0.0) == []
        detector = BlinkDetector()
        assert all(detector.add(k / 30, eye_signal(k / 30, [(2.0, 0.2)], 0.35, 0.9), 0.35) is None for k in range(120))

    def test_a_slow_camera_finds_none_and_says_so(self) -> None:
        """Below 15 frames a second a blink falls between the frames: no verdict rather than a lucky one."""
        detector = BlinkDetector()
        for k in range(60):
            assert detector.add(k / 10, 0.35 if k % 15 else 0.9, 0.35 if k % 15 else 0.9) is None
        assert detector.too_slow
        assert detector.fps == pytest.approx(10)

    def test_a_gap_starts_anew(self) -> None:
        """What could hide anything in between proves nothing."""
        detector = BlinkDetector()
        for k in range(40):
            detector.add(k / 30, 0.35, 0.35)
        assert detector.add(2.0, 0.9, 0.9) is None
        assert detector.add(2.1, 0.35, 0.35) is None

    def test_lightness_tells_open_from_closed_and_cancels_exposure(self) -> None:
        """A dark iris on skin, at two exposures; none where an eye is outside the picture or too small."""
        points = np.zeros((468, 3), np.float32)
        for corner, x in ((33, 60), (133, 100), (362, 140), (263, 180)):
            points[corner, :2] = x, 80
        skin = np.full((160, 240, 3), 180, np.uint8)
        opened = skin.copy()
        for x in (80, 160):
            opened[70:84, x - 9 : x + 9] = 40
        mesh = Landmarks(points, 1.0)
        assert eye_lightness(skin, mesh) == pytest.approx((1.0, 1.0))
        light = eye_lightness(opened, mesh)
        assert light == pytest.approx((40 / 180, 40 / 180), abs=0.02)
        assert eye_lightness(opened // 2, mesh) == pytest.approx(light, abs=0.02)
        assert eye_lightness(opened[:, :150], mesh) is None
        assert eye_lightness(opened, Landmarks(points * 0.1, 1.0)) is None
        assert eye_lightness(opened, Landmarks(points * np.float32(np.nan), 1.0)) is None


def yaws(
    start_s: float, side: int, fps: float = 30, peak: float = 35, seconds: float = 4.0
) -> list[tuple[float, float]]:
    """Frontal, a turn of 1.2 s beginning at `start_s`, frontal."""
    out = []
    for k in range(int(seconds * fps)):
        x = (k / fps - start_s) / 1.2
        out.append((k / fps, side * peak * math.sin(math.pi * x) if 0 < x < 1 else 0.0))
    return out


class TestTurns:
    @pytest.mark.parametrize("fps", [8, 15, 30, 60])
    @pytest.mark.parametrize("side", [-1, 1])
    def test_a_turn_and_back_is_done(self, fps: int, side: int) -> None:
        """To the asked side only, and only once it is back."""
        turn, other = HeadTurn(side), HeadTurn(-side)
        done = [turn.add(t, y) for t, y in yaws(1.0, side, fps)]
        assert done[-1]
        assert not done[int(1.6 * fps)]
        assert not any(other.add(t, y) for t, y in yaws(1.0, side, fps))

    def test_two_pictures_swapped_are_no_turn(self) -> None:
        """A head can't jump."""
        turn = HeadTurn(1)
        values = [0.0] * 15 + [35.0] * 15 + [0.0] * 30
        assert not any(turn.add(k / 30, y) for k, y in enumerate(values))

    def test_a_head_turned_before_is_no_turn(self) -> None:
        """It must look at the camera first."""
        turn = HeadTurn(1)
        assert not any(turn.add(k / 30, max(0.0, 35.0 - k)) for k in range(60))

    def test_a_side_is_one_of_two(self) -> None:
        """Sign of the yaw."""
        with pytest.raises(ValueError):
            HeadTurn(0)


class TestChallenge:
    @given(
        st.lists(st.tuples(st.floats(0.01, 0.2), st.floats(-60, 60), st.booleans()), max_size=60),
        st.sampled_from(list(Action)),
        st.floats(0, 5),
    )
    @settings(max_examples=150, deadline=None)
    def test_nothing_before_the_asking_counts(
        self, frames: list[tuple[float, float, bool]], action: Action, after_s: float
    ) -> None:
        """Whatever moved before, and whatever began before and ends after: not done."""
        end = sum(dt for dt, _, _ in frames)
        challenge, t_s = Challenge(action, issued_s=end + after_s), 0.0
        for dt, yaw, blinked in frames:
            t_s += dt
            challenge.update(t_s, yaw, Blink(t_s - 0.2, t_s - 0.1, t_s) if blinked else None)
        late = challenge.issued_s + 0.3
        challenge.update(late, 40.0, Blink(challenge.issued_s - 0.1, challenge.issued_s + 0.1, late))
        challenge.update(late + 0.1, 0.0, None)
        assert not challenge.done

    def test_a_blink_after_the_asking_counts_within_the_time(self) -> None:
        """In time it is done; late it has expired, for good."""
        asked = Challenge(Action.BLINK, 10.0)
        assert asked.prompt == "Please blink."
        asked.update(11.0, None, Blink(10.7, 10.8, 10.95))
        assert asked.done
        assert asked.prompt is None
        late = Challenge(Action.BLINK, 10.0, ChallengeRule(timeout_s=2.0))
        late.update(12.5, None, Blink(12.1, 12.2, 12.4))
        assert late.expired
        late.update(11.0, None, Blink(10.7, 10.8, 10.95))
        assert not late.done

    def test_left_is_the_persons_own(self) -> None:
        """alignment.Pose: yaw above 0 turns to the person's own left."""
        left, right = Challenge(Action.TURN_LEFT, 0.0), Challenge(Action.TURN_RIGHT, 0.0)
        for t, y in yaws(1.0, +1):
            left.update(t, y, None)
            right.update(t, y, None)
        assert left.done
        assert not right.done

    def test_the_choice_is_the_generators(self) -> None:
        """The same seed asks the same; over seeds everything is asked."""
        picks = [Challenge.choose(list(Action), 0.0, random.Random(seed)).action for seed in range(40)]
        assert picks == [Challenge.choose(list(Action), 0.0, random.Random(seed)).action for seed in range(40)]
        assert set(picks) == set(Action)


def head(yaw_deg: float, flat: bool) -> Landmarks:
    """A head (half an ellipsoid) turned by `yaw_deg`, or a picture of its frontal view turned so; perspective."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-0.8, 0.8, (2, 468))
    z = -np.sqrt(np.clip(2.0 - x**2 - y**2, 0, None))
    points = np.column_stack((x, y, np.zeros(468) if flat else z))
    a = math.radians(yaw_deg)
    points = points @ np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]]).T
    depth = 8 + points[:, 2]
    shown = np.column_stack((points[:, 0] / depth, points[:, 1] / depth, points[:, 2] / 8)) * 600
    return Landmarks((shown + np.array([320, 240, 0])).astype(np.float32), 1.0)


class TestPlanarity:
    def test_a_picture_moves_as_a_plane_and_a_head_does_not(self) -> None:
        """Both swing by 20 degrees."""
        values = {}
        for flat in (True, False):
            cue = PlanarityCue()
            for k in range(90):
                cue.add(k / 30, head(20 * math.sin(k / 8), flat))
            values[flat] = cue.value
        assert values[True] is not None
        assert values[False] is not None
        assert values[True] < 0.1
        assert values[False] > values[True] + 0.2

    def test_without_telling_motion_it_says_nothing(self) -> None:
        """Standing still, moving sideways, coming nearer, tilting; and landmarks that are no numbers."""
        cue, still = PlanarityCue(), head(0, False).points
        for k in range(90):
            a, s = 0.2 * math.sin(k / 10), 1 + k / 90
            turn = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]], np.float32)
            cue.add(k / 30, Landmarks((still @ turn.T * np.float32(s) + np.float32(k)).astype(np.float32), 1.0))
            cue.add(k / 30 + 0.01, Landmarks(still * np.float32(np.nan), 1.0))
        assert cue.value is None


# FaceMesh vertices that the pose rests on, on a unit head: x to the person's left, y down, z away from the camera
POSE_POINTS = {
    **dict.fromkeys((234, 127, 33, 133), (-0.8, 0.0, -0.2)),
    **dict.fromkeys((454, 356, 263, 362), (0.8, 0.0, -0.2)),
    **dict.fromkeys((10, 151), (0.0, -1.0, -0.2)),
    **dict.fromkeys((152, 175), (0.0, 1.0, -0.2)),
}


def mesh_turned(yaw_deg: float) -> Landmarks:
    """Landmarks of a head that is turned by `yaw_deg`, to its own left where that is positive."""
    points = np.zeros((468, 3))
    for index, place in POSE_POINTS.items():
        points[index] = place
    a = math.radians(yaw_deg)
    turned = points @ np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]]).T
    mesh = Landmarks((turned * 60 + np.array([320, 240, 0])).astype(np.float32), 1.0)
    assert head_pose(mesh).yaw_deg == pytest.approx(yaw_deg, abs=3.0)
    return mesh


def lasting(
    tracker: LivenessTracker, seconds: float, fps: float, start_s: float = 0.0, score: float = 0.05
) -> LivenessState:
    states = [tracker.update(start_s + k / fps, score, None, fps) for k in range(int(seconds * fps))]
    return states[-1]


class TestTracker:
    def test_passive_alone_asks_for_nothing(self) -> None:
        """Scores decide."""
        state = lasting(LivenessTracker(LivenessRule(), random.Random(1)), 0.5, 30)
        assert state.satisfied
        assert state.action_prompt is None
        assert lasting(LivenessTracker(LivenessRule(), random.Random(1)), 0.5, 30, score=0.95).passive is Verdict.ATTACK

    def test_a_flat_face_is_never_called_live(self) -> None:
        """Even where the spoof model likes it; a head with the same scores is live."""
        for flat, expected in ((True, Verdict.UNSURE), (False, Verdict.LIVE)):
            tracker = LivenessTracker(LivenessRule(), random.Random(1))
            for k in range(90):
                state = tracker.update(k / 30, 0.05, head(20 * math.sin(k / 8), flat), 30)
            assert state.passive is expected

    def test_every_required_mode_must_be_shown(self) -> None:
        """Passive is live, the challenge is not done; it expires, and asking again draws a new one."""
        rule = LivenessRule(frozenset({Mode.PASSIVE, Mode.CHALLENGE}))
        tracker = LivenessTracker(rule, random.Random(2))
        state = lasting(tracker, 1.0, 30)
        assert state.passive is Verdict.LIVE
        assert not state.satisfied
        assert state.action_prompt
        state = lasting(tracker, 8.0, 30, start_s=1.0)
        assert state.action_expired
        assert state.action_prompt is None
        tracker.ask_again(9.0)
        state = lasting(tracker, 0.5, 30, start_s=9.0)
        assert not state.action_expired
        assert state.action_prompt

    def test_a_slow_camera_makes_blinks_unavailable_and_says_so(self) -> None:
        """The sentence has the rate; a challenge then asks for turns alone."""
        state = lasting(LivenessTracker(LivenessRule(frozenset({Mode.BLINK})), random.Random(1)), 1.0, 8)
        assert state.unavailable is not None
        assert "8.0" in state.unavailable
        assert not state.satisfied
        rule = LivenessRule(frozenset({Mode.CHALLENGE}))
        prompts = {lasting(LivenessTracker(rule, random.Random(s)), 0.5, 8).action_prompt for s in range(20)}
        assert len(prompts) == 2
        assert not any("blink" in p for p in prompts)

    def test_a_turn_that_was_asked_for_satisfies_until_it_lapses(self) -> None:
        """End to end on landmarks: the turn is seen, counts, and is asked for again after action_valid_s."""
        rule = LivenessRule(frozenset({Mode.CHALLENGE}), action_valid_s=3.0, planar_limit=None)
        prompts = {s: LivenessTracker(rule, random.Random(s)).update(0, None, None).action_prompt for s in range(50)}
        seed = next(s for s, prompt in prompts.items() if "your left" in (prompt or ""))
        for side, expected in ((+1, True), (-1, False)):
            tracker = LivenessTracker(rule, random.Random(seed))
            for t, y in yaws(1.0, side):
                state = tracker.update(t, None, mesh_turned(y), 30)
            assert state.action_done is expected
        tracker = LivenessTracker(rule, random.Random(seed))
        for t, y in yaws(1.0, +1, seconds=7.0):
            state = tracker.update(t, None, mesh_turned(y), 30)
        assert not state.action_done
        assert state.action_prompt

    def test_no_mode_at_all_is_refused(self) -> None:
        """Not being asked is not a way past."""
        with pytest.raises(ValueError):
            LivenessRule(frozenset())

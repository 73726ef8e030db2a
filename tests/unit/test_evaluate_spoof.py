from __future__ import annotations

import json

import pytest
from support import fake_vision
from support.fake_vision import picture, read, write

from edgeface.adapters.camera.recorded import Fault, FaultKind, RecordedCamera
from edgeface.app.evaluate.spoof import Outcome, evaluate_spoof, judge_clip, judge_image
from edgeface.domain.errors import SourceError
from edgeface.domain.liveness import SpoofRule
from edgeface.domain.stats import clopper_pearson

RULE = SpoofRule()


def clip(*scores, faults=()):
    """A recording of one frame for each score; None is a frame without a face."""
    frames = [picture(spoof=s) if s is not None else picture(faces=0) for s in scores]
    return RecordedCamera(frames, fps=15, faults=faults)


def test_the_report_has_the_commands_keys_and_counts(tmp_path):
    live, attack = tmp_path / "live", tmp_path / "attack"
    for i in range(4):
        write(live / "a" / f"{i}.jpg", picture(spoof=5))
    write(live / "refused.png", picture(spoof=90))
    write(live / "empty.jpg", picture(faces=0))
    write(attack / "print" / "far" / "1.jpg", picture(spoof=95))
    write(attack / "print" / "2.jpg", picture(spoof=10))
    write(attack / "screen" / "1.mp4", picture())
    write(attack / "loose.jpg", picture(faces=0))
    (attack / "print" / "broken.jpg").write_bytes(b"cut")
    clips = {"1.mp4": clip(95, 95, 95, 95)}
    seen = []
    report = evaluate_spoof(
        fake_vision.models(), live, attack, read=read, open_clip=lambda p: clips[p.name], rule=RULE,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    out = json.loads(json.dumps(report.to_dict()))
    assert list(out) == ["limit", "model", "live", "attack"]
    assert out["limit"] == RULE.limit
    assert out["model"] == "fake-spoof"
    low, high = clopper_pearson(2, 6)
    assert out["live"] == {"count": 6, "undetected": 1, "bpcer": {"value": 2 / 6, "low": low, "high": high}}
    assert (out["attack"]["count"], out["attack"]["undetected"]) == (5, 2)
    assert out["attack"]["apcer"]["value"] == pytest.approx(1 / 5)
    folders = out["attack"]["by_folder"]
    assert {name: (f["count"], f["apcer"]["value"]) for name, f in folders.items()} == {
        ".": (1, 0.0), "print": (3, pytest.approx(1 / 3)), "screen": (1, 0.0)
    }  # fmt: skip
    assert [u.path.name for u in report.unreadable] == ["broken.jpg"]
    assert seen[-1] == (11, 11)


@pytest.mark.parametrize(("score", "outcome"), [(49, Outcome.LIVE), (50, Outcome.REFUSED), (100, Outcome.REFUSED)])
def test_an_image_is_judged_at_the_limit(score, outcome):
    assert judge_image(fake_vision.models(), picture(spoof=score), RULE) is outcome


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ((5, 5, 5, 5), Outcome.LIVE),
        ((95, 95, 95), Outcome.REFUSED),
        ((None, None, 5, 5, 5), Outcome.LIVE),
        ((5, 5), Outcome.REFUSED),  # fewer frames than the door wants: it stays locked
        ((50, 50, 50, 50), Outcome.REFUSED),  # undecided to the end
        ((95, 95, 95, *[5] * 60), Outcome.REFUSED),  # the first decision stands
        ((None, None), Outcome.UNDETECTED),
    ],
)
def test_a_clip_is_one_decision_by_the_doors_evidence(scores, outcome):
    assert judge_clip(fake_vision.models(), clip(*scores), RULE) is outcome


def test_a_truncated_clip_is_judged_by_what_there_is():
    broken = clip(50, 50, 5, 5, 5, 5, faults=[Fault(2, FaultKind.VANISH)])
    assert judge_clip(fake_vision.models(), broken, RULE) is Outcome.REFUSED


def test_a_clip_that_cannot_be_opened_is_named_and_counted_as_undetected(tmp_path):
    write(tmp_path / "live" / "x.mp4", picture())
    write(tmp_path / "attack" / "y.jpg", picture(spoof=99))

    class Unreadable(RecordedCamera):
        def open(self):
            raise SourceError("The clip is no video.", "Give another.")

    report = evaluate_spoof(
        fake_vision.models(), tmp_path / "live", tmp_path / "attack", read=read,
        open_clip=lambda _: Unreadable([]), rule=RULE,
    )  # fmt: skip
    assert (report.live.count, report.live.undetected) == (1, 1)
    assert report.unreadable[0].sentence == "The clip is no video."
    assert report.to_dict()["live"]["bpcer"]["value"] == 1.0


def test_a_clip_is_closed_and_read_no_further_than_its_decision():
    camera = clip(*[5] * 500)
    judge_clip(fake_vision.models(), camera, RULE)
    assert camera.closes == 1
    assert camera._position < 20


def test_a_folder_without_pictures_is_refused(tmp_path):
    write(tmp_path / "live" / "x.jpg", picture())
    (tmp_path / "attack").mkdir()
    with pytest.raises(SourceError, match="no images and no clips"):
        evaluate_spoof(
            fake_vision.models(), tmp_path / "live", tmp_path / "attack", read=read, open_clip=clip, rule=RULE
        )

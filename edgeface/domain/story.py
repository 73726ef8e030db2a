"""What a recording of people should bring about at the door: a scene file says it, the demo's judge asks it."""

from __future__ import annotations

from dataclasses import dataclass

ADMIN = ("enrol", "revoke")
# The values of types.QualityIssue (a test compares them), without what that module loads: a scene is read in no time.
HINTS = (
    "too_far",
    "too_close",
    "cut_off",
    "look_at_camera",
    "hold_still",
    "too_dark",
    "too_bright",
    "face_covered",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """One act: the event `expect` must come within [start_s, end_s), or one of `accept`; "nothing": no decision at all.
    `also` must come besides; `hint` is a quality issue that the person must be told meanwhile, which shows that he was
    seen at all. `person` is a name in a scene and the record's id at the door, empty for anybody;
    `reason` is empty for any. `admin`: what an admin does about that person as the act begins. Times are seconds from
    the first frame."""

    name: str
    start_s: float
    end_s: float
    expect: str
    person: str = ""
    reason: str = ""
    accept: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    hint: str = ""
    admin: str = ""

"""What can be set: one frozen model for each table of the file. Every field says what it does, in which unit and
between which bounds; defaults are those of a door that somebody has just put up. Reading is settings.py's business."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edgeface.domain.door import LONGEST_PULSE_MS
from edgeface.domain.errors import ConfigError
from edgeface.domain.quality import QualityLimits
from edgeface.domain.schedule import ALWAYS, NEVER, Window


def setting(default: Any, description: str, unit: str = "", **bounds: Any) -> Any:
    """A field with its description; `unit` is for people, `bounds` are pydantic's ge, gt, le, lt."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


def _split(value: object) -> object:
    """`a, b` from the environment is a list too."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _no_bool(value: object) -> object:
    """TOML's true is no number, though Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def no_empty(value: object) -> object:
    """An empty variable in the environment means: unset."""
    return None if value == "" else value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool)]
OptionalPath = Annotated[Path | None, BeforeValidator(no_empty)]
LivenessMode = Literal["passive", "blink", "challenge"]
Group = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, validate_default=True)


class Camera(BaseModel):
    model_config = Group
    source: str = setting(
        "auto", "Which camera: auto, v4l2:NAME, /dev/videoN, picamera, rtsp://…, gst:PIPELINE, or replay:PATH.",
        min_length=1,
    )  # fmt: skip
    width: Whole = setting(640, "Width of the picture.", "pixels", ge=160, le=3840)
    height: Whole = setting(480, "Height of the picture.", "pixels", ge=120, le=2160)
    fps: Number = setting(30.0, "Pictures to ask the camera for; blink needs 15 at least.", "1/s", ge=1, le=120)
    exposure: Literal["auto"] | Number = setting("auto", "Exposure time, or auto.", "ms")
    stall_s: Number = setting(2.0, "Without a picture for this long the camera counts as stalled.", "s", ge=0.5, le=60)
    loop: bool = setting(False, "A recording begins again at its end.")
    seed: Annotated[Whole | None, BeforeValidator(no_empty)] = setting(
        None, "Seed of a scene's noise; unset: the scene's own.", ge=0
    )

    @model_validator(mode="after")
    def _exposure_is_positive(self) -> Camera:
        if not isinstance(self.exposure, str) and not 0 < self.exposure <= 1000:
            raise ValueError(f"camera.exposure must be auto, or above 0 and at most 1000 ms, not {self.exposure:g}")
        return self


class Vision(BaseModel):
    model_config = Group
    detector: Literal["short", "full"] = setting("short", "BlazeFace for faces up to 2 m away (short), or 5 m (full).")
    threads: Whole = setting(1, "Threads of the model runtime.", ge=1, le=16)
    min_face_score: Number = setting(0.5, "Detections below this are no faces.", "probability", gt=0, lt=1)


_LIMITS = QualityLimits()


class Quality(BaseModel):
    """Mirrors domain/quality.py, defaults too."""

    model_config = Group
    min_eye_distance_px: Number = setting(
        _LIMITS.min_eye_distance_px, "A face with eyes closer together is too far away.", "pixels", ge=8
    )
    max_face_share: Number = setting(
        _LIMITS.max_face_share, "A face larger than this share of the picture is too close.", gt=0, le=1
    )
    max_outside_share: Number = setting(
        _LIMITS.max_outside_share, "Share of the face that may lie beyond the picture.", ge=0, lt=1
    )
    max_yaw_deg: Number = setting(
        _LIMITS.max_yaw_deg, "How far the head may be turned to a side.", "degrees", gt=0, le=90
    )
    max_pitch_deg: Number = setting(
        _LIMITS.max_pitch_deg, "How far the head may be raised or lowered.", "degrees", gt=0, le=90
    )
    max_roll_deg: Number = setting(_LIMITS.max_roll_deg, "How far the head may be tilted.", "degrees", gt=0, le=180)
    pose_slack: Number = setting(
        _LIMITS.pose_slack, "The three angles grow by this factor where there are no landmarks.", ge=1, le=2
    )
    min_sharpness: Number = setting(
        _LIMITS.min_sharpness, "Below this the face is blurred.", "share of detail", ge=0, le=1
    )
    min_luminance: Number = setting(_LIMITS.min_luminance, "A darker face is too dark.", "grey level", ge=0, le=255)
    max_luminance: Number = setting(_LIMITS.max_luminance, "A brighter face is too bright.", "grey level", ge=0, le=255)
    min_contrast: Number = setting(_LIMITS.min_contrast, "Least contrast over the face.", "grey level", ge=0, le=255)
    max_clipped_share: Number = setting(
        _LIMITS.max_clipped_share, "Share of the face that may be burnt out.", ge=0, le=1
    )
    min_detector_score: Number = setting(
        _LIMITS.min_detector_score, "A face that the detector doubts is not recognised.", ge=0, lt=1
    )
    min_presence: Number = setting(
        _LIMITS.min_presence, "Below this a face counts as covered.", "probability", ge=0, lt=1
    )

    @model_validator(mode="after")
    def _dark_below_bright(self) -> Quality:
        if self.min_luminance >= self.max_luminance:
            raise ValueError("quality.min_luminance must be below quality.max_luminance")
        return self


class Liveness(BaseModel):
    model_config = Group
    mode: Annotated[tuple[LivenessMode, ...], BeforeValidator(_split)] = setting(
        ("passive",), "What proves a living person; several: all of them.", min_length=1
    )
    spoof_limit: Number = setting(0.5, "At and above this fused score it is an attack.", "probability", gt=0, lt=1)
    min_frames: Whole = setting(3, "Pictures before the spoof score counts.", ge=1, le=30)
    window_s: Number = setting(2.0, "Spoof scores older than this do not count.", "s", ge=0.2, le=10)
    challenge_timeout_s: Number = setting(
        6.0, "Time to show the blink or head turn that was asked for.", "s", ge=2, le=60
    )
    action_valid_s: Number = setting(15.0, "A blink or head turn counts for this long.", "s", ge=1, le=300)


class Matching(BaseModel):
    model_config = Group
    max_false_accepts_per_year: Number = setting(
        1.0, "Strangers let in that you accept; the threshold follows from it.", "1/year", gt=0, le=10_000
    )
    stranger_attempts_per_day: Number = setting(
        20.0, "People not enrolled who stand before the door.", "1/day", gt=0, le=100_000
    )
    min_margin: Number = setting(0.05, "Least distance to the second-best person.", "cosine", ge=0, le=1)
    fixed_threshold: Annotated[Number | None, BeforeValidator(no_empty)] = setting(
        None, "A threshold of your own instead of the budget's; the false accepts are then yours.", "cosine", gt=0, lt=1
    )


class Decision(BaseModel):
    model_config = Group
    agree_frames: Whole = setting(
        3, "So many of the last window_frames pictures must name the same person.", ge=1, le=30
    )
    window_frames: Whole = setting(
        5, "Pictures that a decision looks back on; agree_frames are more than half of them.", ge=1, le=59
    )
    freshness_ms: Whole = setting(
        250, "The face must have been in view within this before a grant.", "ms", ge=50, le=2000
    )
    cooldown_s: Number = setting(10.0, "The same person is granted once in this time.", "s", ge=0, le=3600)
    attempt_timeout_s: Number = setting(
        3.0, "A poor picture or a doubt for this long ends the attempt.", "s", ge=1, le=60
    )
    idle_fps: Number = setting(5.0, "How often a door with nobody before it looks for a face.", "1/s", ge=1, le=30)
    motion_wake: bool = setting(True, "An idle door wakes at once when something moves.")

    @model_validator(mode="after")
    def _one_winner(self) -> Decision:
        if not self.agree_frames <= self.window_frames < 2 * self.agree_frames:
            raise ValueError(
                f"decision.agree_frames ({self.agree_frames}) must be more than half of decision.window_frames "
                f"({self.window_frames}) and no more than all of it"
            )
        return self


class Lockout(BaseModel):
    model_config = Group
    failures: Whole = setting(5, "Failed matches of one face before it is locked out.", ge=1, le=100)
    first_s: Number = setting(
        30.0, "First lockout of a face; it doubles with each further failure.", "s", ge=1, le=3600
    )
    max_s: Number = setting(3600.0, "Longest lockout of a face.", "s", ge=1, le=86_400)
    spoofs: Whole = setting(3, "Spoofs within spoof_window_s before the door is locked for everybody.", ge=1, le=100)
    spoof_window_s: Number = setting(60.0, "Time in which spoofs are counted.", "s", ge=1, le=3600)
    spoof_first_s: Number = setting(30.0, "First lockout of the door; it doubles.", "s", ge=1, le=300)
    spoof_max_s: Number = setting(
        300.0, "Longest lockout of the door: strangers must not lock it for good.", "s", ge=1, le=300
    )

    @model_validator(mode="after")
    def _first_is_not_longest(self) -> Lockout:
        for first, longest in (("first_s", "max_s"), ("spoof_first_s", "spoof_max_s")):
            if getattr(self, first) > getattr(self, longest):
                raise ValueError(f"lockout.{first} must not be above lockout.{longest}")
        return self


class Door(BaseModel):
    model_config = Group
    driver: Literal["gpiozero", "gpiochip", "simboard", "recording"] = setting(
        "gpiozero", "What moves the relay: gpiozero on a Pi; gpiochip on a Jetson and others; simboard, a simulated "
        "board; recording for a dry run: no relay moves.",
    )  # fmt: skip
    pin: Whole = setting(17, "GPIO (BCM) number of the relay, or the line's offset with gpiochip.", ge=0, le=1023)
    chip: str = setting("", "GPIO chip as /dev/gpiochipN; empty: the driver's own choice.")
    active_high: bool = setting(True, "The relay board pulls in on a high level.")
    pulse_ms: Whole = setting(3000, "How long a grant holds the door open.", "ms", ge=100, le=LONGEST_PULSE_MS)
    max_pulse_ms: Whole = setting(
        10_000, "Longest pulse that the door process allows anybody.", "ms", ge=100, le=LONGEST_PULSE_MS
    )
    socket: OptionalPath = setting(None, "Socket of the door process; unset: door.sock in run_dir.")
    board_socket: OptionalPath = setting(None, "Socket of the simulated board; unset: board.sock in run_dir.")
    start_process: bool | Literal["auto"] = setting(
        "auto", "Whether `edgeface run` starts the door process itself; auto: yes, except under systemd."
    )

    @model_validator(mode="after")
    def _pulse_within_cap(self) -> Door:
        if self.pulse_ms > self.max_pulse_ms:
            raise ValueError(
                f"door.pulse_ms ({self.pulse_ms}) must not be above door.max_pulse_ms ({self.max_pulse_ms})"
            )
        return self


class Gallery(BaseModel):
    model_config = Group
    path: OptionalPath = setting(None, "The encrypted gallery; unset: gallery.db in state_dir.")
    key_file: OptionalPath = setting(
        None, "The device's key, mode 0600; unset: device.key in state_dir. A systemd credential goes before it."
    )


class Audit(BaseModel):
    model_config = Group
    folder: OptionalPath = setting(None, "Where the audit log is kept; unset: audit in state_dir.")
    reserve_mb: Whole = setting(16, "Disk kept free for the log alone.", "MiB", ge=1, le=1024)
    max_mb: Whole = setting(256, "Beyond this size the oldest parts go.", "MiB", ge=4, le=65_536)
    scores: bool = setting(False, "Write match scores into the log; fifty to two hundred of them recover a template.")

    @model_validator(mode="after")
    def _reserve_within_size(self) -> Audit:
        if self.reserve_mb >= self.max_mb:
            raise ValueError("audit.reserve_mb must be below audit.max_mb")
        return self


class Control(BaseModel):
    model_config = Group
    socket: OptionalPath = setting(None, "Socket of the running daemon; unset: control.sock in run_dir.")
    group: str = setting("", "Unix group that may use the control socket; empty: the daemon's own user and root.")


class Log(BaseModel):
    model_config = Group
    format: Literal["auto", "json", "console"] = setting("auto", "auto: json unless on a terminal.")
    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least important messages that are logged."
    )


class ScheduleWindow(BaseModel):
    model_config = Group
    days: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(description="Weekdays, mon to sun.", min_length=1)
    begins: str = Field(alias="from", description="Local time of day from which it is open, as 08:00.")
    ends: str = Field(alias="to", description="Local time of day until which; at or before from: the next day.")

    @model_validator(mode="after")
    def _parses(self) -> ScheduleWindow:
        try:
            Window.parse(self.days, self.begins, self.ends)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


class Schedule(BaseModel):
    model_config = Group
    name: str = Field(description="What gallery records call it.", min_length=1, max_length=64)
    windows: tuple[ScheduleWindow, ...] = Field((), description="When it is open; none: never.")
    holidays: tuple[datetime.date, ...] = Field((), description="Dates on which it is closed all day.")

    @model_validator(mode="after")
    def _name_is_free(self) -> Schedule:
        if self.name in (ALWAYS, NEVER) or not re.fullmatch(r"[\w .-]+", self.name):
            raise ValueError(f"the schedule name {self.name!r} can't be used: {ALWAYS} and {NEVER} are built in, and "
                             "names have letters, digits, spaces, dots, dashes")  # fmt: skip
        return self

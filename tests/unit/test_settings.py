"""The settings: one file, the environment above it, checked whole; a sentence for whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeface.app import paths, settings_help
from edgeface.app.settings import Settings, load_settings, read_settings
from edgeface.domain.errors import ConfigError
from edgeface.domain.quality import QualityLimits

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        file = tmp_path / "edgeface.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return to_file


def refusal(file: Path | None, environ: dict[str, str] | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(file, overrides, environ or {})
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_later_sources_win_and_each_value_says_where_it_is_from(write: Write) -> None:
    file = write("door_name = 'back'\n\n[door]\npulse_ms = 2000\npin = 5\nchip = 'a'\n")
    loaded = read_settings(
        file, {"door.chip": "c"}, {"EDGEFACE_DOOR__PIN": "6", "EDGEFACE_DOOR__CHIP": "b", "OTHER": "1"}
    )
    door = loaded.settings.door
    assert (loaded.settings.door_name, door.pulse_ms, door.pin, door.chip) == ("back", 2000, 6, "c")
    assert loaded.origin("door_name") == "edgeface.toml, line 1"
    assert loaded.origin("door.pulse_ms") == "edgeface.toml, line 4"
    assert loaded.origin("door.pin") == "$EDGEFACE_DOOR__PIN"
    assert loaded.origin("door.chip") == "command line"
    assert loaded.origin("door.active_high") == "default"


def test_a_variable_can_name_the_file_and_an_argument_goes_before_it(write: Write, tmp_path: Path) -> None:
    file = write("site = 'a'")
    other = tmp_path / "other.toml"
    other.write_text("site = 'b'", encoding="utf-8")
    assert load_settings(None, environ={"EDGEFACE_CONFIG": str(file)}).site == "a"
    assert load_settings(other, environ={"EDGEFACE_CONFIG": str(file)}).site == "b"


def test_settings_are_frozen_and_read_nothing_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFACE_SITE", "elsewhere")
    settings = Settings()
    assert settings.site == "site"
    with pytest.raises(ValidationError):
        settings.site = "b"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.door.pin = 3  # type: ignore[misc]


def test_lists_and_tables_can_stand_in_the_environment() -> None:
    schedule = '[{"name": "office", "windows": [{"days": "mon, tue", "from": "08:00", "to": "18:00"}]}]'
    settings = load_settings(
        None,
        environ={
            "EDGEFACE_LIVENESS__MODE": "passive, blink",
            "EDGEFACE_SCHEDULE": schedule,
            "EDGEFACE_MODELS_DIR": "",
            "EDGEFACE_MATCHING__FIXED_THRESHOLD": "",
            "EDGEFACE_CAMERA__EXPOSURE": "12.5",
            "EDGEFACE_DOOR__START_PROCESS": "false",
        },
    )
    assert settings.liveness.mode == ("passive", "blink")
    assert settings.schedule[0].windows[0].days == ("mon", "tue")
    assert settings.models_dir is None
    assert settings.matching.fixed_threshold is None
    assert settings.camera.exposure == 12.5
    assert settings.door.start_process is False


def test_schedules_come_from_tables(write: Write) -> None:
    settings = load_settings(
        write(
            "time_zone = 'Europe/Berlin'\n[[schedule]]\nname = 'night shift'\n"
            "windows = [{days = ['fri'], from = '22:00', to = '06:00'}]\nholidays = [2026-12-25, '2027-01-01']\n"
            "[[schedule]]\nname = 'closed'\n"
        ),
        environ={},
    )
    night, closed = settings.schedule
    assert (night.windows[0].begins, night.windows[0].ends) == ("22:00", "06:00")
    assert night.holidays == (date(2026, 12, 25), date(2027, 1, 1))
    assert closed.windows == ()


def test_relative_paths_in_a_file_are_meant_from_its_folder(write: Write, tmp_path: Path) -> None:
    file = write("state_dir = 'state'\n[camera]\nsource = 'replay:door.mp4'\n[gallery]\npath = '/g.db'\n")
    settings = load_settings(file, environ={"EDGEFACE_RUN_DIR": "run"})
    assert settings.state_dir == tmp_path / "state"
    assert settings.camera.source == f"replay:{tmp_path / 'door.mp4'}"
    assert settings.gallery_path == Path("/g.db")
    assert settings.run_dir == Path("run")


def test_derived_paths_follow_the_folders_unless_they_are_given() -> None:
    settings = Settings(state_dir=Path("/s"), run_dir=Path("/r"))
    assert settings.gallery_path == Path("/s/gallery.db")
    assert settings.key_file == Path("/s/device.key")
    assert settings.audit_folder == Path("/s/audit")
    assert settings.door_socket == Path("/r/door.sock")
    assert settings.board_socket == Path("/r/board.sock")
    assert settings.control_socket == Path("/r/control.sock")
    assert settings.models_folder == paths.models_dir()
    assert Settings(models_dir=Path("/m")).models_folder == Path("/m")


def test_the_files_that_come_with_the_package_are_there() -> None:
    assert paths.default_config().is_file()
    assert paths.models_dir().name == "models"


@pytest.mark.parametrize(
    ("text", "key", "line", "meant"),
    [
        ("[door]\n\npuls_ms = 3", "door.puls_ms", 3, "door.pulse_ms"),
        ("pulse_ms = 3", "pulse_ms", 1, "door.pulse_ms"),
        ("doorname = 'x'", "doorname", 1, "door_name"),
        ("[dor]\npin = 3", "dor.pin", 2, "door.pin"),
        ("[door]\nsub.pin = 3", "door.sub.pin", 2, "door.pin"),
        ("[[schedule]]\n[[schedule]]\nname = 'b'\nholiday = []", "schedule[1].holiday", 4, "schedule.holidays"),
        ("[[schedule]]\nwindows = [\n {day = []},\n]", "schedule[0].windows[0].day", 2, "schedule.windows.days"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(
    write: Write, text: str, key: str, line: int, meant: str
) -> None:
    sentence = refusal(write(text))
    assert sentence == f"The setting {key} (edgeface.toml, line {line}) is unknown. Did you mean {meant}?"


def test_an_unknown_key_that_resembles_nothing_is_pointed_to_the_list(write: Write) -> None:
    assert "config show" in refusal(write("zzz = 1"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("EDGEFACE_DOOR__PULS_MS", "Did you mean door.pulse_ms?"),
        ("EDGEFACE_DOOR_PULSE_MS", "Did you mean EDGEFACE_DOOR__PULSE_MS?"),
        ("EDGEFACE_DOORNAME", "Did you mean EDGEFACE_DOOR_NAME?"),
        ("EDGEFACE_DOOR", "Write its settings below [door]."),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused(name: str, says: str) -> None:
    assert says in refusal(None, {name: "1"})


def test_variables_of_other_purposes_are_left_alone() -> None:
    load_settings(None, environ={"EDGEFACE_TEST_DATA": "x", "EDGEFACE_KILL_RUNS": "3", "EDGEFACE_CONFIG": ""})


def test_an_unknown_override_is_refused() -> None:
    assert "Did you mean door.pulse_ms?" in refusal(None, **{"door.puls_ms": 3})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[door]\npulse_ms = 'x'", 'door.pulse_ms (edgeface.toml, line 2) is "x" and must be a whole number.'),
        ("[door]\npulse_ms = 1", "(edgeface.toml, line 2) is 1 and must be greater than or equal to 100."),
        ("[door]\npulse_ms = 20000", "door.pulse_ms (20000) must not be above door.max_pulse_ms (10000)."),
        ("[door]\npin = true", "is true and must be a number, not true or false."),
        ("[door]\nactive_high = 'maybe'", "must be true or false."),
        ("[door]\ndriver = 'none'", "must be 'gpiozero', 'gpiochip', 'simboard' or 'recording'."),
        ("[vision]\nmin_face_score = nan", "must be a finite number."),
        ("[camera]\nexposure = 'dark'", "must be 'auto' or be a number."),
        ("[camera]\nexposure = 0", "camera.exposure must be auto, or above 0"),
        ("[decision]\nagree_frames = 2", "decision.agree_frames (2) must be more than half of decision.window_frames"),
        ("[quality]\nmin_luminance = 250", "quality.min_luminance must be below quality.max_luminance"),
        ("[lockout]\nfirst_s = 60\nmax_s = 30", "lockout.first_s must not be above lockout.max_s"),
        ("[lockout]\nspoof_max_s = 301", "must be less than or equal to 300."),
        ("[audit]\nmax_mb = 8", "audit.reserve_mb must be below audit.max_mb"),
        ("[liveness]\nmode = []", "liveness.mode (edgeface.toml, line 2) is [] and must name at least one."),
        ("[liveness]\nmode = ['wink']", "must be 'passive', 'blink' or 'challenge'."),
        ("time_zone = 'Mars'", "The time zone 'Mars' is unknown here."),
        ("door_name = 'a/b'", "must be letters, digits, dots, dashes and underscores"),
        ("door = 3", "door (edgeface.toml, line 1) is a table of settings. Write its settings below [door]."),
        ("schedule = 3", "schedule (edgeface.toml, line 1) is 3 and must be a list."),
        ("[[schedule]]\nwindows = []", "schedule[0].name"),
        ("[[schedule]]\nname = 'always'", "always and never are built in"),
        ("[[schedule]]\nname = 'a'\n[[schedule]]\nname = 'a'", "the schedule 'a' stands there twice"),
        ("[[schedule]]\nname = 'a'\nwindows = [{days = ['mo'], from = '8:00', to = '9:00'}]", "'mo' is no weekday."),
        ("[[schedule]]\nname = 'a'\nwindows = [{days = ['mon'], from = '8', to = '9:00'}]", "'8' is no time of a day."),
        ("x = ", "is no TOML"),
        ("[door]\npin = 1\npin = 2", "is no TOML"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_a_sentence(write: Write, text: str, says: str) -> None:
    sentence = refusal(write(text))
    assert says in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence


def test_several_faults_are_told_at_once(write: Write) -> None:
    sentence = refusal(write("site = ''\n[door]\npin = -1\n"), {"EDGEFACE_CAMERA__FPS": "fast"})
    assert sentence.startswith("3 settings are wrong:")
    assert "site (edgeface.toml, line 1)" in sentence
    assert "door.pin (edgeface.toml, line 3)" in sentence
    assert '$EDGEFACE_CAMERA__FPS) is "fast" and must be a number' in sentence


def test_a_file_that_is_missing_no_text_or_far_too_large_is_refused(tmp_path: Path) -> None:
    assert "can't be read: No such file" in refusal(tmp_path / "missing.toml")
    assert "can't be read: Is a directory" in refusal(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is no TOML" in refusal(binary)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    assert "larger than 1 MiB" in refusal(large)


@given(st.text(max_size=60))
def test_no_text_in_a_file_brings_more_than_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, encoding="utf-8")
    with suppress(ConfigError):
        load_settings(file, environ={})


@given(st.sampled_from(sorted(settings_help.fields(Settings))), st.text(max_size=12))
def test_no_value_of_a_variable_brings_more_than_a_sentence(key: str, value: str) -> None:
    with suppress(ConfigError):
        load_settings(None, environ={"EDGEFACE_" + key.upper().replace(".", "__"): value})


def test_the_quality_table_mirrors_the_domain() -> None:
    assert Settings().quality.model_dump() == asdict(QualityLimits())


def test_an_explanation_has_type_unit_bounds_and_default() -> None:
    told = settings_help.explain("door.pulse_ms", Settings)
    assert (told.type, told.unit, told.bounds, told.default) == (
        "whole number", "ms", "at least 100, at most 60000", "3000",
    )  # fmt: skip
    assert settings_help.explain("camera.exposure", Settings).type == "auto or number"
    assert settings_help.explain("gallery.path", Settings).default is None
    with pytest.raises(ConfigError, match=r"Did you mean door\.pin\?"):
        settings_help.explain("door.pn", Settings)


def test_a_pin_stands_for_one_thing_alone() -> None:
    with pytest.raises(ValueError, match=r"door.inputs.contact_pin and door.pin are both 17"):
        Settings(door={"pin": 17, "inputs": {"contact_pin": 17}})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no schedule"):
        Settings(door={"free_schedule": "nobody-knows"})  # type: ignore[arg-type]

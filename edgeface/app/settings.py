"""The settings: built-in defaults, and above them what settings_sources.py finds. All of it is checked as a whole,
before anything else starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edgeface.app import paths, settings_help
from edgeface.app.settings_door import Door, Turnstile, refuse_shared_pins
from edgeface.app.settings_fields import OptionalPath, setting
from edgeface.app.settings_groups import (
    Audit,
    Camera,
    Control,
    Decision,
    Gallery,
    Liveness,
    Lockout,
    Log,
    Matching,
    Quality,
    Schedule,
    Vision,
)
from edgeface.app.settings_mqtt import HomeAssistant, Mqtt
from edgeface.app.settings_sources import PREFIX, Sources
from edgeface.app.settings_system import Health, Metrics
from edgeface.domain.errors import ConfigError
from edgeface.domain.schedule import ALWAYS, time_zone

LONGEST_SOCKET = 107  # bytes of a Unix socket's path on Linux
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"  # fits a host name, a topic level and a file name


class Settings(BaseSettings):
    """Everything that can be set, checked and frozen. Takes values as arguments only; `load_settings` reads."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, env_prefix=PREFIX)

    door_name: str = setting("front", "This door's name; records list the doors that they open.", pattern=f"^{NAME}$")
    site: str = setting("site", "The site that the door belongs to.", pattern=f"^{NAME}$")
    time_zone: str = setting("UTC", "IANA name of the time zone that schedules are in, as Europe/Berlin.")
    state_dir: Path = setting(Path("/var/lib/edgeface"), "What must survive a power cut: gallery, key, audit log.")
    run_dir: Path = setting(Path("/run/edgeface"), "Sockets.")
    models_dir: OptionalPath = setting(None, "The models and their manifest; unset: those that came with the package.")
    camera: Camera = Field(default_factory=Camera, description="Where pictures come from.")
    vision: Vision = Field(default_factory=Vision, description="The models.")
    quality: Quality = Field(default_factory=Quality, description="What a face must be like to be recognised.")
    liveness: Liveness = Field(default_factory=Liveness, description="What proves a living person.")
    matching: Matching = Field(default_factory=Matching, description="When a face counts as somebody's.")
    decision: Decision = Field(default_factory=Decision, description="From recognised to let in.")
    lockout: Lockout = Field(default_factory=Lockout, description="What happens to those who try again and again.")
    door: Door = Field(default_factory=Door, description="The relay and the process that owns it.")
    turnstile: Turnstile = Field(default_factory=Turnstile, description="A turnstile instead of a door.")
    gallery: Gallery = Field(default_factory=Gallery, description="Where the enrolled people are kept.")
    audit: Audit = Field(default_factory=Audit, description="The record of what happened.")
    control: Control = Field(default_factory=Control, description="How other programs reach the running daemon.")
    mqtt: Mqtt = Field(default_factory=Mqtt, description="The site that the door belongs to, through its broker.")
    home_assistant: HomeAssistant = Field(
        default_factory=HomeAssistant, description="What Home Assistant is told of this door, and may do with it."
    )
    metrics: Metrics = Field(default_factory=Metrics, description="Numbers for Prometheus.")
    health: Health = Field(default_factory=Health, description="How it looks after itself.")
    log: Log = Field(default_factory=Log, description="What the daemon says about itself.")
    schedule: tuple[Schedule, ...] = Field((), description="Weekly hours that gallery records refer to by name.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back; a test's settings are what the test says."""
        return (init_settings,)

    @field_validator("state_dir", "run_dir", mode="before")
    @classmethod
    def _names_a_folder(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise ValueError("be a folder; leave the setting out for the default")
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            time_zone(name)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _schedules_have_names_of_their_own(self) -> Settings:
        names = [schedule.name for schedule in self.schedule]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the schedule {name!r} stands there twice")
        return self

    @model_validator(mode="after")
    def _paths_can_be_used(self) -> Settings:
        for key, field in settings_help.fields(type(self)).items():
            if settings_help.is_path(field) and "\0" in str(settings_help.get(self.model_dump(), key)):
                raise ValueError(f"{key} has a character in it that no path can have")
        sockets = {"door.socket": self.door_socket, "control.socket": self.control_socket}
        if self.door.driver == "simboard":
            sockets["door.board_socket"] = self.board_socket
        for key, path in sockets.items():
            if (length := len(os.fsencode(path))) > LONGEST_SOCKET:
                raise ValueError(
                    f"the path of {key} ({path}) has {length} bytes and Linux allows {LONGEST_SOCKET}: give a shorter "
                    f"run_dir, or a shorter {key}"
                )
        return self

    @model_validator(mode="after")
    def _the_door_fits_together(self) -> Settings:
        refuse_shared_pins(self.door, self.turnstile)
        if self.home_assistant.enabled and self.mqtt.enabled is False:
            raise ValueError("home_assistant.enabled needs the broker, and mqtt.enabled turns it off")
        known = (ALWAYS, *(schedule.name for schedule in self.schedule))
        if self.door.free_schedule and self.door.free_schedule not in known:
            raise ValueError(f"door.free_schedule names {self.door.free_schedule!r}, which is no schedule")
        if self.turnstile.enabled and self.turnstile.timeout_ms > self.door.max_pulse_ms:
            raise ValueError(
                f"turnstile.timeout_ms ({self.turnstile.timeout_ms}) must not be above door.max_pulse_ms "
                f"({self.door.max_pulse_ms})"
            )
        return self

    @property
    def pulse_ms(self) -> int:
        """What a grant asks for."""
        return self.turnstile.timeout_ms if self.turnstile.enabled else self.door.pulse_ms

    @property
    def mode_file(self) -> Path:
        return self.door.mode_file or self.state_dir / "door-mode.json"

    @property
    def models_folder(self) -> Path:
        return self.models_dir or paths.models_dir()

    @property
    def door_socket(self) -> Path:
        return self.door.socket or self.run_dir / "door.sock"

    @property
    def board_socket(self) -> Path:
        return self.door.board_socket or self.run_dir / "board.sock"

    @property
    def control_socket(self) -> Path:
        return self.control.socket or self.run_dir / "control.sock"

    @property
    def gallery_path(self) -> Path:
        return self.gallery.path or self.state_dir / "gallery.db"

    @property
    def key_file(self) -> Path:
        return self.gallery.key_file or self.state_dir / "device.key"

    @property
    def audit_folder(self) -> Path:
        return self.audit.folder or self.state_dir / "audit"

    @property
    def site_folder(self) -> Path:
        return self.state_dir / "site"

    @property
    def starts_door_process(self) -> bool:
        """Whether `edgeface run` starts the door process: under systemd that is a unit of its own."""
        if self.door.start_process == "auto":
            return "NOTIFY_SOCKET" not in os.environ
        return self.door.start_process


@dataclass(frozen=True, slots=True)
class Loaded:
    """`file` is the file that was read, None where there is none. `origins`: key -> where its value is from, as
    "edgeface.toml, line 3" or "$EDGEFACE_DOOR__PIN"; keys that are missing there have their default."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        return self.origins.get(key, "default")


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The checked settings. `path`: the file; None: $EDGEFACE_CONFIG, else /etc/edgeface/edgeface.toml where that
    exists, else the defaults. `overrides`: {"door.pulse_ms": 2000}, above all else. Raises ConfigError."""
    return read_settings(path, overrides, environ).settings


def read_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """As `load_settings`, with where each value is from."""
    sources = Sources(Settings)
    file = sources.read_all(path, overrides or {}, os.environ if environ is None else environ)
    try:
        return Loaded(Settings(**sources.values), file, sources.origins)
    except ValidationError as error:
        raise settings_help.explain_refusal(error, Settings, sources.origins) from None


def environment_of_a_fresh_machine() -> dict[str, str]:
    """Ours, without what would change the settings, the key or the readiness of an edgeface that is started with it."""
    of_systemd = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
    return {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) and k not in of_systemd}

"""[mqtt]: the site's broker and what this door does without it. Host and certificates come from pairing; what is set
here wins. [home_assistant]: what Home Assistant is told over the same broker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, model_validator

from edgeface.app.settings_fields import Group, Number, OptionalPath, Whole, no_empty, setting, split
from edgeface.domain.home_assistant import ENTITIES


class Mqtt(BaseModel):
    model_config = Group
    enabled: bool | Literal["auto"] = setting("auto", "Whether to connect; auto: once the door is paired with a site.")
    host: str = setting("", "The broker's name or address; empty: as said at pairing.", max_length=253)
    port: Annotated[Whole | None, BeforeValidator(no_empty)] = setting(
        None, "The broker's port; unset: as said at pairing.", ge=1, le=65_535
    )
    ca: OptionalPath = setting(None, "The CA of the broker's certificate, PEM; unset: that of pairing.")
    certificate: OptionalPath = setting(None, "This door's client certificate, PEM; unset: that of pairing.")
    key: OptionalPath = setting(None, "Its key, PEM, mode 0600; unset: that of pairing.")
    keepalive_s: Whole = setting(15, "A broker that is silent for this long is given up.", "s", ge=5, le=600)
    first_sync_wait_s: Number = setting(
        5.0, "At start and after a reconnect nobody is let in until the site has confirmed the gallery, or this long.",
        "s", ge=0, le=60,
    )  # fmt: skip
    max_gallery_age_s: Number = setting(
        0.0, "How old the site's last confirmation of the gallery may be; 0: any age.", "s", ge=0, le=31_536_000
    )
    unconfirmed: Literal["mark", "refuse"] = setting(
        "mark", "On a gallery that is not confirmed: mark lets people in and says so in the log; refuse lets nobody in."
    )
    telemetry_s: Number = setting(60.0, "How often the door reports how it is.", "s", ge=5, le=86_400)
    outbox_mb: Whole = setting(
        32, "Disk for what waits for the broker; beyond it the oldest telemetry goes.", "MiB", ge=1, le=4096
    )

    @model_validator(mode="after")
    def _pair(self) -> Mqtt:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("mqtt.certificate and mqtt.key must both be set, or neither")
        return self


Entity = Literal["lock", "contact", "person", "event", "tamper", "temperature", "gallery"]


class HomeAssistant(BaseModel):
    model_config = Group
    enabled: bool = setting(
        False, "Tell Home Assistant of this door, by MQTT discovery over the site's broker; only a paired door can."
    )
    entities: Annotated[tuple[Entity, ...], BeforeValidator(split)] = setting(
        ENTITIES, "What it is told of; what this door has no sensor for is left out.", min_length=1
    )
    remote_unlock: bool = setting(
        False, "Home Assistant may unlock this door. Nothing is signed there: whoever may write to its topic on the "
        "broker can then open the door.",
    )  # fmt: skip
    names: bool = setting(False, "Events carry people's names, in clear; without this they carry nobody.")
    name: str = setting("", "What the door is called there; empty: as its site calls it.", max_length=128)
    area: str = setting("", "The area that is suggested for it; empty: none.", max_length=128)
    prefix: str = setting(
        "homeassistant", "Home Assistant's discovery prefix.", pattern="^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        max_length=64,
    )  # fmt: skip

    @model_validator(mode="after")
    def _something_to_unlock(self) -> HomeAssistant:
        if self.remote_unlock and "lock" not in self.entities:
            raise ValueError("home_assistant.remote_unlock needs lock among home_assistant.entities")
        return self

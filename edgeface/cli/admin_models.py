"""Photos to templates, for the admin's commands and the agent: the models are loaded when the first photo comes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.admin.requests import Made, Templates
from edgeface.domain.types import Person

if TYPE_CHECKING:
    from edgeface.app.settings import Settings


def photo_templates(config: Path | None) -> Templates:
    """Of the models and limits in the settings. What it returns raises EnrolmentError, SourceError, ModelError."""
    loaded: list[tuple[Settings, Any]] = []

    def make(photos: list[tuple[str, bytes]], others: Iterable[Person], replaced: str | None) -> Made:
        # only here: most of these commands see no photo, and start in half the time
        from edgeface.app import wiring, wiring_tools
        from edgeface.app.enrolment import Enroller
        from edgeface.app.people import LiveGallery
        from edgeface.app.rules import rules_of
        from edgeface.app.settings import load_settings

        pixels = [(name, wiring_tools.decode_photo(data, name)) for name, data in photos]
        if not loaded:
            settings = load_settings(config)
            loaded.append((settings, wiring.open_vision(settings, stills=True)))
        settings, models = loaded[0]
        rules = rules_of(settings)
        enroller = Enroller(wiring.vision_of(models), rules.quality, rules.liveness.spoof, "photo")
        for name, picture in pixels:
            enroller.offer(picture, name)
        rule = wiring.identity_rule(settings, models)
        store = wiring_tools.memory_gallery(others)
        gallery = LiveGallery(store, models.embedder.model, rule, wiring.system_clock())
        enrolled = enroller.finish(gallery.now, replaced)
        reasons = tuple((o.source, o.reason) for o in enrolled.offered if not o.accepted)
        return Made(enrolled.templates, enrolled.warnings, reasons)

    return make

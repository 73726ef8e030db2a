"""A file for whoever helps: what doctor found, settings, versions, the log's last part. No key, template, picture, name
or password: people are their record ids, as in the audit log."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeface import __version__
from edgeface.app import settings_help, wiring
from edgeface.app.doctor.finding import Context, Finding
from edgeface.app.settings import Loaded, Settings
from edgeface.domain.errors import EdgefaceError, StorageError
from edgeface.domain.redaction import without_secrets

LAST_EVENTS = 2000
JOURNAL_LINES = "2000"
UNITS = ("edgeface", "edgeface-doord")
# of an answer of `status`: what the site is called and where, and texts that people wrote
_LEFT_OUT = {"name", "door_name", "code", "device_code"}


def write_bundle(
    path: Path,
    context: Context,
    loaded: Loaded,
    findings: Sequence[Finding],
    journal: Callable[[str, str], str | None],
) -> list[str]:
    """The names of the files in it. `journal`: (unit, lines) -> text. Raises StorageError; `path` must not exist."""
    files = {
        "doctor.json": _json([asdict(f) for f in findings]),
        "settings.json": _json(_settings(loaded)),
        "versions.json": _json(_versions()),
        "status.json": _json(_status(context)),
        "events.jsonl": _events(loaded.settings),
    }
    for unit in UNITS:
        text = journal(unit, JOURNAL_LINES)
        if text:
            files[f"journal-{unit}.txt"] = without_secrets(text)
    try:
        with path.open("xb") as out:
            path.chmod(0o600)
            with tarfile.open(fileobj=out, mode="w:gz") as archive:
                for name, text in files.items():
                    data = text.encode()
                    entry = tarfile.TarInfo(f"edgeface-support/{name}")
                    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                    archive.addfile(entry, io.BytesIO(data))
    except OSError as e:
        raise StorageError(f"The support file {path} can't be written: {e.strerror}.", "Name another file.") from e
    return list(files)


def _settings(loaded: Loaded) -> dict[str, Any]:
    """Every setting's value and origin; the door's and people's names are theirs."""
    told = {}
    for key in settings_help.fields(Settings):
        value: Any = loaded.settings
        for part in key.split("."):
            value = getattr(value, part)
        text = without_secrets(str(value)) if isinstance(value, (str, Path)) else value
        told[key] = {"value": "…" if key == "door_name" else text, "source": loaded.origin(key)}
    return told


def _versions() -> dict[str, str]:
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return {"edgeface": __version__, **dict(sorted(found.items()))}


def _status(context: Context) -> Any:
    if context.ask is None:
        return None
    try:
        return _without_names(context.ask("status"))
    except EdgefaceError as e:
        return {"error": e.message}


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "…" if k in _LEFT_OUT else _without_names(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_names(v) for v in value]
    return without_secrets(value) if isinstance(value, str) else value


def _events(settings: Settings) -> str:
    """The last of the audit log: it has pseudonymous ids alone."""
    try:
        if not settings.audit_folder.exists():
            return ""
        entries: Iterable[dict[str, object]] = wiring.audit_reader(
            settings, wiring.open_keys(settings, create=False)
        ).read()
        last = list(entries)[-LAST_EVENTS:]
    except EdgefaceError as e:
        return _json({"error": e.message})
    return "".join(json.dumps(_without_names(e), ensure_ascii=False, default=str) + "\n" for e in last)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n"

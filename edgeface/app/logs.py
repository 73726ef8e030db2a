"""structlog, set up once: JSON where a machine reads (under systemd, in a file), colours where a person does. What
comes from outside is cleaned before it is written, and a log that can't be written never stops the door."""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

from edgeface.domain.door_events import ALARMS, SENTENCES
from edgeface.domain.events import Event

# structlog takes rich for its console's tracebacks where it finds it: fifty modules, a third of its import, and
# tracebacks that print local variables, templates and keys among them. It is not to find it.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger
finally:
    del sys.modules["rich"]
    if _rich is not None:
        sys.modules["rich"] = _rich

LONGEST_TEXT = 2000  # characters of one value; a peer's megabyte is no log line
DEEPEST = 6  # levels of nested values; deeper ones are shortened to their text
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_KEPT = "\n\t"  # in tracebacks alone
_QUIET_SCORES = ("score", "margin")  # fifty to two hundred of them recover a template
_WARNINGS = frozenset(
    ("spoof_refused", "lockout_started", "tailgating_seen", "door_process_lost", "camera_lost", "liveness_unavailable",
     "frames_too_slow", "settings_refused", "alarm_started", "record_refused", "storage_fault", *ALARMS)
)  # fmt: skip


def setup(form: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """`form`: auto, json or console; `level`: debug, info, warning or error; `stream`: stderr. The standard library's
    loggers (paho's, asyncio's) go the same way. May be called again; the last call counts."""
    stream = sys.stderr if stream is None else stream
    human = form == "console" or (form == "auto" and stream.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)
        if human
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            clean_values,
            *([] if human else [_event_first]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Writer(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge())
    root.setLevel(_LEVELS[level])


def logger(name: str) -> FilteringBoundLogger:
    """The logger of one part; `part` stands in each of its lines."""
    bound: FilteringBoundLogger = structlog.get_logger(part=name)
    return bound


def log_event(
    log: FilteringBoundLogger, event: Event, *, scores: bool = False, timings_ms: Mapping[str, float] | None = None
) -> None:
    """One line for one event; for a decision with the time of each stage. Scores stay out unless asked for."""
    line = event.to_dict()
    kind = str(line.pop("event"))
    line = {key: value for key, value in line.items() if value is not None and (scores or key not in _QUIET_SCORES)}
    if timings_ms:
        line["ms"] = {stage: round(value, 2) for stage, value in timings_ms.items()}
    if kind in SENTENCES:
        line["sentence"] = SENTENCES[kind]
    (log.warning if kind in _WARNINGS else log.info)(kind, **line)


def clean_text(text: str, longest: int = LONGEST_TEXT, keep: str = "") -> str:
    """Without what moves a cursor, changes a colour, breaks a line or turns the reading direction: such characters are
    written as their code. Cut to `longest` characters."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_code(c) if c not in keep and _moves(c) else c for c in text)


def clean_values(_: object, __: str, line: EventDict) -> EventDict:
    """structlog processor: every text in the line is cleaned, keys too."""
    return {
        clean_text(key, 100): clean_text(value, 20_000, _KEPT)
        if key in ("exception", "stack") and isinstance(value, str)
        else _clean(value, 0)
        for key, value in line.items()
    }


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if depth < DEEPEST and isinstance(value, Mapping):
        return {clean_text(str(k), 100): _clean(v, depth + 1) for k, v in value.items()}
    if depth < DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(v, depth + 1) for v in value]
    return clean_text(str(value))


def _moves(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind[0] == "C" or kind in ("Zl", "Zp")  # control, format, unassigned; the two separators break lines too


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _event_first(_: object, __: str, line: MutableMapping[str, Any]) -> EventDict:
    first = ("at", "level", "event", "part")
    return {**{key: line[key] for key in first if key in line}, **line}


class _Writer:
    """A line to the stream. A closed terminal or a full disk loses the line, not the door."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            pass

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class _Bridge(logging.Handler):
    """From the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = logger(record.name)
            level = min(max(record.levelno, 10), 50) // 10 * 10
            log.log(level, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # logging's own contract: a bad record never raises into the caller
            self.handleError(record)

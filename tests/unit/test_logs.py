"""Logs: one line of JSON for machines, cleaned of what comes from outside; scores stay out; nothing stops the door."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from edgeface.app import logs
from edgeface.domain.events import AccessDenied, AccessGranted, CameraLost, DoorLocked


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_where_nobody_reads_along_a_line_is_json_with_time_level_event_and_part() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    logs.logger("door").info("locked", cause="requested", count=3)
    (line,) = lines(stream)
    assert list(line)[:4] == ["at", "level", "event", "part"]
    assert str(line["at"]).endswith("Z")
    assert line["level"] == "info"
    assert (line["event"], line["part"], line["cause"], line["count"]) == ("locked", "door", "requested", 3)


def test_a_terminal_gets_colours_and_a_pipe_with_console_format_does_not() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    logs.setup("auto", stream=terminal)
    logs.logger("door").info("locked")
    logs.setup("console", stream=pipe)
    logs.logger("door").info("locked")
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in pipe.getvalue()
    assert "locked" in pipe.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    logs.setup(level="warning", stream=stream)
    logs.logger("x").info("quiet")
    logging.getLogger("paho").info("quiet too")
    logs.logger("x").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_the_standard_library_logs_the_same_way() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    logging.getLogger("paho").warning("lost %s", "broker\x1b[2J")
    (line,) = lines(stream)
    assert (line["event"], line["part"], line["level"]) == ("lost broker\\x1b[2J", "paho", "warning")


def test_setting_up_twice_does_not_write_twice() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    logs.setup(stream=stream)
    logging.getLogger("x").warning("once")
    assert len(lines(stream)) == 1


def test_text_from_a_peer_moves_no_cursor_and_breaks_no_line() -> None:
    stream = Terminal()
    logs.setup("console", stream=stream)
    logs.logger("x").info("said", name="a\nb\x1b[31m\u202eevil", nested={"k\r": ["\x07", b"\n"]})
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "\x1b[31m\u202e" not in text
    assert "\\x0a" in text
    assert "\\u202e" in text


@given(st.text(max_size=200))
@example("\u2028a\u2029b")
def test_cleaned_text_is_on_one_line_and_printable_text_is_unchanged(text: str) -> None:
    clean = logs.clean_text(text)
    assert len(clean.splitlines()) <= 1
    assert "\x1b" not in clean
    if text.isprintable():
        assert clean == text


def test_long_text_is_cut_and_deep_values_are_flattened() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    deep: object = "end\n"
    for _ in range(50):
        deep = [deep]
    logs.logger("x").info("said", text="a" * 100_000, deep=deep)
    (line,) = lines(stream)
    assert len(str(line["text"])) == logs.LONGEST_TEXT
    assert len(stream.getvalue()) < 5000


def test_a_traceback_stays_readable() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    try:
        raise ValueError("bad\x1b value")
    except ValueError as error:
        logs.logger("x").error("worker failed", exc_info=error)
    (line,) = lines(stream)
    assert "Traceback" in str(line["exception"])
    assert "\n" in str(line["exception"])
    assert "\x1b" not in str(line["exception"])


@pytest.mark.parametrize("fault", [OSError("disk full"), ValueError("closed")])
def test_a_log_that_cannot_be_written_stops_nothing(fault: Exception) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise fault

    logs.setup(stream=Broken())
    logs.logger("x").error("lost")


def test_a_decision_is_one_line_with_timings_and_without_scores() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    granted = AccessGranted(1.5, track=3, person="ab" * 16, score=0.7, margin=0.3, evidence_ms=120, grant_id="cd" * 16)
    logs.log_event(logs.logger("door"), granted, timings_ms={"detect": 1.23456})
    logs.log_event(logs.logger("door"), granted, scores=True)
    quiet, told = lines(stream)
    assert quiet["event"] == "access_granted"
    assert quiet["ms"] == {"detect": 1.23}
    assert "score" not in quiet
    assert "margin" not in quiet
    assert told["score"] == 0.7


def test_what_a_technician_should_see_is_a_warning() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    for event in (CameraLost(0.0, "stalled", "…"), DoorLocked(0.0, "starting"), AccessDenied(0.0, 1, "unknown_person")):
        logs.log_event(logs.logger("door"), event)
    assert [line["level"] for line in lines(stream)] == ["warning", "info", "info"]
    assert "person" not in lines(stream)[2]

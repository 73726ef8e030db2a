"""Lines of the control socket: one JSON object each, bounded, strictly typed. Knows no sockets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edgeface.domain.errors import ControlError, EdgefaceError

VERSION = 1
MAX_REQUEST_BYTES = 64 * 1024  # the largest request is an enrolment's fields: a few hundred bytes
MAX_ANSWER_BYTES = 4 * 1024 * 1024  # a view of 1,920 pixels as JPEG in base64 is below 2 MiB


class BadRequest(ControlError):
    """A line that is no request of this protocol; `request_id` is what could be read of its id."""

    def __init__(self, message: str, request_id: int | None = None) -> None:
        super().__init__(message, "Speak version 1 of the control protocol, docs/design.md section 10.5.")
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    op: str
    arguments: dict[str, Any]


def encode_request(request_id: int, op: str, arguments: dict[str, Any]) -> bytes:
    return _line({"v": VERSION, "id": request_id, "op": op, **arguments})


def decode_request(line: bytes) -> Request:
    """Raises BadRequest."""
    try:
        # RecursionError: a few kilobytes of "[" are deeper than the parser's stack
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, a number of thousands of digits
        raise BadRequest("The request is not a line of JSON.") from None
    if not isinstance(message, dict):
        raise BadRequest("The request is not a JSON object.")
    request_id = message.pop("id", None)
    if not isinstance(request_id, int) or isinstance(request_id, bool):
        raise BadRequest("The request has no whole number as its id.")
    version = message.pop("v", None)
    if type(version) is not int or version != VERSION:
        raise BadRequest(f"The request is not of version {VERSION}.", request_id)
    op = message.pop("op", None)
    if not isinstance(op, str):
        raise BadRequest("The request names no operation.", request_id)
    return Request(request_id, op, message)


def encode_result(request_id: int | None, result: Any) -> bytes:
    return _line({"v": VERSION, "id": request_id, "ok": True, "result": result})


def encode_error(request_id: int | None, error: EdgefaceError) -> bytes:
    return _line(
        {
            "v": VERSION,
            "id": request_id,
            "ok": False,
            "code": type(error).__name__,
            "message": error.message,
            "advice": error.advice,
            "exit_code": error.exit_code,
        }
    )


def decode_answer(line: bytes) -> Any:
    """The result. Raises ControlError with what the daemon said where it refused."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("The daemon's answer can't be read.", "Is another program listening there?")
    if answer.get("ok") is True:
        return answer.get("result")
    error = ControlError(str(answer.get("message", "The daemon refused.")), str(answer.get("advice", "")))
    code = answer.get("exit_code")
    error.exit_code = code if type(code) is int and 0 < code < 126 else ControlError.exit_code
    raise error


def _line(message: dict[str, Any]) -> bytes:
    # ASCII: a lone surrogate (a command's argument that was no UTF-8) can't be encoded otherwise
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"

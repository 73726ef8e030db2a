"""Which grants the door process takes: well-formed, within the cap, each id once. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict

from edgeface.domain.door_claims import Claims
from edgeface.domain.door_facts import Outcome, Refused, refuse
from edgeface.domain.door_rules import Mode

REMEMBERED_GRANTS = 1024  # ids that were carried out and are refused when they come again
_GRANT_ID = re.compile(r"[0-9a-f]{32}")


def is_grant_id(value: object) -> bool:
    return isinstance(value, str) and _GRANT_ID.fullmatch(value) is not None


class GrantBook:
    def __init__(self, max_pulse_ms: int) -> None:
        self._max_pulse_ms = max_pulse_ms
        self._seen: OrderedDict[str, None] = OrderedDict()

    def objection(self, grant_id: str, pulse_ms: int, claims: Claims) -> Outcome | None:
        """The refusal, None where the grant may be carried out."""
        if claims.mode is Mode.LOCKDOWN:
            return refuse(Refused.LOCKDOWN, "the door is in lockdown")
        if claims.fault:
            return refuse(Refused.FAULT, claims.fault)
        if not 1 <= pulse_ms <= self._max_pulse_ms:
            return refuse(Refused.CAP_EXCEEDED, f"a pulse may last 1 to {self._max_pulse_ms} ms, not {pulse_ms}")
        if grant_id in self._seen:
            return refuse(Refused.REPEATED_ID, "this grant was carried out already")
        if claims.grant is not None:
            return refuse(Refused.PULSE_RUNNING, "another grant's pulse is running")
        return None

    def remember(self, grant_id: str) -> None:
        self._seen[grant_id] = None
        if len(self._seen) > REMEMBERED_GRANTS:
            self._seen.popitem(last=False)

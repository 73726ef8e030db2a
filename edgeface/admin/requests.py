"""What admins ask of the agent: each request is looked at (role, signature, what was seen) and carried out, or refused
with a word. An admin's own commands on the agent's machine go the same way, without the broker between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgeface.adapters.link import codec, limits
from edgeface.admin import status
from edgeface.admin.state import SiteState
from edgeface.domain.errors import EdgefaceError
from edgeface.domain.messages import PersonContent, PhotoEnrolment, Reply, Request, RequestOp
from edgeface.domain.refusal import MessageRefused, Refusal
from edgeface.domain.roster import Role
from edgeface.domain.types import Person, Template

ITEMS_BYTES = 384 * 1024  # of one reply; the rest comes with the cursor
ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Made:
    """Templates out of photos, what the operator should know, and a reason for each photo that was not taken."""

    templates: tuple[Template, ...]
    warnings: tuple[str, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()


# (photos as (name, file), everybody else who is enrolled, the record that is replaced or None) -> Made. Raises
# EnrolmentError with the reasons.
Templates = Callable[[list[tuple[str, bytes]], Iterable[Person], str | None], Made]


def refused(error: MessageRefused) -> Reply:
    return Reply(False, error.refusal.value, error.message[:1024])


class Requests:
    def __init__(self, state: SiteState, templates: Templates | None = None) -> None:
        self._state, self._templates = state, templates

    def execute(self, admin: str, request: Request) -> Reply:
        """Never raises for what was asked; StorageError where it can't be kept."""
        try:
            codec.require_role(self._state.roster, admin, request.op)
            return self._OPERATIONS[request.op](self, admin, request)
        except MessageRefused as e:
            return refused(e)

    def enrol(self, admin: str, wanted: PhotoEnrolment, new_person: Callable[[Person], bytes]) -> Reply:
        """Photos to a record that the agent signs (`new_person`)."""
        state = self._state
        try:
            if Role.ENROL not in state.roster.roles(admin):
                raise MessageRefused(Refusal.NOT_ALLOWED)
            if self._templates is None or Role.ENROL not in state.roster.roles(state.agent.id):
                return Reply(False, "no_models", "This site's agent doesn't take photos.")
            standing = state.person(wanted.record)
            if standing is not None and _is_done(standing, wanted, state.agent.id):
                return Reply(True, version=standing.value.person.seq)  # before the agent ended without answering
            others = [state.open_row(r).value.person for r in state.journal.records()]
            photos = [(f"photo {n}", data) for n, data in enumerate(wanted.photos, 1)]
            made = self._templates(photos, others, wanted.record if wanted.saw else None)
            person = Person(
                id=wanted.record,
                name=wanted.name,
                templates=made.templates,
                seq=wanted.saw + 1,
                groups=wanted.groups,
                doors=wanted.doors,
                schedule=wanted.schedule,
                valid_from_s=_seconds(wanted.valid_from_ms),
                valid_to_s=_seconds(wanted.valid_to_ms),
                enrolled_s=standing.value.person.enrolled_s if standing else float(wanted.at_s),
                notes=dict(wanted.notes),
            )
            signed = codec.open_signed(codec.PERSON, new_person(person), state.trust)
            version = state.put(signed, wanted.saw)
        except MessageRefused as e:
            return refused(e)
        except EdgefaceError as e:
            reasons = tuple((w[:128], s[:512]) for w, s in getattr(e, "reasons", ()))[:64]
            return Reply(False, "poor_quality", e.message[:1024], reasons=reasons)
        told = [*made.reasons, *(("note", w[:512]) for w in made.warnings)]
        return Reply(True, version=version, reasons=tuple(told[:64]))

    # -- operations ---------------------------------------------------------------------------------------------------

    def _put(self, _admin: str, request: Request) -> Reply:
        person = codec.open_signed(codec.PERSON, request.message, self._state.trust)
        return Reply(True, version=self._state.put(person, request.saw))

    def _resign(self, _admin: str, request: Request) -> Reply:
        self._state.resign(codec.open_signed(codec.PERSON, request.message, self._state.trust))
        return Reply(True)

    def _remove(self, _admin: str, request: Request) -> Reply:
        removal = codec.open_signed(codec.REMOVAL, request.message, self._state.trust).value
        return Reply(True, version=self._state.remove(removal.id, removal.erased))

    def _mode(self, _admin: str, request: Request) -> Reply:
        self._state.take_mode(request.message, request.saw)
        assert self._state.mode is not None
        return Reply(True, version=self._state.mode[0].version)

    def _roster(self, _admin: str, request: Request) -> Reply:
        """Refused while somebody whom it lets go has records under his name: new doors couldn't take them."""
        state = self._state
        roster = codec.open_roster(request.message, state.trust.root).value
        if request.saw != state.roster.version:
            raise MessageRefused(Refusal.STALE)
        lost = sum(1 for r in state.journal.records() if Role.ENROL not in roster.roles(r.by))
        if lost:
            return Reply(False, "unsigned_records", f"{lost} records would be signed by nobody in the roster.")
        state.adopt(request.message)
        return Reply(True, version=roster.version)

    def _list(self, _admin: str, request: Request) -> Reply:
        items: list[bytes] = []
        size, limit = 0, request.limit or ITEMS
        last = None
        for row in self._state.journal.records(request.cursor or "", limit + 1):
            raw = self._state.open_row(row).raw
            if len(items) == limit or size + len(raw) > ITEMS_BYTES:
                return Reply(True, items=tuple(items), cursor=last, version=self._state.version)
            items.append(raw)
            size += len(raw) + 8
            last = row.id
        return Reply(True, items=tuple(items), version=self._state.version)

    def _show(self, _admin: str, request: Request) -> Reply:
        found = self._state.person(request.record or "")
        if found is None:
            return Reply(False, "unknown_person", "There is no such record.")
        return Reply(True, version=found.value.person.seq, items=(found.raw,))

    def _status(self, _admin: str, _request: Request) -> Reply:
        return Reply(True, version=self._state.version, items=tuple(status.items(self._state)[:ITEMS]))

    _OPERATIONS: dict[RequestOp, Callable[[Requests, str, Request], Reply]] = {  # noqa: RUF012
        RequestOp.PUT: _put,
        RequestOp.REMOVE: _remove,
        RequestOp.MODE: _mode,
        RequestOp.ROSTER: _roster,
        RequestOp.RESIGN: _resign,
        RequestOp.LIST: _list,
        RequestOp.SHOW: _show,
        RequestOp.STATUS: _status,
    }


def signed_person(person: Person, salt: bytes, site: str, admin: codec.Signer) -> bytes:
    """Raises MessageRefused (malformed) for a person that the protocol has no room for."""
    return codec.sign(codec.PERSON, PersonContent(person, salt), site, admin)


def _is_done(standing: codec.Signed[PersonContent], wanted: PhotoEnrolment, agent: str) -> bool:
    person = standing.value.person
    return (standing.signer, person.seq, person.name) == (agent, wanted.saw + 1, wanted.name)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


assert limits.MAX_REQUEST > ITEMS_BYTES + limits.MAX_PERSON

"""What waits for the broker, and in which order."""

from __future__ import annotations

from collections.abc import Mapping

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.codec import PartyKeys
from edgeface.adapters.link.journal import Journal
from edgeface.domain.messages import EpochKeys
from edgeface.domain.roster import Roster

URGENT, NORMAL, LATER, LAST = range(4)
LOG_ROOM = 400  # while more than this waits, doors get records by shard: their queue at the broker has 1,000 places


def queue_all(journal: Journal, site: str) -> None:
    """Roster, mode, grants; then removals, records; the manifest at the end."""
    for name, rank in (("roster", URGENT), ("mode", URGENT), ("manifest", LAST)):
        raw = journal.get(name)
        if raw is not None:
            journal.enqueue(rank, topics.of_site(site, name), raw, True)
    for (device, epoch), raw in journal.grants().items():
        journal.enqueue(URGENT, topics.grant(site, device, epoch), raw, True)
    for removal in journal.removals():
        journal.enqueue(LATER, topics.record(site, removal.id), removal.raw, True)
    for row in journal.records():
        journal.enqueue(LATER, topics.record(site, row.id), row.raw, True)


def grant_all(journal: Journal, roster: Roster, epochs: Mapping[int, EpochKeys], agent: PartyKeys) -> None:
    """A grant for each door and each epoch that is in use; none for those that are not in the roster any more."""
    site, known = roster.site, journal.grants()
    devices = {d.id: d for d in roster.devices}
    for device, epoch in known:
        if device not in devices:
            journal.drop_grant(device, epoch)
            journal.enqueue(URGENT, topics.grant(site, device, epoch), b"", True)
    for door in devices.values():
        for epoch, keys in sorted(epochs.items()):
            if (door.id, epoch) not in known:
                raw = codec.sign_grant(keys, door, site, agent)
                journal.put_grant(door.id, epoch, raw)
                journal.enqueue(URGENT, topics.grant(site, door.id, epoch), raw, True)

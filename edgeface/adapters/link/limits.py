"""How large each kind of message may be, in bytes on the wire, and why."""

from __future__ import annotations

KIB = 1024
MAX_PERSON = 64 * KIB  # 16 templates take 4.4 KiB; the rest is room for notes, groups and doors
MAX_RECORD = MAX_PERSON + 512
MAX_ROSTER = 512 * KIB  # 1,000 doors take 130 KiB
MAX_PHOTOS = 4 * KIB * KIB
MAX_REQUEST = MAX_ROSTER + 2 * KIB  # a roster to be published is the largest
MAX_ENROLMENT = MAX_PHOTOS + 64 * KIB
MAX_SMALL = 1 * KIB

MAX_TO_DEVICE = MAX_ROSTER  # the largest message that a door takes
MAX_TO_AGENT = MAX_ENROLMENT  # and that the agent takes
MAX_REVOKED = 4096  # ids in a manifest; older removals stand in the shards' digests alone
MAX_DEVICES = 2048
MAX_PEOPLE = 2**24

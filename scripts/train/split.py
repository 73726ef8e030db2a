"""Who is kept from all training and from every choice, written down once. Everything else reads it here."""

from __future__ import annotations

import hashlib

TRAIN, VALIDATE, TEST = 0, 1, 2
"""VALIDATE steers choices (which network, which step), TEST is measured at the end and never trained on."""

IDENTITY_KEPT = 1  # LFW: SHA-1 of the name, first 32 bits, modulo 5. 0 is not in the data at all.
# Of the others, every tenth identity validates.
IDENTITIES_A_CHOICE = 10
# NUAA's subjects: every third by number is a test; the two of whom only one kind is in the data validate.
NUAA_TEST = frozenset({"0002", "0005", "0008", "0011", "0014"})
NUAA_VALIDATE = frozenset({"0013", "0016"})
# Clips of single people, by person. The clips a and b (live and screen) are never packed: they are a test alone.
CLIPS_VALIDATE = frozenset({"d14", "d20"})


def identity_hash(name: str) -> int:
    return int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def part(source: str, person: str) -> int:
    """`source` is nuaa, clip, groups, negatives or lfw, `person` who or what is in the picture there."""
    if source == "lfw":
        value = identity_hash(person)
        if value % 5 == IDENTITY_KEPT:
            return TEST
        return VALIDATE if value // 5 % IDENTITIES_A_CHOICE == 0 else TRAIN
    if source == "nuaa":
        return TEST if person in NUAA_TEST else VALIDATE if person in NUAA_VALIDATE else TRAIN
    return VALIDATE if person in CLIPS_VALIDATE else TRAIN

"""What the agent keeps of the doors' erasure receipts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeface.adapters.link.journal import Journal
from edgeface.adapters.link.secret_file import Box


@pytest.mark.parametrize("order", [(False, True), (True, False), (False, False, True, False)])
def test_of_an_erasures_receipts_the_one_that_says_more_stands(tmp_path: Path, order: tuple[bool, ...]) -> None:
    """A broker may bring the first one again, behind the second."""
    journal = Journal(tmp_path / "journal.db", Box(bytes(32)))
    for rotated in order:
        journal.put_erasure("ab" * 16, "d1", rotated, b"%d" % rotated)
    assert journal.erasures("ab" * 16) == {"d1": True}
    journal.close()

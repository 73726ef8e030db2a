"""Topics: each is made and taken apart alike, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.adapters.link import topics
from edgeface.adapters.link.topics import Topic
from edgeface.domain.refusal import MessageRefused

SITE, RECORD, DEVICE, ADMIN = "0123456789abcdef" * 2, "5f" + "0" * 30, "d" * 32, "a" * 32
UP = ("status", "receipt", "erasure", "telemetry", "event/access", "event/door", "event/alarm")
ALL = [
    *[(topics.of_site(SITE, n), Topic(SITE, n)) for n in ("roster", "manifest", "mode", "gallery-log")],
    (topics.record(SITE, RECORD), Topic(SITE, "gallery", record=RECORD, shard=0x5F)),
    (topics.removal(SITE, RECORD), Topic(SITE, "removal", record=RECORD)),
    (topics.grant(SITE, DEVICE, 12), Topic(SITE, "grant", device=DEVICE, epoch=12)),
    *[(topics.of_admin(SITE, n, ADMIN), Topic(SITE, n, party=ADMIN)) for n in ("request", "enrol", "reply")],
    *[
        (topics.of_device(SITE, DEVICE, n), Topic(SITE, n, device=DEVICE))
        for n in (*UP, "beacon/ask", "beacon/answer", "cmd/ask", "cmd/nonce", "cmd/run", "cmd/reply")
    ],
]


@pytest.mark.parametrize(("text", "parsed"), ALL, ids=[t.name for _, t in ALL])
def test_a_topic_comes_apart_as_it_was_made(text: str, parsed: Topic) -> None:
    assert topics.parse(text) == parsed
    assert len(text) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "edgeface/v1",
        f"edgeface/v2/{SITE}/roster",
        f"edgeface/v1/{SITE}",
        f"edgeface/v1/{SITE}/",
        f"edgeface/v1/{SITE}/roster/",
        f"edgeface/v1/{SITE}/roster/x",
        f"/edgeface/v1/{SITE}/roster",
        f"edgeface/v1/{SITE.upper()}/roster",
        f"edgeface/v1/{SITE}0/roster",
        f"edgeface/v1/{SITE}\n/roster",
        f"edgeface/v1/{SITE}/gallery/60/{RECORD}",
        f"edgeface/v1/{SITE}/gallery/5F/{RECORD}",
        f"edgeface/v1/{SITE}/gallery/5f/{RECORD[:-1]}",
        f"edgeface/v1/{SITE}/gallery/5f/+",
        f"edgeface/v1/{SITE}/gallery/{RECORD}",
        f"edgeface/v1/{SITE}/device/{DEVICE}",
        f"edgeface/v1/{SITE}/device/{DEVICE}/event",
        f"edgeface/v1/{SITE}/device/{DEVICE}/event/other",
        f"edgeface/v1/{SITE}/device/{DEVICE}/grant",
        f"edgeface/v1/{SITE}/device/{DEVICE}/grant/0",
        f"edgeface/v1/{SITE}/device/{DEVICE}/grant/01",
        f"edgeface/v1/{SITE}/device/{DEVICE}/grant/1/x",
        f"edgeface/v1/{SITE}/device/{DEVICE}/grant/" + "9" * 17,
        f"edgeface/v1/{SITE}/request/+",
        f"edgeface/v1/{SITE}/removal/#",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MessageRefused):
        topics.parse(text)


@given(
    st.text(max_size=80) | st.builds(lambda t: f"edgeface/v1/{SITE}/{t}", st.text("abcdef0123/+#device", max_size=80))
)
def test_whatever_comes_is_a_topic_or_refused(text: str) -> None:
    try:
        found = topics.parse(text)
    except MessageRefused:
        return
    assert found.site == SITE


@pytest.mark.parametrize(
    "make",
    [
        lambda: topics.of_site(SITE, "other"),
        lambda: topics.of_site("site", "roster"),
        lambda: topics.of_device(SITE, DEVICE, "cmd/other"),
        lambda: topics.of_device(SITE, "#", "status"),
        lambda: topics.of_admin(SITE, "other", ADMIN),
        lambda: topics.record(SITE, "+"),
        lambda: topics.shard(SITE, 256),
        lambda: topics.grant(SITE, DEVICE, 0),
    ],
)
def test_no_topic_is_made_of_what_is_no_id(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]


def test_a_door_and_the_agent_subscribe_to_what_they_need_for_good() -> None:
    door = topics.door_filters(SITE, DEVICE)
    assert f"edgeface/v1/{SITE}/device/{DEVICE}/grant/+" in door
    assert f"edgeface/v1/{SITE}/removal/+" in door
    assert not any("gallery/" in t for t in door), "shards only while they differ"
    assert topics.shard(SITE, 0x5F) == f"edgeface/v1/{SITE}/gallery/5f/+"
    assert f"edgeface/v1/{SITE}/request/+" in topics.agent_filters(SITE)
    assert f"edgeface/v1/{SITE}/device/+/receipt" in topics.agent_filters(SITE)

"""Topic names and topic filters, as MQTT 3.1.1, section 4.7, has them."""

from __future__ import annotations

from edgeface.domain.errors import LinkError

LONGEST = 1024


def check_topic(topic: str) -> None:
    """Raises LinkError for what can't be published to."""
    if _sound(topic) and "+" not in topic and "#" not in topic:
        return
    raise LinkError(f"{topic[:80]!r} is not a topic that can be published to.", "It has wildcards, or is too long.")


def check_filter(topic_filter: str) -> None:
    """Raises LinkError for what can't be subscribed to."""
    levels = topic_filter.split("/")
    wild = all(level in ("+", "#") or ("+" not in level and "#" not in level) for level in levels)
    if _sound(topic_filter) and wild and "#" not in levels[:-1]:
        return
    raise LinkError(
        f"{topic_filter[:80]!r} is not a topic filter.", "A wildcard stands for whole levels, # at the end."
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a message to `topic` goes to a subscriber of `topic_filter`."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level not in ("+", levels[i]):
            return False
    return len(wanted) == len(levels)


def _sound(text: str) -> bool:
    """Neither empty nor too long, without control characters, and writable as UTF-8."""
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return 0 < len(encoded) <= LONGEST and all(ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F for c in text)

"""The outbox: what waits, in which order, what gives way, and that only an acknowledgement strikes off."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.broker import eventually, message, until

from edgeface.adapters.link.memory import MemoryLink
from edgeface.adapters.link.memory_broker import MemoryBroker
from edgeface.adapters.link.outbox import Entry, Kind, Outbox
from edgeface.adapters.link.pump import OutboxPump
from edgeface.domain.errors import LinkError, StorageError
from edgeface.ports import LinkUp


def entry(number: int, kind: Kind = Kind.ACCESS, size: int = 10) -> Entry:
    return Entry(f"id{number}", kind, f"site/{kind.value}", (b"%d" % number).ljust(size, b"."))


def ids(entries: list[Entry]) -> list[str]:
    return [e.message_id for e in entries]


def test_what_was_put_is_there_after_a_restart_in_its_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put_all([entry(i) for i in range(5)])
    outbox.put(Entry("last", Kind.ACCESS, "t", b"", retain=True))
    outbox.sent(["id1"])
    outbox.close()
    outbox = Outbox(tmp_path / "outbox.db")
    assert ids(outbox.pending(10)) == ["id0", "id2", "id3", "id4", "last"]
    assert outbox.pending(10)[-1].retain
    assert (outbox.status().waiting, outbox.status().waiting_bytes) == (5, 40)
    assert outbox.damaged is None
    outbox.close()


def test_alarms_go_before_door_events_before_access_before_telemetry(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    kinds = [Kind.TELEMETRY, Kind.ACCESS, Kind.DOOR, Kind.ALARM]
    outbox.put_all([entry(i, kinds[i % 4]) for i in range(8)])
    assert ids(outbox.pending(10)) == ["id3", "id7", "id2", "id6", "id1", "id5", "id0", "id4"]
    assert ids(outbox.pending(3, leave_out=["id3", "id2"])) == ["id7", "id6", "id1"]
    outbox.close()


def test_the_same_id_waits_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put(entry(1))
    outbox.put(entry(1))
    assert outbox.status().waiting == 1
    outbox.close()


def test_beyond_the_bounds_the_oldest_telemetry_goes_and_nothing_else(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", most=5)
    outbox.put_all([entry(i, Kind.TELEMETRY) for i in range(4)])
    outbox.put_all([entry(i) for i in range(10, 13)])
    assert ids(outbox.pending(10)) == ["id10", "id11", "id12", "id2", "id3"]
    assert outbox.status().dropped == 2
    outbox.put_all([entry(i) for i in range(20, 25)])
    assert ids(outbox.pending(20)) == [f"id{i}" for i in (10, 11, 12, 20, 21, 22, 23, 24)]
    assert outbox.status().over_bound
    outbox.put(entry(30, Kind.TELEMETRY))
    assert outbox.status().waiting == 8
    outbox.close()


def test_the_bound_in_bytes_holds_as_well(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", most_bytes=1000)
    for i in range(30):
        outbox.put(entry(i, Kind.TELEMETRY, size=100))
    assert ids(outbox.pending(20)) == [f"id{i}" for i in range(20, 30)]
    outbox.close()


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 60), st.booleans()), max_size=40))
@settings(max_examples=60)
def test_whatever_happens_the_counts_are_right_and_only_telemetry_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Kind, int, bool]]
) -> None:
    outbox = Outbox(tmp_path_factory.mktemp("o") / "outbox.db", most=8, most_bytes=200)
    kept: list[str] = []
    for number, (kind, size, strike) in enumerate(steps):
        outbox.put(entry(number, kind, size))
        if kind is not Kind.TELEMETRY:
            kept.append(f"id{number}")
        if strike and (first := outbox.pending(1)):
            outbox.sent(ids(first))
            kept = [k for k in kept if k != first[0].message_id]
    waiting = outbox.pending(100)
    assert sorted(e.message_id for e in waiting if e.kind is not Kind.TELEMETRY) == sorted(kept)
    status = outbox.status()
    assert (status.waiting, status.waiting_bytes) == (len(waiting), sum(len(e.payload) for e in waiting))
    telemetry = sum(e.kind is Kind.TELEMETRY for e in waiting)
    assert telemetry == 0 or (status.waiting <= 8 and status.waiting_bytes <= 200)
    outbox.close()


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\x00" + bytes(4000)])
def test_a_damaged_file_is_put_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outbox.db").write_bytes(content)
    outbox = Outbox(tmp_path / "outbox.db")
    assert outbox.damaged is not None
    assert outbox.damaged.read_bytes() == content
    outbox.put(entry(1))
    outbox.close()
    Outbox(tmp_path / "outbox.db").close()


def test_another_programs_database_is_put_aside_not_written_to(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "outbox.db")
    db.execute("CREATE TABLE other (x)")
    db.commit()
    db.close()
    outbox = Outbox(tmp_path / "outbox.db")
    assert outbox.damaged is not None
    outbox.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "private" / "outbox.db")
    outbox.put(entry(1))
    assert {p.name: p.stat().st_mode & 0o077 for p in (tmp_path / "private").iterdir()} == {
        p.name: 0 for p in (tmp_path / "private").iterdir()
    }
    outbox.close()


def test_a_closed_one_says_so(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.close()
    outbox.close()
    with pytest.raises(StorageError):
        outbox.put(entry(1))


# -- the pump -----------------------------------------------------------------------------------------------------


def linked(broker: MemoryBroker, name: str, *filters: str) -> MemoryLink:
    link = MemoryLink(broker, name)
    for topic_filter in filters:
        link.subscribe(topic_filter)
    link.start()
    return link


def test_the_pump_sends_in_order_and_strikes_off(tmp_path: Path) -> None:
    broker, outbox = MemoryBroker(), Outbox(tmp_path / "outbox.db")
    site, door = linked(broker, "site", "#"), linked(broker, "door")
    outbox.put_all([entry(i) for i in range(120)])
    pump = OutboxPump(outbox, door, window=50)
    while pump.turn():
        pass
    assert outbox.status().waiting == 0
    assert [message(site).payload.rstrip(b".") for _ in range(120)] == [b"%d" % i for i in range(120)]
    outbox.close()


def test_without_a_connection_everything_waits_and_goes_out_when_it_is_back(tmp_path: Path) -> None:
    broker, outbox = MemoryBroker(), Outbox(tmp_path / "outbox.db")
    site, door = linked(broker, "site", "#"), linked(broker, "door")
    broker.stop()
    stop = threading.Event()
    worker = threading.Thread(target=OutboxPump(outbox, door).work, args=(stop,))
    worker.start()
    outbox.put(entry(1))
    assert outbox.status().waiting == 1
    broker.start()
    until(site, LinkUp)
    assert message(site).payload.startswith(b"1")
    eventually(lambda: outbox.status().waiting == 0)
    stop.set()
    worker.join(10)
    outbox.close()


def test_what_can_never_be_sent_does_not_stand_before_the_rest(tmp_path: Path) -> None:
    broker, outbox = MemoryBroker(), Outbox(tmp_path / "outbox.db")
    site, door = linked(broker, "site", "#"), linked(broker, "door")
    outbox.put(Entry("bad", Kind.ALARM, "wild/#", b""))
    outbox.put(entry(1))
    pump = OutboxPump(outbox, door)
    with pytest.raises(LinkError, match="not a topic"):
        pump.turn()
    pump.turn()
    pump.turn()
    assert message(site).payload.startswith(b"1")
    assert outbox.status().waiting == 0
    outbox.close()

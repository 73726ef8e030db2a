"""The admin's commands against a real Mosquitto with the configuration that ships and the site's own certificates and
rights: the owner alone, the agent as a service, a second admin elsewhere, a broker that dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.adminsite import PaperDoor
from support.broker import CONFIG, PATIENCE_S, QUICK
from support.commands import Command, commands

from edgeface.adapters.link import codec, topics
from edgeface.adapters.link.broker import LocalBroker, find_mosquitto, free_port
from edgeface.adapters.link.connection import Target
from edgeface.adapters.link.mqtt import MqttLink
from edgeface.adapters.link.tls import TlsFiles
from edgeface.adapters.link.upkeep import Limits
from edgeface.admin.home import Home
from edgeface.domain.errors import ConfigError
from edgeface.domain.messages_door import CommandNonce, CommandReply


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str]) -> Command:
    return commands(capsys)


class Field:
    """A site's folder, its broker, its doors."""

    def __init__(self, folder: Path, edgeface: Command) -> None:
        self.folder, self._edgeface = folder, edgeface
        self.port = free_port()
        made = self.admin("site", "create", "HQ", "--broker", "localhost", "--port", self.port, "--photos", "--json")
        self.code = made.json["recovery_code"]
        self.home = Home(folder / "site", lambda: b"")
        shutil.copytree(self.home.broker_folder, folder / "broker")
        (folder / "broker" / "ca.key").write_bytes(self.home.authority().key())
        self.broker = LocalBroker(folder / "broker", CONFIG, port=self.port)
        self.broker.start()
        self.links: list[MqttLink] = []

    def admin(self, *arguments: object, site: str = "site", code: int | None = 0):  # type: ignore[no-untyped-def]
        said = self._edgeface("admin", *arguments, "--site", self.folder / site)
        assert code is None or said.code == code, said
        return said

    def door(self, name: str) -> PaperDoor:
        door = PaperDoor(name)
        (self.folder / f"{name}.offer").write_bytes(door.offer)
        answer = self.folder / f"{name}.answer"
        self.admin("device", "add", self.folder / f"{name}.offer", "--answer", answer, "--yes")
        door.pair(answer.read_bytes())
        self.connect(door)
        return door

    def connect(self, door: PaperDoor) -> None:
        files = [self.folder / f"{door.name}.{end}" for end in ("ca", "pem", "key")]
        contents = (door.answer.ca, door.answer.certificate, door.tls_key.decode())
        for path, text in zip(files, contents, strict=True):
            path.write_text(text)
            path.chmod(0o600)
        target = Target("localhost", self.port, door.keys.id, TlsFiles(*files))
        link = MqttLink(target, backoff=QUICK)
        self.links.append(link)
        door.connect(link)

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.broker.stop()


@pytest.fixture
def field(tmp_path: Path, edgeface: Command) -> Iterator[Field]:
    try:
        find_mosquitto()
    except ConfigError as e:
        pytest.skip(str(e))
    made = Field(tmp_path, edgeface)
    yield made
    made.close()


def until(door: PaperDoor, condition: Callable[[], bool]) -> None:
    by_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < by_s, (door.site.standing(), door.refused)
        door.work()
        time.sleep(0.02)


def portrait() -> Path:
    cbook = pytest.importorskip("matplotlib.cbook")
    return Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def test_an_owner_alone_enrols_and_revokes_on_a_door(field: Field) -> None:
    door = field.door("front")
    grace = field.admin("person", "add", "--photo", portrait(), "--name", "Grace Hopper", "--json").json["id"]
    until(door, lambda: door.people == {grace} and door.site.standing().in_step)
    door.report()
    shown = field.admin("status", "--json", code=None).json
    assert shown["broker"]
    assert [(d["name"], d["people"]) for d in shown["doors"]] == [("front", 1)]
    told = field.admin("person", "revoke", "Grace Hopper", "--yes", "--json", code=None).json
    until(door, lambda: not door.people and door.site.standing().in_step)
    assert told["person"] == grace
    assert door.refused == []


def test_a_removed_door_reads_nothing_more_and_the_others_go_over(field: Field) -> None:
    front, back = field.door("front"), field.door("back")
    field.admin("person", "add", "--photo", portrait(), "--name", "Grace Hopper")
    until(front, lambda: len(front.people) == 1)
    until(back, lambda: len(back.people) == 1)
    field.admin("device", "remove", "back", "--yes")
    until(front, lambda: front.site.standing().epoch == 2 and front.site.standing().in_step)
    until(back, lambda: not back.site.member)
    assert 2 not in back.epochs
    journal = field.home.journal()
    assert len(journal.revoked_serials()) == 1
    journal.close()


class Service:
    """`edgeface admin agent` as a process of its own."""

    def __init__(self, field: Field) -> None:
        self.log = field.folder / f"agent{len(list(field.folder.glob('agent*.log')))}.log"
        site = str(field.folder / "site")
        command = [sys.executable, "-m", "edgeface", "admin", "agent", "--verbose", "--site", site]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            by_s = time.monotonic() + PATIENCE_S
            while "It has its broker." not in self.log.read_text():
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < by_s, self.log.read_text()
                time.sleep(0.05)
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)


def test_the_service_says_why_it_has_no_broker_and_when_it_has_one(field: Field) -> None:
    field.broker.stop()
    log = field.folder / "waiting.log"
    command = [sys.executable, "-m", "edgeface", "admin", "agent", "--site", str(field.folder / "site")]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        for sentence, then in (("It can't reach its broker: ", field.broker.start), ("It has its broker.", None)):
            by_s = time.monotonic() + PATIENCE_S
            while sentence not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < by_s, log.read_text()
                time.sleep(0.05)
            if then is not None:
                time.sleep(1.0)  # it has tried again since
                then()
        assert log.read_text().count("can't reach") == 1
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_beside_a_service_the_commands_go_through_it(field: Field) -> None:
    """The owner, and an admin on another machine with his own rights; the service is killed in between."""
    door = field.door("front")
    offer, answer = field.folder / "bob.offer", field.folder / "bob.answer"
    field.admin("site", "join", "Bob", "--offer", offer, site="bob")
    field.admin("admin", "add", offer, "--role", "revoke", "--role", "operate", "--answer", answer, "--yes")
    field.admin("site", "accept", answer, site="bob")
    shutil.copy(field.home.broker_folder / "acl", field.folder / "broker" / "acl")
    field.broker.stop()
    field.broker.start()
    service = Service(field)
    try:
        grace = field.admin("person", "add", "--photo", portrait(), "--name", "Grace Hopper", "--json").json["id"]
        until(door, lambda: door.people == {grace})
        service.end(signal.SIGKILL)
        service = Service(field)
        refused = field.admin("person", "update", "Grace Hopper", "--name", "Eve", site="bob", code=65)
        assert "role" in refused.err
        field.admin("person", "revoke", "Grace Hopper", "--yes", site="bob", code=None)
        until(door, lambda: not door.people and door.site.standing().in_step)
        field.admin("door", "lockdown", "--all", site="bob")
        until(door, lambda: door.site.mode is not None and door.site.mode.mode.value == "lockdown")
        assert field.admin("person", "list", "--json", site="bob").json == []
    finally:
        service.end()
    assert door.refused == []


def test_an_operator_unlocks_a_door_through_its_nonce(field: Field) -> None:
    door = field.door("front")
    answer_commands(door)
    command = [sys.executable, "-m", "edgeface", "admin", "door", "unlock", "front"]
    process = subprocess.Popen([*command, "--site", str(field.folder / "site")], stderr=subprocess.PIPE, text=True)
    by_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < by_s:
        door.work()
        time.sleep(0.02)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert err.strip() == "front is unlocked."


def answer_commands(door: PaperDoor) -> None:
    """As a door does, with one nonce."""
    inner, site, nonce = door._step, door.trust.site, os.urandom(16)

    def step(topic: topics.Topic, payload: bytes):  # type: ignore[no-untyped-def]
        say = lambda name, raw: door.link.publish(topics.of_device(site, door.keys.id, name), raw, message_id=name)  # noqa: E731
        if topic.name == "cmd/ask":
            asked = codec.open_signed(codec.COMMAND_ASK, payload, door.trust)
            issued = CommandNonce(asked.value.id, asked.signer, nonce)
            say("cmd/nonce", codec.sign(codec.COMMAND_NONCE, issued, site, door.keys))
            return None
        if topic.name == "cmd/run":
            command = codec.open_signed(codec.COMMAND, payload, door.trust).value
            reply = CommandReply(command.nonce, command.nonce == nonce)
            say("cmd/reply", codec.sign(codec.COMMAND_REPLY, reply, site, door.keys))
            return None
        return inner(topic, payload)

    door._step = step  # type: ignore[method-assign]


def test_a_broker_killed_without_its_database_is_filled_again(field: Field) -> None:
    door = field.door("front")
    field.admin("person", "add", "--photo", portrait(), "--name", "Grace Hopper")
    until(door, lambda: len(door.people) == 1)
    field.broker.kill()
    field.broker.forget()
    field.broker.start()
    field.admin("status", "--json", code=None)
    late = field.door("late")
    until(late, lambda: late.people == door.people and late.site.standing().in_step)


def test_a_lost_site_comes_back_from_its_backup_and_the_broker(field: Field) -> None:
    door = field.door("front")
    field.admin("person", "add", "--photo", portrait(), "--name", "Grace Hopper")
    until(door, lambda: len(door.people) == 1 and door.site.standing().in_step)
    backup, code = field.folder / "kept", field.folder / "code"
    shutil.copy(field.home.folder / "backup", backup)
    code.write_text(field.code.lower())
    shutil.rmtree(field.home.folder)
    field.admin("site", "restore", backup, "--code-file", code)
    field.admin("status", "--json", code=None)
    assert [p["name"] for p in field.admin("person", "list", "--json").json] == ["Grace Hopper"]
    field.admin("person", "revoke", "Grace Hopper", "--yes", "--json", code=None)
    until(door, lambda: not door.people and door.site.standing().in_step)
    assert door.refused == []


def test_software_without_edgeface_enrols_with_the_example(field: Field) -> None:
    """docs/examples/enrol_photo.py: an admin with the role enrol and nothing else."""
    door = field.door("front")
    offer, answer = field.folder / "hr.offer", field.folder / "hr.answer"
    field.admin("site", "join", "HR system", "--offer", offer, site="hr")
    field.admin("admin", "add", offer, "--role", "enrol", "--answer", answer, "--yes")
    field.admin("site", "accept", answer, site="hr")
    shutil.copy(field.home.broker_folder / "acl", field.folder / "broker" / "acl")
    field.broker.stop()
    field.broker.start()
    service = Service(field)
    try:
        example = CONFIG.parents[1] / "docs" / "examples" / "enrol_photo.py"
        command = [sys.executable, str(example), str(field.folder / "hr"), "Grace Hopper", str(portrait())]
        said = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
        assert (said.returncode, said.stdout) == (0, "enrolled\n"), said
        until(door, lambda: list(door.names.values()) == ["Grace Hopper"] and len(door.people) == 1)
    finally:
        service.end()


PUB = """#!{python}
import argparse, pathlib, paho.mqtt.client as paho
p = argparse.ArgumentParser(add_help=False)
for name in ("-q", "-h", "-p", "-t", "-f", "-i", "--cafile", "--cert", "--key"):
    p.add_argument(name, required=True)
o = p.parse_args()
c = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=o.i)
c.tls_set(o.cafile, o.cert, o.key)
c.on_connect = lambda *_: c.publish(o.t, pathlib.Path(o.f).read_bytes(), qos=int(o.q))
c.on_publish = lambda *_: c.disconnect()
c.connect(o.h, int(o.p))
c.loop_forever()
"""


def test_a_shell_enrols_with_the_example(field: Field) -> None:
    """docs/examples/enrol_photo.sh. Where Mosquitto's own client isn't installed another one stands in for it."""
    door = field.door("front")
    if shutil.which("mosquitto_pub") is None:
        stand_in = field.folder / "bin" / "mosquitto_pub"
        stand_in.parent.mkdir()
        stand_in.write_text(PUB.format(python=sys.executable))
        stand_in.chmod(0o755)
    example = CONFIG.parents[1] / "docs" / "examples" / "enrol_photo.sh"
    found = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(field.folder / "bin")])
    command = ["sh", str(example), str(field.folder / "site"), "Grace Hopper", str(portrait())]
    said = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False, env={**os.environ, "PATH": found}
    )
    assert said.returncode == 0, said
    assert said.stdout.startswith("sent as record ")
    service = Service(field)
    try:
        until(door, lambda: said.stdout.split()[-1] in door.people)
    finally:
        service.end()


def test_other_software_enrols_with_photos_by_one_message(field: Field) -> None:
    """`admin seal` makes it; mosquitto_pub would send it; the agent makes the template and answers."""
    door = field.door("front")
    message = field.folder / "ada.msg"
    sealed = field.admin("seal", "--photo", portrait(), "--name", "Grace Hopper", "--output", message).json
    target = Target("localhost", field.port, "admin", field.home.tls("admin"), largest_in=1 << 23)
    link = MqttLink(target, backoff=QUICK, limits=Limits(largest_out=1 << 23))
    field.links.append(link)
    reply_topic = topics.of_admin(field.home.site, "reply", field.home.info.admin)
    link.subscribe(reply_topic)
    link.start()
    by_s = time.monotonic() + PATIENCE_S
    while not link.status().connected:
        assert time.monotonic() < by_s
        time.sleep(0.02)
    link.publish(sealed["topic"], message.read_bytes(), message_id="seal", timeout_s=5).wait(10)
    service = Service(field)
    try:
        reply = None
        while reply is None:
            assert time.monotonic() < by_s + PATIENCE_S, service.log.read_text()
            item = link.receive(0.5)
            if item is not None and getattr(item, "topic", "") == reply_topic:
                roster = codec.Trust(field.home.root_public, door.site.roster)
                reply = codec.open_reply(item.payload, field.home.admin(), roster)[1]  # type: ignore[union-attr]
        assert reply.done, reply
        until(door, lambda: door.people == {sealed["record"]})
    finally:
        service.end()

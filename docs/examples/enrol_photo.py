"""Enrols one person with photos at an edgeface site, from software that has no models and doesn't use edgeface: one
signed message, its content sealed to the site's agent (docs/protocol.md, section 7). Needs cbor2, cryptography (47 or
later) and paho-mqtt.

    enrol_photo.py SITE_FOLDER NAME PHOTO...

SITE_FOLDER is that of an admin with the role enrol (`edgeface admin site join`, then `accept`), keys without a
passphrase. Prints the agent's answer."""

import base64
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import cbor2
import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
ENROLMENT, REPLY = (10, b"enrolment"), (9, b"reply")
NAME, ED25519, X25519, ROLES, ENROL = 1, 2, 3, 4, 1  # keys of a party in the roster, and the role


def party_id(ed25519: bytes, x25519: bytes) -> bytes:
    return hashlib.sha256(b"edgeface/v1/party\0" + ed25519 + x25519).digest()[:16]


def signed(kind: tuple[int, bytes], site: bytes, signer: bytes, body: bytes) -> bytes:
    return b"edgeface/v1/" + kind[1] + b"\0" + site + signer + body


def bound(kind: tuple[int, bytes], site: bytes, sender: bytes, reader: bytes, request: bytes) -> bytes:
    return b"edgeface/v1/hpke/" + kind[1] + b"\0" + site + sender + reader + request


class Admin:
    def __init__(self, folder: Path) -> None:
        info = json.loads((folder / "site.json").read_text())
        secret = base64.b64decode((folder / "keys" / "admin.key").read_bytes().split(b"\n")[1])
        self.signing = Ed25519PrivateKey.from_private_bytes(secret[:32])
        self.opening = X25519PrivateKey.from_private_bytes(secret[32:])
        publics = self.signing.public_key().public_bytes_raw(), self.opening.public_key().public_bytes_raw()
        self.id = party_id(*publics)
        self.root = bytes.fromhex(info["root"])
        self.site = hashlib.sha256(b"edgeface/v1/site\0" + self.root).digest()[:16]
        self.host, self.port = info["broker_host"], info["broker_port"]

    def topic(self, name: str) -> str:
        return f"edgeface/v1/{self.site.hex()}/{name}"

    def agent(self, roster: bytes) -> dict[int, bytes]:
        """The agent that takes photos, out of the roster, which the site's root key signed."""
        kind, site, signer, body, signature = cbor2.loads(roster[1:])
        Ed25519PublicKey.from_public_bytes(self.root).verify(signature, signed((1, b"roster"), site, signer, body))
        if (roster[0], kind, site, signer) != (1, 1, self.site, self.site):
            raise ValueError("not this site's roster")
        return next(a for a in cbor2.loads(body).get(6, []) if ENROL in a.get(ROLES, []))

    def enrolment(self, agent: dict[int, bytes], request: bytes, name: str, photos: list[bytes]) -> bytes:
        """Record id, name and photos; doors (6), groups (5), validity and so on are further keys of the map."""
        content = cbor2.dumps({1: os.urandom(16), 2: name, 3: photos, 15: int(time.time())}, canonical=True)
        to = party_id(agent[ED25519], agent[X25519])
        key = X25519PublicKey.from_public_bytes(agent[X25519])
        sealed = HPKE.encrypt(content, key, info=bound(ENROLMENT, self.site, self.id, to, request))
        body = cbor2.dumps({1: request, 2: to, 3: bytes(sealed)}, canonical=True)
        signature = self.signing.sign(signed(ENROLMENT, self.site, self.id, body))
        return b"\x01" + cbor2.dumps([ENROLMENT[0], self.site, self.id, body, signature], canonical=True)

    def answer(self, agent: dict[int, bytes], request: bytes, message: bytes) -> dict[int, object] | None:
        """None for the answer to another request."""
        _, site, signer, body, signature = cbor2.loads(message[1:])
        Ed25519PublicKey.from_public_bytes(agent[ED25519]).verify(signature, signed(REPLY, site, signer, body))
        outer = cbor2.loads(body)
        if outer[1] != request:
            return None
        content = HPKE.decrypt(outer[3], self.opening, info=bound(REPLY, site, signer, self.id, request))
        return cbor2.loads(content)


def main(folder: Path, name: str, photos: list[Path]) -> int:
    admin, request = Admin(folder), os.urandom(16)
    found: dict[str, object] = {}

    def on_message(client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == admin.topic("roster") and "agent" not in found:
            found["agent"] = agent = admin.agent(message.payload)
            enrolment = admin.enrolment(agent, request, name, [p.read_bytes() for p in photos])
            client.publish(admin.topic(f"enrol/{admin.id.hex()}"), enrolment, qos=1)
        elif message.topic == admin.topic(f"reply/{admin.id.hex()}") and "agent" in found:
            found["answer"] = admin.answer(found["agent"], request, message.payload) or found.get("answer")

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=admin.id.hex())
    client.tls_set(*(str(folder / "tls" / f) for f in ("ca.pem", "admin.pem", "admin.key")))
    client.on_message = on_message
    wanted = [(admin.topic(f"reply/{admin.id.hex()}"), 1), (admin.topic("roster"), 1)]
    client.on_connect = lambda *_: client.subscribe(wanted)
    client.connect(admin.host, admin.port)
    by = time.monotonic() + 60
    while not found.get("answer") and time.monotonic() < by:
        client.loop(0.2)
    client.disconnect()
    answer = found.get("answer")
    if not answer:
        print("The site's agent doesn't answer.")
        return 1
    print("enrolled" if answer[1] else f"refused: {answer.get(3)}")
    for what, reason in answer.get(7, []):
        print(f"  {what}: {reason}")
    return 0 if answer[1] else 65


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], [Path(p) for p in sys.argv[3:]]))

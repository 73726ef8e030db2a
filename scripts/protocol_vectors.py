"""Writes the test vectors (tests/data/protocol-vectors.json), the tables and the examples of docs/protocol.md, from
fixed seeds: the same bytes every time. With --check it writes nothing and fails where either is out of date."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from support import protocol as p  # noqa: E402
from support.protocol_refused import all_refused  # noqa: E402
from support.protocol_sequence import sequence  # noqa: E402

from edgeface.adapters.link import codec as c  # noqa: E402
from edgeface.adapters.link import limits, person, records, schema, specs_admin, specs_site  # noqa: E402
from edgeface.adapters.link.frame import signed_bytes  # noqa: E402
from edgeface.adapters.link.keys import record_key  # noqa: E402
from edgeface.domain import refusal, roster, shards  # noqa: E402

VECTORS = ROOT / "tests/data/protocol-vectors.json"
DOCUMENT = ROOT / "docs/protocol.md"
WIDTH = 100


def plain(value: object) -> object:
    """As JSON: bytes and vectors in hex (vectors as the float16 of the wire), an enum by its value."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, np.ndarray):
        return value.astype("<f2").tobytes().hex()
    if is_dataclass(value):
        # version 1 carries no PINs and cards
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name != "factors"}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


def build() -> dict[str, object]:
    sealed = c.open_signed(c.RECORD, p.record(), p.TRUST).value
    entries = [(i, e) for i, e in p.shards() if e is not None]
    return {
        "about": "Test vectors of docs/protocol.md, made by scripts/protocol_vectors.py. Bytes are in hex.",
        "version": 1,
        "site": {
            "id": p.SITE,
            "code": roster.short_code(p.SITE),
            "root_seed": p.ROOT.secret().hex(),
            "root": p.ROOT.public.hex(),
        },
        "parties": {name: _party(keys) for name, keys in p.NAMES.items()},
        "epoch_keys": plain({"epoch": p.EPOCH.epoch, "key": p.EPOCH.key, "rotation_seed": p.EPOCH.rotation_seed}),
        "hpke_ephemeral_scalar": p.EPHEMERAL.hex(),
        "record": {
            "id": p.RECORD_ID,
            "key": record_key(p.EPOCH, p.SITE, p.RECORD_ID).hex(),
            "associated_data": records.place(p.SITE, sealed).hex(),
        },
        "digests": {
            "entries": [{"id": i, "state": plain(e), "bytes": shards.entry_bytes(i, e).hex()} for i, e in entries],
            "shards": {str(shards.shard_of(i)): p.shards().digest(shards.shard_of(i)).hex() for i, _ in entries},
            "empty_shard": p.shards().digest(0).hex(),
            "overall": p.shards().overall().hex(),
        },
        "pairing_text": c.offer_text(p.offer()),
        "good": [_good(e) for e in p.examples()],
        "refused": [
            {"name": r.name, "kind": r.spec.name, "message": r.message.hex(), "refusal": r.refusal.value}
            for r in all_refused()
        ],
        "sequence": [
            {"name": s.name, "kind": s.spec.name, "message": s.message.hex(), "outcome": s.outcome} for s in sequence()
        ],
    }


def _party(keys: c.PartyKeys) -> dict[str, str]:
    secret = keys.secret()
    return {
        "id": keys.id,
        "code": roster.short_code(keys.id),
        "ed25519_seed": secret[:32].hex(),
        "x25519_scalar": secret[32:].hex(),
        "ed25519": keys.ed25519.hex(),
        "x25519": keys.x25519.hex(),
    }


def _good(e: p.Example) -> dict[str, object]:
    frame = c.split(e.message, e.spec.limit)
    return {
        "name": e.name,
        "number": e.spec.number,
        "message": e.message.hex(),
        "signer": frame.signer,
        "body": frame.body.hex(),
        "hash": p.hash_of(e.spec, e.message).hex(),
        "signed": signed_bytes(e.spec.name, frame.site, frame.signer, frame.body).hex(),
        "value": plain(p.accept(e.spec, e.message)),
    }


# -- the document -------------------------------------------------------------------------------------------------


def blocks() -> dict[str, str]:
    """What stands between `<!-- made: NAME -->` and `<!-- end -->` in the document, by name."""
    out = {"kinds": _kinds(), "refusals": _refusals(), "roles": _roles()}
    for spec in c.ALL:
        out[f"fields {spec.name}"] = _fields(spec.struct)
    inner: list[schema.Struct[Any]] = [
        person.TEMPLATE, specs_site.PARTY, specs_site.DEVICE, specs_site.EPOCH_KEYS, specs_admin.REQUEST_BODY,
        specs_admin.REPLY_BODY, specs_admin.ENROLMENT_BODY,
    ]  # fmt: skip
    for struct in inner:
        out[f"fields {struct.name}"] = _fields(struct)
    for e in p.examples():
        out[f"example {e.name}"] = _hex(e.message)
    sealed = c.open_signed(c.RECORD, p.record(), p.TRUST).value
    out["example associated data"] = _hex(records.place(p.SITE, sealed))
    for record_id, entry in p.shards():
        out[f"example entry {'gone' if isinstance(entry, shards.Gone) else 'held'}"] = _hex(
            shards.entry_bytes(record_id, entry)
        )
    return out


def _fields(struct: schema.Struct[Any]) -> str:
    rows = ["| key | field | holds | left out when |", "|---|---|---|---|"]
    for e in struct.entries:
        # a default as the wire would have it
        default = (
            ""
            if e.default is schema.REQUIRED
            else {None: "none", (): "empty", b"": "empty", "": "empty"}.get(e.default, str(e.default).lower())
        )
        rows.append(f"| {e.key} | `{e.name}` | {e.kind.name} | {default} |")
    return "\n".join(rows)


def _kinds() -> str:
    rows = ["| number | name | signed by | at most, bytes | example, bytes |", "|---|---|---|---|---|"]
    sizes = {e.name: len(e.message) for e in p.examples()}
    order = list(roster.Role)
    for s in c.ALL:
        who = ", ".join(r.value for r in sorted(s.signers, key=order.index))
        rows.append(f"| {s.number} | `{s.name}` | {who} | {s.limit:,} | {sizes[s.name]:,} |")
    return "\n".join(rows)


def _refusals() -> str:
    rows = ["| refusal | sentence |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{r.value}` | {refusal.SENTENCES[r]} |" for r in refusal.Refusal)])


def _roles() -> str:
    rows = ["| operation | number | any of these roles |", "|---|---|---|"]
    for number, (op, needed) in enumerate(c.REQUEST_ROLES.items(), 1):
        names = ", ".join(r.value for r in roster.ADMIN_ROLES if r in needed)
        rows.append(f"| `{op.value}` | {number} | {names} |")
    return "\n".join(rows)


def _hex(data: bytes) -> str:
    shown = data if len(data) <= limits.KIB // 2 else data[:224]
    text = shown.hex()
    lines = [text[i : i + WIDTH] for i in range(0, len(text), WIDTH)]
    if len(shown) < len(data):
        lines.append(f"... {len(data)} bytes in all; the whole is in the vectors")
    return "\n".join(["```", *lines, "```"])


def document(text: str) -> str:
    """The document with its made blocks made anew. Raises KeyError for a block that isn't known."""
    made = blocks()
    pattern = re.compile(r"(<!-- made: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = {
        VECTORS: json.dumps(build(), indent=1, ensure_ascii=False) + "\n",
        DOCUMENT: document(DOCUMENT.read_text(encoding="utf-8")),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())

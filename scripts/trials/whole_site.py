"""A site from its beginning, with the commands that people use and nothing else:

    .venv/bin/python scripts/trials/whole_site.py --people 200 --data FOLDER

A real Mosquitto with the configuration that ships, the site's agent as a service, and two real daemons at simulated
boards, before each of which Eileen Collins (a public-domain portrait) stands. Everybody is imported from a table with a
folder of photos: she, Grace Hopper, and --people more from FOLDER/lfw (Labeled Faces in the Wild). Both doors are seen
in step; one is killed (-9); she is revoked; the other door refuses her; the killed one starts again and refuses her
too. Prints a transcript; ends with 1 where anything is not as it should be."""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.device import Device, Running
from support.portraits import astronaut, grace_hopper
from support.simboard import Simboard
from support.visits import COLLINS, HOPPER, Visit, write_scene

from edgeface.adapters.link.broker import BrokerProcess, free_port

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("front", "back")
PATIENCE_S = 180.0  # only ends a trial that would hang
MOST_PHOTOS = 3  # of one person
SETTINGS: dict[str, dict[str, object]] = {
    "camera": {"source": "replay:scene.toml", "loop": True},
    "decision": {"cooldown_s": 0.5, "freshness_ms": 2000},  # two daemons and more share this machine
}


class Wrong(Exception):
    """It is not as it should be."""


def say(text: str = "") -> None:
    print(text, flush=True)


def edgeface(*arguments: object, codes: tuple[int, ...] = (0,), shown: int = 40, json_out: bool = False) -> Any:
    """Runs and prints the command; what it said on stdout."""
    say("$ edgeface " + " ".join(f"'{a}'" if " " in str(a) else str(a) for a in arguments))
    done = subprocess.run(
        [sys.executable, "-m", "edgeface", *map(str, arguments), *(["--json"] if json_out else [])],
        capture_output=True, text=True, check=False, timeout=3600, env={**os.environ, "COLUMNS": "140"},
    )  # fmt: skip
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if not json_out:
        for line in lines if len(lines) <= shown else [*lines[: shown // 2], "  …", *lines[-shown // 2 :]]:
            say(f"  {line.rstrip()}")
    if done.returncode not in codes:
        raise Wrong(f"it ended with {done.returncode}: {done.stderr[-600:]}")
    return json.loads(done.stdout) if json_out else done.stdout


def table_of(folder: Path, data: Path | None, people: int) -> Path:
    """people.csv and photos/ in `folder`."""
    import cv2

    photos = folder / "photos"
    photos.mkdir()
    rows = [(COLLINS, "collins.png"), (HOPPER, "hopper.png")]
    cv2.imwrite(str(photos / "collins.png"), astronaut())
    cv2.imwrite(str(photos / "hopper.png"), grace_hopper())
    found = sorted(p for p in (data / "lfw").iterdir() if p.is_dir()) if data is not None and people else []
    for person in found[:people]:
        names = [photo.name for photo in sorted(person.glob("*.jpg"))[:MOST_PHOTOS]]
        for name in names:
            shutil.copy(person / name, photos / name)
        rows.append((person.name.replace("_", " "), ";".join(names)))
    with (folder / "people.csv").open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("name", "photos"), *rows])
    return folder / "people.csv"


@contextmanager
def agent_of(site: Path, log: Path) -> Iterator[None]:
    say(f"$ edgeface admin agent --site {site} &")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeface", "admin", "agent", "--site", str(site)], stdout=out, stderr=out
        )
    try:
        until(lambda: "It has its broker" in log.read_text(), "the agent has its broker")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        say("\n".join(f"  {line}" for line in log.read_text().splitlines()))


def until(condition: Callable[[], object], what: str) -> float:
    """How long it took."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s > PATIENCE_S:
            raise Wrong(f"in {PATIENCE_S:g} s it did not come about that {what}")
        time.sleep(0.05)
    return time.monotonic() - began_s


def in_step(site: Path, people: int, doors: tuple[str, ...]) -> bool:
    said = subprocess.run(
        [sys.executable, "-m", "edgeface", "admin", "status", "--json", "--site", str(site)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = {d["name"]: d for d in json.loads(said.stdout)["doors"]} if said.stdout else {}
    return all(found.get(n, {}).get("in_step") and found[n]["people"] == people for n in doors)


def events(device: Device, kind: str, after: int) -> list[dict[str, Any]]:
    return [e for e in device.audit(kind) if e["seq"] > after]


def last(device: Device) -> int:
    return max((e["seq"] for e in device.audit()), default=0)


def refuses(device: Device, running: Running, person: str, after: int, name: str) -> None:
    """She stands there, is looked at and refused, and was not let in once since."""
    running.wait(lambda: events(device, "access_denied", after), f"{name} refuses her")
    let_in = [e for e in events(device, "access_granted", after) if e["person"] == person]
    if let_in:
        raise Wrong(f"{name} let her in: {let_in}")
    denied = events(device, "access_denied", after)[0]
    say(f"  {name}: {denied['at']} access_denied, {denied['reason']}; not let in once since.")


def trial(folder: Path, data: Path | None, people: int) -> None:
    site, port = folder / "s", free_port()
    with ExitStack() as stack:
        edgeface("admin", "site", "create", "Headquarters", "--broker", "localhost", "--port", port, "--site", site)
        broker = BrokerProcess(site / "broker", ROOT / "config" / "mosquitto", port=port)
        stack.callback(broker.stop)
        broker.start()
        say("  (Mosquitto runs with config/mosquitto and the site's files)")
        devices: dict[str, Device] = {}
        for name in DOORS:
            device = devices[name] = Device(folder / name[0], SETTINGS)
            write_scene(device.folder / "scene.toml", Visit("collins", 0, 4), length_s=4.5)
            stack.enter_context(Simboard(device.folder))
            offer, answer, config = device.folder / "offer", device.folder / "answer", device.config
            edgeface("pair", "--out", offer, "--config", config)
            edgeface("admin", "device", "add", offer, "--name", name, "--answer", answer, "--yes", "--site", site)
            edgeface("pair", "--answer", answer, "--config", config)
        stack.enter_context(agent_of(site, folder / "agent.log"))
        table = table_of(folder, data, people)
        began_s = time.monotonic()
        edgeface(
            "admin", "person", "import", table, "--photos", folder / "photos", "--report", folder / "report.csv",
            "--site", site, codes=(0, 1),
        )  # fmt: skip
        with (folder / "report.csv").open(encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        ids = {row["name"]: row["id"] for row in rows if row["result"] == "enrolled"}
        say(f"  ({len(ids)} of {len(rows)} enrolled in {time.monotonic() - began_s:.1f} s)")
        if COLLINS not in ids or HOPPER not in ids:
            raise Wrong(f"{COLLINS} or {HOPPER} was not enrolled")
        back = stack.enter_context(devices["back"].run())
        with devices["front"].run() as front:
            took_s = until(lambda: in_step(site, len(ids), DOORS), "both doors are in step")
            say(f"  (both doors were started, and in step after {took_s:.1f} s)")
            edgeface("admin", "status", "--site", site)
            for name, running in (("front", front), ("back", back)):
                granted = running.wait_event("access_granted", person=ids[COLLINS])
                say(f"  {name}: {granted['at']} access_granted, {granted['person']} ({COLLINS})")
            say(f"$ kill -9 {front.process.pid}    # front")
            front.process.kill()
            front.process.wait()
        before, at_back = last(devices["front"]), last(devices["back"])
        edgeface("admin", "person", "revoke", COLLINS, "--yes", "--site", site, codes=(0, 1))
        until(lambda: in_step(site, len(ids) - 1, ("back",)), "back has confirmed it")
        revoked = events(devices["back"], "person_removed", at_back)[0]
        refuses(devices["back"], back, ids[COLLINS], int(revoked["seq"]), "back")
        edgeface("admin", "status", "--site", site, codes=(1,))
        say("$ edgeface run    # front, again")
        with devices["front"].run() as front:
            took_s = until(lambda: events(devices["front"], "person_removed", before), "front has removed her")
            say(f"  (front removed her {took_s:.1f} s after it answered)")
            refuses(devices["front"], front, ids[COLLINS], before, "front")
            until(lambda: in_step(site, len(ids) - 1, DOORS), "both doors are in step")
            edgeface("admin", "status", "--site", site)
            say(f"As it should be: {len(ids)} people on two doors, one revoked, and refused by both.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = os.environ.get("EDGEFACE_TEST_DATA")
    parser.add_argument("--people", type=int, default=20, help="of Labeled Faces in the Wild, beside the two (20)")
    parser.add_argument("--data", type=Path, default=Path(given) if given else None, help="the folder that has lfw/")
    options = parser.parse_args()
    if options.data is None and options.people:
        say("There is no folder with lfw/ (--data, or EDGEFACE_TEST_DATA): the two portraits alone.")
    with tempfile.TemporaryDirectory(prefix="ef-") as folder:  # short: sockets are in it
        try:
            trial(Path(folder), options.data, options.people)
        except (Wrong, AssertionError) as e:
            say(f"NOT AS IT SHOULD BE: {e}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

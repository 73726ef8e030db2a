"""`edgeface demo`: what `make demo` shows, on its real processes, judged by what it says and ends with."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console
from support.visits import COLLINS, Visit, write_scene

from edgeface.app import wiring_tools
from edgeface.app.demo.show import Moment, Outcome
from edgeface.app.demo.verdict import Happened, Pulse, judge
from edgeface.cli import demo

COMMAND = [sys.executable, "-m", "edgeface", "demo"]
ROWS = [
    "an admin enrols somebody",
    "an empty doorway",
    "a stranger",
    "a photo of the enrolled person",
    "the enrolled person",
    "the enrolled person turns away",
    "the enrolled person with a stranger behind",
    "the admin revokes her",
    "she comes again",
]


@pytest.fixture
def scene(tmp_path: Path, photos) -> Path:
    """She comes, and is let in."""
    return write_scene(tmp_path / "visit.toml", Visit("collins", 0, 4.5, "access_granted", COLLINS), length_s=5)


@pytest.fixture
def disappointing(tmp_path: Path, photos) -> Path:
    """She is let in, and the scene expects that a print of her is as well."""
    visits = Visit("collins", 0, 3.5, "access_granted", COLLINS), Visit("print", 3.5, 6.5, "access_granted", COLLINS)
    return write_scene(tmp_path / "visit.toml", *visits)


def on_a_terminal(command: list[str], columns: int) -> tuple[int, str]:
    """The exit code and all that a terminal of that width got to see."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: Linux says so where the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return process.wait(30), seen.decode("utf-8", errors="replace")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


@pytest.mark.serial
@pytest.mark.timeout(900)
def test_the_whole_demo_holds_in_every_row(photos) -> None:
    done = subprocess.run([*COMMAND, "--site", "--json"], capture_output=True, text=True, timeout=170, check=False)
    told = json.loads(done.stdout)
    assert [row["name"] for row in told["rows"]] == ROWS
    assert [(row["name"], row["happened"], row["faults"]) for row in told["rows"] if not row["ok"]] == []
    assert (done.returncode, told["ok"]) == (0, True)
    assert [edge["level"] for edge in told["relay"]] == [1, 0, 1, 0]
    visit = told["rows"][ROWS.index("the enrolled person")]
    assert abs(visit["relay_ms"] - told["pulse_ms"]) <= 100 + told["stood_still_ms"]
    assert visit["after_ms"] is not None
    kinds = [e["event"] for e in told["events"]]
    assert kinds.index("gallery_in_step") < kinds.index("access_granted") < kinds.index("person_removed")
    (enrolled,) = (e for e in told["events"] if e["event"] == "person_enrolled")
    assert enrolled["source"] == "site"


def test_without_a_terminal_each_moment_is_a_line_and_a_wrong_expectation_ends_with_1(disappointing: Path) -> None:
    command = [*COMMAND, "--scene", str(disappointing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1, done.stderr + done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    for word in ("enrolling", "starting", "playing", "granted", "relay closed", "relay open, locked"):
        assert word in done.stderr
    assert re.search(r"^ +\d+\.\d\d s  granted$", done.stderr, re.MULTILINE)
    assert "1 of 2 rows hold" in done.stderr
    assert re.search(r"^ *✓ +collins at 0 +granted +granted", done.stdout, re.MULTILINE)
    assert "✗ print at 3.5: " in done.stdout
    assert "access granted did not come" in done.stdout or "granted did not come" in done.stdout


def test_on_a_terminal_there_is_a_live_picture_and_a_table_that_fits(scene: Path) -> None:
    code, seen = on_a_terminal([*COMMAND, "--scene", str(scene)], 80)
    text = plain(seen)
    assert code == 0, text
    for piece in ("edgeface demo", " LOCKED ", " OPEN ", "▶ collins at 0", "━", "●", "granted"):
        assert piece in text, piece
    table = text[text.rindex("edgeface demo") :]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "1 of 1 rows hold" in table


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_picture_and_table_of_the_whole_demo_fit_any_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every decision's sign is seen, no word is cut in the table, and what failed is said in full below it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    story = wiring_tools.load_scene(None)
    acts = story.acts
    events = [
        Happened(4.0, "access_denied", {"reason": "unknown_person"}),
        Happened(11.0, "spoof_refused", {"reason": "spoof"}),
        Happened(18.0, "access_granted", {"person": COLLINS}),
        Happened(18.01, "door_unlocked", {}),
        Happened(26.0, "hint", {"hint": "look_at_camera"}),
        Happened(31.0, "access_granted", {"person": COLLINS}),
        Happened(31.01, "door_unlocked", {}),
        Happened(33.5, "tailgating_seen", {}),
        Happened(0.3, "person_enrolled", {"person": COLLINS}),
        Happened(37.9, "person_removed", {"person": COLLINS}),
        Happened(42.5, "access_denied", {"reason": "unknown_person"}),
    ]
    console = Console(width=columns, file=io.StringIO())
    console.print(demo._picture(acts, Moment(34.0, story.length_s, "playing", True, events), columns))
    picture = console.file.getvalue()
    assert max(len(line.rstrip()) for line in picture.splitlines()) <= columns
    bars = picture[: picture.rindex("● granted  ✕ refused")]
    assert [bars.count(sign) for sign in "✕▣●⚑+−"] == [2, 1, 2, 1, 1, 1]
    assert "picture refused" in bars
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    rows = judge(acts, events, [Pulse(18.02, 19.52), Pulse(19.9, 21.4), Pulse(31.02, 32.52)], 1500)
    demo._print_table(Outcome(rows, events, [], 40.0))
    out, err = map(plain, capsys.readouterr())
    assert max(len(line) for line in out.splitlines()) <= columns
    for word in ("granted", "tailgating", "unknown", "picture", "1500 ms", "enrolled", "revoked"):
        assert word in out
    assert "…" not in out
    assert "closed 2 times for 1 grants" in " ".join(out.split())
    assert "8 of 9 rows hold" in err


def test_without_a_broker_the_same_happens_at_the_door_itself(tmp_path: Path, photos) -> None:
    """As on a device that has no Mosquitto: enrolled by `enroll`, revoked by `gallery remove`."""
    visits = Visit("collins", 0, 4, "access_granted", COLLINS), Visit("collins", 8, 12, "access_denied")
    scene = write_scene(tmp_path / "visit.toml", *visits, length_s=12.5)
    order = '\n[[act]]\nname = "revoked"\nstart_s = 4.5\nend_s = 8\nexpect = "nothing"\n'
    scene.write_text(scene.read_text() + order + f'admin = "revoke"\nperson = "{COLLINS}"\n')
    command = [*COMMAND, "--no-site", "--json", "--scene", str(scene)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    told = json.loads(done.stdout)
    assert [(r["name"], r["faults"]) for r in told["rows"] if not r["ok"]] == []
    assert told["rows"][1]["happened"].startswith("access_denied (unknown_person)")
    assert told["rows"][2]["happened"] == "nothing"


@pytest.mark.parametrize(("in_time", "said"), [(0.3, True), (0.9, False)])
def test_rows_that_fail_on_a_busy_machine_are_explained(
    in_time: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who tries it while his machine compiles must not take it for a bad door."""
    rows = judge(wiring_tools.load_scene(None).acts, [], [], 1500)
    demo._print_table(Outcome(rows, [], [], 40.0, in_time))
    assert ("30% of the pictures were looked at in time" in capsys.readouterr().err) is said


def test_a_scene_that_is_none_is_said(tmp_path: Path) -> None:
    file = tmp_path / "scene.toml"
    file.write_text('titel = "x"\n')
    done = subprocess.run([*COMMAND, "--scene", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 66
    assert "Did you mean `title`?" in done.stderr

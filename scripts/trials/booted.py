"""Both services under a real, booted systemd: a Debian root (debootstrap) in systemd-nspawn, installed by install.sh
from a bundle, with a recording as camera and the simulated board as relay. Kills and hangs each service in mid-pulse
and judges the board's log; then the start limit, a roll-back, a read-only root, the uninstaller.

Needs root, and the packages debootstrap and systemd-container. The root is kept and never written to: what a trial
writes lies in an overlay of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,procps"
BOARD = """[Unit]
Description=simulated board
Before=edgeface-doord.service
[Service]
User=edgeface-doord
RuntimeDirectory=simboard
StateDirectory=simboard
ExecStart=/usr/lib/edgeface/current/venv/bin/python -I -m edgeface.adapters.door.simboard \
 --socket /run/simboard/board.sock --log /var/lib/simboard/edges.jsonl --pins 17
[Install]
WantedBy=multi-user.target
"""
SETTINGS = """[camera]
source = "replay:/usr/share/edgeface-trial"
loop = true
[door]
driver = "simboard"
board_socket = "/run/simboard/board.sock"
[health]
safe_mode_starts = 0  # it is killed more often here than any board would
"""
PICTURES = """
import cv2, numpy as np, sys
for n in range(30):
    cv2.imwrite(f"{sys.argv[1]}/{n:03}.png", np.random.default_rng(n).integers(60, 200, (480, 640, 3), dtype=np.uint8))
"""
LOCKED_WITHIN_S = 1.0
BACK_WITHIN_S = 30.0  # a loaded PC; on the device the figure of docs/operations.md counts

failures: list[str] = []


def say(sentence: str) -> None:
    print(sentence, flush=True)


def judge(what: str, good: bool, detail: str = "") -> None:
    say(f"{'ok  ' if good else 'BAD '} {what}{': ' + detail if detail else ''}")
    if not good:
        failures.append(what)


class Guest:
    """The booted system. `upper` has every file that it wrote."""

    def __init__(self, base: Path, work: Path) -> None:
        self.work, self.upper, self.root = work, work / "upper", work / "root"
        for folder in (self.upper, work / "scratch", self.root):
            folder.mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={base},upperdir={self.upper},workdir={work / 'scratch'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        self.state: Path | None = None  # where the board's log is, if not in the root
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self, *options: str) -> None:
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--machine=edgeface-trial",
                   "--console=pipe", "--boot", "-D", str(self.root), *options]  # fmt: skip
        with (self.work / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        until(self._booted, "the system boots", 90)

    def _booted(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            sys.exit(f"systemd-nspawn ended: {(self.work / 'console.log').read_text(errors='replace')[-2000:]}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self._init = int(children[-1])
        return self.run("systemctl", "is-system-running", ok=False).stdout.strip() in ("running", "degraded")

    def run(self, *command: str, ok: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-p", "-C"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "HOME": "/root"}
        done = subprocess.run([*enter, *command], capture_output=True, text=True, env=environment, input=stdin,
                              check=False)  # fmt: skip
        if ok and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-p", "-C"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}
        return subprocess.Popen([*enter, *command], env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    def show(self, unit: str, key: str) -> str:
        return self.run("systemctl", "show", "-p", key, "--value", unit).stdout.strip()

    def active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", "--quiet", unit, ok=False).returncode == 0

    def status(self) -> dict[str, object] | None:
        done = self.run("edgeface", "door", "status", "--json", ok=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def serving(self) -> bool:
        """The daemon decides on frames and has its door process."""
        status = self.status()
        return status is not None and bool(status["camera"]["ok"]) and bool(status["camera"]["frames"])  # type: ignore[index]

    def edges(self) -> list[dict[str, float]]:
        log = (self.state or self.root / "var/lib/simboard") / "edges.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def halt(self) -> None:
        if self._nspawn is None or self._nspawn.poll() is not None:
            return
        os.kill(self._init, signal.SIGRTMIN + 4)  # systemd: power off
        try:
            self._nspawn.wait(40)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()

    def close(self) -> None:
        self.halt()
        subprocess.run(["umount", str(self.root)], check=False)


def until(true: object, what: str, for_s: float) -> float:
    """How long it took; ends the trial where it never came."""
    start = time.monotonic()
    while time.monotonic() - start < for_s:
        with contextlib.suppress(RuntimeError, OSError):
            if true():  # type: ignore[operator]
                return time.monotonic() - start
        time.sleep(0.1)
    raise RuntimeError(f"{what}: not within {for_s:.0f} s")


def debian(folder: Path, suite: str) -> Path:
    base = folder / f"debian-{suite}"
    if not (base / ".complete").exists():
        shutil.rmtree(base, ignore_errors=True)
        say(f"making a Debian root ({suite}) by debootstrap")
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(base)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr}")
        (base / ".complete").touch()
    return base


@contextlib.contextmanager
def pulse(guest: Guest) -> Iterator[None]:
    """The relay is closed, for five seconds if nothing happens."""
    before = len(guest.edges())
    tester = guest.start("edgeface", "door", "test", "--pulse-ms", "5000")
    try:
        until(lambda: len(guest.edges()) > before and guest.edges()[-1]["level"] == 1, "the relay closes", 20)
        yield
    finally:
        tester.kill()
        tester.wait()


def locked_after(guest: Guest, at_s: float) -> float:
    until(lambda: guest.edges()[-1]["level"] == 0, "the relay opens", 10)
    return float(guest.edges()[-1]["t_s"]) - at_s


def victims(guest: Guest, what: str) -> list[str]:
    """The processes that are meant: the daemon, the door process, its guard, or the last two at once."""
    main = guest.show("edgeface" if what == "daemon" else "edgeface-doord", "MainPID")
    if what in ("daemon", "guard"):
        return [main]
    child = guest.run("pgrep", "-P", main).stdout.split()
    return child if what == "door process" else [main, *child]


def fault(guest: Guest, what: str, name: str, within_s: float, times: int) -> None:
    """The signal in mid-pulse; how long until the relay is open, until all serves again."""
    locks, backs = [], []
    for _ in range(times):
        with pulse(guest):
            pids = victims(guest, what)
            at_s = time.monotonic()
            guest.run("kill", f"-{name}", *pids)
            locks.append(locked_after(guest, at_s))

        def anew(old: list[str] = pids) -> bool:
            now = victims(guest, what)
            return bool(now) and "0" not in now and not set(now) & set(old)

        until(anew, f"the {what} is started again", BACK_WITHIN_S + within_s + 30)
        until(guest.serving, "the door serves again", BACK_WITHIN_S)
        backs.append(time.monotonic() - at_s)
    judge(f"{what}: {name} in mid-pulse, {times} times, locked within {within_s} s", max(locks) <= within_s,
          f"locked after {min(locks):.3f} to {max(locks):.3f} s, serving again within {max(backs):.1f} s")  # fmt: skip


def kills(guest: Guest, times: int) -> None:
    for what in ("door process", "guard", "daemon"):
        fault(guest, what, "KILL", LOCKED_WITHIN_S, times)
    # Both at once, which nothing but systemd survives: as long as a Python takes to start.
    fault(guest, "door process and guard", "KILL", LOCKED_WITHIN_S * 2, times)


def hangs(guest: Guest) -> None:
    """Hung, not dead: the guard's half second, the door process's patience with a silent daemon, systemd's watchdog."""
    fault(guest, "door process", "STOP", LOCKED_WITHIN_S, 2)
    fault(guest, "daemon", "STOP", LOCKED_WITHIN_S, 1)
    fault(guest, "door process and guard", "STOP", 5.0 + 2 * LOCKED_WITHIN_S, 1)


def install(guest: Guest, bundle: str, *options: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    done = guest.run(f"{bundle}/install.sh", "--unattended", *options, ok=ok)
    for line in (done.stdout + done.stderr).splitlines():
        say(f"     {line}")
    return done


def unpack(guest: Guest, bundle: Path) -> str:
    place = guest.root / "srv/bundle"
    place.mkdir(parents=True)
    subprocess.run(["tar", "-xf", str(bundle), "--strip-components", "1", "-C", str(place)], check=True)
    return "/srv/bundle"


def reseal(folder: Path) -> None:
    """A bundle that was changed, sound again."""
    names = "find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs -d '\\n' sha256sum > SHA256SUMS"
    subprocess.run(["sh", "-c", names], cwd=folder, check=True)


def set_up(guest: Guest, bundle: str) -> None:
    install(guest, bundle)
    pictures = guest.root / "usr/share/edgeface-trial"
    pictures.mkdir()
    guest.run("/usr/lib/edgeface/current/venv/bin/python", "-I", "-c", PICTURES, "/usr/share/edgeface-trial")
    (guest.root / "etc/systemd/system/simboard.service").write_text(BOARD)
    (guest.root / "etc/trial.toml").write_text(SETTINGS)
    guest.run("systemctl", "enable", "--now", "simboard.service")
    install(guest, bundle, "--config", "/etc/trial.toml", "--start")
    until(guest.serving, "the door serves", BACK_WITHIN_S)
    for unit, user in (("edgeface.service", "edgeface"), ("edgeface-doord.service", "edgeface-doord")):
        owner = guest.run("ps", "-o", "user:20=", "-p", guest.show(unit, "MainPID")).stdout.strip()
        judge(f"{unit} runs as its own user", owner == user, owner)
        line = guest.run("systemd-analyze", "security", "--no-pager", unit).stdout.splitlines()[-1]
        judge(f"{unit}, judged in place", True, line.strip("→ "))


def try_credential(guest: Guest) -> None:
    """The key sealed by systemd; without the file in the state folder."""
    key = "/var/lib/edgeface/device.key"
    guest.run("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
    guest.run("systemd-creds", "encrypt", "--name=edgeface-key", key, "/etc/credstore.encrypted/edgeface-key")
    guest.run("mv", key, f"{key}.away")
    guest.run("systemctl", "restart", "edgeface")
    until(guest.serving, "the door serves with a sealed key", BACK_WITHIN_S)
    judge("the device key as a sealed credential, without device.key", True)
    guest.run("mv", f"{key}.away", key)
    guest.run("rm", "/etc/credstore.encrypted/edgeface-key")
    guest.run("systemctl", "restart", "edgeface")
    until(guest.serving, "the door serves with the key's file", BACK_WITHIN_S)
    judge("and again from device.key, without a credential", True)


def try_start_limit(guest: Guest) -> None:
    """A relay that is not there: fast retries, then slow ones, and the door comes back by itself."""
    env = guest.root / "etc/edgeface/doord.env"
    good = env.read_text()
    env.write_text(good.replace("--pin 17", "--pin 99"))
    guest.run("systemctl", "restart", "edgeface-doord", ok=False)
    until(lambda: guest.show("edgeface-doord", "Result") == "start-limit-hit" or
          guest.show("edgeface-doord", "ActiveState") == "failed", "the start limit is hit", 120)  # fmt: skip
    until(lambda: guest.active("edgeface-retry@edgeface-doord.timer"), "the slow retry waits", 5)
    judge("a pin that is not there: the start limit is hit, the slow retry waits", True)
    env.write_text(good)
    took = until(lambda: guest.active("edgeface-doord") and guest.serving(), "the slow retry brings the door back", 90)
    judge("the slow retry brings the door back", True, f"after {took:.0f} s")


def try_roll_back(guest: Guest, bundle: str) -> None:
    """A new version whose daemon dies at start, and one whose self-check fails: the one in use stays."""
    before = (guest.root / "usr/lib/edgeface/current").readlink()
    other = guest.root / "srv/worse"
    shutil.copytree(guest.root / bundle.lstrip("/"), other)
    unit = other / "systemd/edgeface.service"
    unit.write_text(unit.read_text().replace("-m edgeface run", "-m edgeface run --no-such-option"))
    reseal(other)
    done = install(guest, "/srv/worse", ok=False)
    same = (guest.root / "usr/lib/edgeface/current").readlink() == before
    said = f"{before.name} is in use again" in done.stderr
    judge("a version that does not start is rolled back", done.returncode == 1 and same and said)
    until(guest.serving, "the door serves with the version before", BACK_WITHIN_S)
    (other / "config/extra.txt").write_text("another build\n")
    unit.write_text(unit.read_text().replace(" --no-such-option", ""))
    wheel = next((other / "wheels").glob("edgeface-*.whl"))
    subprocess.run(["python3", "-c", _SPOIL, str(wheel)], check=True)
    digest = subprocess.run(["sha256sum", str(wheel)], capture_output=True, text=True, check=True).stdout.split()[0]
    listed = other / "requirements-edgeface.txt"
    listed.write_text(listed.read_text().partition("sha256:")[0] + f"sha256:{digest}\n")
    reseal(other)
    pids = [guest.show(unit, "MainPID") for unit in ("edgeface", "edgeface-doord")]
    done = install(guest, "/srv/worse", ok=False)
    unmoved = pids == [guest.show(unit, "MainPID") for unit in ("edgeface", "edgeface-doord")]
    judge("a version with a damaged model is refused; the services were not touched", done.returncode == 1 and unmoved)
    # A sound one; then back by hand.
    shutil.rmtree(other)
    shutil.copytree(guest.root / bundle.lstrip("/"), other)
    (other / "config/extra.txt").write_text("another build\n")
    reseal(other)
    install(guest, "/srv/worse")
    judge("an upgrade", (guest.root / "usr/lib/edgeface/current").readlink() != before)
    install(guest, "/usr/lib/edgeface/current", "--roll-back")
    judge("roll-back by hand", (guest.root / "usr/lib/edgeface/current").readlink() == before and guest.serving())
    again = install(guest, bundle)
    judge("installed again, nothing happens", "installed already" in again.stdout)


_SPOIL = """
import sys, zipfile, shutil
source = zipfile.ZipFile(sys.argv[1]); target = zipfile.ZipFile(sys.argv[1] + ".new", "w")
for info in source.infolist():
    data = source.read(info)
    if info.filename.endswith("facemesh.tflite"):
        data = data[:-1] + bytes([data[-1] ^ 1])
    target.writestr(info, data)
target.close(); shutil.move(sys.argv[1] + ".new", sys.argv[1])
"""


def try_uninstall(guest: Guest) -> None:
    install(guest, "/srv/bundle", "--uninstall")
    left = guest.run("find", "/", "-xdev", "-name", "*edgeface*", "-not", "-path", "/proc/*", "-not", "-path", "/srv/*",
                     ok=False).stdout.split()  # fmt: skip
    left = [p for p in left if not p.startswith(("/var/log", "/usr/share/edgeface-trial", "/sys", "/run"))]
    kept = {
        "/etc/edgeface",
        "/etc/edgeface/edgeface.toml",
        "/etc/edgeface/edgeface.toml.before",
        "/etc/edgeface/doord.env",
        "/etc/edgeface/doord.env.before",
        "/var/lib/edgeface",
        "/var/lib/edgeface-doord",
    }
    judge("the uninstaller leaves the people and the settings alone", set(left) <= kept, " ".join(sorted(left)))
    judge("and stops both services", not guest.active("edgeface") and not guest.active("edgeface-doord"))
    guest.run("systemctl", "stop", "simboard")  # runs as the door process's user
    install(guest, "/srv/bundle", "--uninstall", "--purge")
    gone = not any((guest.root / p.lstrip("/")).exists() for p in kept)
    judge("--purge leaves nothing", gone and guest.run("id", "edgeface", ok=False).returncode != 0)


def try_writes(guest: Guest) -> None:
    """What the services write: where, and how much while nobody comes."""
    log = guest.run("find", "/", "-xdev", "(", "-user", "edgeface", "-o", "-user", "edgeface-doord", ")", "-type", "f",
                    "-not", "-path", "/var/lib/simboard/*", ok=False).stdout.split()  # fmt: skip
    strangers = [p for p in log if not p.startswith(("/var/lib/edgeface/", "/var/lib/edgeface-doord/"))]
    judge("everything that edgeface wrote is in its state folder", not strangers, " ".join(sorted(log)))
    for unit in ("edgeface", "edgeface-doord"):
        pid = guest.show(unit, "MainPID")
        before, start = written(guest, pid), time.monotonic()
        time.sleep(30)
        a_day = (written(guest, pid) - before) * 86400 / (time.monotonic() - start)
        judge(f"{unit} writes little while nobody comes", a_day < 10e6, f"{a_day / 1e6:.2f} MB a day")


def written(guest: Guest, pid: str) -> int:
    """Bytes that a process has caused to be written to a disk."""
    lines = guest.run("cat", f"/proc/{pid}/io").stdout.splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def try_read_only(guest: Guest) -> None:
    """The same system with its root read-only: the state folder alone is a disk."""
    guest.halt()
    binds = []
    for name in ("edgeface", "edgeface-doord", "simboard"):
        state = guest.work / f"state-{name}"
        subprocess.run(["cp", "-a", str(guest.root / "var/lib" / name), str(state)], check=True)
        binds.append(f"--bind={state}:/var/lib/{name}")
    guest.state = guest.work / "state-simboard"
    guest.boot("--read-only", "--tmpfs=/var/log", "--tmpfs=/var/tmp", *binds)
    until(guest.serving, "the door serves on a read-only root", BACK_WITHIN_S)
    refused = guest.run("touch", "/etc/edgeface/x", ok=False).returncode != 0
    judge("a read-only root: the door serves", refused)
    fault(guest, "door process", "KILL", LOCKED_WITHIN_S, 1)
    tests = guest.run("edgeface", "audit", "list", ok=False).stdout.count("door_tested")
    judge("and its log is kept in the state folder", tests > 0, f"{tests} tests of the door in it")
    done = install(guest, "/srv/bundle", ok=False)
    judge("the installer says that it can't be written", done.returncode == 1 and "can't be written" in done.stderr)
    guest.halt()
    for name in ("edgeface", "edgeface-doord", "simboard"):
        subprocess.run(
            ["cp", "-a", f"{guest.work / f'state-{name}'}/.", str(guest.root / "var/lib" / name)], check=True
        )
    guest.state = None
    guest.boot()
    until(guest.serving, "the door serves after the boot", BACK_WITHIN_S)
    judge("booted again, writable: the door serves without anybody", True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="try-systemd", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a bundle for this machine (made where it is left out)")
    parser.add_argument("--suite", default="bookworm", help="the Debian to boot (bookworm)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "trials", help="where roots are kept")
    parser.add_argument("--kills", type=int, default=5, help="how often each service is killed (5)")
    parts = "kills, hangs, credential, start-limit, writes, roll-back, read-only, uninstall"
    parser.add_argument("--only", action="append", metavar="PART", help=f"{parts} (all)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("try-systemd: this boots a system; run it as root.")
    for tool, package in (("debootstrap", "debootstrap"), ("systemd-nspawn", "systemd-container")):
        if not shutil.which(tool):
            sys.exit(f"try-systemd: {tool} is missing; run: apt-get install {package}")
    options.folder.mkdir(parents=True, exist_ok=True)
    base = debian(options.folder, options.suite)
    bundle = options.bundle
    if bundle is None:
        made = subprocess.run([ROOT / "scripts/make-bundle", "--native", "--out", options.folder],
                              capture_output=True, text=True, check=True)  # fmt: skip
        bundle = Path(made.stdout.strip())
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="systemd-") as work:
        guest = Guest(base, Path(work))
        try:
            guest.boot()
            say(f"booted: {guest.run('systemctl', '--version').stdout.splitlines()[0]}")
            place = unpack(guest, bundle)
            set_up(guest, place)
            trials = {
                "kills": lambda: kills(guest, options.kills),
                "hangs": lambda: hangs(guest),
                "credential": lambda: try_credential(guest),
                "start-limit": lambda: try_start_limit(guest),
                "writes": lambda: try_writes(guest),
                "roll-back": lambda: try_roll_back(guest, place),
                "read-only": lambda: try_read_only(guest),
                "uninstall": lambda: try_uninstall(guest),
            }
            for name, trial in trials.items():
                if name in (options.only or trials):
                    trial()
        except RuntimeError as error:
            judge(str(error), False)
            log = guest.run("journalctl", "--no-pager", "-n", "60", "-o", "short-monotonic", ok=False).stdout
            say(log)
        finally:
            guest.close()
    sys.exit(f"{len(failures)} of the above failed" if failures else 0)


if __name__ == "__main__":
    main()

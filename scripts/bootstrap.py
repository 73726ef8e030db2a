"""Makes the virtual environment: the pinned versions, checked by hash, then this package in place.

    python3 scripts/bootstrap.py --venv .venv build runtime demo test

Names groups of constraints.txt. Needs Python 3.10 or later and a package registry; where Debian's python3 lacks its
venv module, root is needed once to install it. A second call changes nothing and needs no network."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "constraints.txt"
OLDEST, NEWEST = (3, 10), (3, 13)
MACHINES = ("x86_64", "aarch64")
DAEMONS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where programs may lie that are not on every user's path


def say(sentence: str) -> None:
    print(f"setup: {sentence}", flush=True)


def stop(sentence: str) -> None:
    sys.exit(f"setup: {sentence}")


def sections(text: str) -> dict[str, str]:
    """The lock's entries by the name of their group."""
    parts = re.split(r"^# group: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def find_python() -> str:
    """This interpreter where it is one of the supported ones, else the newest supported one on the path."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        # Inside a virtual environment this is still its base, so that a new one does not hang on an old one.
        return getattr(sys, "_base_executable", None) or sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    have = ".".join(map(str, sys.version_info[:2]))
    stop(f"Python 3.10 to 3.13 is needed and this is {have}. Install one, or name it: make PYTHON=/path/to/python3.12")
    raise AssertionError


def install_system_packages(packages: list[str], why: str) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get") or (prefix and not shutil.which("sudo")):
        stop(f"{why}. Install it as root ({command}, or what this system calls it), then try again.")
    say(f"{why}: {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for arguments in (["apt-get", "update", "-qq"], install):
        result = subprocess.run([*prefix, *arguments], env=environment, stdin=subprocess.DEVNULL, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    if result.returncode != 0:
        stop(f"{why}, and it could not be installed. Run as root: {command}\n{result.stdout.strip()}")


def alone(venv: Path) -> int:
    """A lock that a second `make` waits for: two at once would make the same environment over each other."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(venv.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another make to finish")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def make_venv(folder: Path) -> None:
    """A sound environment stays; one whose Python is gone or unsupported is made anew. So is one that was broken off
    in its making: a Python in it without pyvenv.cfg is the system's, and packages would go there."""
    python = folder / "bin" / "python"
    sound = f"sys.prefix != sys.base_prefix and {OLDEST} <= sys.version_info[:2] <= {NEWEST}"
    check = f"import sys, pip; sys.exit(not ({sound}))"
    if python.exists() and subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
        return
    base = find_python()
    if subprocess.run([base, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode != 0:
        version = subprocess.run([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                                 capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        install_system_packages([f"python{version}-venv"], "Python's venv module is missing")
    say(f"creating {folder.name}")
    result = subprocess.run([base, "-m", "venv", "--clear", folder], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        stop(f"{folder} could not be created: {(result.stdout + result.stderr).strip()}")


def pip(venv: Path, *arguments: str) -> None:
    command = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install",
               "-qq", "--use-pep517", "--no-build-isolation", "--no-deps", *arguments]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_USER", "PIP_TARGET", "PIP_REQUIRE_VIRTUALENV")}
    if subprocess.run([*command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        stop("the packages could not be installed (see above). With a network that is slow or gone, just try again.")


def install(venv: Path, group: str, entries: str) -> None:
    """Installs one section of the lock; a stamp with its hash says that it stands."""
    stamp = venv / f".edgeface-{group}"
    wanted = hashlib.sha256(entries.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii").strip() == wanted:
        return
    say(f"installing {group} ({len(re.findall(r'^[a-z0-9]', entries, re.MULTILINE))} packages)")
    wanted_file = venv / f"requirements-{group}.txt"
    wanted_file.write_text(entries, encoding="utf-8")
    pip(venv, "--require-hashes", "-r", str(wanted_file))
    stamp.write_text(wanted + "\n", encoding="ascii")


def install_self(venv: Path) -> None:
    """This package, editable: its code is read from here, so it is installed once for each pyproject.toml."""
    stamp = venv / ".edgeface-self"
    wanted = hashlib.sha256(str(ROOT).encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii").strip() != wanted:
        pip(venv, "--editable", ".")
        stamp.write_text(wanted + "\n", encoding="ascii")
    # A service that may not write here would compile the whole package at every start: 0.3 s on a PC.
    subprocess.run([str(venv / "bin" / "python"), "-m", "compileall", "-q", "edgeface"], cwd=ROOT, check=False)


def main() -> None:
    groups = sections(LOCK.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where (default: .venv)")
    parser.add_argument("--system", nargs="*", default=[], metavar="TOOL=PACKAGE", help="programs to have, by package")
    parser.add_argument("groups", nargs="+", choices=list(groups), help="sections of constraints.txt")
    options = parser.parse_args()
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        stop(f"this needs 64-bit Linux on {' or '.join(MACHINES)}; this is {sys.platform} on {platform.machine()}.")
    path = os.pathsep.join([*os.get_exec_path(), *DAEMONS])
    missing = [pair.split("=") for pair in options.system if not shutil.which(pair.split("=")[0], path=path)]
    if missing:
        install_system_packages([package for _, package in missing], f"missing: {', '.join(m[0] for m in missing)}")
    venv: Path = options.venv.absolute()
    lock = alone(venv)
    make_venv(venv)
    for group in options.groups:
        install(venv, group, groups[group])
    if "runtime" in options.groups:
        install_self(venv)
    os.close(lock)


if __name__ == "__main__":
    main()

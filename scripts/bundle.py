"""Gathers wheels, models, units and the installer into one tar for devices without a network; see scripts/make-bundle.

Every file of the registry is checked against constraints.txt. The bundle has lists of its own
(requirements-3.11.txt: exact versions, hashes of the very files in it) and SHA256SUMS over everything."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("aarch64", "x86_64")
OLDEST_GLIBC, NEWEST_GLIBC = 17, 35  # 2.35 is that of Ubuntu 22.04 (JetPack 6), the oldest system that is supported
SDISTS = {"sdnotify"}  # has no wheel; pure Python, so that a wheel made here serves everywhere
BESIDE = ("systemd", "config", "docs/operations.md", "LICENSE", "models/NOTICE", "scripts/install.sh")
EPOCH = 1_700_000_000  # the age of every file in the tar: the same input gives the same bundle


def stop(sentence: str) -> None:
    sys.exit(f"make-bundle: {sentence}")


def say(sentence: str) -> None:
    print(f"make-bundle: {sentence}", file=sys.stderr, flush=True)


def entries(lock: Path) -> dict[str, list[str]]:
    """The lock's entries, hashes and all, by the name of their group."""
    parts = re.split(r"^# group: (\S+)\n", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        group: [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text.strip()) if entry]
        for group, text in zip(parts[::2], parts[1::2], strict=True)
    }


def requirement(entry: str) -> Requirement:
    return Requirement(entry.split("\\")[0].strip())


def wanted(group: list[str], python: str, machine: str) -> list[str]:
    """The entries that this Python on this machine needs; pip would ask the machine that runs it instead."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    markers = ((entry, requirement(entry).marker) for entry in group)
    return [entry for entry, marker in markers if marker is None or marker.evaluate(environment)]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode != 0:
        stop("a package could not be had (see above). With a network that is slow or gone, just try again.")


def fetch(lines: list[str], python: str, machine: str, into: Path) -> None:
    """The wheels of these entries, for another Python and machine than this one."""
    bare = python.replace(".", "")
    target = ["--python-version", python, "--implementation", "cp", "--abi", f"cp{bare}", "--abi", "abi3"]
    target += ["--abi", "none", "--platform", f"linux_{machine}", "--platform", f"manylinux2014_{machine}"]
    for minor in range(OLDEST_GLIBC, NEWEST_GLIBC + 1):
        target += ["--platform", f"manylinux_2_{minor}_{machine}"]
    binary = [line for line in lines if canonicalize_name(requirement(line).name) not in SDISTS]
    source = [line for line in lines if line not in binary]
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "named.txt"
        named.write_text("\n".join(without_markers(binary)) + "\n", encoding="utf-8")
        pip("download", "-qq", "--no-deps", "--require-hashes", "--only-binary", ":all:", *target, "-d", str(into),
            "-r", str(named))  # fmt: skip
        if source:
            named.write_text("\n".join(without_markers(source)) + "\n", encoding="utf-8")
            pip("wheel", "-qq", "--no-deps", "--no-build-isolation", "--use-pep517", "--require-hashes", "-w",
                str(into), "-r", str(named))  # fmt: skip


def without_markers(lines: list[str]) -> list[str]:
    return [re.sub(r" ;[^\\]*", " ", line, count=1) for line in lines]


def listed(folder: Path) -> list[str]:
    """name==version with the hash of the wheel that is there."""
    found = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        found.append(f"{name}=={version} --hash=sha256:{digest(wheel)}")
    return found


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def gather(bundle: Path, pythons: list[str], machine: str) -> None:
    lock = entries(ROOT / "constraints.txt")
    older = entries(ROOT / "scripts" / "system-numpy.txt")["system-numpy"]
    replaced = {canonicalize_name(requirement(line).name) for line in older} | {"numpy"}
    (bundle / "wheels").mkdir()
    for python in pythons:
        say(f"Python {python}, {machine}")
        lines = wanted(lock["runtime"], python, machine) + wanted(lock["pi"], python, machine)
        kept = [line for line in lines if canonicalize_name(requirement(line).name) not in replaced]
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder)
            fetch(lines, python, machine, whole)
            (bundle / f"requirements-{python}.txt").write_text("\n".join(listed(whole)) + "\n", encoding="utf-8")
            # Where the system's numpy is older than 2 and its own modules need that one (picamera2 on Bookworm).
            other = whole / "older"
            other.mkdir()
            fetch(older, python, machine, other)
            names = {canonicalize_name(requirement(line).name) for line in kept}
            rest = [line for line in listed(whole) if canonicalize_name(line.split("==")[0]) in names]
            (bundle / f"requirements-{python}-system-numpy.txt").write_text(
                "\n".join(sorted(rest + listed(other))) + "\n", encoding="utf-8"
            )
            # The system's OpenCV as well, for what the wheels lack: GStreamer on a Jetson.
            (bundle / f"requirements-{python}-system-opencv.txt").write_text("\n".join(rest) + "\n", encoding="utf-8")
            for wheel in [*whole.glob("*.whl"), *other.glob("*.whl")]:
                shutil.copyfile(wheel, bundle / "wheels" / wheel.name)


def add_ourselves(bundle: Path) -> str:
    """edgeface's own wheel, pip's (Debian's python3 comes without), and the files beside; returns the version."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SOURCE_DATE_EPOCH"] = str(EPOCH)
        pip("wheel", "-qq", "--no-deps", "--no-build-isolation", "-w", folder, ".")
        wheel = next(Path(folder).glob("edgeface-*.whl"))
        _, version, _, _ = parse_wheel_filename(wheel.name)
        shutil.copyfile(wheel, bundle / "wheels" / wheel.name)
    (bundle / "requirements-edgeface.txt").write_text(
        f"edgeface=={version} --hash=sha256:{digest(bundle / 'wheels' / wheel.name)}\n", encoding="utf-8"
    )
    shutil.copyfile(pip_wheel(), bundle / "pip.whl")
    for name in BESIDE:
        source, target = ROOT / name, bundle / (name if not name.startswith("scripts/") else Path(name).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    (bundle / "install.sh").chmod(0o755)
    return str(version)


def pip_wheel() -> Path:
    """The wheel of pip that this Python makes environments with."""
    import ensurepip

    own = Path(ensurepip.__file__).parent / "_bundled"
    for folder in (own, Path("/usr/share/python-wheels")):
        found = sorted(folder.glob("pip-*.whl"))
        if found:
            return found[-1]
    stop("this Python has no wheel of pip; install Debian's python3-venv, or name another Python with PYTHON=.")
    raise AssertionError


def seal(bundle: Path) -> str:
    """SHA256SUMS over everything, and its digest: the build's name."""
    files = sorted(p for p in bundle.rglob("*") if p.is_file())
    sums = "".join(f"{digest(p)}  {p.relative_to(bundle)}\n" for p in files)
    (bundle / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return hashlib.sha256(sums.encode()).hexdigest()[:8]


def pack(bundle: Path, out: Path) -> None:
    def same(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = EPOCH
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    aside = out.with_suffix(".new")
    with tarfile.open(aside, "w") as tar:
        tar.add(bundle, arcname=bundle.name, recursive=False, filter=same)
        for path in sorted(bundle.rglob("*")):
            tar.add(path, arcname=f"{bundle.name}/{path.relative_to(bundle)}", recursive=False, filter=same)
    aside.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make-bundle", description=__doc__)
    parser.add_argument("--arch", choices=MACHINES, default="aarch64", help="the device's (default: aarch64)")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="the device's; may be repeated (all)")
    parser.add_argument("--native", action="store_true", help="for this machine and this Python")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="the folder to put it into (dist)")
    options = parser.parse_args()
    if sys.platform != "linux":
        stop("this needs Linux: the wheels of one dependency are built here.")
    machine = platform.machine() if options.native else options.arch
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons = [own] if options.native else sorted(set(options.python or PYTHONS), key=PYTHONS.index)
    if machine not in MACHINES:
        stop(f"edgeface runs on {' and '.join(MACHINES)}, this machine is {machine}.")
    os.umask(0o022)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".making-") as folder:
        unnamed = Path(folder) / "bundle"
        unnamed.mkdir()
        gather(unnamed, pythons, machine)
        version = add_ourselves(unnamed)
        (unnamed / "BUNDLE").write_text(
            f"version={version}\narch={machine}\npythons={' '.join(pythons)}\n", encoding="ascii"
        )
        build = seal(unnamed)
        bundle = unnamed.rename(Path(folder) / f"edgeface-{version}-{build}-{machine}")
        out = options.out / f"{bundle.name}.tar"
        pack(bundle, out)
    say(f"{out.stat().st_size / 1e6:.0f} MB")
    print(out)


if __name__ == "__main__":
    main()

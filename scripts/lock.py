"""Writes constraints.txt: exact versions and the hashes of every file of each, for every supported Python, x86-64 and
aarch64. `make lock` runs it; nothing else needs uv. The file has a section for each group, so that a device can install
the runtime without the tests; it names no host, so that any mirror serves."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "constraints.txt"
# Each group stands on the ones before it; a package belongs to the first group that needs it.
GROUPS: dict[str, list[str]] = {
    "build": ["--group", "pyproject.toml:build"],
    "runtime": ["pyproject.toml"],
    "pi": ["pyproject.toml", "--extra", "pi"],
    "demo": ["pyproject.toml", "--extra", "demo"],
    "test": ["pyproject.toml", "--extra", "test"],
    "models": ["pyproject.toml", "--extra", "models"],
    "lock": ["--group", "pyproject.toml:lock"],
}
HEADER = """\
# Exact versions, with the hashes of every file of each: Python 3.10 to 3.13, Linux, x86-64 and aarch64.
# Written by `make lock`; do not edit. scripts/bootstrap.py installs sections of it with --require-hashes.
"""


def compile_lock(arguments: list[str], constraint: Path | None) -> dict[str, str]:
    """uv's universal solution: {"name==version ; marker": the entry with its hashes}."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-package", "edgeface", "--fork-strategy", "requires-python"]
    if constraint is None:
        command.append("--upgrade")
    else:
        command += ["--constraint", str(constraint)]
    result = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"uv could not solve {' '.join(arguments)}:\n{result.stderr}")
    entries = re.split(r"\n(?=[A-Za-z0-9])", result.stdout.strip())
    return {entry.split("\\")[0].strip(): entry.strip() for entry in entries if entry.strip()}


def main() -> None:
    everything = [argument for arguments in GROUPS.values() for argument in arguments]
    whole = compile_lock(list(dict.fromkeys(_keep_pairs(everything))), None)
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text("\n".join(whole) + "\n", encoding="utf-8")
        seen: set[str] = set()
        text = HEADER
        for group, arguments in GROUPS.items():
            solved = compile_lock(arguments, pins)
            fresh = [entry for key, entry in sorted(solved.items()) if key not in seen]
            seen.update(solved)
            text += f"\n# group: {group}\n" + "\n".join(fresh) + "\n"
    OUT.write_text(_without_platform(text), encoding="utf-8")
    print(f"{OUT.name}: {len(seen)} pins")


def _without_platform(text: str) -> str:
    """Drops what is true on every platform that is solved for; scripts/bootstrap.py refuses the others."""
    arm = "platform_machine == 'aarch64' and sys_platform == 'linux'"
    intel = arm.replace("aarch64", "x86_64")
    pypy = "platform_python_implementation != 'PyPy'"
    for always in (
        f"(({arm}) or ({intel}))",
        f"(({arm.replace(' and', f' and {pypy} and')}) or ({intel.replace(' and', f' and {pypy} and')}))",
        "(platform_machine == 'aarch64' or platform_machine == 'x86_64')",
        "implementation_name != 'PyPy'",
        "sys_platform == 'linux'",
        pypy,
    ):
        text = text.replace(f" and {always}", "").replace(f"{always} and ", "").replace(f" ; {always}", "")
    return text


def _keep_pairs(arguments: list[str]) -> list[str]:
    """`--extra demo` as `--extra=demo`, so that removing repetitions keeps option and value together."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in {"--extra", "--group"}:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


if __name__ == "__main__":
    main()

"""What goes out: nobody's machine, registry or credentials in it, and the pins are complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
# A path of one developer's machine. /run, /var, /etc and /usr are the device's.
MACHINE = re.compile(r"(?<![\w.~}-])/(?:root|work|tmp|home)/(?!pi\b)\w")
INDEX = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host|://")
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[0-9A-Z]{16}\b")


def handed_over() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a checkout")
    return [path for line in listed.stdout.splitlines() if (path := REPO / line).is_file()]


def findings(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(REPO)}:{number}: {line.strip()[:100]}")
    return found


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert findings(MACHINE, handed_over()) == []


def test_no_file_holds_a_secret() -> None:
    assert findings(SECRET, handed_over()) == []


def test_what_installs_names_no_host() -> None:
    names = ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run", "scripts/bootstrap.py", "scripts/lock.py")
    assert findings(INDEX, [REPO / name for name in names]) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE, "see " + "/ro" + "ot/x"),
        (MACHINE, "'/ho" + "me/ada/x'"),
        (INDEX, "--index" + "-url x"),
        (INDEX, "https:" + "//x"),
        (SECRET, "-----BEGIN EC PRIV" + "ATE KEY-----"),
    ],
)
def test_each_pattern_finds_what_it_is_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_every_pin_is_exact_and_has_a_hash() -> None:
    text = (REPO / "constraints.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip())
    entries = [entry for entry in entries if entry.strip()]
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:200]


def test_every_dependency_is_pinned_and_has_its_reason_beside_it() -> None:
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    pins = set(re.findall(r"^([a-z0-9._-]+)==", (REPO / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    block = text[text.index("\ndependencies = [") : text.index("[project.scripts]")]
    # PyTorch's build is the training machine's own (CPU, or a GPU's): its extra is the one that is not pinned.
    block = re.sub(r"\ntrain = \[.*?\n\]", "", block, flags=re.DOTALL)
    named = re.findall(r'^    "([A-Za-z0-9_-]+)[^"]*",(.*)$', block, re.MULTILINE)
    assert len(named) > 15
    for name, rest in named:
        if name == "edgeface":  # one extra in terms of another
            continue
        assert name.lower() in pins, f"{name} is not in constraints.txt: make lock"
        alone = re.search(rf'    # .*\n    "{name}', block)
        assert "#" in rest or alone, f"{name} has no reason beside it"

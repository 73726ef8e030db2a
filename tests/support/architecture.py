"""Reads a source tree without running it, and says where it breaks the floor plan (docs/design.md, section 2). Each
check takes the folder of a package named edgeface and returns sentences; none means fine."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LONGEST_MODULE = 300
PACKAGE = "edgeface"

# layer -> layers that it may import, besides itself
MAY_IMPORT = {
    "domain": set(),
    "ports": {"domain"},
    "app": {"domain", "ports", "package"},
    "wiring": {"domain", "ports", "app", "adapters", "package"},
    "control": {"domain", "ports", "app", "wiring", "package"},
    "cli": {"domain", "ports", "app", "wiring", "control", "admin", "package"},
    "console": {"domain", "ports", "app", "control", "package"},
    "adapters": {"domain", "ports", "package"},
    "doord": {"domain", "adapters.door", "package"},
    "admin": {"domain", "ports", "adapters.link", "package"},
    "package": {"cli"},  # __main__ alone
}
RUNTIMES = {"ai_edge_litert", "tflite_runtime", "tensorflow", "tensorrt"}
HEAVY = {"cv2", "gpiozero", "lgpio", "RPi", "gpiod", "picamera2", "libcamera", "cryptography", "sqlite3", "paho"}
IMPURE = {"time", "logging", "threading", "multiprocessing", "asyncio", "socket", "subprocess", "os", "io", "sqlite3",
          "tempfile", "shutil", "concurrent", "select", "signal"}  # fmt: skip
# Who else may look at the environment, and why.
ENVIRONMENT = {
    "app/bench/processes.py": "it hands the environment on to the processes that it measures",
    "cli/main.py": "it sets the number of BLAS threads, which must stand before numpy is loaded",
    "app/settings.py": "it is the reader",
    "adapters/gallery/keys.py": "systemd names the folder of its credentials there",
    "adapters/door/relay.py": "gpiozero's own variable: a chosen pin factory is respected",
    "adapters/system/watchdog.py": "systemd's notification socket, which no child may inherit",
    "doord/host.py": "systemd's notification socket; the door process has no settings file",
}


@dataclass(frozen=True)
class Import:
    target: str
    line: int
    typing_only: bool


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    where: str
    tree: ast.Module
    lines: int
    imports: tuple[Import, ...]


@lru_cache(maxsize=64)
def read_tree(root: Path) -> dict[str, Module]:
    paths = {_dotted(path, root): path for path in sorted(root.rglob("*.py"))}
    found = {}
    for name, path in paths.items():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imports = tuple(_imports(tree, package, set(paths)))
        where = path.relative_to(root).as_posix()
        found[name] = Module(name, path, where, tree, len(text.splitlines()), imports)
    return found


def layer_of(name: str) -> str:
    """`edgeface.adapters.door.relay` -> adapters.door; wiring (wiring.py, and wiring_<part>.py where it is too long for
    one module) is a layer of its own; edgeface itself is `package`."""
    parts = name.split(".")[1:]
    if parts[:1] == ["app"] and re.fullmatch(r"wiring(_\w+)?", ".".join(parts[1:])):
        return "wiring"
    if parts[:1] == ["ports_link"]:  # a half of ports.py
        return "ports"
    if not parts or parts[0].startswith("__"):
        return "package"
    if parts[0] == "adapters":
        return ".".join(parts[:2])
    return parts[0]


def check_layers(root: Path) -> list[str]:
    wrong = []
    for module in read_tree(root).values():
        source = layer_of(module.name)
        allowed = MAY_IMPORT.get(source.partition(".")[0])
        if allowed is None:
            wrong.append(f"{module.where}: {source} has no place in the floor plan")
            continue
        for imported in _own(module):
            target = layer_of(imported.target)
            same = target == source or (source == "app" and target == "wiring")
            if not (same or target in allowed or (target.partition(".")[0] in allowed)):
                wrong.append(f"{module.where}:{imported.line}: {source} must not import {imported.target}")
    return wrong


def check_cycles(root: Path) -> list[str]:
    """A cycle is one also where an import hides in a function; imports for type checkers alone are none."""
    modules = read_tree(root)
    edges = {
        name: {i.target for i in _own(module) if not i.typing_only and i.target in modules and i.target != name}
        for name, module in modules.items()
    }
    state: dict[str, int] = {}
    trail: list[str] = []
    wrong: list[str] = []

    def visit(name: str) -> None:
        state[name] = 1
        trail.append(name)
        for target in sorted(edges[name]):
            if state.get(target) == 1:
                wrong.append("a cycle: " + " -> ".join([*trail[trail.index(target) :], target]))
            elif target not in state:
                visit(target)
        trail.pop()
        state[name] = 2

    for name in edges:
        if name not in state:
            visit(name)
    return wrong


def check_lengths(root: Path) -> list[str]:
    return [
        f"{m.where}: {m.lines} lines, {LONGEST_MODULE} at most"
        for m in read_tree(root).values()
        if m.lines > LONGEST_MODULE
    ]


def check_runtime(root: Path) -> list[str]:
    """One file imports the model runtime; what else is heavy stays with adapters, and wiring where it must."""
    wrong = []
    for module in read_tree(root).values():
        for imported in module.imports:
            top = imported.target.partition(".")[0]
            if top in RUNTIMES and module.where != "adapters/vision/runtime.py":
                wrong.append(f"{module.where}:{imported.line}: {top} belongs to adapters/vision/runtime.py")
            if top in HEAVY and layer_of(module.name).partition(".")[0] not in ("adapters", "wiring"):
                wrong.append(f"{module.where}:{imported.line}: {top} belongs to the adapters")
    return wrong


def check_domain(root: Path) -> list[str]:
    """Standard library and numpy; no I/O, no clock, no logging, no threads."""
    wrong = []
    for module in read_tree(root).values():
        if layer_of(module.name) != "domain":
            continue
        for imported in module.imports:
            top = imported.target.partition(".")[0]
            if top in IMPURE:
                wrong.append(f"{module.where}:{imported.line}: {top} has no place in the domain")
            elif top not in (PACKAGE, "numpy", "__future__") and top not in sys.stdlib_module_names:
                wrong.append(f"{module.where}:{imported.line}: {top} is neither the standard library nor numpy")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (called := _call_name(node)) in ("open", "print", "input"):
                wrong.append(f"{module.where}:{node.lineno}: {called}() has no place in the domain")
            elif isinstance(node, ast.Call) and re.search(r"\b(now|utcnow|today)$", _call_name(node)):
                wrong.append(f"{module.where}:{node.lineno}: the time is an argument, not {_call_name(node)}()")
    return wrong


def check_environment(root: Path) -> list[str]:
    wrong = []
    for module in read_tree(root).values():
        if module.where in ENVIRONMENT:
            continue
        for node in ast.walk(module.tree):
            named = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            taken = [a.name for a in node.names] if isinstance(node, ast.ImportFrom) and node.module == "os" else []
            if named in ("os.environ", "os.environb", "os.getenv") or {"environ", "getenv"} & set(taken):
                wrong.append(f"{module.where}:{node.lineno}: the environment is read by app/settings.py")
    return wrong


def check_placeholders(root: Path) -> list[str]:
    """Nothing unfinished is handed over."""
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK|NotImplemented" + r"Error|lorem ipsum)\b")
    return [
        f"{path.relative_to(root).as_posix()}:{number}: {match[0]}"
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".toml", ".service", ".sh") or path.name == "Makefile"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := words.search(line))
    ]


def _own(module: Module) -> Iterator[Import]:
    return (i for i in module.imports if i.target.partition(".")[0] == PACKAGE)


def _dotted(path: Path, root: Path) -> str:
    parts = (PACKAGE, *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module, package: str, known: set[str]) -> Iterator[Import]:
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        typing_only = id(node) in for_types
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:  # `from package import module` imports the module
                whole = f"{base}.{alias.name}"
                yield Import(whole if whole in known else base, node.lineno, typing_only)
        elif isinstance(node, ast.Call) and _call_name(node).rpartition(".")[2] in ("import_module", "__import__"):
            named = node.args[0] if node.args else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                yield Import(named.value, node.lineno, typing_only)


def _call_name(node: ast.Call) -> str:
    return ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""

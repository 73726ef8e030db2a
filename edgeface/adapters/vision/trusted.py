"""Whether a folder's models are the ones that this program was measured with: the manifest is pinned, and it pins them.
A threshold stands in the manifest, so whoever may change it decides whom the door takes for whom."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgeface.adapters.vision.manifest import NAME, REINSTALL, Manifest, parse_manifest, read_manifest
from edgeface.adapters.vision.pinned import MANIFEST_SHA256
from edgeface.domain.errors import ModelError

PIN_NAME = "manifest.sha256"


def load_pinned(folder: Path) -> Manifest:
    """As `load_manifest`, of a manifest and files that are what they were: the manifest is the one that this package
    pins, or, in a folder of one's own models, the one that the file `manifest.sha256` there pins (`sha256sum
    manifest.toml > manifest.sha256`); and every file that it names has its hash, used or not. Raises ModelError."""
    data = read_manifest(folder)
    digest = hashlib.sha256(data).hexdigest()
    if digest != MANIFEST_SHA256:
        _check_own_pin(folder, digest)
    manifest = parse_manifest(folder, data)
    manifest.verify()
    return manifest


def _check_own_pin(folder: Path, digest: str) -> None:
    path, pin = folder / NAME, folder / PIN_NAME
    try:
        words = pin.read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        raise ModelError(
            f"The models' manifest {path} is not the one that belongs to this program.",
            f"{REINSTALL} If these are models of your own (models_dir), pin them: "
            f"cd {folder} && sha256sum {NAME} > {PIN_NAME}",
        ) from None
    except OSError as e:
        raise ModelError(f"The pin of the models' manifest can't be read: {pin} ({e.strerror}).", REINSTALL) from e
    if words[:1] != [digest]:
        raise ModelError(
            f"The models' manifest {path} was altered: it is not the one that {pin} pins.",
            "Restore it, or pin it anew if the change is yours.",
        )

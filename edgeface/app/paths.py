"""Where the files that come with the package are: beside it in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import edgeface

_PACKAGE = Path(edgeface.__file__).resolve().parent


def models_dir() -> Path:
    """The folder with manifest.toml and the models."""
    return _shipped("_models", "models")


def default_config() -> Path:
    """The commented edgeface.toml, with every setting at its default."""
    return _shipped("_config", "config") / "edgeface.toml"


def mosquitto_dir() -> Path:
    """The folder with the broker's configuration and its ACL."""
    return _shipped("_config", "config") / "mosquitto"


def _shipped(in_wheel: str, in_checkout: str) -> Path:
    inside = _PACKAGE / in_wheel
    return inside if inside.is_dir() else _PACKAGE.parent / in_checkout

"""The two public-domain faces that come with packages: Eileen Collins (scikit-image), Grace Hopper (Matplotlib)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

MODELS = Path(__file__).resolve().parents[2] / "models"


@cache
def astronaut():
    """(512, 512, 3) uint8 BGR."""
    from skimage.data import astronaut as picture

    return np.ascontiguousarray(picture()[..., ::-1])


@cache
def grace_hopper():
    """(600, 512, 3) uint8 BGR."""
    import cv2
    from matplotlib.cbook import get_sample_data

    picture = cv2.imread(get_sample_data("grace_hopper.jpg", asfileobj=False))
    assert picture is not None
    return picture

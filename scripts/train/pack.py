"""One file of crops that travels: JPEG pictures end to end, with arrays beside them, in an .npz of at most 64 MiB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
MOST_BYTES = 64 << 20
SPOOF_SIDE, SPOOF_WIDE = 128, 3.0  # pixels of the spoof network's input; how many faces it is wide


@dataclass
class PackWriter:
    """Collects pictures, each with the same named values; `save` stacks them."""

    quality: int = 90
    _jpegs: list[bytes] = field(default_factory=list)
    _values: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, picture: Pixels, **values: Any) -> None:
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        if not ok:
            raise ValueError("a picture could not be encoded")
        self._jpegs.append(data.tobytes())
        for key, value in values.items():
            self._values.setdefault(key, []).append(value)

    def save(self, path: Path, **whole: Any) -> None:
        """SystemExit where the file would be larger than what travels."""
        ends = np.cumsum([0, *(len(j) for j in self._jpegs)]).astype(np.int64)
        columns = {k: np.array(v) for k, v in self._values.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            np.savez(out, jpeg=np.frombuffer(b"".join(self._jpegs), np.uint8), ends=ends, **columns, **whole)
        size = path.stat().st_size
        print(f"{path}: {len(self._jpegs)} pictures, {size / (1 << 20):.1f} MiB")
        if size > MOST_BYTES:
            raise SystemExit(f"{path} has {size} bytes, more than {MOST_BYTES}: take fewer pictures.")


class Pack:
    """What a PackWriter saved. `pack["box"]` is a column; `picture(i)` is (h, w, 3) uint8 BGR."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SystemExit(f"{path} is not there. Make it with: python -m scripts.train pack --help")
        with np.load(path) as file:
            self._columns = {k: file[k] for k in file.files}
        self._jpeg, self._ends = self._columns.pop("jpeg"), self._columns.pop("ends")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._columns[column]

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def picture(self, i: int) -> Pixels:
        data = self._jpeg[self._ends[i] : self._ends[i + 1]]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def pictures(self, which: Sequence[int] | NDArray[np.intp]) -> Iterator[Pixels]:
        return (self.picture(int(i)) for i in which)

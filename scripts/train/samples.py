"""Training pictures of the spoof model: live people and attacks of one and the same kinds of stills, seen by one and
the same camera, so that neither 'a press photo' nor 'a bad camera' tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.train import split
from scripts.train.camera import expose, first_capture
from scripts.train.pack import SPOOF_SIDE, SPOOF_WIDE, Pack, Pixels
from scripts.train.simulate import KINDS, attack
from scripts.train.stage import Still, backdrop, in_place, room, set_before, unfocused

LIVE, PRINT, BACKGROUND = 0, 1, 2  # labels of pack_spoof
VIEW = 144  # side of the simulated view, before the camera
# Which stills, by where they come from: press photos, NUAA's room, webcam clips and groups.
SOURCES = {"lfw": 0.45, "nuaa": 0.25, "clip": 0.25, "groups": 0.05}
LIVE_SHARE, REAL_PRINTS = 0.5, 0.3  # of all; of the attacks
SET_ELSEWHERE = 0.5  # of the stills: the person before another background


@dataclass(frozen=True)
class Sample:
    """`picture` (side, side, 3) uint8 BGR; `item` is the pack's row where the picture is that row's own, else -1."""

    picture: Pixels
    attack: float
    item: int
    kind: str


class Samples:
    """Endless, and the same for the same seed. `wide`: how many faces the crop is wide."""

    def __init__(self, pack: Pack, parts: tuple[int, ...], seed: int, side: int, wide: float) -> None:
        self._pack, self._side, self._wide = pack, side, wide
        self._rng = np.random.default_rng(seed)
        part = np.array([split.part(str(s), str(p)) for s, p in zip(pack["source"], pack["person"], strict=True)])
        ours, label, source = np.isin(part, parts), pack["label"], pack["source"]
        self._live = {s: np.flatnonzero(ours & (label == LIVE) & (source == s)) for s in SOURCES}
        self._live = {s: rows for s, rows in self._live.items() if len(rows)}
        share = np.array([SOURCES[s] for s in self._live])
        self._share = share / share.sum()
        self._prints = np.flatnonzero(ours & (label == PRINT))
        self._backgrounds = np.flatnonzero(label == BACKGROUND)

    def __iter__(self) -> Iterator[Sample]:
        while True:
            yield self.draw()

    def draw(self) -> Sample:
        rng = self._rng
        if rng.random() < LIVE_SHARE:
            row, still = self._still()
            view, _, elsewhere = self._view(still)
            if rng.random() < 0.25:
                view = first_capture(view, rng)
            return self._seen(view, 0.0, -1 if elsewhere else row, "live")
        if len(self._prints) and rng.random() < REAL_PRINTS:
            row = int(rng.choice(self._prints))
            view, _ = in_place(self._load(row), rng, VIEW, self._width())
            return self._seen(view, 1.0, row, "nuaa print")
        _, still = self._still()
        kind = str(rng.choice(KINDS, p=[0.4, 0.3, 0.3]))
        shown, box, _ = self._view(still)
        if rng.random() < 0.6:
            shown = first_capture(shown, rng)
        view = attack(still, shown, box, self._behind(), kind, rng)
        return self._seen(view, 1.0, -1, kind)

    def _seen(self, view: NDArray[np.float32], label: float, row: int, kind: str) -> Sample:
        picture = expose(view, self._rng, self._side)
        if self._rng.random() < 0.5:
            picture = np.asarray(picture[:, ::-1], np.uint8)
        return Sample(picture, label, row, kind)

    def _still(self) -> tuple[int, Still]:
        source = self._rng.choice(list(self._live), p=self._share)
        row = int(self._rng.choice(self._live[str(source)]))
        return row, self._load(row)

    def _load(self, row: int) -> Still:
        matte = np.unpackbits(self._pack["matte"][row]).astype(bool)
        side = int(np.sqrt(len(matte)))
        return Still(self._pack.picture(row), self._pack["box"][row], matte.reshape(side, side))

    def _view(self, still: Still) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        rng, wide = self._rng, self._width()
        cut_out = still.matte is not None and 0.12 < float(still.matte.mean()) < 0.8
        if cut_out and rng.random() < SET_ELSEWHERE:
            return (*set_before(still, self._behind(), rng, wide), True)
        return (*in_place(still, rng, VIEW, wide), False)

    def _behind(self) -> NDArray[np.float32]:
        rng, kind = self._rng, self._rng.random()
        if kind < 0.4:
            return unfocused(room(rng, VIEW), rng)
        rows = self._backgrounds if kind < 0.75 else self._live[str(rng.choice(list(self._live)))]
        picture = backdrop(self._pack.picture(int(rng.choice(rows))), rng, VIEW)
        if kind >= 0.9:
            picture = np.ascontiguousarray(picture[::-1])
        return unfocused(picture, rng)

    def _width(self) -> float:
        rng = self._rng
        return float(self._wide * (np.exp(rng.normal(0, 0.06)) if rng.random() < 0.7 else rng.uniform(0.6, 1.05)))


def tensor(pictures: list[Pixels]) -> torch.Tensor:
    """(n, side, side, 3) BGR -> (n, 3, side, side) RGB float 0 to 255, channels last."""
    rgb = np.ascontiguousarray(np.stack(pictures)[..., ::-1])
    return torch.from_numpy(rgb).permute(0, 3, 1, 2).float()


def sheet(pack: Path, seed: int, side: int = SPOOF_SIDE, columns: int = 9, rows: int = 4) -> Pixels:
    """Live people above, attacks below."""
    samples = Samples(Pack(pack), (split.TRAIN,), seed, side, SPOOF_WIDE)
    found: dict[float, list[Pixels]] = {0.0: [], 1.0: []}
    while min(map(len, found.values())) < columns * rows:
        s = samples.draw()
        found[s.attack].append(s.picture)
    lines = [np.hstack(f[i * columns : (i + 1) * columns]) for f in found.values() for i in range(rows)]
    return np.asarray(np.vstack(lines), np.uint8)

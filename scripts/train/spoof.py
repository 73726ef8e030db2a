"""Trains the spoof network: live or attack, and on the way what its two teachers see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as f
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from scripts.train import split
from scripts.train.loop import Plan, Trainer, start
from scripts.train.pack import SPOOF_SIDE as SIDE
from scripts.train.pack import SPOOF_WIDE as WIDE
from scripts.train.pack import Pack
from scripts.train.samples import Samples, tensor
from scripts.train.spoof_net import SpoofNetwork

SMOOTH = 0.03  # of the labels
TEACHERS = 1.0  # weight of the teachers' features in the loss
FRESH = 0.25  # of a batch: new pictures; the rest is drawn from the last ones, the simulator being slow
KEPT, KEPT_BATCHES = 6000, 40  # pictures at least; batches at least
VALIDATION, VALIDATE_EVERY = 768, 400


class _Stream(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, pack: Path, seed: int, wide: float) -> None:
        self._pack, self._seed, self._wide = pack, seed, wide

    def __iter__(self) -> Iterator[tuple[Tensor, float, int]]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        seed = self._seed * 1000 + (worker.id if worker else 0)
        for s in Samples(Pack(self._pack), (split.TRAIN,), seed, SIDE, self._wide):
            yield torch.from_numpy(np.ascontiguousarray(s.picture)), s.attack, s.item


class _Mixed:
    """Batches of new pictures and of some that were seen before."""

    def __init__(self, stream: _Stream, plan: Plan) -> None:
        self._fresh = max(1, round(plan.batch * FRESH))
        ahead = 4 if plan.workers else None
        self._loader = iter(DataLoader(stream, self._fresh, num_workers=plan.workers, prefetch_factor=ahead))
        self._batch, self._rng = plan.batch, np.random.default_rng(plan.seed)
        self._kept = kept = max(KEPT, KEPT_BATCHES * plan.batch)
        self._x = torch.empty((kept, SIDE, SIDE, 3), dtype=torch.uint8)
        self._y, self._row = torch.empty(kept), torch.empty(kept, dtype=torch.long)
        self._count = 0

    def next(self) -> tuple[Tensor, Tensor, Tensor]:
        x, y, row = next(self._loader)
        at = (self._count + np.arange(len(x))) % self._kept
        self._x[at], self._y[at], self._row[at] = x, y.float(), row
        self._count += len(x)
        known = min(self._count, self._kept)
        old = self._rng.choice(known, self._batch - len(x)) if known > self._batch else np.arange(0)
        which = np.concatenate([at, old])
        return self._x[which], self._y[which], self._row[which]


def train_spoof(pack_path: Path, plan: Plan, wide: float = WIDE) -> None:
    cv2.setNumThreads(1)
    device = start(plan)
    pack = Pack(pack_path)
    net = SpoofNetwork().to(device, memory_format=torch.channels_last)
    trainer = Trainer(plan, net, ("loss", "taught", "right", "val_loss", "val_eer", "val_apcer_bpcer2"))
    batches = _Mixed(_Stream(pack_path, plan.seed + trainer.step, wide), plan)
    features = torch.from_numpy(np.asarray(pack["features"], np.float32))
    known = features.abs().sum(1) > 0
    features = ((features - features[known].mean(0)) / (features[known].std(0) + 1e-3)).to(device)
    held = validation(pack, wide)
    sums: list[tuple[float, float, float]] = []
    for step in trainer:
        net.train()
        x, y, row = (t.to(device, non_blocking=True) for t in batches.next())
        with torch.autocast(device.type, torch.bfloat16):
            logit, guess = net.learn(_input(x))
        logit, guess = logit.float(), guess.float()
        loss = f.binary_cross_entropy_with_logits(logit, y * (1 - 2 * SMOOTH) + SMOOTH)
        own = row >= 0
        taught = f.smooth_l1_loss(guess[own], features[row[own]]) if bool(own.any()) else loss * 0
        trainer.update(loss + TEACHERS * taught)
        sums.append((loss.item(), taught.item(), ((logit > 0) == (y > 0.5)).float().mean().item()))
        if (step + 1) % 50 == 0:
            mean = np.mean(sums, 0)
            sums = []
            more = {}
            if (step + 1) % VALIDATE_EVERY == 0:
                more = measure(trainer.average.state, held, device)
            trainer.record(loss=mean[0], taught=mean[1], right=mean[2], **more)


Held = tuple[Tensor, NDArray[np.float32]]


def validation(pack: Pack, wide: float) -> Held:
    """Simulated and real pictures of people that neither training nor test knows, always the same."""
    samples = Samples(pack, (split.VALIDATE,), 77, SIDE, wide)
    drawn = [samples.draw() for _ in range(VALIDATION)]
    return tensor([s.picture for s in drawn]), np.array([s.attack for s in drawn], np.float32)


@torch.no_grad()
def measure(state: dict[str, Tensor], held: Held, device: torch.device) -> dict[str, float]:
    net = SpoofNetwork().to(device, memory_format=torch.channels_last)
    net.load_state_dict(state)
    net.eval()
    with torch.autocast(device.type, torch.bfloat16):
        z = torch.cat([net(x.to(device, memory_format=torch.channels_last))[:, 0] for x in held[0].split(64)])
    score, truth = z.float().cpu().numpy(), held[1]
    loss = f.binary_cross_entropy_with_logits(torch.from_numpy(score), torch.from_numpy(truth)).item()
    live, attack = np.sort(score[truth == 0]), np.sort(score[truth == 1])
    limits = np.sort(score)
    apcer, bpcer = np.searchsorted(attack, limits) / len(attack), 1 - np.searchsorted(live, limits) / len(live)
    at = int(np.argmin(np.abs(apcer - bpcer)))
    return {
        "val_loss": loss,
        "val_eer": float((apcer[at] + bpcer[at]) / 2),
        "val_apcer_bpcer2": float((attack < np.quantile(live, 0.98)).mean()),
    }


def _input(x: Tensor) -> Tensor:
    """(n, side, side, 3) uint8 BGR -> (n, 3, side, side) RGB float."""
    return x.flip(-1).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)

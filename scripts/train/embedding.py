"""Distils MobileFaceNet from the reference: block by block first (each block learns its teacher's output from its
teacher's input, all at once), then end to end on its own features, with a door's conditions on the student's side
alone. The two phases change over once, for good: going to and fro spoils the batch norms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as f
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from scripts.train import split
from scripts.train.degrade import degraded, framed, lit
from scripts.train.loop import Plan, Trainer, start
from scripts.train.mobilefacenet import MobileFaceNet, load_layers
from scripts.train.pack import Pack, Pixels

BETWEEN = 0.2  # of the faces: mixed from two, for more identities than there are
BLOCKS_UNTIL = 0.2  # of the training: block by block
FULL_DEGRADATION_AT = 0.5  # of the training; it grows from the change-over on
FACES_VALIDATED, VALIDATE_EVERY = 640, 500
COSINE, RELATION = 10.0, 20.0  # weights beside the features' match


class _Faces(IterableDataset):  # type: ignore[type-arg]
    """Batches of (what the teacher sees, what the student sees), uint8 BGR."""

    def __init__(self, pack: Path, batch: int, seed: int) -> None:
        self._pack, self._batch, self._seed = pack, batch, seed
        self.strength = torch.zeros(1).share_memory_()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        rng = np.random.default_rng([self._seed, worker.id if worker else 0])
        pack = Pack(self._pack)
        rows = rows_of(pack, split.TRAIN)
        while True:
            clean = [lit(framed(pack.picture(int(i)), rng, 1.0), rng) for i in rng.choice(rows, self._batch)]
            clean = [_mixed(face, clean, rng) for face in clean]
            seen = [_seen(face, rng, float(self.strength)) for face in clean]
            yield torch.from_numpy(np.stack(clean)), torch.from_numpy(np.stack(seen))


def _mixed(face: Pixels, others: list[Pixels], rng: Generator) -> Pixels:
    if rng.random() < 0.5:
        face = np.ascontiguousarray(face[:, ::-1])
    if rng.random() > BETWEEN:
        return face
    share = rng.uniform(0.35, 0.65)
    return np.asarray(cv2.addWeighted(face, share, others[int(rng.integers(len(others)))], 1 - share, 0), np.uint8)


def _seen(face: Pixels, rng: Generator, strength: float) -> Pixels:
    if strength <= 0:
        return face
    if rng.random() < 0.5:  # the detector's own error, on the student's side
        face = framed(np.asarray(cv2.copyMakeBorder(face, 8, 8, 8, 8, cv2.BORDER_REFLECT), np.uint8), rng, strength)
    return degraded(face, rng, strength)


def rows_of(pack: Pack, part: int) -> NDArray[np.intp]:
    parts = [split.part(str(s), str(p)) for s, p in zip(pack["source"], pack["person"], strict=True)]
    return np.flatnonzero(np.array(parts) == part)


def train_embedding(pack_path: Path, plan: Plan) -> None:
    cv2.setNumThreads(1)
    device = start(plan)
    layers = load_layers(pack_path.with_name("teacher.npz"))
    teacher = MobileFaceNet(layers, student=False).to(device, memory_format=torch.channels_last).eval()
    teacher.requires_grad_(False)
    student = MobileFaceNet(layers, student=True).to(device, memory_format=torch.channels_last)
    columns = ("phase", "loss", "match", "cosine", "val_cosine", "val_hard_cosine", "val_tar", "val_hard_tar")
    fast = device.type == "cuda"  # on a CPU depthwise convolutions are slower in bfloat16: 25 ms for 19
    trainer = Trainer(plan, student, columns, decay=1e-4)
    stream = _Faces(pack_path, plan.batch, plan.seed + trainer.step)
    loader = DataLoader(stream, None, num_workers=plan.workers, prefetch_factor=4 if plan.workers else None)
    batches, held, sums = iter(loader), validation(pack_path), []
    for step in trainer:
        done = trainer.done
        stream.strength.fill_(float(np.clip((done - BLOCKS_UNTIL) / (FULL_DEGRADATION_AT - BLOCKS_UNTIL), 0, 1)))
        clean, seen = (image(t.to(device, non_blocking=True)) for t in next(batches))
        student.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            with torch.no_grad():
                wanted = teacher.features(clean)
            blockwise = done < BLOCKS_UNTIL
            given = wanted[:-1] if blockwise else student.features(seen)
            made = [b(x) for b, x in zip(student.blocks, wanted[:-1], strict=True)] if blockwise else given[1:]
        match = torch.stack([_match(a, b) for a, b in zip(made, wanted[1:], strict=True)]).sum()
        mine, theirs = (f.normalize(x.float().flatten(1)) for x in (made[-1], wanted[-1]))
        cosine = (mine * theirs).sum(1).mean()
        loss = match
        if not blockwise:
            relation = (mine @ mine.T - theirs @ theirs.T).pow(2).mean()
            loss = max(0.02, 0.5 * (1 - 1.5 * done)) * match + COSINE * (1 - cosine) + RELATION * relation
        trainer.update(loss)
        sums.append((loss.item(), match.item(), cosine.item()))
        if (step + 1) % 50 == 0:
            mean = np.mean(sums, 0)
            sums = []
            last = (step + 1) % VALIDATE_EVERY == 0 or step + 1 == plan.steps
            more = measure(MobileFaceNet(layers, True), trainer.average.state, teacher, held, device) if last else {}
            trainer.record(phase=1 if blockwise else 2, loss=mean[0], match=mean[1], cosine=mean[2], **more)


def _match(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean square error as a share of the teacher's variance."""
    wanted = wanted.float()
    return (made.float() - wanted).pow(2).mean() / (wanted.var() + 1e-6)


def image(x: Tensor) -> Tensor:
    """(n, side, side, 3) uint8 BGR -> (n, 3, side, side) RGB float."""
    return x.flip(-1).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


Held = tuple[Tensor, Tensor, NDArray[np.str_]]


def validation(pack_path: Path) -> Held:
    """Faces of people that are kept from training, plain and degraded, and whose they are."""
    pack, rng = Pack(pack_path), np.random.default_rng(5)
    rows = rows_of(pack, split.VALIDATE)
    rows = rows[pack["source"][rows] == "lfw"]
    people, counts = np.unique(pack["person"][rows], return_counts=True)
    several = rows[np.isin(pack["person"][rows], people[counts > 1])]
    rows = np.concatenate([several, np.setdiff1d(rows, several)])[:FACES_VALIDATED]
    plain = [framed(pack.picture(int(i)), rng, 0.0) for i in rows]
    hard = [degraded(framed(pack.picture(int(i)), rng, 1.0), rng) for i in rows]
    return torch.from_numpy(np.stack(plain)), torch.from_numpy(np.stack(hard)), pack["person"][rows]


@torch.no_grad()
def measure(
    net: MobileFaceNet, state: dict[str, Tensor], teacher: MobileFaceNet, held: Held, device: torch.device
) -> dict[str, float]:
    """Cosine to the teacher's vector of the plain face, and the share of true pairs above the threshold that one false
    pair in 1,000 reaches, for plain and for degraded faces."""
    net = net.to(device, memory_format=torch.channels_last)
    net.load_state_dict(state)
    net.eval()
    plain, hard, who = held
    wanted, mine, poor = (_vectors(n, x, device) for n, x in ((teacher, plain), (net, plain), (net, hard)))
    return {
        "val_cosine": float((mine * wanted).sum(1).mean()),
        "val_hard_cosine": float((poor * wanted).sum(1).mean()),
        "val_tar": _true_rate(mine @ mine.T, who),
        "val_hard_tar": _true_rate(poor @ mine.T, who),
    }


def _vectors(net: MobileFaceNet, x: Tensor, device: torch.device) -> NDArray[np.float32]:
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        parts = [f.normalize(net(image(part.to(device))).float()) for part in x.split(64)]
    return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)


def _true_rate(scores: NDArray[np.float32], who: NDArray[np.str_]) -> float:
    same, other = who[:, None] == who[None, :], ~np.eye(len(who), dtype=bool)
    genuine, impostor = scores[same & other], scores[~same]
    return float((genuine > np.quantile(impostor, 0.999)).mean()) if len(genuine) else float("nan")

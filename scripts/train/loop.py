"""What every training has in common: the device, a seed, a rate that rises and falls, checkpoints to go on from, curves
in a CSV file, an average of the weights, a bar of progress."""

from __future__ import annotations

import csv
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm


@dataclass(frozen=True)
class Plan:
    """`threads` of the CPU; `keep_every` steps between checkpoints. `limit_s`: the training ends after that time as
    well, runs that it went on from counted in, and its rate falls by whichever of steps and time is further on. `run_s`
    ends this run alone, where a machine is lent for less than the whole. `begin`: folder of another training, whose
    averaged weights a new one starts with."""

    folder: Path
    steps: int
    batch: int
    rate: float
    seed: int = 1
    threads: int = 1
    workers: int = 0
    keep_every: int = 200
    limit_s: float = math.inf
    run_s: float = math.inf
    begin: Path | None = None
    device: str = "auto"


def start(plan: Plan) -> torch.device:
    torch.set_num_threads(plan.threads)
    torch.backends.cudnn.benchmark = True
    random.seed(plan.seed)
    np.random.seed(plan.seed)
    torch.manual_seed(plan.seed)
    name = ("cuda" if torch.cuda.is_available() else "cpu") if plan.device == "auto" else plan.device
    return torch.device(name)


AVERAGE = "average.pt"
"""The averaged weights alone: what an export needs, a quarter of last.pt's size."""


class Average:
    """Exponential average of parameters and buffers: steadier than the last step's."""

    def __init__(self, net: nn.Module, decay: float = 0.998) -> None:
        self._decay, self.state = decay, {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        keep = min(self._decay, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value, 1 - keep)
            else:
                self.state[key].copy_(value)


class Trainer:
    """Goes on where `folder`/last.pt ends. Use: `for step in trainer: ... trainer.update(loss)`."""

    def __init__(self, plan: Plan, net: nn.Module, columns: tuple[str, ...], decay: float = 0.05) -> None:
        self.plan, self.net, self.step = plan, net, 0
        gains = [p for p in net.parameters() if p.ndim < 2]
        weights = [p for p in net.parameters() if p.ndim >= 2]
        groups = [{"params": weights, "weight_decay": decay}, {"params": gains, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.rate)
        self.average = Average(net)
        self._columns, self._seen = ("step", "seconds", "rate", *columns), 0.0
        self._started = time.monotonic()
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._last = plan.folder / "last.pt"
        if self._last.exists():
            self._resume()
        elif plan.begin is not None:
            net.load_state_dict(averaged(plan.begin))
            self.average = Average(net)

    def __iter__(self) -> Iterator[int]:
        bar = tqdm(total=self.plan.steps, initial=self.step, unit="step", mininterval=10, smoothing=0.1)
        while self.step < self.plan.steps and self._spent() < self.plan.limit_s and self._run() < self.plan.run_s:
            yield self.step
            self.step += 1
            bar.update()
            if self.step % self.plan.keep_every == 0:
                self.keep()
        bar.close()
        self.keep()

    def update(self, loss: torch.Tensor) -> None:
        rate = self._rate()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self._optimiser.step()
        self.average.update(self.net, self.step)

    def record(self, **values: float) -> None:
        """A row of the curve, curve.csv beside the checkpoint."""
        path = self.plan.folder / "curve.csv"
        fresh = not path.exists()
        row = {"step": self.step, "seconds": round(self._spent()), "rate": f"{self._rate():.2e}"}
        row |= {k: f"{v:.5g}" for k, v in values.items()}
        with path.open("a", newline="") as file:
            out = csv.DictWriter(file, self._columns, restval="")
            if fresh:
                out.writeheader()
            out.writerow(row)
        tqdm.write("  ".join(f"{k} {v}" for k, v in row.items()))

    def keep(self) -> None:
        """Written aside, then renamed: a stop in the middle leaves the last one whole."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self._spent(),
            "net": self.net.state_dict(),
            "average": self.average.state,
            "optimiser": self._optimiser.state_dict(),
        }
        for path, content in ((self._last, state), (self.plan.folder / AVERAGE, self.average.state)):
            beside = path.with_suffix(".new")
            torch.save(content, beside)
            beside.replace(path)

    def _resume(self) -> None:
        state = torch.load(self._last, map_location=next(self.net.parameters()).device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.average.state = state["average"]
        self.step, self._seen = state["step"], state["seconds"]

    @property
    def done(self) -> float:
        """How much of the training is over, 0 to 1."""
        return min(1.0, max(self.step / self.plan.steps, self._spent() / self.plan.limit_s))

    def _spent(self) -> float:
        return self._seen + self._run()

    def _run(self) -> float:
        return time.monotonic() - self._started

    def _rate(self) -> float:
        p = self.plan
        done = self.done
        warm = min(1.0, (self.step + 1) / min(200, max(1, p.steps // 10)))
        return p.rate * warm * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-6


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a training's last checkpoint. SystemExit where there is none."""
    for name in (AVERAGE, "last.pt"):
        if (folder / name).exists():
            found = torch.load(folder / name, map_location="cpu", weights_only=True)
            state: dict[str, torch.Tensor] = found.get("average", found)
            return state
    raise SystemExit(f"{folder} holds no checkpoint: train first.")

"""The spoof network: plain 3x3 convolutions and ReLU6, all of which int8 kernels know; no depthwise convolutions, whose
ranges quantise badly and whose arithmetic waits for memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TEACHER_FEATURES = 256


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, act: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU6()] if act else []))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width), conv(width, width, 1, act=False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class SpoofNetwork(nn.Module):
    """(n, 3, 128, 128) RGB 0 to 255 -> (n, 2) logits [attack, -attack]. `taught` is for training alone: it guesses the
    teachers' features, and is left out of the export."""

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 144), top: int = 192) -> None:
        super().__init__()
        w1, w2, w3, w4 = widths
        self.features = nn.Sequential(
            conv(3, w1, stride=2),
            conv(w1, w2, stride=2),
            conv(w2, w3, stride=2),
            Residual(w3),
            conv(w3, w4, stride=2),
            Residual(w4),
            Residual(w4),
            conv(w4, top, 1),
        )
        self.head = nn.Linear(top, 1)
        self.taught = nn.Linear(top, TEACHER_FEATURES)
        self.drop = nn.Dropout(0.2)

    def pooled(self, x: Tensor) -> Tensor:
        return self.features((x - 127.5) / 64).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        z = self.head(self.drop(self.pooled(x)))
        return torch.cat([z, -z], 1)

    def learn(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) logits of "attack" and (n, 256) guessed features of the teachers."""
        p = self.pooled(x)
        return self.head(self.drop(p))[:, 0], self.taught(p)

"""Where an actor is at a moment: keys joined by monotone cubics, and the small motions of anything alive or held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeface.adapters.camera.scene.parse import Actor, Key, Role

Values = NDArray[np.float64]

_FIELDS = ("x", "y", "face", "yaw", "pitch", "roll")
_SWAY = (0.004, 0.003, 0.006, 2.6, 1.8, 1.3)  # amplitudes in the units of _FIELDS; `face` is relative
_SWAY_HZ = ((0.23, 0.61), (0.31, 0.83), (0.19, 0.47), (0.29, 0.71), (0.37, 0.97), (0.21, 0.53))
_BLINK_CLOSE_S, _BLINK_HOLD_S, _BLINK_OPEN_S = 0.08, 0.05, 0.16  # a spontaneous blink lasts 0.2 to 0.4 s


class Motion:
    """One role's way. `seed` makes sway and blinks this actor's own; the same seed gives the same motion."""

    def __init__(self, role: Role, actor: Actor, seed: list[int], length_s: float) -> None:
        rng = np.random.default_rng(seed)
        self._times = np.array([k.at_s for k in role.keys])
        self._values = np.array([[getattr(k, f) for f in _FIELDS] for k in role.keys])
        self._slopes = _monotone_slopes(self._times, self._values)
        self._phases = rng.uniform(0, 2 * np.pi, (len(_FIELDS), 2))
        self._sway = actor.sway
        self._blinks = self._plan_blinks(rng, actor.blink_every_s, length_s)

    @staticmethod
    def _plan_blinks(rng: np.random.Generator, every_s: float, length_s: float) -> list[float]:
        if every_s <= 0:
            return []
        at, out = every_s * float(rng.uniform(0.3, 0.8)), []
        while at < length_s:
            out.append(at)
            at += every_s * float(rng.uniform(0.6, 1.4))
        return out

    def pose(self, t_s: float) -> Key:
        """`t_s` counts from the act's start."""
        x, y, face, yaw, pitch, roll = (float(v) for v in self._path(t_s))
        dx, dy, df, dyaw, dpitch, droll = (float(v) for v in self._sway_at(t_s))
        return Key(t_s, x + dx, y + dy, face * (1 + df), yaw + dyaw, pitch + dpitch, roll + droll)

    def expression(self, t_s: float) -> tuple[float, float]:
        """Jaw and brow, -1 to 1: slow and small, as of somebody who waits."""
        a, b = self._phases[0]
        jaw = 0.35 * np.sin(2 * np.pi * 0.43 * t_s + a) * np.sin(2 * np.pi * 0.11 * t_s + b)
        brow = 0.4 * np.sin(2 * np.pi * 0.27 * t_s + b)
        return float(jaw) * self._sway, float(brow) * self._sway

    def _path(self, t_s: float) -> Values:
        """Cubic Hermite between keys; before the first and after the last, they hold."""
        t = self._times
        if t_s <= t[0]:
            return np.asarray(self._values[0])
        if t_s >= t[-1]:
            return np.asarray(self._values[-1])
        i = int(np.searchsorted(t, t_s, side="right")) - 1
        h = t[i + 1] - t[i]
        u = (t_s - t[i]) / h
        h00, h10, h01, h11 = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2, u * u * (3 - 2 * u), u * u * (u - 1)
        m = self._slopes
        at = h00 * self._values[i] + h10 * h * m[i] + h01 * self._values[i + 1] + h11 * h * m[i + 1]
        return np.asarray(at)

    def _sway_at(self, t_s: float) -> Values:
        """Two incommensurable sines a field: no period within a scene, and no jump."""
        waves = np.sin(2 * np.pi * np.array(_SWAY_HZ) * t_s + self._phases) @ np.array([0.65, 0.35])
        return np.asarray(self._sway * np.array(_SWAY) * waves)

    def closure(self, t_s: float) -> float:
        """0 eyes open to 1 shut."""
        for start in self._blinks:
            dt = t_s - start
            if 0 <= dt < _BLINK_CLOSE_S:
                return dt / _BLINK_CLOSE_S
            if 0 <= dt < _BLINK_CLOSE_S + _BLINK_HOLD_S:
                return 1.0
            if 0 <= dt < _BLINK_CLOSE_S + _BLINK_HOLD_S + _BLINK_OPEN_S:
                return 1 - (dt - _BLINK_CLOSE_S - _BLINK_HOLD_S) / _BLINK_OPEN_S
        return 0.0


def _monotone_slopes(t: Values, v: Values) -> Values:
    """Slopes for a cubic that never overshoots a key (Fritsch and Carlson, 1980), at rest at both ends."""
    slopes = np.zeros_like(v)
    if len(t) < 3:
        return slopes
    secant = np.diff(v, axis=0) / np.diff(t)[:, None]
    before, after = secant[:-1], secant[1:]
    same = before * after > 0
    harmonic = 2 * before * after / np.where(same, before + after, 1.0)
    slopes[1:-1] = np.where(same, harmonic, 0.0)
    return slopes

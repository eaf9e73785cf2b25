"""The numerics that every refit shares: soft-L1 least squares shrunk to priors, by damped Gauss-Newton."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokenworks.records import Floats

STRIDE = 0.5  # longest move of one round, in logarithms
NUDGE = 0.02  # finite difference, in logarithms


def minimise(
    linearise: Callable[[Floats], tuple[Floats, Floats]],
    start: Floats,
    spread: Floats,
    weight: Floats,
    *,
    tail: float,
    rounds: int,
) -> Floats:
    """The parameters (logarithms) of least loss, after `rounds` steps from the priors `start`.

    `linearise(theta)` gives the residuals (n) and their derivatives (n x parameters). Loss: soft L1 of the
    residuals (beyond `tail` an error counts linearly; Charbonnier et al., IEEE TIP 6(2), 1997) times
    `weight`, plus the squared distance to the priors in units of `spread`. A residual that is not finite
    counts nothing. Deterministic.
    """
    theta = start.copy()
    for _ in range(rounds):
        theta = advance(theta, linearise(theta), (start, spread), weight, tail)
    return theta


def advance(
    theta: Floats, linear: tuple[Floats, Floats], prior: tuple[Floats, Floats], weight: Floats, tail: float
) -> Floats:
    """One damped Gauss-Newton step of `minimise`. linear: residuals and derivatives at theta; prior: the
    priors and their spreads."""
    error, jacobian = linear
    start, spread = prior
    sound = np.isfinite(error) & np.isfinite(jacobian).all(axis=1)
    error, jacobian = np.where(sound, error, 0.0), np.where(sound[:, None], jacobian, 0.0)
    soft = weight * sound / np.sqrt(1.0 + (error / tail) ** 2) / tail**2
    normal = jacobian.T @ (jacobian * soft[:, None]) + np.diag(spread**-2.0)
    gradient = jacobian.T @ (soft * error) + (theta - start) / spread**2
    moved: Floats = theta - np.clip(np.linalg.solve(normal, gradient), -STRIDE, STRIDE)
    return moved

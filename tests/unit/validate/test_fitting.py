"""The shared least squares: found constants, priors that hold, outliers that count little."""

from __future__ import annotations

import numpy as np
import pytest

from tokenworks.records import Floats
from tokenworks.validate.fitting import minimise


def line(truth: Floats) -> tuple[Floats, object]:
    design = np.column_stack([np.ones(40), np.linspace(-1.0, 1.0, 40)])
    return design, lambda theta: (design @ (theta - truth), design)


def test_it_finds_what_made_the_data() -> None:
    truth = np.array([0.3, -0.2])
    _, linearise = line(truth)
    got = minimise(linearise, np.zeros(2), np.full(2, 10.0), np.ones(40), tail=0.1, rounds=20)  # type: ignore[arg-type]
    assert got == pytest.approx(truth, abs=1e-4)


def test_a_tight_prior_holds_and_a_bad_row_counts_nothing() -> None:
    truth = np.array([0.3, -0.2])
    design, linearise = line(truth)
    tight = minimise(linearise, np.zeros(2), np.full(2, 1e-4), np.ones(40), tail=0.1, rounds=5)  # type: ignore[arg-type]
    assert np.abs(tight).max() < 1e-3

    def broken(theta: Floats) -> tuple[Floats, Floats]:
        error = design @ (theta - truth)
        error[3] = np.nan
        error[7] += 50.0
        return error, design

    got = minimise(broken, np.zeros(2), np.full(2, 10.0), np.ones(40), tail=0.02, rounds=60)
    assert got == pytest.approx(truth, abs=0.02)

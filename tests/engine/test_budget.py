"""The budget finds where stacking stops to pay, from the times of ordinary calls."""

import random

import pytest

from engine.budget import LARGEST, RowBudget


def settle(seconds, calls: int = 200, noise: float = 0.0) -> int:
    """Feed full calls that take ``seconds(rows)``; returns the budget it ends with."""
    budget, draws = RowBudget(), random.Random(0)
    for _ in range(calls):
        rows = budget.rows("kind")
        budget.record("kind", rows, seconds(rows) * (1 + noise * draws.random()))
    return budget.rows("kind")


def test_where_rows_are_nearly_free_it_grows_to_the_bound():
    assert settle(lambda rows: 1.0 + 0.001 * rows) == LARGEST


def test_where_every_row_costs_the_same_it_stays_small():
    assert settle(lambda rows: 0.5 * rows) == 2


@pytest.mark.parametrize("knee", [4, 8, 16])
def test_it_stops_at_the_knee(knee: int):
    assert settle(lambda rows: max(rows, knee) * 0.01) == knee


def test_noise_of_other_load_does_not_stop_it_early():
    assert settle(lambda rows: 0.1 + 0.004 * rows, noise=0.5) >= 16


def test_without_demand_nothing_is_learnt():
    budget = RowBudget()
    for _ in range(100):
        budget.record("kind", 1, 1.0)
    assert budget.rows("kind") == 2


def test_kinds_are_apart_and_memory_is_a_wall():
    budget = RowBudget()
    for _ in range(9):
        budget.record("a", budget.rows("a"), 1.0)
    assert (budget.rows("a"), budget.rows("b")) == (16, 2)
    budget.out_of_memory("a")
    for _ in range(9):
        budget.record("a", 8, 0.001)
    assert budget.rows("a") == 8


def test_a_fixed_budget_is_fixed():
    budget = RowBudget(6)
    budget.record("kind", 6, 1.0)
    assert budget.rows("kind") == 6

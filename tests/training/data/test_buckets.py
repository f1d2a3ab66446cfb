"""Aspect buckets and the order of steps, as laws."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.data.buckets import Order, bucket, fitted, grouped, sizes

SIDES = st.tuples(st.integers(1, 12), st.sampled_from([8, 16, 64])).map(lambda p: (p[0] * p[1], p[1]))
SHAPES = st.tuples(st.integers(1, 500), st.integers(1, 500))
GROUPS = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(
    lambda counts: grouped([(k, 1) for k, n in enumerate(counts) for _ in range(n)], [1] * sum(counts))
)


@given(SIDES)
def test_sizes_are_multiples_within_the_area(pair: tuple[int, int]) -> None:
    side, multiple = pair
    found = sizes(side, multiple)
    assert (side, side) in found and len(set(found)) == len(found)
    for width, height in found:
        assert width % multiple == height % multiple == 0 and width * height <= side * side
        assert (height, width) in found and max(width, height) <= 2 * min(width, height)


def test_known_sizes() -> None:
    assert {(512, 512), (768, 320), (640, 384), (448, 576)} & set(sizes(512, 64)) == {
        (512, 512), (640, 384), (448, 576),
    }  # fmt: skip
    with pytest.raises(ValueError, match="side: got 100; allowed: a multiple of 64"):
        sizes(100, 64)


@given(SHAPES, SIDES)
def test_a_picture_gets_the_bucket_of_its_shape_and_fills_it(
    shape: tuple[int, int], pair: tuple[int, int]
) -> None:
    among = sizes(*pair)
    chosen = bucket(shape, among)
    assert chosen in among
    if max(chosen) <= 64:
        assert fitted(Image.new("RGB", shape), chosen).size == chosen


def test_fitting_takes_the_middle() -> None:
    image = Image.new("RGB", (30, 10), "red")
    image.paste("blue", (10, 0, 20, 10))
    assert fitted(image, (10, 10)).getcolors() == [(100, (0, 0, 255))]


@given(GROUPS, st.integers(1, 5), st.integers(0, 99), st.integers(0, 3))
def test_an_epoch_sees_every_row_and_a_batch_is_of_one_bucket(
    groups: tuple[tuple[int, ...], ...], batch: int, seed: int, epoch: int
) -> None:
    order = Order(groups, batch, seed)
    steps = [order.rows(epoch * order.epoch + k) for k in range(order.epoch)]
    seen = Counter(row for rows in steps for row in rows)
    assert set(seen) == {row for group in groups for row in group}
    for rows in steps:
        assert len(rows) == batch and any(set(rows) <= set(group) for group in groups)
    for group in groups:  # filling up favours no row by more than it has to
        full = -(-len(group) // batch) * batch
        assert sum(seen[row] for row in group) == full
        assert max(seen[row] for row in group) - min(seen[row] for row in group) <= 1
    assert steps == [Order(groups, batch, seed).rows(epoch * order.epoch + k) for k in range(order.epoch)]


def test_repeats_are_seen_as_often_and_epochs_differ() -> None:
    order = Order(grouped([(1, 1), (1, 1)], [5, 1]), 2, 0)
    assert Counter(row for k in range(order.epoch) for row in order.rows(k)) == {0: 5, 1: 1}
    many = Order(grouped([(1, 1)] * 20, [1] * 20), 20, 0)
    assert many.rows(0) != many.rows(1) and Order(many.groups, 20, 1).rows(0) != many.rows(0)

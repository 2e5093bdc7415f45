"""Pages of text: what is drawn is where the label says, and how an answer is read."""

from itertools import pairwise

import numpy as np

from autoscale_runtime.demo.page import CELL, SIDE, Box, boxes, boxes_of, scanned


def test_a_page_has_its_lines_where_it_says() -> None:
    page, lines = scanned("Harbour 12.50", np.random.default_rng(1))
    assert page.shape == (1, 1, SIDE, SIDE)
    assert page.dtype == np.uint8
    assert len(lines) >= 5
    for upper, lower in pairwise(lines):
        assert upper.bottom < lower.top
    contrast = [np.ptp(page[0, 0, box.top : box.bottom, box.left : box.right]) for box in lines]
    assert min(contrast) >= 60


def test_neighbouring_cells_are_one_line_and_it_is_grown_again() -> None:
    likely = np.zeros((20, 40), np.float32)
    likely[4:7, 5:20] = 0.9
    likely[12:14, 3:30] = 0.4
    likely[0, 39] = 0.2
    upper, lower = boxes(likely)
    assert upper.top < 4 * CELL < 7 * CELL < upper.bottom
    assert upper.left < 5 * CELL < 20 * CELL < upper.right
    assert lower.overlap(upper) == 0.0
    assert boxes(np.zeros((20, 40), np.float32)) == []


def test_boxes_overlap_by_what_they_share() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(0, 0, 10, 10)) == 1.0
    assert Box(0, 0, 10, 10).overlap(Box(5, 0, 15, 10)) == 50 / 150
    assert Box(0, 0, 10, 10).overlap(Box(20, 20, 30, 30)) == 0.0
    assert boxes_of("1,2,3,4 5,6,7,8") == [Box(1, 2, 3, 4), Box(5, 6, 7, 8)]

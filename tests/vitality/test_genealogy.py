"""Replies per root by hand."""

import pytest

from sna.vitality.genealogy import reply_genealogy


def test_genealogy_by_hand(six):
    table = reply_genealogy(six)
    assert table.select("n_roots", "n_replies", "replies_per_root", "depth_mean").rows() == [
        (2, 4, 2.0, 1.5),
        (1, 1, 1.0, 1.0),
    ]
    assert table["branching_ratio"].to_list() == pytest.approx([4 / 6, 1 / 2])
    assert table["unanswered_share"].to_list() == [0, 0]
    assert table["is_complete"].to_list() == [False, False]
    soon = reply_genealogy(six, within_days=1)
    assert soon.select("n_replies").to_series().to_list() == [2, 1]
    assert soon["is_complete"].to_list() == [True, False]

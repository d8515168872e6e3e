"""Classic indices against values by hand and against networkx."""

import math

import networkx as nx
import numpy as np
import polars as pl
import pytest

import sna
from sna.mixing.indices import newman_assortativity


def network(ties, roles):
    edges = pl.DataFrame(ties, schema=["source", "target"], orient="row")
    people = pl.DataFrame(
        {"person_id": list(roles), "role": list(roles.values())}, schema_overrides={"role": pl.String}
    )
    return sna.network_from_edges(edges, people=people)


def test_indices_of_the_six_person_forum(six):
    # five replies, one of them inside a group (cat -> bob)
    assert sna.cross_role_share(six) == pytest.approx(4 / 5)
    assert sna.ei_index(six) == pytest.approx(3 / 5)


def test_unknown_groups_are_left_out_of_shares():
    net = network([("a", "b"), ("a", "c"), ("b", "c")], {"a": "x", "b": "x", "c": None})
    assert sna.cross_role_share(net) == 0.0
    assert sna.ei_index(net) == -1.0


def test_rescaled_index_reaches_both_ends():
    roles = {"a": "x", "b": "x", "c": "y", "d": "y"}
    inside = network([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("a", "c")], roles)
    assert sna.ei_index(inside) == pytest.approx(-3 / 5)
    # five ties, room for four inside: as internal as it can be
    assert sna.ei_index(inside, rescaled=True) == pytest.approx(-1.0)
    across = network([("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "a")], roles)
    assert sna.ei_index(across, rescaled=True) == pytest.approx(1.0)
    assert math.isnan(sna.ei_index(network([], roles)))


def test_weights_do_not_change_what_counts_ties():
    edges = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "weight": [9.0, 1.0]})
    people = pl.DataFrame({"person_id": ["a", "b", "c"], "role": ["x", "x", "y"]})
    net = sna.network_from_edges(edges, people=people)
    assert sna.ei_index(net) == 0.0
    assert sna.cross_role_share(net) == pytest.approx(0.1)


def test_coleman_at_its_ends():
    roles = {"a": "x", "b": "x", "c": "y", "d": "y"}
    table = sna.coleman_homophily(network([("a", "b"), ("b", "a"), ("c", "a"), ("d", "b")], roles))
    assert table["homophily"].to_list() == [1.0, -1.0]
    assert table["expected_share"].to_list() == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize("seed", range(5))
def test_assortativity_equals_networkx(seed):
    graph = nx.gnp_random_graph(30, 0.15, seed=seed, directed=True)
    rng = np.random.default_rng(seed)
    roles = {f"p{node:02d}": "xyz"[rng.integers(3)] for node in graph}
    nx.set_node_attributes(graph, {int(name[1:]): role for name, role in roles.items()}, "role")
    ties = [(f"p{a:02d}", f"p{b:02d}") for a, b in graph.edges]
    assert sna.assortativity(network(ties, roles)).value == pytest.approx(
        nx.attribute_assortativity_coefficient(graph, "role")
    )


def test_jackknife_error_equals_leaving_out_each_tie():
    counts = np.array([[5.0, 2.0], [1.0, 4.0]])
    value, error = newman_assortativity(counts)
    squares = 0.0
    for a, b in np.ndindex(2, 2):
        fewer = counts.copy()
        fewer[a, b] -= 1
        squares += counts[a, b] * (newman_assortativity(fewer)[0] - value) ** 2
    assert error == pytest.approx(np.sqrt(squares))
    assert math.isnan(newman_assortativity(np.array([[3.0]]))[0])


def test_interval_of_assortativity_is_its_jackknife_error_on_both_sides():
    ties = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "d"), ("d", "c"), ("d", "a"), ("b", "d")]
    seen = sna.assortativity(network(ties, {"a": "HR", "b": "HR", "c": "IT", "d": "IT"}), level=0.9)
    # by hand: inside HR 2 and inside IT 2, HR to IT 2, IT to HR 1
    value, error = newman_assortativity(np.array([[2, 2], [1, 2]]))
    assert seen.value == pytest.approx(value)
    assert (seen.low, seen.high) == pytest.approx((value - 1.644854 * error, value + 1.644854 * error), rel=1e-6)

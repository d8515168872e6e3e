"""Measures on networks small enough for paper, and on the shapes where they degenerate."""

import sys

import networkx as nx
import numpy as np
import polars as pl
import pytest

import sna
from sna.errors import ParameterError

MEASURES = {
    "strength": ("strength",),
    "reach": ("reach",),
    "pagerank": ("pagerank",),
    "hits": ("hub", "authority"),
    "betweenness": ("betweenness",),
    "constraint": ("constraint",),
}


def make_network(*ties: tuple, people: tuple[str, ...] = ()) -> sna.Network:
    names = ["source", "target", "weight"][: len(ties[0])] if ties else ["source", "target"]
    schema = {name: pl.Float64 if name == "weight" else pl.String for name in names}
    edges = pl.DataFrame(list(ties), schema=schema, orient="row")
    return sna.network_from_edges(
        edges, people=pl.DataFrame({"person_id": list(people)}, schema={"person_id": pl.String})
    )


def values(frame: pl.DataFrame, column: str | None = None) -> dict[str, float]:
    return dict(frame.select("person_id", column or frame.columns[1]).iter_rows())


@pytest.fixture(params=["igraph", "networkx"])
def engine(request, monkeypatch) -> str:
    """Both ways to count shortest paths: with igraph, and as if it were not installed."""
    if request.param == "igraph":
        pytest.importorskip("igraph")
    else:
        monkeypatch.setitem(sys.modules, "igraph", None)
    return request.param


@pytest.mark.parametrize("measure", MEASURES)
def test_everybody_has_a_row_in_order_of_id_silent_people_too(six, measure):
    frame = getattr(sna, measure)(sna.build_network(six))
    assert frame.columns == ["person_id", *MEASURES[measure]]
    assert frame["person_id"].to_list() == ["ann", "bob", "cat", "dan", "eve"]


@pytest.mark.parametrize("measure", MEASURES)
def test_people_who_opted_out_are_not_shown_and_still_count(six, measure):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "bob")
    hidden = getattr(sna, measure)(sna.build_network(sna.build_forum(posts=six.posts, people=people)))
    shown = getattr(sna, measure)(sna.build_network(six))
    assert hidden.rows() == shown.filter(pl.col("person_id") != "bob").rows()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_networks_without_ties(measure, n):
    frame = getattr(sna, measure)(make_network(people=tuple("abc"[:n])))
    assert frame.height == n
    expected = {"pagerank": 1 / max(n, 1), "constraint": None}.get(measure, 0)
    for column in MEASURES[measure]:
        assert frame[column].to_list() == pytest.approx([expected] * n)


def test_strength_and_reach_of_the_six(six):
    network = sna.build_network(six, kinds=("reply", "answer"))
    assert values(sna.strength(network)) == {"ann": 1, "bob": 4, "cat": 1, "dan": 1, "eve": 0}
    assert values(sna.strength(network, mode="in")) == {"ann": 2, "bob": 2, "cat": 1, "dan": 2, "eve": 0}
    assert values(sna.strength(network, mode="all")) == {"ann": 3, "bob": 6, "cat": 2, "dan": 3, "eve": 0}
    assert values(sna.reach(network)) == {"ann": 1, "bob": 2, "cat": 1, "dan": 1, "eve": 0}
    assert values(sna.reach(network, mode="in")) == {"ann": 1, "bob": 2, "cat": 1, "dan": 1, "eve": 0}
    assert values(sna.reach(network, mode="all")) == {"ann": 1, "bob": 3, "cat": 2, "dan": 2, "eve": 0}
    assert values(sna.reach(network, steps=2)) == {"ann": 2, "bob": 3, "cat": 3, "dan": 2, "eve": 0}
    assert values(sna.reach(network, steps=9)) == {"ann": 3, "bob": 3, "cat": 3, "dan": 3, "eve": 0}


def test_reach_counts_people_not_messages():
    assert values(sna.reach(make_network(("a", "b", 1000.0), ("c", "a", 1.0), ("c", "b", 1.0)))) == {
        "a": 1,
        "b": 0,
        "c": 2,
    }


def test_pagerank_of_three_by_hand():
    # a -> b, b -> a, c -> a: with d = 0.5, x_c = 1/6, x_b = 1/6 + x_a/2, x_a = 1/6 + x_b/2 + x_c/2
    found = values(sna.pagerank(make_network(("a", "b"), ("b", "a"), ("c", "a")), damping=0.5))
    assert found == pytest.approx({"a": 4 / 9, "b": 7 / 18, "c": 1 / 6}, abs=1e-10)


def test_pagerank_weights_dangling_and_restarts_equal_networkx():
    network = make_network(("a", "b", 5.0), ("a", "c", 1.0), ("c", "d", 1.0), people=("e",))
    graph = network.to_networkx()
    for restart in (None, {"a": 3.0, "e": 1.0}):
        expected = nx.pagerank(graph, personalization=restart, tol=1e-14, max_iter=2000)
        assert values(sna.pagerank(network, personalisation=restart)) == pytest.approx(expected, abs=1e-9)
    backwards = nx.pagerank(graph.reverse(), tol=1e-14, max_iter=2000)
    assert values(sna.pagerank(network, mode="out")) == pytest.approx(backwards, abs=1e-9)


def test_pagerank_converges_where_it_is_slow():
    ring = make_network(*((f"n{i:03}", f"n{(i + 1) % 50:03}") for i in range(50)), ("n000", "n025"))
    expected = nx.pagerank(ring.to_networkx(), alpha=0.99, tol=1e-14, max_iter=20_000)
    assert values(sna.pagerank(ring, damping=0.99)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    "options",
    [
        {"damping": 0.0},
        {"damping": 1.0},
        {"personalisation": {}},
        {"personalisation": {"a": -1.0}},
        {"personalisation": {"nobody": 1.0}},
    ],
)
def test_pagerank_refuses_what_makes_no_sense(options):
    with pytest.raises(ParameterError):
        sna.pagerank(make_network(("a", "b")), **options)


def test_hits_of_a_small_network_by_hand():
    # hubs a, b; authorities c (from both), d (from a): A'A on (c, d) is [[2, 1], [1, 1]], leading vector (phi, 1)
    found = sna.hits(make_network(("a", "c"), ("b", "c"), ("a", "d")))
    phi = (1 + 5**0.5) / 2
    assert values(found, "authority") == pytest.approx({"a": 0, "b": 0, "c": phi / (phi + 1), "d": 1 / (phi + 1)})
    assert values(found, "hub") == pytest.approx({"a": phi / (phi + 1), "b": 1 / (phi + 1), "c": 0, "d": 0})


@pytest.mark.parametrize("n", [2, 3, 50, 400])
def test_hits_gives_equal_components_equal_scores(n):
    """The leading eigenvalue is shared n times; a library solver picks an arbitrary member of that space."""
    found = sna.hits(make_network(*((f"a{i:03}", f"b{i:03}") for i in range(n))))
    authority = found.filter(pl.col("person_id").str.starts_with("b"))["authority"]
    assert authority.to_list() == pytest.approx([1 / n] * n, rel=1e-9)
    assert found["hub"].sum() == pytest.approx(1.0)


def test_hits_is_that_of_the_densest_part():
    found = values(sna.hits(make_network(("a", "b", 3.0), ("c", "d", 1.0))), "authority")
    assert found == pytest.approx({"a": 0, "b": 1, "c": 0, "d": 0}, abs=1e-9)


def test_strength_is_not_distance(engine):
    """The trap: a-b-c with weight 100 beside a-d-c with weight 1. Taken as length, b would score 0 and d 1."""
    network = make_network(("a", "b", 100.0), ("b", "c", 100.0), ("a", "d", 1.0), ("d", "c", 1.0))
    by_strength = values(sna.betweenness(network, distance="inverse_weight", normalised=False))
    assert by_strength == {"a": 0, "b": 1, "c": 0, "d": 0}
    assert values(sna.betweenness(network, normalised=False)) == {"a": 0, "b": 0.5, "c": 0, "d": 0.5}
    as_length = nx.betweenness_centrality(network.to_networkx(), weight="weight", normalized=False)
    assert (as_length["b"], as_length["d"]) == (0, 1)


def test_equally_long_paths_share_whatever_the_order_of_adding(engine):
    # a-x-z: 1/3 + 1/3; a-y-z: 1/2 + 1/6; both 2/3, equal only in exact arithmetic
    network = make_network(("a", "x", 3.0), ("x", "z", 3.0), ("a", "y", 2.0), ("y", "z", 6.0))
    found = values(sna.betweenness(network, distance="inverse_weight", normalised=False))
    assert found == {"a": 0, "x": 0.5, "y": 0.5, "z": 0}
    scaled = make_network(("a", "x", 0.3), ("x", "z", 0.3), ("a", "y", 0.2), ("y", "z", 0.6))
    assert values(sna.betweenness(scaled, distance="inverse_weight", normalised=False)) == found


def test_betweenness_normalised_is_a_share_of_pairs(engine):
    star = make_network(*(pair for i in range(4) for pair in ((f"leaf{i}", "hub"), ("hub", f"leaf{i}"))))
    assert values(sna.betweenness(star)) == {"hub": 1.0, **{f"leaf{i}": 0.0 for i in range(4)}}
    lonely = make_network(("a", "b"), ("b", "c"), people=("d",))
    assert values(sna.betweenness(lonely))["b"] == pytest.approx(1 / 6)


def random_network(seed: int, *, n: int = 30, p: float = 0.12) -> sna.Network:
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((n, n)) < p)
    edges = pl.DataFrame(
        {
            "source": [f"p{i:02}" for i in pairs[:, 0]],
            "target": [f"p{i:02}" for i in pairs[:, 1]],
            "weight": rng.integers(1, 30, len(pairs)),
        }
    )
    return sna.network_from_edges(edges, people=pl.DataFrame({"person_id": [f"p{i:02}" for i in range(n)]}))


@pytest.mark.parametrize("distance", ["steps", "inverse_weight"])
@pytest.mark.parametrize("pivots", [None, 7])
def test_with_and_without_igraph_the_answers_are_the_same(distance, pivots, monkeypatch):
    pytest.importorskip("igraph")
    for seed in range(4):
        network = random_network(seed)
        with_igraph = sna.betweenness(network, distance=distance, pivots=pivots, rng=seed)
        with monkeypatch.context() as context:
            context.setitem(sys.modules, "igraph", None)
            without = sna.betweenness(network, distance=distance, pivots=pivots, rng=seed)
        assert values(without) == pytest.approx(values(with_igraph), abs=1e-12)


def test_pivots_estimate_the_exact_values_on_average(engine):
    network = random_network(1)
    exact = sna.betweenness(network)["betweenness"].to_numpy()
    draws = [sna.betweenness(network, pivots=10, rng=seed)["betweenness"].to_numpy() for seed in range(150)]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - exact) <= 4.5 * error + 1e-12).all()
    assert values(sna.betweenness(network, pivots=30)) == values(sna.betweenness(network))
    assert values(sna.betweenness(network, pivots=9, rng=3)) == values(sna.betweenness(network, pivots=9, rng=3))


def test_wrong_options_are_refused():
    network = make_network(("a", "b"), ("b", "c"))
    for call in (
        lambda: sna.betweenness(network, distance="weight"),
        lambda: sna.betweenness(network, pivots=0),
        lambda: sna.reach(network, steps=0),
        lambda: sna.strength(network, mode="both"),
    ):
        with pytest.raises(ParameterError, match="Got"):
            call()


def test_constraint_by_hand():
    # a has b and c; b and c are tied too (equal weights): each c_i = 2 (1/2 + 1/4)^2 = 9/8
    triangle = make_network(("a", "b"), ("b", "c"), ("c", "a"))
    assert values(sna.constraint(triangle)) == pytest.approx(dict.fromkeys("abc", 9 / 8))
    # a broker between two who do not know each other: 2 (1/2)^2; unequal ties: (3/4)^2 + (1/4)^2
    assert values(sna.constraint(make_network(("b", "a"), ("b", "c"))))["b"] == pytest.approx(1 / 2)
    assert values(sna.constraint(make_network(("b", "a", 3.0), ("c", "b", 1.0))))["b"] == pytest.approx(10 / 16)


def test_constraint_equals_networkx_and_igraph_and_says_nothing_about_the_silent():
    igraph = pytest.importorskip("igraph")
    network = random_network(5, p=0.05)
    both = nx.Graph()
    both.add_nodes_from(network.people["person_id"])
    for source, target, weight in network.ties.iter_rows():
        earlier = both.get_edge_data(source, target, {"weight": 0})["weight"]
        both.add_edge(source, target, weight=earlier + weight)
    expected = nx.constraint(both, weight="weight")
    found = values(sna.constraint(network))
    silent = [person for person, degree in both.degree if degree == 0]
    assert [found[person] for person in silent] == [None] * len(silent)
    assert {p: v for p, v in found.items() if v is not None} == pytest.approx(
        {p: expected[p] for p in found if p not in silent}
    )
    graph = igraph.Graph.from_networkx(both)
    by_igraph = dict(zip(graph.vs["_nx_name"], graph.constraint(weights="weight"), strict=True))
    assert {p: v for p, v in found.items() if v is not None} == pytest.approx(
        {p: by_igraph[p] for p in found if p not in silent}
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_do_not_change_an_answer(measure, monkeypatch):
    network = random_network(2)
    whole = getattr(sna, measure)(network)
    monkeypatch.setattr("sna.network.centrality._BLOCK", 7)
    assert getattr(sna, measure)(network).equals(whole)
    monkeypatch.setattr("sna.network.centrality._KRYLOV", 4)
    pieces = getattr(sna, measure)(network)
    for column in MEASURES[measure]:
        assert values(pieces, column) == pytest.approx(values(whole, column), abs=1e-9)


def test_reach_in_steps_does_not_depend_on_blocks(monkeypatch):
    network = random_network(3)
    graph = network.to_networkx()
    expected = {p: len(nx.single_source_shortest_path_length(graph, p, cutoff=3)) - 1 for p in graph}
    assert values(sna.reach(network, steps=3)) == expected
    monkeypatch.setattr("sna.network.centrality._BLOCK", 7)
    assert values(sna.reach(network, steps=3)) == expected

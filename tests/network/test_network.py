"""The Network: sums, isolates, ids, the way in from any table and the ways out."""

import xml.etree.ElementTree as ElementTree
from dataclasses import FrozenInstanceError

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import sna
from sna.errors import MissingDependencyError, ParameterError, SchemaError
from sna.network import pack
from tests.conftest import day

HOSTILE = [
    "<script>alert(1)</script>",
    "a&b",
    'quo"te',
    "nul\x00bell\x07",
    "tab\tline\n",
    "]]>",
    "日本 é",
    "=1+1",
    " ",
    "\x01",
]


def make_edges(*rows: tuple) -> pl.DataFrame:
    names = ["source", "target", "weight"][: len(rows[0])]
    return pl.DataFrame(list(rows), schema=names, orient="row")


def count_edges(edges: pl.DataFrame) -> dict[tuple[str, str], float]:
    """The plainest way to sum edges, as a yardstick."""
    total: dict[tuple[str, str], float] = {}
    for source, target, *weight in edges.iter_rows():
        if source is not None and target is not None and source != target:
            key = (str(source), str(target))
            total[key] = total.get(key, 0.0) + (weight[0] if weight else 1.0)
    return total


def as_dict(network: sna.Network) -> dict[tuple[str, str], float]:
    return {(source, target): weight for source, target, weight in network.ties.iter_rows()}


def test_network_of_the_six(six):
    network = sna.build_network(six)
    assert network.people["person_id"].to_list() == ["ann", "bob", "cat", "dan", "eve"]
    assert network.ties.rows() == [
        ("ann", "bob", 1.0),
        ("bob", "ann", 1.0),
        ("bob", "dan", 1.0),
        ("cat", "bob", 1.0),
        ("dan", "cat", 1.0),
    ]
    assert network.kinds == ("reply/1",)
    assert network.left_out["bot"] == 1
    assert repr(network) == (
        "Network (reply): 5 people, 1 of them without a tie; ties: 5, from 5 interactions; left out: 1 bot."
    )


def test_weights_are_sums_over_kinds_and_the_rule_set_is_recorded(six):
    network = sna.build_network(six, kinds=("answer", "reply"), since=day(0), until=day(10), bots=True)
    assert as_dict(network)["bob", "ann"] == 2.0
    assert network.kinds == ("reply/1", "answer/2")
    assert network.window == (day(0), day(10))
    assert "bot" in network.people["person_id"].to_list()
    assert repr(network).startswith("Network (reply, answer, from 2024-01-01, until 2024-01-11): 6 people")
    assert sna.build_network(six, reply_rule="root").reply_rule == "root"


def test_attributes_are_those_at_the_end_of_the_window_and_joined_by_id(six):
    early = sna.build_network(six, until=day(5)).people
    late = sna.build_network(six).people
    assert dict(early.select("person_id", "role").iter_rows())["dan"] == "Sales"
    assert dict(late.select("person_id", "role").iter_rows())["dan"] == "HR"
    assert "role" not in sna.build_network(six, attributes=()).people.columns
    with pytest.raises(SchemaError, match="shoe_size"):
        sna.build_network(six, attributes=("shoe_size",))


def test_an_attribute_named_like_a_column_does_not_replace_it(six):
    roles = six.roles.with_columns(attribute=pl.lit("name"))
    people = sna.build_network(sna.build_forum(posts=six.posts, people=six.people, roles=roles)).people
    assert people["name"].to_list() == ["Ann", "Bob", "Cat", "Dan", "Eve"]
    assert people["name_attribute"].to_list() == ["HR", "IT", "IT", "HR", "Sales"]


def test_rows_and_ids_of_the_matrix_belong_together(six):
    matrix, ids = sna.build_network(six).to_sparse()
    assert ids == ["ann", "bob", "cat", "dan", "eve"]
    expected = np.zeros((5, 5))
    for source, target in [(0, 1), (1, 0), (1, 3), (2, 1), (3, 2)]:
        expected[source, target] = 1
    assert (matrix.toarray() == expected).all()


def test_nothing_can_be_changed_afterwards(six):
    network = sna.build_network(six)
    matrix, ids = network.to_sparse()
    with pytest.raises(ValueError, match="read-only"):
        matrix.data[0] = 99
    with pytest.raises(FrozenInstanceError):
        network.people = network.people.head(1)
    ids.append("nobody")
    assert network.to_sparse()[1][-1] == "eve"


def test_a_forum_without_interactions_gives_a_network_of_silent_people(six):
    network = sna.build_network(six, since=day(100))
    assert (network.n_people, network.n_ties) == (5, 0)
    assert network.ties.schema == {"source": pl.String, "target": pl.String, "weight": pl.Float64}
    assert repr(network).endswith("ties: 0, from 0 interactions; left out: none.")


def test_edges_from_any_table():
    edges = make_edges(("b", "a", 2.0), ("b", "a", 0.5), ("a", "a", 9.0), ("c", None, 1.0), ("c", "b", 1.0))
    people = pl.DataFrame({"person_id": ["z", "a"], "role": ["HR", "IT"]})
    network = sna.network_from_edges(edges, people=people)
    assert network.ties.rows() == [("b", "a", 2.5), ("c", "b", 1.0)]
    assert network.people.select("person_id", "role").rows() == [("a", "IT"), ("b", None), ("c", None), ("z", "HR")]
    assert (network.left_out["self"], network.left_out["unknown_author"], network.n_interactions) == (1, 1, 3)


def test_numbers_as_ids_and_ways_to_hand_edges_over(tmp_path):
    edges = make_edges((10, 9), (10, 9), (9, 100), (-5, 2**40), (2**40, 10))
    network = sna.network_from_edges(edges)
    assert network.people["person_id"].to_list() == sorted(["10", "9", "100", "-5", str(2**40)])
    assert as_dict(network) == count_edges(edges)
    edges.write_parquet(tmp_path / "edges.parquet")
    others = [
        edges.lazy(),
        tmp_path / "edges.parquet",
        str(tmp_path / "edges.parquet"),
        edges.with_columns(pl.all().cast(pl.String)),
        edges.with_columns(pl.all().cast(pl.String).cast(pl.Categorical)),
        edges.with_columns(pl.col("source").cast(pl.String)),
        edges.with_columns(weight=pl.lit(1)),
        edges.lazy().with_columns(unused=pl.lit("x")),
    ]
    for other in others:
        assert sna.network_from_edges(other).equals(network)


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12), st.floats(0.01, 50)), min_size=1, max_size=60),
    far=st.sampled_from([1, 2**25 - 5, 2**25 + 5, 2**50]),
    text=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_summing_equals_the_plainest_way_in_any_order(data, far, text, weighted, seed):
    edges = make_edges(*((a * far, b * far, w) for a, b, w in data))
    edges = edges if weighted else edges.drop("weight")
    edges = edges.with_columns(pl.col("source", "target").cast(pl.String)) if text else edges
    network = sna.network_from_edges(edges)
    expected = count_edges(edges)
    assert as_dict(network).keys() == expected.keys()
    assert all(as_dict(network)[key] == pytest.approx(expected[key], rel=1e-12) for key in expected)
    again = sna.network_from_edges(edges.sample(fraction=1, shuffle=True, seed=seed))
    assert again.equals(network)  # to the last digit


def test_the_order_of_rows_changes_no_digit_of_a_sum():
    weights = [0.1, 0.2, 0.3, 0.7, 1e9 + 0.1, 1e-9, 12345.678]
    edges = make_edges(*((f"a{i % 3}", "b", weight) for i in range(3) for weight in weights for _ in range(9)))
    network = sna.network_from_edges(edges)
    for seed in range(10):
        assert sna.network_from_edges(edges.sample(fraction=1, shuffle=True, seed=seed)).equals(network)


def test_many_ids_in_many_pieces(monkeypatch):
    """Tables grow, slots collide and ids return in later pieces; each id keeps one code."""
    monkeypatch.setattr(pack, "_PIECE", 97)
    rng = np.random.default_rng(4)
    for scale, as_text in ((1, True), (1, False), (10_007, False), (2**33, False)):
        numbers = rng.integers(0, 900, size=(5000, 2)) * scale
        edges = pl.DataFrame(numbers, schema=["source", "target"])
        edges = edges.with_columns(pl.all().cast(pl.String)) if as_text else edges
        assert as_dict(sna.network_from_edges(edges)) == count_edges(edges)


@pytest.mark.parametrize("odd_one", [7, -7, 10**15, 2**62])
def test_numbers_as_ids_are_sorted_as_text(odd_one):
    numbers = [0, 1, 9, 10, 11, 12, 99, 100, 120, 999, 10**9, 10**14, 10**15 - 1, odd_one]
    network = sna.network_from_edges(pl.DataFrame({"source": numbers, "target": numbers[::-1]}))
    assert network.people["person_id"].to_list() == sorted(map(str, numbers))


def test_keys_that_want_the_same_slot_are_kept_apart(monkeypatch):
    monkeypatch.setattr(pack.Coder, "_place", lambda self, keys: (keys % np.uint64(2)).astype(np.int64))
    numbers = np.random.default_rng(5).integers(0, 40, size=(300, 2)) * 2**40
    edges = pl.DataFrame(numbers, schema=["source", "target"])
    assert as_dict(sna.network_from_edges(edges)) == count_edges(edges)


def test_summing_leaves_the_input_as_it_was():
    edges = make_edges(("b", "a", 2.0), ("b", "a", 0.5))
    before = edges.clone()
    sna.network_from_edges(edges)
    assert_frame_equal(edges, before)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), None])
def test_weights_that_are_no_strength_are_refused(weight):
    with pytest.raises(SchemaError, match="positive"):
        sna.network_from_edges(make_edges(("a", "b", 1.0), ("a", "c", weight)))


def test_missing_columns_and_doubled_people_are_refused():
    with pytest.raises(SchemaError, match="'from'"):
        sna.network_from_edges(pl.DataFrame({"from": ["a"], "target": ["b"]}))
    edges = make_edges(("a", "b"))
    with pytest.raises(SchemaError, match="'a' has more"):
        sna.network_from_edges(edges, people=pl.DataFrame({"person_id": ["a", "a"]}))
    with pytest.raises(SchemaError, match="person_id"):
        sna.network_from_edges(edges, people=pl.DataFrame({"name": ["a"]}))


def test_networkx_gets_everybody_with_their_own_attributes(six):
    graph = sna.build_network(six).to_networkx()
    assert list(graph) == ["ann", "bob", "cat", "dan", "eve"]
    assert graph.nodes["dan"] == {"name": "Dan", "kind": "human", "role": "HR"}
    assert sorted(graph.edges(data="weight")) == sna.build_network(six).ties.rows()


def test_igraph_gets_the_same(six):
    pytest.importorskip("igraph")
    graph = sna.build_network(six).to_igraph()
    assert graph.vs["name"] == ["ann", "bob", "cat", "dan", "eve"]
    assert graph.vs["role"] == ["HR", "IT", "IT", "HR", "Sales"]
    named = [(graph.vs[e.source]["name"], graph.vs[e.target]["name"], e["weight"]) for e in graph.es]
    assert named == sna.build_network(six).ties.rows()


def test_without_igraph_the_error_says_what_to_install(six, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "igraph", None)
    with pytest.raises(MissingDependencyError, match="igraph"):
        sna.build_network(six).to_igraph()


def hide_bob(six) -> sna.Network:
    people = six.people.with_columns(opt_out=pl.col("person_id") == "bob")
    return sna.build_network(sna.build_forum(posts=six.posts, people=people, roles=six.roles))


def test_people_who_opted_out_leave_no_name_id_or_attribute_in_any_export(six, tmp_path):
    network = hide_bob(six)
    assert network.n_ties == 5
    graph = network.to_networkx()
    assert graph.nodes["opted out 1"] == {}
    assert graph.has_edge("opted out 1", "ann")
    people, ties = network.to_polars()
    assert not {"bob", "Bob"} & {value for frame in (people, ties) for row in frame.rows() for value in row}
    for written in (network.write_gexf(tmp_path / "n.gexf"), network.write_graphml(tmp_path / "n.graphml")):
        assert "bob" not in written.read_text(encoding="utf-8").lower()
    folder = network.write_parquet(tmp_path / "out")
    assert "bob" not in pl.read_parquet(folder / "people.parquet")["person_id"].to_list()
    assert "bob" not in pl.read_parquet(folder / "ties.parquet")["source"].to_list()
    if "igraph" in __import__("sys").modules:
        assert "bob" not in network.to_igraph().vs["name"]


def test_labels_take_the_place_of_ids_and_names(six):
    network = sna.build_network(six)
    people, ties = network.to_polars(labels={"ann": "P-1", "bob": "P-2"})
    assert people["person_id"].to_list() == ["P-1", "P-2", "cat", "dan", "eve"]
    assert "name" not in people.columns
    assert ties.rows()[0] == ("P-1", "P-2", 1.0)
    with pytest.raises(ParameterError, match="used twice"):
        network.to_networkx(labels={"ann": "bob"})


def test_hostile_names_survive_every_file(tmp_path):
    people = pl.DataFrame({"person_id": HOSTILE, "name": HOSTILE[::-1], "<attr>": HOSTILE, "n": range(len(HOSTILE))})
    edges = pl.DataFrame({"source": HOSTILE, "target": HOSTILE[1:] + HOSTILE[:1]})
    network = sna.network_from_edges(edges, people=people)
    for path in (network.write_graphml(tmp_path / "n.graphml"), network.write_gexf(tmp_path / "n.gexf")):
        ElementTree.fromstring(path.read_bytes())
        graph = nx.read_graphml(path) if path.suffix == ".graphml" else nx.read_gexf(path)
        assert graph.number_of_nodes() == len(HOSTILE)
        assert graph.number_of_edges() == len(HOSTILE)
        assert sorted(data["n"] for _, data in graph.nodes(data=True)) == list(range(len(HOSTILE)))
        names = {data["name"] for _, data in graph.nodes(data=True)}
        assert {"<script>alert(1)</script>", "a&b", 'quo"te', "nulbell", "日本 é"} <= names


def test_ids_that_differ_only_in_control_characters_stay_two_people(tmp_path):
    network = sna.network_from_edges(make_edges(("a\x00", "a"), ("a", "b")))
    graph = nx.read_graphml(network.write_graphml(tmp_path / "n.graphml"))
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (3, 2)


def test_files_carry_weights_and_are_the_same_each_time(six, tmp_path):
    network = sna.build_network(six, kinds=("reply", "answer"))
    for write in ("write_graphml", "write_gexf"):
        first = getattr(network, write)(tmp_path / "first").read_bytes()
        assert getattr(network, write)(tmp_path / "second").read_bytes() == first
    graph = nx.read_gexf(tmp_path / "first")
    assert sorted(graph.edges(data="weight")) == network.ties.rows()
    assert graph.nodes["eve"]["role"] == "Sales"


def test_relabelled_and_reordered_people_keep_their_own_attributes():
    """The trap of attributes by position: everybody is renamed and shuffled, and the answer must not move."""
    rng = np.random.default_rng(7)
    ids = [f"p{i}" for i in range(40)]
    people = pl.DataFrame({"person_id": ids, "role": [f"role of {i}" for i in ids]})
    edges = pl.DataFrame({"source": rng.choice(ids, 200), "target": rng.choice(ids, 200)})
    for seed in range(5):
        renamed = dict(zip(ids, np.random.default_rng(seed).permutation([f"x{i:02}" for i in range(40)]), strict=True))
        moved = sna.network_from_edges(
            edges.with_columns(pl.all().replace(renamed)).sample(fraction=1, shuffle=True, seed=seed),
            people=people.with_columns(pl.col("person_id").replace(renamed)).sample(
                fraction=1, shuffle=True, seed=seed
            ),
        )
        back = {new: old for old, new in renamed.items()}
        for person, role in moved.people.select("person_id", "role").iter_rows():
            assert role == f"role of {back[person]}"
        original = as_dict(sna.network_from_edges(edges, people=people))
        assert {(back[a], back[b]): w for (a, b), w in as_dict(moved).items()} == original

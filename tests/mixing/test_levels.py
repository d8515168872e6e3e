"""Flow up, across and down, and who answers back."""

import polars as pl
import pytest

import sna
from sna.mixing.levels import hierarchy_flow


def network(ties, levels):
    edges = pl.DataFrame(ties, schema=["source", "target", "weight"], orient="row")
    people = pl.DataFrame(
        {"person_id": list(levels), "level": list(levels.values())}, schema_overrides={"level": pl.String}
    )
    return sna.network_from_edges(edges, people=people)


TIES = [("a", "c", 3.0), ("c", "a", 1.0), ("a", "b", 2.0), ("b", "c", 1.0), ("d", "a", 5.0)]


def test_flow_and_reciprocity_by_hand():
    flow = hierarchy_flow(network(TIES, {"a": "1", "b": "1", "c": "10", "d": None}), draws=99, rng=1)
    assert flow.select("direction", "observed", "n_ties", "reciprocity").rows() == [
        ("upward", 4, 2, 0.5),
        ("lateral", 2, 1, 0.0),
        ("downward", 1, 1, 1.0),
        ("(missing)", 5, 1, 0.0),
    ]
    assert flow["expected"].sum() == pytest.approx(12)
    assert flow["null"].unique().to_list() == ["volume-holding"]


def test_an_order_turns_the_directions_around():
    levels = {"a": "partner", "b": "partner", "c": "associate", "d": "partner"}
    flow = hierarchy_flow(network(TIES, levels), order=("associate", "partner"), draws=9, rng=1)
    assert dict(flow.select("direction", "observed").iter_rows()) == {"upward": 1, "lateral": 7, "downward": 4}


def test_levels_without_an_order_are_refused():
    levels = {"a": "partner", "b": "partner", "c": "associate", "d": "partner"}
    with pytest.raises(sna.SnaError, match="order"):
        hierarchy_flow(network(TIES, levels))
    with pytest.raises(sna.SnaError, match="associate"):
        hierarchy_flow(network(TIES, levels), order=("partner",))
    with pytest.raises(sna.SnaError, match="volume-holding"):
        hierarchy_flow(network(TIES, levels), null="thread participation")
    with pytest.raises(sna.NotAnswerableError, match="known levels"):
        hierarchy_flow(network(TIES, dict.fromkeys("abcd")))


def test_forums_use_the_channel_null_and_the_level_of_the_day(six):
    table = hierarchy_flow(six, by="role", order=("Sales", "IT", "HR"), draws=49, rng=1)
    # bob->ann up, ann->bob down, bob->dan (Sales then) down, cat->bob lateral, dan (HR by then)->cat down
    assert table["observed"].to_list() == [1, 1, 3]
    assert table["null"].unique().to_list() == ["channel-stratified"]
    nowhere = sna.build_forum(posts=six.posts.with_columns(space=pl.lit(None, pl.String)), roles=six.roles)
    table = hierarchy_flow(nowhere, by="role", order=("Sales", "IT", "HR"), draws=9, rng=1)
    assert table["null"].unique().to_list() == ["volume-holding"]

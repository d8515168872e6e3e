"""Pictures show what the frame says, and the interactive view is safe and offline."""

import json
import re
from dataclasses import replace

import matplotlib as mpl
import polars as pl
import pytest

import sna
from sna.report import plot

mpl.use("Agg")


def view_data(view):
    return json.loads(re.search(r"const data = (.*);\n", view.page).group(1))


def test_network_view_shows_the_strongest_people_by_group(six):
    network = sna.build_network(six)
    data = view_data(sna.plot_network(six, network, by="role", people=10))
    assert {p["label"] for p in data["people"]} == {"ann", "bob", "cat", "dan"}
    groups = {g["name"]: g["n"] for g in data["groups"]}
    assert groups == {"HR": 2, "IT": 2}
    assert sum(w for _, _, w in data["ties"]) == network.ties["weight"].sum()


def test_network_view_is_the_same_each_time_needs_no_network_and_escapes_hostile_names(six):
    people = six.people.with_columns(opt_out=pl.col("person_id") == "cat")
    hostile = replace(six, people=people)
    roles = six.roles.with_columns(value=pl.lit("</script><script>alert(1)</script>"))
    hostile = replace(hostile, roles=roles)
    network = sna.build_network(hostile)
    first, second = (sna.plot_network(hostile, network) for _ in range(2))
    assert first.page == second.page
    assert first.page.count("<script>") == 1
    assert "https://" not in first.page
    labels = {p["label"] for p in view_data(first)["people"]}
    assert "cat" not in labels
    assert "(opted out)" in labels
    assert first._repr_html_().startswith("<iframe")


def test_network_view_of_one_person_is_refused(six):
    with pytest.raises(sna.SnaError, match="at least 2"):
        sna.plot_network(six, sna.build_network(six), people=1)


def test_mixing_heat_map_writes_the_ratio_and_stars_what_stands_out():
    matrix = pl.DataFrame(
        {
            "from_group": ["a", "a", "b", "b"],
            "to_group": ["a", "b", "a", "b"],
            "ratio": [2.0, 0.5, 0.75, 1.0],
            "p_adjusted": [0.01, 0.2, None, 0.9],
        }
    )
    ax = plot.plot_mixing_matrix(matrix)
    assert [t.get_text() for t in ax.texts] == ["2.00*", "0.50", "0.75", "1.00"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]


def test_flow_draws_a_band_for_each_pair_of_groups_that_exchange():
    matrix = pl.DataFrame(
        {"from_group": ["a", "a", "b", "b"], "to_group": ["a", "b", "a", "b"], "observed": [9, 4, 2, 0]}
    )
    assert len(plot.plot_flow(matrix).collections) == 2
    assert len(plot.plot_flow(matrix, across_only=False).collections) == 3
    inside = matrix.filter(pl.col("from_group") == pl.col("to_group"))
    with pytest.raises(sna.SnaError, match="across_only=False"):
        plot.plot_flow(inside)


def test_bridges_put_the_person_with_most_open_paths_on_top(six):
    ax = plot.plot_bridges(sna.brokerage_roles(six), people=3)
    assert ax.get_yticklabels()[0].get_text() == "bob"


def test_momentum_leaves_out_the_week_that_is_not_over(six):
    weeks = sna.weekly_momentum(six)
    assert not weeks["is_complete"].all()
    ax = plot.plot_momentum(weeks)
    assert len(ax.containers[0]) == weeks["is_complete"].sum()


def test_waiting_curve_starts_with_everybody_waiting(six):
    line = plot.plot_waiting(sna.waiting_curve(six)).lines[0]
    assert line.get_ydata()[0] == 1.0

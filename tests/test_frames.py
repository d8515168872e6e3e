"""Tables come in from pandas, polars and Arrow alike, and go out to pandas and to networkx's own writers."""

import inspect
import io
from datetime import UTC, datetime

import networkx as nx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

import sna
from sna.types import as_polars

FORMS = {
    "pandas": lambda frame: frame.to_pandas(),
    "pandas with Arrow types": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "arrow": lambda frame: frame.to_arrow(),
    "lazy": lambda frame: frame.lazy(),
}

EDGES = pl.DataFrame({"source": ["b", "b", "c"], "target": ["a", "a", None], "weight": [1.0, 2.0, 1.0]})
DAY = datetime(2024, 3, 1, tzinfo=UTC)
PEOPLE = pl.DataFrame({"person_id": ["a", "b", "d"], "role": ["HR", None, "IT"]})


def facts(network):
    return network.people.rows(), network.ties.rows(), dict(network.left_out)


CALLS = {
    "build_forum": lambda six, form: (
        sna.build_forum(
            posts=form(six.posts), people=form(six.people), roles=form(six.roles), signals=form(six.signals)
        ).posts
    ),
    "join_attribute": lambda six, form: sna.join_attribute(six, form(six.posts), person="author_id"),
    "network_from_edges": lambda six, form: pl.DataFrame(
        {"facts": [str(facts(sna.network_from_edges(form(EDGES), people=form(PEOPLE))))]}
    ),
    "read_table": lambda six, form: (
        sna.read_table(
            form(six.posts), columns={"author": "author_id", "created_at": "created_at", "thread": "thread_id"}
        ).posts
    ),
    "read_edges": lambda six, form: sna.read_edges(form(EDGES), source="source", target="target").posts,
    "guess_columns": lambda six, form: sna.guess_columns(form(six.posts)),
    "read_org": lambda six, form: sna.read_org(form(PEOPLE)).people,
    "suppress_small_groups": lambda six, form: sna.suppress_small_groups(form(groups()), by="role"),
    "audit_suppression": lambda six, form: sna.audit_suppression(
        form(groups()), form(sna.suppress_small_groups(groups(), by="role")), by="role"
    ),
    "champion_fairness": lambda six, form: sna.champion_fairness(form(champions()), six),
    "say_track_record": lambda six, form: pl.DataFrame({"said": [sna.say_track_record(form(record()))]}),
}
"""A call of every public function that takes a table, with the table in another form."""

PICTURES = {
    "plot_mixing_matrix": lambda: sna.mixing_matrix(
        sna.network_from_edges(EDGES, people=PEOPLE), null="label permutation"
    ),
    "plot_flow": lambda: pl.DataFrame({"from_group": ["HR", "IT"], "to_group": ["IT", "HR"], "observed": [3.0, 9.0]}),
    "plot_champions": lambda: pl.DataFrame(
        {"person_id": ["ann"], "contribution": [2.0], "contribution_low": [1.0], "contribution_high": [3.0]}
    ),
    "plot_waiting": lambda: sna.waiting_curve(sna.load_example()),
    "plot_momentum": lambda: sna.weekly_momentum(sna.load_example()),
    "plot_bridges": lambda: sna.brokerage_roles(sna.network_from_edges(EDGES, people=PEOPLE)),
}
"""A table for every picture."""

ELSEWHERE = {"merge_forums", "write_csv_safely"}
"""Tested in tests/people."""


def groups():
    return pl.DataFrame({"role": ["HR", "IT", "Sales"], "n_people": [3, 14, 40]})


def record():
    rows = [("this method", DAY, 10, 8, 0.8, 0.5, 0.9), ("counting posts", DAY, 10, 6, 0.6, 0.3, 0.8)]
    columns = ["score", "made_at", "n_listed", "n_helping", "share", "low", "high"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def champions():
    return pl.DataFrame({"person_id": ["ann", "bob"], "selected": [False, True], "tenure_weeks": [1.0, 2.0]})


def test_every_public_function_that_takes_a_table_is_tried():
    functions = {name: thing for name in sna.__all__ if inspect.isfunction(thing := getattr(sna, name))}
    asks = {name: inspect.signature(thing) for name, thing in functions.items()}
    takes = {name: [str(given.annotation) for given in ask.parameters.values()] for name, ask in asks.items()}
    takes = {name: " ".join(kinds) for name, kinds in takes.items() if "Frame" in " ".join(kinds)}
    assert set(takes) - ELSEWHERE == set(CALLS) | set(PICTURES)
    assert not [name for name, kinds in takes.items() if "pl.DataFrame" in kinds], "they take polars only"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_any_table_gives_what_polars_gives(six, name, form):
    expected = CALLS[name](six, lambda frame: frame)
    assert CALLS[name](six, FORMS[form]).equals(expected)


@pytest.mark.parametrize("name", PICTURES)
def test_any_table_gives_the_picture_that_polars_gives(name):
    drawn = [
        getattr(sna, name)(form(PICTURES[name]()), Figure().subplots()) for form in (as_polars, pl.DataFrame.to_pandas)
    ]
    texts = [[text.get_text() for text in ax.texts + ax.get_xticklabels() + ax.get_yticklabels()] for ax in drawn]
    assert texts[0] == texts[1]


def test_what_is_missing_in_pandas_is_null():
    cells = {
        "text": ["x", None],
        "mixed": ["x", 3],
        "n": [1.0, float("nan")],
        "at": [pd.Timestamp("2024-01-01"), pd.NaT],
    }
    frame = as_polars(pd.DataFrame(cells))
    assert frame.null_count().row(0) == (1, 0, 1, 1)
    assert frame["mixed"].to_list() == ["x", "3"]
    moment = pd.DataFrame({"at": pd.to_datetime(["2024-06-01 12:00"]).tz_localize("Europe/Rome")})
    assert as_polars(moment)["at"].dtype.time_zone == "UTC"
    assert as_polars(moment)["at"].dt.hour().to_list() == [10]


def test_what_is_no_table_is_refused():
    with pytest.raises(sna.SnaError, match="polars, pandas or Arrow"):
        as_polars([1, 2])


def test_tables_go_out_to_pandas(six):
    for table in (six.posts, six.people, sna.pagerank(sna.build_network(six)), sna.weekly_momentum(six)):
        out = table.to_pandas()
        assert list(out.columns) == table.columns
        assert len(out) == table.height
    assert isinstance(six.posts.to_arrow(), pa.Table)


@pytest.mark.parametrize("write", [nx.write_gexf, nx.write_graphml, nx.write_gml])
def test_networkx_writes_what_we_hand_it(six, write):
    network = sna.network_from_edges(EDGES, people=PEOPLE)
    graph = network.to_networkx()
    assert graph.nodes["b"] == {}
    assert graph.nodes["a"] == {"role": "HR"}
    for each in (graph, sna.build_network(six).to_networkx()):
        write(each, io.BytesIO())

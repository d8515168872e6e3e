"""Interactive picture of a network: one page of its own that works offline, to point at, zoom and filter."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import networkx as nx
import numpy as np
import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum
from sna.network.network import Network
from sna.report.plot import OTHER, PALETTE
from sna.talk.threads import MISSING


@dataclass(frozen=True)
class NetworkView:
    """A picture of a network to point at, zoom and filter; works offline in JupyterLab and any browser."""

    page: str
    height: int = 500

    def _repr_html_(self) -> str:
        escaped = html.escape(self.page, quote=True)
        style = f"width:100%;height:{self.height}px;border:0"
        return f'<iframe srcdoc="{escaped}" style="{style}" sandbox="allow-scripts"></iframe>'


def plot_network(forum: Forum, network: Network, *, by: str = "role", people: int = 120, rng: int = 0) -> NetworkView:
    """Interactive view of the strongest part of a network, coloured by an attribute.

    Parameters
    ----------
    forum
        Where the attribute is looked up, by id, as of the last moment observed.
    network
        What is drawn.
    by
        Attribute for the colours.
    people
        How many people to draw at most: those with the most interactions.
    rng
        Seed of the layout; the same seed draws the same picture.

    Notes
    -----
    **When it misleads.** Position is a drawing, not a measurement: distances between groups depend on the layout.
    People who opted out are drawn without their id.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = {"post_id": ["1", "2"], "thread_id": ["t", "t"], "parent_id": [None, "1"], "author_id": ["ann", "bob"]}
    >>> roles = {"person_id": ["ann", "bob"], "attribute": ["role"] * 2, "value": ["HR", "IT"]}
    >>> forum = build_forum(posts=pl.DataFrame(posts), roles=pl.DataFrame(roles))
    >>> from sna.network import build_network
    >>> view = plot_network(forum, build_network(forum))
    >>> all(word in view.page for word in ("HR", "IT", "ann", "bob"))
    True
    """
    if people < 2:
        raise ParameterError("people is at least 2.", got=f"Got {people}.")
    ends = pl.concat([network.ties.select(pl.col(end).alias("person_id"), "weight") for end in ("source", "target")])
    strongest = (
        ends.group_by("person_id").agg(pl.col("weight").sum()).sort(["weight", "person_id"], descending=[True, False])
    )
    shown = strongest.head(people)["person_id"].sort().to_list()
    ties = network.ties.filter(pl.col("source").is_in(shown) & pl.col("target").is_in(shown))
    graph = nx.Graph()
    graph.add_nodes_from(shown)
    for source, target, weight in ties.select("source", "target", "weight").iter_rows():
        known = graph.get_edge_data(source, target, {"weight": 0})["weight"]
        graph.add_edge(source, target, weight=known + weight)
    places = nx.spring_layout(graph, seed=rng, weight=None, iterations=80, k=1.6 / np.sqrt(max(len(shown), 1)))
    page = resources.files("sna").joinpath("report/templates/network.html").read_text(encoding="utf-8")
    data = json.dumps(_view_data(forum, graph, places, by))
    safe = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return NetworkView(page.replace("/*DATA*/null", safe))


def _view_data(forum: Forum, graph: nx.Graph, places: dict[str, Any], by: str) -> dict[str, Any]:
    values = dict(forum.attribute(by).rows())
    hidden = set(forum.people.filter("opt_out")["person_id"])
    group_of = {person: values.get(person) or MISSING for person in graph}
    names = sorted(set(group_of.values()))
    colours = [PALETTE[k] if k < len(PALETTE) else OTHER for k in range(len(names))]
    sizes = [list(group_of.values()).count(name) for name in names]
    groups = [{"name": name, "colour": c, "n": n} for name, c, n in zip(names, colours, sizes, strict=True)]
    row = {person: k for k, person in enumerate(graph)}
    weights = {person: int(w) for person, w in graph.degree(weight="weight")}
    heaviest = max(weights.values(), default=1) or 1
    people = [
        {
            "label": "(opted out)" if person in hidden else person,
            "x": round(1000 * float(places[person][0])),
            "y": round(1000 * float(places[person][1])),
            "r": round(12 + 30 * (weights[person] / heaviest) ** 0.5),
            "g": names.index(group_of[person]),
            "w": weights[person],
        }
        for person in graph
    ]
    return {
        "groups": groups,
        "people": people,
        "ties": [[row[a], row[b], int(w)] for a, b, w in graph.edges(data="weight")],
    }

"""A thin layer over each implementation: tables in, plain dictionaries out.

Each uses the documented entry point for a table of edges with a table of people, and the documented function for the
measure, with default arguments wherever these can give the answer. A method that is absent is "not offered".
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tests.conformance.cases import Table

START = datetime(2024, 1, 1, tzinfo=UTC)


class NotOfferedError(Exception):
    """The tool has the measure, but not with this option."""


class Sna:
    """This project."""

    name = "sna"
    package = "sna-toolkit"

    def _network(self, table: Table) -> Any:
        import sna

        edges = pl.DataFrame(
            list(table.edges),
            schema={"source": pl.String, "target": pl.String, "weight": pl.Float64},
            orient="row",
        )
        people = pl.DataFrame(
            {"person_id": list(table.people), "role": list(table.people.values())},
            schema={"person_id": pl.String, "role": pl.String},
        )
        return sna.network_from_edges(edges, people=people)

    def _measure(self, name: str, table: Table, column: str, **options: Any) -> dict[str, Any]:
        import sna

        return dict(getattr(sna, name)(self._network(table), **options).select("person_id", column).iter_rows())

    def strength(self, table: Table, *, mode: str = "out") -> dict[str, Any]:
        return self._measure("strength", table, "strength", mode=mode)

    def reach(self, table: Table) -> dict[str, Any]:
        return self._measure("reach", table, "reach")

    def pagerank(self, table: Table, *, damping: float = 0.85) -> dict[str, Any]:
        return self._measure("pagerank", table, "pagerank", damping=damping)

    def authority(self, table: Table) -> dict[str, Any]:
        return self._measure("hits", table, "authority")

    def betweenness(self, table: Table) -> dict[str, Any]:
        return self._measure("betweenness", table, "betweenness", normalised=False)

    def weighted_betweenness(self, table: Table) -> dict[str, Any]:
        return self._measure("betweenness", table, "betweenness", normalised=False, distance="inverse_weight")

    def constraint(self, table: Table) -> dict[str, Any]:
        return self._measure("constraint", table, "constraint")

    def attributes(self, table: Table) -> dict[str, Any]:
        graph = self._network(table).to_networkx()
        return {person: graph.nodes[person]["role"] for person in graph}

    def replies(self, posts: Sequence[tuple[Any, ...]], *, since_day: int | None = None) -> dict[Any, Any]:
        import sna

        frame = pl.DataFrame(
            [(*post, START + timedelta(days=i)) for i, post in enumerate(posts)],
            schema=["post_id", "thread_id", "parent_id", "author_id", "kind", "created_at"],
            orient="row",
        )
        since = None if since_day is None else START + timedelta(days=since_day)
        network = sna.build_network(sna.build_forum(posts=frame), since=since)
        return {(source, target): weight for source, target, weight in network.ties.iter_rows()}


class NetworkX:
    """networkx, through ``from_pandas_edgelist``."""

    name = package = "networkx"

    def _graph(self, table: Table) -> Any:
        import networkx as nx
        import pandas as pd

        edges = pd.DataFrame(list(table.edges), columns=["source", "target", "weight"])
        graph = nx.from_pandas_edgelist(edges, edge_attr="weight", create_using=nx.DiGraph)
        graph.add_nodes_from(table.people)
        nx.set_node_attributes(graph, dict(table.people), "role")
        return graph

    def strength(self, table: Table, *, mode: str = "out") -> dict[str, Any]:
        graph = self._graph(table)
        return dict(graph.out_degree(weight="weight") if mode == "out" else graph.in_degree(weight="weight"))

    def reach(self, table: Table) -> dict[str, Any]:
        return dict(self._graph(table).out_degree())

    def pagerank(self, table: Table, *, damping: float = 0.85) -> dict[str, Any]:
        import networkx as nx

        return nx.pagerank(self._graph(table), alpha=damping, tol=1e-12, max_iter=1000)

    def authority(self, table: Table) -> dict[str, Any]:
        import networkx as nx

        return nx.hits(self._graph(table), max_iter=1000)[1]

    def betweenness(self, table: Table) -> dict[str, Any]:
        import networkx as nx

        return nx.betweenness_centrality(self._graph(table), normalized=False)

    def weighted_betweenness(self, table: Table) -> dict[str, Any]:
        import networkx as nx

        return nx.betweenness_centrality(self._graph(table), normalized=False, weight="weight")

    def constraint(self, table: Table) -> dict[str, Any]:
        import networkx as nx

        return nx.constraint(self._graph(table), weight="weight")

    def attributes(self, table: Table) -> dict[str, Any]:
        return dict(self._graph(table).nodes(data="role"))


class IGraph:
    """igraph, through ``Graph.DataFrame``."""

    name = package = "igraph"

    def _graph(self, table: Table) -> Any:
        import igraph
        import pandas as pd

        edges = pd.DataFrame(list(table.edges), columns=["source", "target", "weight"])
        people = pd.DataFrame({"name": list(table.people), "role": list(table.people.values())})
        graph = igraph.Graph.DataFrame(edges, directed=True, vertices=people, use_vids=False)
        graph.es["weight"] = edges["weight"].tolist()
        return graph

    def _named(self, graph: Any, values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(graph.vs["name"], values, strict=True))

    def strength(self, table: Table, *, mode: str = "out") -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.strength(weights="weight", mode=mode))

    def reach(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.degree(mode="out"))

    def pagerank(self, table: Table, *, damping: float = 0.85) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.pagerank(weights="weight", damping=damping))

    def authority(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        values = graph.authority_score(weights="weight", scale=False)
        total = sum(values) or 1.0
        return self._named(graph, [value / total for value in values])

    def betweenness(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.betweenness(directed=True))

    def weighted_betweenness(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.betweenness(directed=True, weights="weight"))

    def constraint(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.constraint(weights="weight"))

    def attributes(self, table: Table) -> dict[str, Any]:
        graph = self._graph(table)
        return self._named(graph, graph.vs["role"])


class VivaInsights:
    """vivainsights, through ``network_p2p`` on a person-to-person table; it knows people by their ties only."""

    name = package = "vivainsights"

    def _run(self, table: Table, *, weight: str | None = None, **options: Any) -> Any:
        import pandas as pd
        import vivainsights

        columns = ["PrimaryCollaborator_PersonId", "SecondaryCollaborator_PersonId", "weight"]
        data = pd.DataFrame(list(table.edges), columns=columns)
        for side in ("Primary", "Secondary"):
            people = data[f"{side}Collaborator_PersonId"]
            data[f"{side}Collaborator_Organization"] = people.map(lambda person: table.people[person] or "-")
        return vivainsights.network_p2p(data=data, hrvar="Organization", weight=weight, **options)

    def _centrality(self, table: Table, name: str, *, weight: str | None = None) -> dict[str, Any]:
        graph = self._run(table, weight=weight, centrality=name, return_type="network")
        return dict(zip(graph.vs["name"], graph.vs[name], strict=True))

    def pagerank(self, table: Table, *, damping: float = 0.85) -> dict[str, Any]:
        if damping != 0.85:
            raise NotOfferedError
        return self._centrality(table, "pagerank", weight="weight")

    def betweenness(self, table: Table) -> dict[str, Any]:
        return self._centrality(table, "betweenness")

    def weighted_betweenness(self, table: Table) -> dict[str, Any]:
        return self._centrality(table, "betweenness", weight="weight")

    def attributes(self, table: Table) -> dict[str, Any]:
        graph = self._run(table, return_type="network")
        return dict(zip(graph.vs["name"], graph.vs["Organization"], strict=True))


ADAPTERS: Mapping[str, type] = {adapter.name: adapter for adapter in (Sna, NetworkX, IGraph, VivaInsights)}


def find_version(adapter: type) -> str | None:
    """The installed version of what an adapter runs; None when it is not installed."""
    try:
        return importlib.metadata.version(adapter.package)
    except importlib.metadata.PackageNotFoundError:
        return None

"""Interaction graphs, champions and cross-role conversations from internal-forum exports."""

from sna.centrality import betweenness, constraint, hits, pagerank, reach, strength
from sna.champions import champion_fairness, champion_stability, find_champions, list_facets
from sna.datasets import load_example, load_example_truth
from sna.errors import NotAnswerableError, ReadError, SchemaError, SnaError, SnaWarning
from sna.forum import (
    Forum,
    Source,
    build_forum,
    join_attribute,
    list_analyses,
    list_capabilities,
    write_forum,
)
from sna.interactions import EDGE_RULES, count_left_out, list_edge_rules, list_interactions
from sna.network import Network, build_network, network_from_edges
from sna.privacy import audit_suppression, pseudonymise, suppress_small_groups, without_opted_out, write_csv_safely
from sna.readers import list_readers, read_forum, recognise
from sna.readers.discourse_db import read_discourse_database
from sna.readers.edges import read_edges
from sna.readers.org import OrgData, read_org
from sna.readers.org_join import add_org
from sna.readers.table import guess_columns, read_table
from sna.results import Estimate, Hypothesis, Verdict
from sna.simulate import Simulation, make_forum

__all__ = [
    "EDGE_RULES",
    "Estimate",
    "Forum",
    "Hypothesis",
    "Network",
    "NotAnswerableError",
    "OrgData",
    "ReadError",
    "SchemaError",
    "Simulation",
    "SnaError",
    "SnaWarning",
    "Source",
    "Verdict",
    "add_org",
    "audit_suppression",
    "betweenness",
    "build_forum",
    "build_network",
    "champion_fairness",
    "champion_stability",
    "constraint",
    "count_left_out",
    "find_champions",
    "guess_columns",
    "hits",
    "join_attribute",
    "list_analyses",
    "list_capabilities",
    "list_edge_rules",
    "list_facets",
    "list_interactions",
    "list_readers",
    "load_example",
    "load_example_truth",
    "make_forum",
    "network_from_edges",
    "pagerank",
    "pseudonymise",
    "reach",
    "read_discourse_database",
    "read_edges",
    "read_forum",
    "read_org",
    "read_table",
    "recognise",
    "strength",
    "suppress_small_groups",
    "without_opted_out",
    "write_csv_safely",
    "write_forum",
]

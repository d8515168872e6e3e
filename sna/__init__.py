"""Interaction graphs, champions and cross-role conversations from internal-forum exports."""

from sna.activity import person_activity, visible_posts, weekly_activity
from sna.answers import compare_waits, list_waits, time_to_answer, waiting_curve, waiting_time_change
from sna.brokerage import (
    bridging_loss,
    brokerage_roles,
    brokerage_totals,
    list_bridges,
)
from sna.centrality import betweenness, constraint, hits, pagerank, reach, strength
from sna.champions import champion_fairness, champion_stability, ensemble_score, find_champions, list_facets
from sna.datasets import load_example, load_example_truth
from sna.errors import NotAnswerableError, ReadError, SchemaError, SnaError, SnaWarning
from sna.evidence import champion_evidence, list_war_stories
from sna.expertise import COMPARATORS
from sna.forum import (
    Forum,
    Source,
    build_forum,
    join_attribute,
    list_analyses,
    list_capabilities,
    write_forum,
)
from sna.hierarchy import (
    hierarchy_flow,
)
from sna.homophily import (
    assortativity,
    coleman_homophily,
    cross_role_share,
    ei_index,
)
from sna.inference import (
    adjust_p,
    monte_carlo_p,
)
from sna.interactions import EDGE_RULES, count_left_out, list_edge_rules, list_interactions
from sna.mixing import (
    MixingDraws,
    cross_role_change,
    cross_role_ladder,
    cross_role_level,
    draw_mixing,
    list_silent_pairs,
    mixing_ladder,
    mixing_matrix,
)
from sna.momentum import change_week, cohort_retention, momentum_change, novelty_floor, reply_genealogy, weekly_momentum
from sna.network import Network, build_network, network_from_edges
from sna.novelty import (
    list_new_ties,
    novel_tie_share,
)
from sna.nulls import (
    Null,
)
from sna.plot import (
    plot_bridges,
    plot_champions,
    plot_flow,
    plot_mixing_matrix,
    plot_momentum,
    plot_network,
    plot_waiting,
)
from sna.privacy import audit_suppression, pseudonymise, suppress_small_groups, without_opted_out, write_csv_safely
from sna.ranks import find_top_set, rank_sets
from sna.readers import list_readers, read_forum, recognise
from sna.readers.discourse_db import read_discourse_database
from sna.readers.edges import read_edges
from sna.readers.identity import list_identity_links, merge_forums, suggest_identities
from sna.readers.mapping import MappingGuess, guess_mapping, list_presets, read_mapped, validate_mapping
from sna.readers.org import OrgData, read_org
from sna.readers.org_join import add_org
from sna.readers.table import guess_columns, read_table
from sna.report import ReportOptions, render_report, write_report
from sna.results import Estimate, Hypothesis, Verdict
from sna.shrinkage import select_by_local_fdr, shrink_means, shrink_rates, shrink_shares
from sna.simulate import Simulation, make_forum
from sna.threads import (
    list_threads,
    roles_per_thread,
    thread_participation,
)
from sna.validation import forum_before, validate_champions, validate_labels

__all__ = [
    "COMPARATORS",
    "EDGE_RULES",
    "Estimate",
    "Forum",
    "Hypothesis",
    "MappingGuess",
    "MixingDraws",
    "Network",
    "NotAnswerableError",
    "Null",
    "OrgData",
    "ReadError",
    "ReportOptions",
    "SchemaError",
    "Simulation",
    "SnaError",
    "SnaWarning",
    "Source",
    "Verdict",
    "add_org",
    "adjust_p",
    "assortativity",
    "audit_suppression",
    "betweenness",
    "bridging_loss",
    "brokerage_roles",
    "brokerage_totals",
    "build_forum",
    "build_network",
    "champion_evidence",
    "champion_fairness",
    "champion_stability",
    "change_week",
    "cohort_retention",
    "coleman_homophily",
    "compare_waits",
    "constraint",
    "count_left_out",
    "cross_role_change",
    "cross_role_ladder",
    "cross_role_level",
    "cross_role_share",
    "draw_mixing",
    "ei_index",
    "ensemble_score",
    "find_champions",
    "find_top_set",
    "forum_before",
    "guess_columns",
    "guess_mapping",
    "hierarchy_flow",
    "hits",
    "join_attribute",
    "list_analyses",
    "list_bridges",
    "list_capabilities",
    "list_edge_rules",
    "list_facets",
    "list_identity_links",
    "list_interactions",
    "list_new_ties",
    "list_presets",
    "list_readers",
    "list_silent_pairs",
    "list_threads",
    "list_waits",
    "list_war_stories",
    "load_example",
    "load_example_truth",
    "make_forum",
    "merge_forums",
    "mixing_ladder",
    "mixing_matrix",
    "momentum_change",
    "monte_carlo_p",
    "network_from_edges",
    "novel_tie_share",
    "novelty_floor",
    "pagerank",
    "person_activity",
    "plot_bridges",
    "plot_champions",
    "plot_flow",
    "plot_mixing_matrix",
    "plot_momentum",
    "plot_network",
    "plot_waiting",
    "pseudonymise",
    "rank_sets",
    "reach",
    "read_discourse_database",
    "read_edges",
    "read_forum",
    "read_mapped",
    "read_org",
    "read_table",
    "recognise",
    "render_report",
    "reply_genealogy",
    "roles_per_thread",
    "select_by_local_fdr",
    "shrink_means",
    "shrink_rates",
    "shrink_shares",
    "strength",
    "suggest_identities",
    "suppress_small_groups",
    "thread_participation",
    "time_to_answer",
    "validate_champions",
    "validate_labels",
    "validate_mapping",
    "visible_posts",
    "waiting_curve",
    "waiting_time_change",
    "weekly_activity",
    "weekly_momentum",
    "without_opted_out",
    "write_csv_safely",
    "write_forum",
    "write_report",
]

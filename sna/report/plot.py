"""Pictures: each takes the frame a function returned, draws on ``ax`` and returns it.

Matplotlib and seaborn are imported when a picture is drawn, so that ``import sna`` stays quick.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum
from sna.network.network import Network
from sna.people.privacy import clean_label
from sna.talk.threads import MISSING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, ACCENT = "#1d2733", "#8a97a3", "#0b5c7a"
_PALETTE = (
    "#0b5c7a",
    "#d1495b",
    "#edae49",
    "#66a182",
    "#7a5195",
    "#2e4057",
    "#a05d2c",
    "#8d96a3",
    "#c06c84",
    "#4a7c59",
)
_OTHER = "#b8c0c8"


def plot_mixing_matrix(matrix: pl.DataFrame, ax: Axes | None = None, *, alpha: float = 0.05) -> Axes:
    """Heat map of observed / expected interactions from group to group, on a log scale.

    Parameters
    ----------
    matrix
        From `sna.mixing_matrix`: ``from_group, to_group, observed, expected, ratio, p_adjusted``.
    ax
        Where to draw.
    alpha
        Cells whose adjusted p is below are marked with a star.
    """
    import seaborn

    ax = ax or _axes(7, 5.5)
    groups = sorted(set(matrix["from_group"]) | set(matrix["to_group"]))
    cells = {(a, b): (ratio, p) for a, b, ratio, p in matrix.select(_CELL).iter_rows()}
    ratios = np.array([[cells.get((a, b), (None, None))[0] or np.nan for b in groups] for a in groups], dtype=float)
    logs = np.log2(np.where(ratios > 0, ratios, np.nan))
    words = [[_cell_words(*cells.get((a, b), (None, None)), alpha) for b in groups] for a in groups]
    reach = float(np.nanmax(np.abs(logs))) if np.isfinite(logs).any() else 1.0
    seaborn.heatmap(
        logs,
        ax=ax,
        annot=np.array(words) if len(groups) <= _LEGIBLE_GROUPS else False,
        annot_kws={"fontsize": max(6, 11 - len(groups) // 2)},
        fmt="",
        cmap="RdBu_r",
        vmin=-max(reach, 0.5),
        vmax=max(reach, 0.5),
        xticklabels=[_short(name) for name in groups],
        yticklabels=[_short(name) for name in groups],
        linewidths=1,
        cbar_kws={"label": "observed / expected", "format": lambda power, _: f"{2**power:.2g}"},
    )
    ax.set_xlabel("to")
    ax.set_ylabel("from")
    names = [_short(name) for name in groups]
    ax.set_xticks(np.arange(len(groups)) + 0.5, names, rotation=35, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="y", rotation=0)
    return ax


_CELL = ("from_group", "to_group", "ratio", "p_adjusted")
_LEGIBLE_GROUPS = 16


def _cell_words(ratio: float | None, p: float | None, alpha: float) -> str:
    if ratio is None or np.isnan(ratio):
        return ""
    return f"{ratio:.2f}" + ("*" if p is not None and p < alpha else "")


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
    colours = [_PALETTE[k] if k < len(_PALETTE) else _OTHER for k in range(len(names))]
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


def _axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def plot_champions(champions: pl.DataFrame, ax: Axes | None = None, *, labels: Sequence[str] | None = None) -> Axes:
    """Contribution of each person against expectation, with intervals, the best on top.

    Parameters
    ----------
    champions
        Rows of `sna.find_champions`: ``person_id, contribution, contribution_low, contribution_high``.
    ax
        Where to draw.
    labels
        Names to show instead of the ids, in the order of the rows.
    """
    rows = champions.filter(pl.col("contribution").is_not_null())
    ax = ax or _axes(7, 1.2 + 0.3 * rows.height)
    names = list(labels) if labels is not None else rows["person_id"].to_list()
    value, low, high = (rows[name].to_numpy() for name in _INTERVAL)
    places = np.arange(rows.height)
    ax.errorbar(value, places, xerr=[value - low, high - value], fmt="o", color=ACCENT, ecolor=ACCENT, elinewidth=2)
    ax.axvline(1, color=SOFT, ls="--", lw=1)
    ax.text(1, -0.8, "as expected", color=SOFT, fontsize=8, ha="center", va="bottom")
    ax.set_yticks(places, [_short(name) for name in names])
    ax.set_ylim(rows.height - 0.4, -1.2)
    ax.set_xlim(left=0)
    ax.set_xlabel("help given / help expected of peers with the same chances")
    return _bare(ax)


_INTERVAL = ("contribution", "contribution_low", "contribution_high")


def _short(name: str, size: int = 26) -> str:
    """A label from the export: one short line, never read as a formula."""
    return clean_label(name, max_length=size).replace("$", r"\$")


def _bare(ax: Axes) -> Axes:
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#e6eaee", lw=0.8)
    ax.set_axisbelow(True)
    return ax


def plot_waiting(curves: pl.DataFrame, ax: Axes | None = None, *, days: float = 7.0) -> Axes:
    """Share of questions still waiting for an answer, from `sna.waiting_curve`, with its band.

    Parameters
    ----------
    curves
        ``group, wait_hours, waiting_share, low, high``.
    ax
        Where to draw.
    days
        How far the time axis goes.
    """
    ax = ax or _axes(7, 3.2)
    for k, (name,) in enumerate(curves.select("group").unique(maintain_order=True).iter_rows()):
        one = curves.filter(pl.col("group") == name)
        colour = _PALETTE[k % len(_PALETTE)]
        ax.step(one["wait_hours"], one["waiting_share"], where="post", color=colour, label=_short(name))
        ax.fill_between(one["wait_hours"], one["low"], one["high"], step="post", color=colour, alpha=0.18, lw=0)
    ax.set_xlim(0, days * 24)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(_percent())
    ax.set_xlabel("hours since the question")
    ax.set_ylabel("still waiting")
    if curves["group"].n_unique() > 1:
        ax.legend(frameon=False, fontsize=8)
    return _bare(ax)


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)


def plot_momentum(weeks: pl.DataFrame, ax: Axes | None = None, *, campaigns: pl.DataFrame | None = None) -> Axes:
    """People active each week as new, retained and returned; those lost below the line.

    Parameters
    ----------
    weeks
        From `sna.weekly_momentum`; incomplete weeks are not drawn, because they would look like a fall.
    ax
        Where to draw.
    campaigns
        ``name, starts_at`` of a forum's campaigns, marked above.
    """
    ax = ax or _axes(8, 3.4)
    whole = weeks.filter("is_complete")
    times, below = whole["week"].to_list(), np.zeros(whole.height)
    for name, colour in _FLOWS.items():
        height = whole[f"n_{name}"].to_numpy()
        ax.bar(times, height, bottom=below, width=6.4, color=colour, label=name)
        below = below + height
    ax.bar(times, -whole["n_lost"].fill_null(0).to_numpy(), width=6.4, color=_OTHER, label="lost since the week before")
    top = float(below.max(initial=1.0))
    for name, start in [] if campaigns is None else campaigns.select("name", "starts_at").drop_nulls().iter_rows():
        ax.axvline(start, color=INK, lw=0.8, ls=":")
        ax.text(start, top * 1.02, f" {_short(name)}", fontsize=7.5, color=INK, rotation=20, va="bottom")
    ax.axhline(0, color=INK, lw=0.8)
    ax.yaxis.set_major_formatter(lambda people, _: f"{abs(people):g}")
    ax.set_ylabel("people per week")
    ax.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return _bare(ax)


_FLOWS = {"retained": "#0b5c7a", "returned": "#66a182", "new": "#edae49"}


def plot_flow(matrix: pl.DataFrame, ax: Axes | None = None, *, across_only: bool = True) -> Axes:
    """Who acts toward whom, as bands from groups on the left to groups on the right; width is the observed count.

    Parameters
    ----------
    matrix
        From `sna.mixing_matrix`: ``from_group, to_group, observed``.
    ax
        Where to draw.
    across_only
        Leave out what stays inside a group.
    """
    rows = matrix.filter(pl.col("observed") > 0)
    rows = rows.filter(pl.col("from_group") != pl.col("to_group")) if across_only else rows
    if rows.is_empty():
        raise ParameterError("A flow needs interactions to draw.", got="None are left.", hint="across_only=False")
    ax = ax or _axes(7, 5)
    groups = sorted(set(matrix["from_group"]) | set(matrix["to_group"]))
    colours = {name: _PALETTE[k] if k < len(_PALETTE) else _OTHER for k, name in enumerate(groups)}
    left, right = _stack(rows, "from_group", groups), _stack(rows, "to_group", groups)
    for source, target, n in rows.sort("from_group", "to_group").select(*_FLOW).iter_rows():
        ax.fill_between(_CURVE, *_band(left[source], right[target], n), color=colours[source], alpha=0.45, lw=0)
        left[source] -= n
        right[target] -= n
    for column, x, side in (("from_group", -0.02, "right"), ("to_group", 1.02, "left")):
        for name, place in _middles(rows, column, groups).items():
            ax.text(x, place, _short(name), ha=side, va="center", fontsize=9, color=colours[name])
    ax.set_xlim(-0.35, 1.35)
    ax.axis("off")
    return ax


_FLOW = ("from_group", "to_group", "observed")
_CURVE = np.linspace(0, 1, 60)


def _stack(rows: pl.DataFrame, column: str, groups: list[str]) -> dict[str, float]:
    """Upper edge of each group's block, the first group on top, with a gap between blocks."""
    sizes = dict(rows.group_by(column).agg(pl.col("observed").sum()).iter_rows())
    gap = 0.03 * float(rows["observed"].sum())
    edges, top = {}, sum(sizes.values()) + gap * (len(groups) - 1)
    for name in groups:
        edges[name] = float(top)
        top -= sizes.get(name, 0) + gap
    return edges


def _middles(rows: pl.DataFrame, column: str, groups: list[str]) -> dict[str, float]:
    sizes = dict(rows.group_by(column).agg(pl.col("observed").sum()).iter_rows())
    return {name: top - sizes[name] / 2 for name, top in _stack(rows, column, groups).items() if name in sizes}


def _band(start: float, end: float, width: float) -> tuple[Any, Any]:
    bend = 3 * _CURVE**2 - 2 * _CURVE**3
    upper = start + (end - start) * bend
    return upper - width, upper


def plot_bridges(totals: pl.DataFrame, ax: Axes | None = None, *, people: int = 12) -> Axes:
    """People by brokerage role, the most bridging on top.

    Parameters
    ----------
    totals
        From `sna.brokerage_roles`.
    ax
        Where to draw.
    people
        How many to draw.
    """
    across = pl.sum_horizontal(_BRIDGING)
    rows = (
        totals.with_columns(across.alias("_across"))
        .sort(["_across", "person_id"], descending=[True, False])
        .head(people)
    )
    ax = ax or _axes(7, 1 + 0.28 * rows.height)
    places, start = np.arange(rows.height), np.zeros(rows.height)
    for k, role in enumerate(_BRIDGING):
        ax.barh(places, rows[role].to_numpy(), left=start, color=_PALETTE[k], label=role)
        start = start + rows[role].to_numpy()
    ax.set_yticks(places, [_short(name) for name in rows["person_id"]])
    ax.invert_yaxis()
    ax.set_xlabel("open paths between people who do not exchange directly")
    ax.legend(frameon=False, fontsize=8)
    return _bare(ax)


_BRIDGING = ("liaison", "gatekeeper", "representative", "consultant")

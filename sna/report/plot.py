"""Pictures: each takes the frame a function returned, draws on ``ax`` and returns it.

Matplotlib and seaborn are imported when a picture is drawn, so that ``import sna`` stays quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sna.errors import ParameterError
from sna.people.privacy import clean_label
from sna.types import Frame, as_polars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, ACCENT = "#1d2733", "#8a97a3", "#0b5c7a"
PALETTE = (
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
OTHER = "#b8c0c8"


def plot_mixing_matrix(matrix: Frame, ax: Axes | None = None, *, alpha: float = 0.05) -> Axes:
    """Heat map of observed / expected from group to group; only cells that differ beyond chance have a colour.

    Parameters
    ----------
    matrix
        From `sna.mixing_matrix`: ``from_group, to_group, ratio, p_adjusted``.
    ax
        Where to draw.
    alpha
        Cells whose adjusted p is below are coloured, on a log scale, and marked with a star; the others stay white
        whatever their ratio. Cells without a ratio are grey.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> cells = {"from_group": ["HR", "HR"], "to_group": ["HR", "IT"], "ratio": [0.5, 2.0], "p_adjusted": [0.4, 0.01]}
    >>> ax = plot_mixing_matrix(pl.DataFrame(cells), Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_xlabel()
    (['HR', 'IT'], 'threads begun by')
    """
    import seaborn

    matrix, ax = as_polars(matrix), ax or _axes(7, 5.5)
    groups = sorted(set(matrix["from_group"]) | set(matrix["to_group"]))
    cells = {(a, b): (ratio, p) for a, b, ratio, p in matrix.select(_CELL).iter_rows()}
    grid = [[cells.get((a, b), (None, None)) for b in groups] for a in groups]
    shades = np.array([[_shade(ratio, p, alpha) for ratio, p in row] for row in grid], dtype=float)
    words = [[_cell_words(ratio, p, alpha) for ratio, p in row] for row in grid]
    reach = max(float(np.nanmax(np.abs(shades), initial=0.0)), _LEAST_REACH)
    ax.set_facecolor(OTHER)
    seaborn.heatmap(
        shades,
        ax=ax,
        annot=np.array(words) if len(groups) <= _LEGIBLE_GROUPS else False,
        annot_kws={"fontsize": max(6, 11 - len(groups) // 2)},
        fmt="",
        cmap="RdBu_r",
        vmin=-reach,
        vmax=reach,
        yticklabels=[_short(name) for name in groups],
        linewidths=1,
        linecolor="#e6eaee",
        cbar_kws={"label": "observed / expected", "format": lambda power, _: f"{2**power:.2g}"},
    )
    ax.set(xlabel="threads begun by", ylabel="joined by")
    names = [_short(name) for name in groups]
    ax.set_xticks(np.arange(len(groups)) + 0.5, names, rotation=35, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="y", rotation=0)
    return ax


_CELL = ("from_group", "to_group", "ratio", "p_adjusted")
_LEGIBLE_GROUPS = 16
_LEAST_REACH = 1.0
_SMALLEST_RATIO = 1 / 16


def _shade(ratio: float | None, p: float | None, alpha: float) -> float:
    """The logarithm of a ratio that differs from 1 beyond chance; 0 for any other, NaN where there is none."""
    if ratio is None or np.isnan(ratio):
        return float("nan")
    return float(np.log2(max(ratio, _SMALLEST_RATIO))) if p is not None and p < alpha else 0.0


def _cell_words(ratio: float | None, p: float | None, alpha: float) -> str:
    if ratio is None or np.isnan(ratio):
        return ""
    return f"{ratio:.2f}" + ("*" if p is not None and p < alpha else "")


def _axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(width, height), layout="constrained")[1]


def plot_champions(champions: Frame, ax: Axes | None = None, *, labels: Sequence[str] | None = None) -> Axes:
    """Contribution of each person against expectation, with intervals, the best on top.

    Parameters
    ----------
    champions
        Rows of `sna.find_champions`: ``person_id, contribution, contribution_low, contribution_high``.
    ax
        Where to draw.
    labels
        Names to show instead of the ids, in the order of the rows.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> rows = {"person_id": ["ann"], "contribution": [2.0], "contribution_low": [1.2], "contribution_high": [3.1]}
    >>> ax = plot_champions(pl.DataFrame(rows), Figure().subplots(), labels=["Ann"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Ann']
    """
    import seaborn

    rows = as_polars(champions).filter(pl.col("contribution").is_not_null())
    ax = ax or _axes(7, 1.2 + 0.3 * rows.height)
    names = list(labels) if labels is not None else rows["person_id"].to_list()
    value, low, high = (rows[name].to_numpy() for name in _INTERVAL)
    places = np.arange(rows.height)
    ax.hlines(places, low, high, color=ACCENT, lw=2)
    seaborn.scatterplot(x=value, y=places, color=ACCENT, s=55, zorder=3, ax=ax)
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


def plot_waiting(curves: Frame, ax: Axes | None = None, *, days: float = 7.0) -> Axes:
    """Share of questions still waiting for an answer, from `sna.waiting_curve`, with its band.

    Parameters
    ----------
    curves
        ``group, wait_hours, waiting_share, low, high``.
    ax
        Where to draw.
    days
        How far the time axis goes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> curve = {"group": ["all"] * 2, "wait_hours": [0.0, 5.0], "waiting_share": [1.0, 0.5],
    ...          "low": [1.0, 0.3], "high": [1.0, 0.7]}
    >>> ax = plot_waiting(pl.DataFrame(curve), Figure().subplots(), days=2)
    >>> ax.get_xlim(), ax.get_ylabel()
    ((np.float64(0.0), np.float64(48.0)), 'still waiting')
    """
    import seaborn

    curves, ax = as_polars(curves), ax or _axes(7, 3.2)
    names = {name: _short(name) for name in curves["group"].unique(maintain_order=True)}
    shown = curves.with_columns(pl.col("group").replace_strict(names, return_dtype=pl.String)).to_dict(as_series=False)
    palette = dict(zip(names.values(), _colours(len(names)), strict=True))
    seaborn.lineplot(
        shown,
        x="wait_hours",
        y="waiting_share",
        hue="group",
        palette=palette,
        drawstyle="steps-post",
        estimator=None,
        legend=len(names) > 1,
        ax=ax,
    )
    for name, label in names.items():
        one = curves.filter(pl.col("group") == name)
        ax.fill_between(one["wait_hours"], one["low"], one["high"], step="post", color=palette[label], alpha=0.18, lw=0)
    ax.set_xlim(0, days * 24)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(_percent())
    ax.set_xlabel("hours since the question")
    ax.set_ylabel("still waiting")
    if len(names) > 1:
        ax.legend(frameon=False, fontsize=8, title=None)
    return _bare(ax)


def _colours(n: int) -> list[str]:
    """A colour for each of ``n`` groups; those beyond the palette share a grey."""
    return [PALETTE[k] if k < len(PALETTE) else OTHER for k in range(n)]


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)


def plot_momentum(weeks: Frame, ax: Axes | None = None, *, campaigns: Frame | None = None) -> Axes:
    """People active each week as those who stayed, came back and are new; those lost below the line.

    Histories of more than three years are drawn as a line of all people active, because bars would be too thin.

    Parameters
    ----------
    weeks
        From `sna.weekly_momentum`; incomplete weeks are not drawn, because they would look like a fall.
    ax
        Where to draw.
    campaigns
        ``name, starts_at`` of a forum's campaigns, marked above.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sna.datasets import load_example
    >>> from sna.vitality.momentum import weekly_momentum
    >>> ax = plot_momentum(weekly_momentum(load_example()), Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['stayed', 'came back', 'new', 'lost since the week before']
    """
    import seaborn

    ax = ax or _axes(8, 3.4)
    whole = as_polars(weeks).filter("is_complete")
    if whole.height > _MOST_BARS:
        seaborn.lineplot(x=whole["week"].to_list(), y=whole["n_active"].to_list(), color=ACCENT, lw=1, ax=ax)
        ax.set_ylim(bottom=0)
    else:
        _draw_flows(whole, ax)
    top = float(whole["n_active"].max() or 1)  # type: ignore[arg-type]
    marked = [] if campaigns is None else as_polars(campaigns).select("name", "starts_at").drop_nulls().rows()
    for name, start in marked:
        ax.axvline(start, color=INK, lw=0.8, ls=":")
        ax.text(start, top * 1.02, f" {_short(name)}", fontsize=7.5, color=INK, rotation=20, va="bottom")
    ax.yaxis.set_major_formatter(lambda people, _: f"{abs(people):g}")
    ax.set(xlabel="", ylabel="people per week")
    return _bare(ax)


_MOST_BARS = 156
_FLOWS = {"n_retained": ("stayed", ACCENT), "n_returned": ("came back", "#66a182"), "n_new": ("new", "#edae49")}
_LOST = "lost since the week before"


def _draw_flows(whole: pl.DataFrame, ax: Axes) -> None:
    """Stacked bars, one a week, and the lost below."""
    import seaborn

    names = {column: label for column, (label, _) in _FLOWS.items()}
    flows = whole.select(pl.col("week").dt.epoch("d") + 3.5, *_FLOWS).rename(names)
    long = flows.unpivot(index="week", variable_name="flow", value_name="people").to_dict(as_series=False)
    starts = whole["week"].dt.epoch("d").to_list()
    edges = [*starts, *(start + 7 for start in starts[-1:])]
    seaborn.histplot(
        long,
        x="week",
        weights="people",
        hue="flow",
        hue_order=list(names.values()),
        palette=dict(_FLOWS.values()),
        multiple="stack",
        bins=edges,
        alpha=1,
        linewidth=0.4,
        edgecolor="white",
        ax=ax,
    )
    ax.bar(starts, -whole["n_lost"].fill_null(0).to_numpy(), width=6.4, align="edge", color=OTHER, label=_LOST)
    ax.axhline(0, color=INK, lw=0.8)
    ax.xaxis_date()
    legend: Any = ax.get_legend()
    ax.legend(
        [*legend.legend_handles, ax.containers[-1]],
        [*names.values(), _LOST],
        frameon=False,
        fontsize=8,
        ncols=4,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
    )


def plot_flow(matrix: Frame, ax: Axes | None = None, *, across_only: bool = True) -> Axes:
    """Who acts toward whom, as bands from groups on the left to groups on the right; width is the observed count.

    Parameters
    ----------
    matrix
        From `sna.mixing_matrix`: ``from_group, to_group, observed``.
    ax
        Where to draw.
    across_only
        Leave out what stays inside a group.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> cells = {"from_group": ["HR", "IT"], "to_group": ["IT", "IT"], "observed": [3.0, 9.0]}
    >>> ax = plot_flow(pl.DataFrame(cells), Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['HR', 'IT']
    """
    matrix = as_polars(matrix)
    rows = matrix.filter(pl.col("observed") > 0)
    rows = rows.filter(pl.col("from_group") != pl.col("to_group")) if across_only else rows
    if rows.is_empty():
        raise ParameterError("A flow needs interactions to draw.", got="None are left.", hint="across_only=False")
    ax = ax or _axes(7, 5)
    groups = sorted(set(matrix["from_group"]) | set(matrix["to_group"]))
    colours = {name: PALETTE[k] if k < len(PALETTE) else OTHER for k, name in enumerate(groups)}
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


def plot_bridges(totals: Frame, ax: Axes | None = None, *, people: int = 12) -> Axes:
    """People by brokerage role, the most bridging on top.

    Parameters
    ----------
    totals
        From `sna.brokerage_roles`.
    ax
        Where to draw.
    people
        How many to draw.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> roles = {"person_id": ["ann", "bob"], "liaison": [4, 0], "gatekeeper": [1, 2], "representative": [0, 1],
    ...          "consultant": [0, 0]}
    >>> ax = plot_bridges(pl.DataFrame(roles), Figure().subplots(), people=1)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['ann']
    """
    import seaborn

    across = pl.sum_horizontal(_BRIDGING)
    ranked = as_polars(totals).with_columns(across.alias("_across"))
    rows = ranked.sort(["_across", "person_id"], descending=[True, False]).head(people)
    ax = ax or _axes(7, 1 + 0.28 * rows.height)
    long = rows.select("person_id", *_BRIDGING).unpivot(index="person_id", variable_name="role", value_name="paths")
    names = long.with_columns(pl.col("person_id").map_elements(_short, return_dtype=pl.String))
    seaborn.histplot(
        names.to_dict(as_series=False),
        y="person_id",
        weights="paths",
        hue="role",
        hue_order=_BRIDGING,
        palette=list(PALETTE[: len(_BRIDGING)]),
        multiple="stack",
        shrink=0.8,
        alpha=1,
        ax=ax,
    )
    ax.set(xlabel="open paths between people who do not exchange directly", ylabel="")
    legend = ax.get_legend()
    if legend is not None:
        legend.set_frame_on(False)
        legend.set_title("")
    return _bare(ax)


_BRIDGING = ("liaison", "gatekeeper", "representative", "consultant")

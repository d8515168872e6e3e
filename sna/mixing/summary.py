"""Do people talk across groups? One answer for the report, the command line, the README and the notebooks."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from sna.errors import ParameterError
from sna.forum import Forum
from sna.mixing.change import begun_after, change_at, search_change
from sna.mixing.claims import judge_levels, pick_silent
from sna.mixing.draws import BY, require_groups, spaces_known
from sna.mixing.matrix import mixing_matrix
from sna.mixing.pairs import EVERY, Pairs, code_joins, cut_periods
from sna.results import Estimate, Frozen
from sna.talk.windows import make_window
from sna.types import Ints, Moment

_FINER = "1w"
# A finer comparison with less than half of the change points another way.
_AGREES = 0.5
# Share of joinings that would have to change group to make the two parts alike: worth a sentence; too much for a claim.
_MOVED = 0.1
_REPLACED = 0.5


@dataclass(frozen=True, repr=False)
class CrossRoleSummary(Frozen):
    """What can be said about talk across groups; made by `cross_role_summary`.

    Attributes
    ----------
    by
        The attribute.
    split_at, split_basis
        The date that parts before from after, and where it comes from: "given", "campaign NAME" or "search".
    shares
        ``part, n_threads, n_joinings, n_across, across_share``: raw counts before and after, of joinings of other
        people's threads in which both groups are known.
    change, changes
        The change (`cross_role_change`, by month), and ``every, value, low, high, p_value`` with people compared
        within quarters, months and weeks.
    change_decision
        "more", "less", "undecided" or "not answerable", with the reason in ``change_reason``.
    levels
        From `cross_role_levels`; empty where the source records no spaces.
    level_decision
        "more", "less", "undecided" or "not answerable", with the reason in ``level_reason``.
    groups, moved_share
        ``group, share_before, share_after`` of all who joined or began threads, and the share of them that would have
        to be of another group to make the two parts alike.
    matrix, silent
        From `mixing_matrix` and `list_silent_pairs`.
    """

    by: str
    split_at: datetime
    split_basis: str
    shares: pl.DataFrame
    change: Estimate
    changes: pl.DataFrame
    change_decision: str
    change_reason: str
    levels: pl.DataFrame
    level_decision: str
    level_reason: str
    groups: pl.DataFrame
    moved_share: float
    matrix: pl.DataFrame
    silent: pl.DataFrame

    def sentence(self) -> str:
        """Raw shares, the change that remains after allowing for who was around, and the level."""
        return " ".join((self.share_words(), self.change_words(), self.level_words()))

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.sentence())}</p>{self.shares._repr_html_()}"

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain values; tables as lists of rows, for JSON."""
        plain: dict[str, Any] = {"sentence": self.sentence()}
        for name, value in self._cells().items():
            frame = value.to_frame() if isinstance(value, Estimate) else value
            plain[name] = frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame
        return plain

    def share_words(self) -> str:
        """Raw shares before and after, which anybody can count again."""
        before, after = (f"{share:.0%}" for share in self.shares["across_share"])
        n_before, n_after = (f"{n:,}" for n in self.shares["n_joinings"])
        word = self.by.replace("_", " ")
        return (
            f"{before} of those who joined another person's thread before {self.split_at:%d %B %Y} had another {word} "
            f"than the person who began it, {after} since ({n_before} and {n_after} joinings)."
        )

    def change_words(self) -> str:
        """What remains of the change after allowing for who was around."""
        words = {
            "more": "Allowing for who was around, talk across groups has increased",
            "less": "Allowing for who was around, talk across groups has decreased",
            "undecided": "Allowing for who was around, no change can be shown",
            "not answerable": "Whether this is a change of preference cannot be said",
        }
        return f"{words[self.change_decision]}: {self.change_reason}."

    def level_words(self) -> str:
        """Whether people join threads of other groups less or more than opportunity gives."""
        words = {
            "more": "Given who was around, people join threads of other groups more often than those of their own",
            "less": "Given who was around, people join threads of other groups less often than those of their own",
            "undecided": "Whether people prefer their own group is undecided",
            "not answerable": "Whether people prefer their own group cannot be said",
        }
        return f"{words[self.level_decision]}: {self.level_reason}."


def cross_role_summary(
    forum: Forum,
    *,
    by: str = BY,
    split_at: Moment = None,
    since: Moment = None,
    until: Moment = None,
    draws: int = 999,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> CrossRoleSummary:
    """Everything the report says about talk across groups: raw shares, change, level, matrix, silent pairs.

    Parameters
    ----------
    forum
        Needs threads, and people of known group.
    by
        Any attribute.
    split_at
        A date, or the id or name of a campaign of the forum, whose start is the date. None searches all dates and
        corrects for the search (`find_change_date`).
    since, until, draws, level, rng
        As in `mixing_matrix`.

    Returns
    -------
    CrossRoleSummary
        Its ``sentence()`` is the text to print; its tables are plain DataFrames.

    Raises
    ------
    NotAnswerableError
        With too few threads, fewer than two known groups, or hardly any known group.

    Notes
    -----
    A change is claimed when it differs from zero with people compared within months and the comparison within weeks
    shows at least half of it; it is withheld when half of the people who take part are of other groups than before.
    A level is claimed when it differs from zero in the finest comparison (space, week and four hours of the day) and
    all coarser ones have its sign. How often such claims are wrong: docs/mixing/calibration.md.

    When it misleads: as `cross_role_change` and `cross_role_level`. Why something changed is another question.

    Examples
    --------
    >>> from sna.simulate import make_forum
    >>> made = make_forum(n_threads=900, n_weeks=52, role_preference=2.0, role_preference_later=0.0, rng=1)
    >>> summary = cross_role_summary(made.forum, split_at=made.truth.changed_at, draws=99, rng=1)
    >>> summary.change_decision, summary.split_basis, summary.shares["part"].to_list()
    ('more', 'given', ['before', 'after'])
    """
    generator = np.random.default_rng(rng)
    pairs = code_joins(forum, by, since=since, until=until, every=EVERY)
    require_groups(pairs, by)
    moment, basis, searched = _choose_date(forum, split_at, pairs=pairs, by=by, draws=draws, level=level, rng=generator)
    after = begun_after(pairs, moment)
    changes = {
        every: change_at(cut_periods(pairs, every), moment, by=by, draws=min(draws, 199), level=level, rng=generator)
        for every in ("1q", EVERY, _FINER)
    }
    change = searched or changes[EVERY]
    groups, moved = compare_groups(pairs, after)
    decision, reason = decide_change(change, finer=changes[_FINER], moved_share=moved)
    levels, level_decision, level_reason = _judge_levels(
        forum, pairs, by=by, draws=min(draws, 199), level=level, rng=generator
    )
    matrix = mixing_matrix(forum, by=by, since=since, until=until, draws=draws, level=level, rng=generator)
    return CrossRoleSummary(
        by=by,
        split_at=moment,
        split_basis=basis,
        shares=_count_shares(pairs, after),
        change=change,
        changes=_table_changes(changes),
        change_decision=decision,
        change_reason=reason,
        levels=levels,
        level_decision=level_decision,
        level_reason=level_reason,
        groups=groups,
        moved_share=moved,
        matrix=matrix,
        silent=pick_silent(matrix, level=level) if matrix["supports_claims"].all() else pick_silent(matrix.clear()),
    )


def _choose_date(
    forum: Forum,
    split_at: Moment,
    *,
    pairs: Pairs,
    by: str,
    draws: int,
    level: float,
    rng: np.random.Generator,
) -> tuple[datetime, str, Estimate | None]:
    """The date, its basis, and the Estimate of the search where there was one."""
    if split_at is None:
        found, date = search_change(pairs, by, draws=draws, level=level, rng=rng)
        return date, "search", found
    named = forum.campaigns.filter((pl.col("campaign_id") == str(split_at)) | (pl.col("name") == str(split_at)))
    starts = named["starts_at"].drop_nulls()
    if len(starts):
        return starts[0], f"campaign {named['name'][0] or named['campaign_id'][0]}", None
    moment = make_window(split_at, None)[0]
    if moment is None:
        raise ParameterError("split_at is a date, or the name of a campaign.", got=f"Got {split_at!r}.")
    return moment, "given", None


def _count_shares(pairs: Pairs, after: Ints) -> pl.DataFrame:
    """Raw joinings across groups before and after, among those whose groups are both known."""
    known = (pairs.source_group != pairs.missing) & (pairs.target_group != pairs.missing)
    across = known & (pairs.source_group != pairs.target_group)
    rows = []
    for part, name in ((0, "before"), (1, "after")):
        here = known & (after[pairs.thread] == part)
        n, n_across = int(here.sum()), int((across & here).sum())
        rows.append((name, len(np.unique(pairs.thread[here])), n, n_across, n_across / n if n else None))
    columns = {"part": pl.String, "n_threads": pl.Int64, "n_joinings": pl.Int64, "n_across": pl.Int64}
    return pl.DataFrame(rows, schema={**columns, "across_share": pl.Float64}, orient="row")


def compare_groups(pairs: Pairs, after: Ints) -> tuple[pl.DataFrame, float]:
    """Shares of the known groups among those who join and begin threads, before and after, and how far they moved."""
    ends, part = np.concatenate([pairs.source_group, pairs.target_group]), np.tile(after[pairs.thread], 2)
    counts = np.stack([np.bincount(ends[part == half], minlength=len(pairs.groups)) for half in (0, 1)])
    shares = counts[:, pairs.known] / np.maximum(counts[:, pairs.known].sum(axis=1, keepdims=True), 1)
    names = [pairs.groups[code] for code in pairs.known]
    frame = pl.DataFrame({"group": names, "share_before": shares[0], "share_after": shares[1]})
    return frame.sort("group"), float(np.abs(shares[1] - shares[0]).sum() / 2)


def decide_change(change: Estimate, *, finer: Estimate, moved_share: float = 0.0) -> tuple[str, str]:
    """The decision on a change: "more", "less", "undecided" or "not answerable", and why.

    Examples
    --------
    >>> month = Estimate("change", 0.5, low=0.1, high=0.9, expected=0.0)
    >>> decide_change(month, finer=Estimate("change", 0.4))[0], decide_change(month, finer=Estimate("change", 0.1))[0]
    ('more', 'undecided')
    """
    moved = moved_share
    factor, low, high = (None if x is None else f"{np.exp(x):.2f}" for x in (change.value, change.low, change.high))
    size = f"the odds of joining a thread of another group rather than one's own are {factor} times what they were"
    size += f" ({change.level:.0%} interval {low} to {high})" if low and high else ""
    if moved > _MOVED:
        size += f"; the groups of {moved:.0%} of those who take part have changed, which moves the raw shares too"
    if moved > _REPLACED:
        return "not answerable", f"{moved:.0%} of those who take part are of other groups than before; {size}"
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return "undecided", size
    if not np.isfinite(finer.value) or finer.value * np.sign(change.value) < _AGREES * abs(change.value):
        return "undecided", f"{size}; within weeks, which is fairer where groups have busy weeks, it is not seen"
    return ("more" if change.value > 0 else "less"), size


def _judge_levels(
    forum: Forum, pairs: Pairs, *, by: str, draws: int, level: float, rng: np.random.Generator
) -> tuple[pl.DataFrame, str, str]:
    """The level at several periods, the decision, and why."""
    if not spaces_known(forum):
        empty = pl.DataFrame(schema={"every": pl.String, "by_hour": pl.Boolean, "value": pl.Float64})
        return empty, "not answerable", "the source does not record in which channel a thread took place"
    levels = judge_levels(pairs, by=by, draws=draws, level=level, rng=rng)
    return levels, *decide_level(levels, level=level)


def decide_level(levels: pl.DataFrame, *, level: float = 0.95) -> tuple[str, str]:
    """The decision on the level from `cross_role_levels`: "more", "less" or "undecided", and why.

    Examples
    --------
    >>> rows = [("1mo", False, -0.5, -0.6, -0.4), ("1w", True, -0.1, -0.4, 0.2)]
    >>> columns = ["every", "by_hour", "value", "low", "high"]
    >>> decide_level(pl.DataFrame(rows, schema=columns, orient="row"))[0]
    'undecided'
    """
    finest = levels.row(-1, named=True)
    if finest["value"] is None or finest["low"] is None:
        return "undecided", "too few people take part at the same time in the same channel"
    factor, low, high = (f"{np.exp(finest[name]):.2f}" for name in ("value", "low", "high"))
    size = (
        f"among people in the same channel, week and four hours of the day the odds of joining another group's thread "
        f"are {factor} times those of one's own ({level:.0%} interval {low} to {high})"
    )
    if finest["low"] <= 0 <= finest["high"]:
        coarser = levels.filter((pl.col("low") > 0) | (pl.col("high") < 0))
        if coarser.height:
            size += "; within longer periods there is a difference, as there is when groups are active at other times"
        return "undecided", size
    if (levels["value"].drop_nulls().sign() != np.sign(finest["value"])).any():
        return "undecided", f"{size}; within longer periods it has the other sign"
    if max(abs(value) for value in levels["value"].drop_nulls()) * _AGREES > abs(finest["value"]):
        return "undecided", f"{size}; most of the difference within longer periods is who was active at the same time"
    return ("more" if finest["value"] > 0 else "less"), size


def _table_changes(changes: dict[str, Estimate]) -> pl.DataFrame:
    rows = [(every, e.value, e.low, e.high, e.p_value) for every, e in changes.items()]
    columns = {"every": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "p_value": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("value").fill_nan(None))

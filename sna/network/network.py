"""The Network: people and the ties between them, summed from interactions, and its ways out to other tools.

A tie's weight is the sum of the weights of its interactions. People without a tie stay: they are the denominator. Ids
are coded as integers once; attributes are joined by id, never by position.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import networkx as nx
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from sna.errors import MissingDependencyError, ParameterError, SchemaError
from sna.forum import Forum, join_attribute
from sna.network.pack import Packed, pack_edges
from sna.schema import TIME
from sna.talk.interactions import EDGE_RULES, LEFT_OUT, check_kinds, sift_interactions
from sna.talk.windows import make_window
from sna.types import Frame, as_polars

Window = tuple[datetime | None, datetime | None]
_BATCH = 1_000_000  # rows at a time: bounds the memory beside the network itself
_PERSON_FACTS = ("person_id", "name", "kind", "opt_out")


@dataclass(frozen=True, repr=False, eq=False)
class Network:
    """People and directed, weighted ties. Make one with `build_network` or `network_from_edges`.

    Attributes
    ----------
    people
        One row per person, sorted by ``person_id``, isolates included; further columns are attributes, as they were at
        the end of the window.
    window
        Interactions with ``since <= at < until`` were used; None is open.
    kinds
        The edge rules used, each with its version: ``("reply/1",)``. Empty for a network made from edges.
    reply_rule
        Whom a reply answers: "recorded", "root" or "previous".
    left_out
        Number of interactions left out, by reason (see `sna.count_left_out`).
    n_interactions
        Number of interactions behind the ties.

    Notes
    -----
    People who opted out keep their place in every count; on the way out (`to_networkx`, `to_igraph`, `to_polars`, all
    ``write_`` methods) they are called "opted out 1", 2, ... and carry no attribute. `ties`, `people` and `to_sparse`
    are for computing and hold every id.
    """

    people: pl.DataFrame
    window: Window
    kinds: tuple[str, ...]
    reply_rule: str
    left_out: Mapping[str, int]
    n_interactions: int
    _packed: Packed = field(repr=False)

    @property
    def n_people(self) -> int:
        """Number of people, isolates included."""
        return self.people.height

    @property
    def n_ties(self) -> int:
        """Number of directed pairs with a tie."""
        return int(self._packed.indices.size)

    @cached_property
    def ties(self) -> pl.DataFrame:
        """``source, target, weight``, sorted by source and target."""
        return _ties(self._packed, self.people["person_id"])

    @cached_property
    def _isolates(self) -> int:
        has_tie = np.diff(self._packed.indptr) > 0
        has_tie[self._packed.indices] = True
        return int((~has_tie).sum())

    def to_sparse(self) -> tuple[sparse.csr_array, list[str]]:
        """Weights as a CSR matrix (row acts toward column) and the ids of its rows.

        The matrix shares its read-only arrays with the network; copy it before changing it.

        Examples
        --------
        >>> matrix, ids = network_from_edges(pl.DataFrame({"source": ["b"], "target": ["a"]})).to_sparse()
        >>> ids, matrix.toarray().tolist()
        (['a', 'b'], [[0.0, 0.0], [1.0, 0.0]])
        """
        return _matrix(self._packed), self.people["person_id"].to_list()

    def to_polars(self, *, labels: Mapping[str, str] | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
        """People and ties as shown to others: opted-out people are nameless.

        Parameters
        ----------
        labels
            What to call each person in place of the id; people it does not name keep their id. Names are dropped.

        Returns
        -------
        people, ties
            Polars frames; any library that reads the Arrow C stream takes them without copying.

        Raises
        ------
        ParameterError
            When two people would get the same label.
        """
        shown = _shown_people(self.people, labels)
        return shown, _ties(self._packed, shown["person_id"])

    def to_networkx(self, *, labels: Mapping[str, str] | None = None) -> nx.DiGraph:
        """A ``networkx.DiGraph`` with people's attributes and the tie attribute ``weight``.

        What is not known of a person is no attribute there, so that networkx's own writers take the graph.

        Examples
        --------
        >>> network = network_from_edges(pl.DataFrame({"source": ["b", "b"], "target": ["a", "a"]}))
        >>> network.to_networkx().edges(data=True)
        OutEdgeDataView([('b', 'a', {'weight': 2.0})])
        """
        people, ties = self.to_polars(labels=labels)
        graph = nx.DiGraph()
        for row in people.iter_rows(named=True):
            person = row.pop("person_id")
            graph.add_node(person, **{name: value for name, value in row.items() if value is not None})
        graph.add_weighted_edges_from(ties.iter_rows())
        return graph

    def to_igraph(self, *, labels: Mapping[str, str] | None = None) -> Any:
        """A directed ``igraph.Graph``; vertex attribute ``name`` is the id, ``display_name`` the name.

        Raises
        ------
        MissingDependencyError
            When igraph is not installed.
        """
        igraph = _import_igraph()
        people = _shown_people(self.people, labels)
        graph = igraph.Graph(n=self.n_people, directed=True)
        graph.add_edges(np.column_stack([row_codes(self._packed), self._packed.indices]))
        graph.es["weight"] = self._packed.weights.tolist()
        for name in people.columns:
            graph.vs["display_name" if name == "name" else name] = people[name].to_list()
        graph.vs["name"] = people["person_id"].to_list()
        return graph

    def write_parquet(self, folder: str | Path, *, labels: Mapping[str, str] | None = None) -> Path:
        """Write ``people.parquet`` and ``ties.parquet``; same network, same bytes."""
        people, ties = self.to_polars(labels=labels)
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        people.write_parquet(target / "people.parquet", compression="zstd", statistics=False)
        ties.write_parquet(target / "ties.parquet", compression="zstd", statistics=False)
        return target

    def write_graphml(self, path: str | Path, *, labels: Mapping[str, str] | None = None) -> Path:
        """Write GraphML (networkx, igraph, Gephi, yEd); text is escaped and control characters are removed."""
        return _write_lines(path, _graphml(*self.to_polars(labels=labels)))

    def write_gexf(self, path: str | Path, *, labels: Mapping[str, str] | None = None) -> Path:
        """Write GEXF 1.2 for Gephi; text is escaped and control characters are removed."""
        return _write_lines(path, _gexf(*self.to_polars(labels=labels)))

    def equals(self, other: Network) -> bool:
        """Same people, same ties, made in the same way."""
        mine, theirs = ((n.window, n.kinds, n.reply_rule, dict(n.left_out), n.n_interactions) for n in (self, other))
        return mine == theirs and self.people.equals(other.people) and self.ties.equals(other.ties)

    def __repr__(self) -> str:
        what = ", ".join(kind.split("/")[0] for kind in self.kinds) or "edges"
        since, until = (None if end is None else f"{end:%Y-%m-%d}" for end in self.window)
        when = f", from {since}" * (since is not None) + f", until {until}" * (until is not None)
        lost = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in self.left_out.items() if n)
        return (
            f"Network ({what}{when}): {self.n_people:,} people, {self._isolates:,} of them without a tie; ties: "
            f"{self.n_ties:,}, from {self.n_interactions:,} interactions; left out: {lost or 'none'}."
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"


def build_network(
    forum: Forum,
    *,
    kinds: Sequence[str] = ("reply",),
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    bots: bool = False,
    reply_rule: str = "recorded",
    max_thread_people: int | None = 50,
    attributes: Sequence[str] | None = None,
) -> Network:
    """Sum a forum's interactions into a network of all its people.

    Parameters
    ----------
    forum, kinds, since, until, bots, reply_rule, max_thread_people
        As in `sna.list_interactions`.
    attributes
        Attributes of people to carry, as of the end of the window; None carries all that the forum has.

    Returns
    -------
    Network
        Every person of the forum (humans only, unless ``bots``) is in it, with or without a tie. What a person does
        toward themselves is no tie; it is counted in ``left_out``.

    Raises
    ------
    ParameterError, NotAnswerableError, SchemaError
        As in `sna.list_interactions`; SchemaError for an attribute the forum does not have.

    Examples
    --------
    >>> from sna.forum import build_forum
    >>> posts = pl.DataFrame({"post_id": ["1", "2"], "thread_id": ["1", "1"], "parent_id": [None, "1"],
    ...                       "author_id": ["ann", "bob"], "created_at": ["2024-01-01", "2024-01-02"]})
    >>> build_network(build_forum(posts=posts)).ties.rows()
    [('bob', 'ann', 1.0)]
    """
    found, left_out = sift_interactions(
        forum,
        kinds=kinds,
        since=since,
        until=until,
        bots=bots,
        reply_rule=reply_rule,
        max_thread_people=max_thread_people,
    )
    window = make_window(since, until)
    people = _people(forum, attributes, bots=bots, at=window[1])
    packed = pack_edges(found.iter_slices(_BATCH), extra_ids=people["person_id"])
    used = tuple(f"{kind}/{EDGE_RULES[kind].version}" for kind in check_kinds(kinds, reply_rule=reply_rule))
    return Network(people, window, used, reply_rule, left_out, packed.n_edges, packed)


def network_from_edges(edges: Frame | str | Path, *, people: Frame | None = None) -> Network:
    """Sum any table of edges into a network.

    Parameters
    ----------
    edges
        ``source, target`` and, if there are weights, ``weight`` (positive); ids are text or integers. A table (polars,
        pandas, Arrow), a polars LazyFrame or the path of a Parquet file; the last two are read in pieces, so that tens
        of millions of rows need little more than eight bytes each.
    people
        ``person_id`` and any attributes. People without an edge are kept; people it does not list are added.

    Returns
    -------
    Network
        Edges from a person to themselves and edges with a missing end are counted in ``left_out``.

    Raises
    ------
    SchemaError
        For a missing column, a weight that is not positive, or a person listed twice.

    Examples
    --------
    >>> edges = pl.DataFrame({"source": ["bob", "bob", "ann"], "target": ["ann", "ann", "ann"]})
    >>> network_from_edges(edges, people=pl.DataFrame({"person_id": ["eve"], "role": ["HR"]}))
    Network (edges): 3 people, 1 of them without a tie; ties: 1, from 2 interactions;
    left out: 1 self.
    """
    listed = None if people is None else _check_people(as_polars(people))
    packed = pack_edges(_batches(edges), extra_ids=None if listed is None else listed["person_id"])
    everybody = packed.ids.to_frame()
    if listed is not None:
        everybody = everybody.join(listed, on="person_id", how="left", maintain_order="left")
    left_out = dict.fromkeys(LEFT_OUT, 0) | {"self": packed.n_self, "unknown_author": packed.n_unknown}
    used = packed.n_edges - packed.n_self - packed.n_unknown
    return Network(_complete(everybody), (None, None), (), "", left_out, used, packed)


def row_codes(packed: Packed) -> npt.NDArray[np.int32]:
    """The row number of every tie."""
    return np.repeat(np.arange(packed.indptr.size - 1, dtype=np.int32), np.diff(packed.indptr))


def _people(forum: Forum, attributes: Sequence[str] | None, *, bots: bool, at: datetime | None) -> pl.DataFrame:
    people = forum.people if bots else forum.people.filter(pl.col("kind") == "human")
    people = people.select(_PERSON_FACTS).with_columns(pl.lit(at, TIME).alias("_at"))
    known = forum.roles["attribute"].unique().sort().to_list()
    for name in known if attributes is None else attributes:
        into = name if name not in people.columns else f"{name}_attribute"
        people = join_attribute(forum, people, by=name, at="_at", into=into)
    return people.drop("_at").sort("person_id")


def _check_people(people: pl.DataFrame) -> pl.DataFrame:
    if "person_id" not in people.columns:
        raise SchemaError(
            "people needs a column person_id.",
            got="Found: " + ", ".join(map(repr, people.columns)) + ".",
            hint='people.rename({"<your column>": "person_id"})',
        )
    people = people.with_columns(pl.col("person_id").cast(pl.String))
    twice = people.filter(pl.col("person_id").is_duplicated() | pl.col("person_id").is_null())
    if twice.height:
        raise SchemaError("people has one row per person_id.", got=f"{twice['person_id'][0]!r} has more or is missing.")
    return people


def _complete(people: pl.DataFrame) -> pl.DataFrame:
    """Put in ``opt_out`` where the caller's table has none."""
    if "opt_out" not in people.columns:
        return people.with_columns(pl.lit(False).alias("opt_out"))
    return people.with_columns(pl.col("opt_out").cast(pl.Boolean).fill_null(False))


def _batches(edges: Frame | str | Path) -> Iterator[pl.DataFrame]:
    if not isinstance(edges, pl.LazyFrame | str | Path):
        yield from as_polars(edges).iter_slices(_BATCH)
        return
    lazy = edges if isinstance(edges, pl.LazyFrame) else pl.scan_parquet(edges)
    wanted = [name for name in ("source", "target", "weight") if name in lazy.collect_schema()]
    yield from lazy.select(wanted).collect_batches(maintain_order=False)


def _matrix(packed: Packed) -> sparse.csr_array:
    size = packed.indptr.size - 1
    return sparse.csr_array((packed.weights, packed.indices, packed.indptr), shape=(size, size), copy=False)


def _ties(packed: Packed, ids: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {"source": ids.gather(row_codes(packed)), "target": ids.gather(packed.indices), "weight": packed.weights}
    )


def _shown_people(people: pl.DataFrame, labels: Mapping[str, str] | None) -> pl.DataFrame:
    """People as others may see them: opted-out people nameless and without attributes, labels in place of ids."""
    hidden = pl.col("opt_out")
    nobody = pl.format("opted out {}", hidden.cum_sum())
    called = pl.col("person_id") if labels is None else pl.col("person_id").replace(dict(labels))
    facts = [name for name in people.columns if name not in ("person_id", "opt_out")]
    shown = people.select(
        pl.when(hidden).then(nobody).otherwise(called).alias("person_id"),
        *(pl.when(~hidden).then(pl.col(name)).alias(name) for name in facts if labels is None or name != "name"),
    )
    twice = shown["person_id"].is_duplicated()
    if twice.any():
        raise ParameterError(
            "Every person needs a label of their own.", got=f"{shown['person_id'].filter(twice)[0]!r} is used twice."
        )
    return shown


def _import_igraph() -> Any:
    try:
        import igraph
    except ImportError as error:
        raise MissingDependencyError(
            "This needs the optional package igraph.",
            got="It is not installed.",
            hint="pip install sna-toolkit[igraph]",
        ) from error
    return igraph


# all characters that XML 1.0 does not allow
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(value: object) -> str:
    """Text that any XML parser takes: control characters and lone surrogates removed, markup escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NOT_XML.sub("", str(value)), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _xml_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "boolean"
    return "long" if dtype.is_integer() else "double" if dtype.is_float() else "string"


def _node_ids(people: pl.DataFrame) -> list[str]:
    """Ids fit for XML; numbered where cleaning would make two alike."""
    ids = [_text(person) for person in people["person_id"]]
    return ids if len(set(ids)) == len(ids) and all(ids) else [f"n{i}" for i in range(len(ids))]


def _facts(people: pl.DataFrame) -> tuple[list[tuple[str, str]], Iterator[tuple[object, ...]]]:
    """Attribute names with their XML types, and the values of each person."""
    return [(_text(name), _xml_type(dtype)) for name, dtype in people.schema.items()], people.iter_rows()


def _numbered_ties(people: pl.DataFrame, ties: pl.DataFrame) -> Iterator[tuple[str, str, float]]:
    code = dict(zip(people["person_id"], _node_ids(people), strict=True))
    for source, target, weight in ties.iter_rows():
        yield code[source], code[target], weight


def _graphml(people: pl.DataFrame, ties: pl.DataFrame) -> Iterator[str]:
    columns, rows = _facts(people)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    for i, (name, kind) in enumerate(columns):
        yield f'<key id="d{i}" for="node" attr.name="{name}" attr.type="{kind}"/>'
    yield '<key id="w" for="edge" attr.name="weight" attr.type="double"/>'
    yield '<graph edgedefault="directed">'
    for node, row in zip(_node_ids(people), rows, strict=True):
        data = "".join(f'<data key="d{i}">{_text(v)}</data>' for i, v in enumerate(row) if v is not None)
        yield f'<node id="{node}">{data}</node>'
    for source, target, weight in _numbered_ties(people, ties):
        yield f'<edge source="{source}" target="{target}"><data key="w">{weight!r}</data></edge>'
    yield "</graph>"
    yield "</graphml>"


def _gexf(people: pl.DataFrame, ties: pl.DataFrame) -> Iterator[str]:
    columns, rows = _facts(people)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2">'
    yield '<graph defaultedgetype="directed" mode="static">'
    yield '<attributes class="node" mode="static">'
    for i, (name, kind) in enumerate(columns):
        yield f'<attribute id="{i}" title="{name}" type="{kind}"/>'
    yield "</attributes>"
    yield "<nodes>"
    for node, row in zip(_node_ids(people), rows, strict=True):
        data = "".join(f'<attvalue for="{i}" value="{_text(v)}"/>' for i, v in enumerate(row) if v is not None)
        yield f'<node id="{node}" label="{_text(row[0])}"><attvalues>{data}</attvalues></node>'
    yield "</nodes>"
    yield "<edges>"
    for i, (source, target, weight) in enumerate(_numbered_ties(people, ties)):
        yield f'<edge id="{i}" source="{source}" target="{target}" weight="{weight!r}"/>'
    yield "</edges>"
    yield "</graph>"
    yield "</gexf>"


def _write_lines(path: str | Path, lines: Iterator[str]) -> Path:
    target = Path(path)
    with target.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return target

"""A live Discourse database (PostgreSQL): one read-only transaction, allow-listed SELECTs, mapped as a backup is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from sna.errors import MissingDependencyError, ParameterError, ReadError
from sna.forum import Forum
from sna.readers.collect import Collector, ReadOptions, show_progress
from sna.readers.discourse.backup import add_rows, allowed_columns, lowered_capabilities
from sna.readers.discourse.forum import make_forum
from sna.readers.discourse.tables import COLUMNS, Tables

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

_BATCH = 20_000
_DRIVER = "postgresql+psycopg"
_SECONDS = 20


def read_discourse_database(url: str, *, include_private: bool = False, progress: bool = False) -> Forum:
    """Read a self-hosted Discourse straight from its PostgreSQL database. Nothing is written there.

    Parameters
    ----------
    url
        ``postgresql://user:password@host:5432/discourse``. An account that may only SELECT is best.
    include_private
        Also read private messages, restricted categories and whispers. Off by default.
    progress
        Show a progress bar.

    Returns
    -------
    Forum
        The same as from a backup made at that moment: all tables are read in one snapshot.

    Raises
    ------
    MissingDependencyError
        Without the ``db`` extra.
    ParameterError
        The url is not one of PostgreSQL.
    ReadError
        No connection, no permission, or no Discourse tables; the message never holds the password.

    When it misleads
    ----------------
    Deleted accounts leave posts without an author; visits are kept by day, topic views only the first time.
    """
    address = _address(url)
    options = ReadOptions(include_private=include_private, progress=progress)
    collector, tables = Collector("discourse"), Tables()
    with _connection(address) as connection:
        known = _known_columns(connection)
        moment = _moment(connection)
        for table in show_progress(sorted(known), options, what="Discourse tables"):
            for frame in _rows(connection, table, known[table]):
                add_rows(tables, table, frame=frame)
    return make_forum(
        tables,
        options,
        collector=collector,
        capabilities=lowered_capabilities(sorted(known)),
        files=(f"{address.host or 'local'}/{address.database}",),
        exported_at=moment,
    )


def _address(url: str) -> URL:
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise MissingDependencyError(
            "Reading a database needs SQLAlchemy and psycopg.", hint="pip install 'sna-toolkit[db]'"
        ) from error
    need = "url is like postgresql://user:password@host:5432/discourse."
    try:
        address = make_url(url.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise ParameterError(need, got="Got something that is no database url.") from None
    if address.get_backend_name() != "postgresql":
        raise ParameterError(need, got=f"Got one of {address.get_backend_name()}.")
    return address.set(drivername=_DRIVER)


@contextmanager
def _connection(address: URL) -> Iterator[Connection]:
    """One connection in one read-only transaction that sees one moment of the database."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": _SECONDS})
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection
            transaction.rollback()
    except ImportError as error:
        raise MissingDependencyError(
            "Reading PostgreSQL needs psycopg.", hint="pip install 'sna-toolkit[db]'"
        ) from error
    except SQLAlchemyError as error:
        raise ReadError(
            f"The database {_shown(address)} must let us read.",
            got=_reason(error, address),
            hint="check host, user and password, and that the account may SELECT from Discourse's tables",
        ) from None


def _shown(address: URL) -> str:
    return str(address.set(query={}).render_as_string(hide_password=True)).replace(_DRIVER, "postgresql", 1)


def _reason(error: Exception, address: URL) -> str:
    """First line of the server's message, without the password whatever it says."""
    lines = str(getattr(error, "orig", None) or error).splitlines()
    reason = lines[0] if lines else type(error).__name__
    for password in (address.password, address.query.get("password")):
        reason = reason.replace(str(password), "***") if password else reason
    return reason[:300]


def _known_columns(connection: Connection) -> dict[str, list[str]]:
    """Allowed tables that are there, each with its allowed columns."""
    from sqlalchemy import inspect

    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    if "posts" not in there or "topics" not in there:
        raise ReadError(
            "The database must be one of Discourse.",
            got=f"It has no tables posts and topics; found: {', '.join(sorted(there)[:8]) or 'none'}.",
            hint="name the right database at the end of the url",
        )
    known = {}
    for table in sorted(there & set(COLUMNS)):
        present = {column["name"] for column in inspector.get_columns(table)}
        columns = [name for name in allowed_columns(table) if name in present]
        if columns:
            known[table] = columns
    return known


def _moment(connection: Connection) -> datetime:
    from sqlalchemy import text

    now: Any = connection.execute(text("SELECT extract(epoch FROM transaction_timestamp())::float8")).scalar_one()
    return datetime.fromtimestamp(now, UTC)


def _rows(connection: Connection, table: str, columns: list[str]) -> Iterator[pl.DataFrame]:
    """Batches of one table, every cell as the text a backup would hold."""
    import sqlalchemy as sa

    source = sa.table(table, *(sa.column(name) for name in columns))
    query = sa.select(*(sa.cast(source.c[name], sa.Text).label(name) for name in columns))
    schema = dict.fromkeys(columns, pl.String)
    result = connection.execution_options(stream_results=True).execute(query)
    for batch in result.partitions(_BATCH):
        yield pl.DataFrame([tuple(row) for row in batch], schema=schema, orient="row")

"""All readers in the order they are asked: `read_forum` recognises the platform and reads the export."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import polars as pl

from sna.admit import conform
from sna.canonical import read_canonical
from sna.errors import FormatError, ParameterError, ReadError
from sna.formats.container import Container, open_container
from sna.forum import Forum
from sna.readers.collect import Reader, ReadOptions
from sna.readers.look import describe_export
from sna.schema import ISSUES

_MODULES: tuple[str, ...] = (
    "slack",
    "teams",
    "stack.exchange",
    "stack.internal",
    "github",
    "discourse.backup",
    "discourse.json",
    "mattermost.bulk",
    "mattermost.compliance",
    "zulip",
    "gitter",
    "viva_engage.export",
    "mail.mbox",
    "mapping.presets",
)
"""Reader modules in the order they are asked, the most specific first. Each has ``READERS``, a tuple of `Reader`."""


@dataclass(frozen=True)
class Recognition:
    """Which reader takes an export, and why."""

    platform: str
    title: str
    reason: str


def list_readers() -> tuple[Reader, ...]:
    """All readers, in the order they are asked.

    Examples
    --------
    >>> [reader.name for reader in list_readers()][:3]
    ['slack', 'teams', 'stackexchange']
    """
    return tuple(reader for name in _MODULES for reader in import_module(f"sna.readers.{name}").READERS)


def recognise(path: str | Path) -> Recognition:
    """Say which platform an export is from, without reading it whole.

    Raises
    ------
    FormatError
        When no reader knows it; the message says what it looks like and what to do next.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> mail = ("From ann@x.org Mon Jan  1 10:00:00 2024", "From: Ann <ann@x.org>", "To: list@x.org", "", "Hello", "")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.mbox"
    ...     n_characters = path.write_text(chr(10).join(mail))
    ...     recognise(path).reason
    'list.mbox begins like an mbox'
    """
    if _is_canonical(Path(path)):
        return Recognition("canonical", "sna canonical folder", "it holds source.json and posts.parquet")
    with open_container(path) as container:
        reader, reason = _find_reader(container)
    return Recognition(reader.name, reader.title, reason)


def read_forum(
    path: str | Path, *, platform: str | None = None, include_private: bool = False, progress: bool = False
) -> Forum:
    """Read an export: a folder, a file or an archive, of any platform in `list_readers`.

    Parameters
    ----------
    path
        What the administrator exported; zip, tar.gz, 7z and .gz need not be unpacked.
    platform
        Name of a reader, to skip recognition.
    include_private
        Also read private channels and direct messages. Off by default.
    progress
        Show a progress bar.

    Raises
    ------
    FormatError
        The platform is not recognised.
    ReadError
        The export is missing, empty, damaged or encrypted, or holds no posts.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> mail = ("From ann@x.org Mon Jan  1 10:00:00 2024", "From: Ann <ann@x.org>", "To: list@x.org", "", "Hello", "")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list.mbox"
    ...     n_characters = path.write_text(chr(10).join(mail))
    ...     read_forum(path).posts.select("author_id", "text").rows()
    [('ann@x.org', 'Hello')]
    """
    if platform is None and _is_canonical(Path(path)):
        return read_canonical(path)
    options = ReadOptions(include_private=include_private, progress=progress)
    with open_container(path) as container:
        reader = _reader_named(platform) if platform else _find_reader(container)[0]
        forum = _with_left_aside(reader.read(container, options), container)
    if forum.posts.is_empty():
        lost = forum.issues.select("table", "reason", "n").head(3).rows()
        raise ReadError(
            f"{Path(path).name} must hold posts.",
            got=f"None could be read as {reader.title}; issues: {lost or 'none'}.",
            hint="was the right part exported? sna check shows what was found",
        )
    return forum


def _with_left_aside(forum: Forum, container: Container) -> Forum:
    """The forum with an issue for each thing in the export that was never looked into."""
    aside = container.left_aside
    if not aside:
        return forum
    rows = [{"table": "posts", "reason": reason, "kind": "note", "file": name, "n": 1} for name, reason in aside]
    return replace(forum, issues=pl.concat([forum.issues, conform(pl.DataFrame(rows), ISSUES)]))


def _is_canonical(path: Path) -> bool:
    return path.is_dir() and (path / "source.json").is_file() and (path / "posts.parquet").is_file()


def _reader_named(name: str) -> Reader:
    for reader in list_readers():
        if reader.name == name:
            return reader
    raise ParameterError(f"platform is one of {', '.join(r.name for r in list_readers())}.", got=f"Got {name!r}.")


def _find_reader(container: Container) -> tuple[Reader, str]:
    for reader in list_readers():
        reason = reader.recognise(container)
        if reason:
            return reader, reason
    what, hint = describe_export(container)
    raise FormatError(f"{container.path.name} is {what}.", got="No reader of sna takes it.", hint=hint)

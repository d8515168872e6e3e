"""Members of a 7z archive, unpacked into a temporary folder: py7zr only writes, and forward only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sna.errors import MissingDependencyError, ReadError


@contextmanager
def open_archive(root: Path) -> Iterator[Any]:
    """The archive as py7zr shows it; whatever is wrong with it ends in a `ReadError`.

    Raises
    ------
    ReadError
        A damaged or encrypted archive.
    MissingDependencyError
        py7zr is not installed.
    """
    py7zr = _py7zr()
    try:
        with py7zr.SevenZipFile(root) as archive:
            if archive.needs_password():
                raise _encrypted(root)
            yield archive
    except ReadError:
        raise
    except py7zr.exceptions.PasswordRequired as error:
        raise _encrypted(root) from error
    except Exception as error:  # py7zr lets errors of many kinds through when an archive is damaged
        raise ReadError(
            f"{root.name} must be a whole 7z archive.",
            got=f"It is damaged, cut off or unsupported ({type(error).__name__}: {error}).",
            hint="download it again",
        ) from error


def list_members(root: Path) -> list[tuple[str, int]]:
    """(name, size unpacked) of each file."""
    with open_archive(root) as archive:
        if any(item.is_symlink for item in archive.list()):
            raise ReadError(f"{root.name} must hold plain files only.", got="It holds a link.")
        return [(item.filename, int(item.uncompressed or 0)) for item in archive.list() if not item.is_directory]


def unpack_members(root: Path, names: Iterable[str], *, into: Path) -> None:
    """Write the members named below ``into``; their names and sizes have been checked before."""
    with open_archive(root) as archive:
        archive.extract(path=into, targets=list(names))


def _py7zr() -> ModuleType:
    try:
        import py7zr
    except ImportError as error:
        raise MissingDependencyError(
            "Reading 7z archives needs py7zr.", hint="pip install 'sna-toolkit[sevenzip]'"
        ) from error
    return py7zr


def _encrypted(root: Path) -> ReadError:
    return ReadError(f"{root.name} must not be encrypted.", got="It has a password.", hint="decrypt it first")

"""Stream members of a 7z archive. py7zr only writes, so a thread writes into a short queue that we read from."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sna.errors import MissingDependencyError, ReadError

_PIECES = 2
_PATIENCE = 0.1


def list_members(root: Path) -> list[tuple[str, int]]:
    """(name, size unpacked) of each file.

    Raises
    ------
    ReadError
        A damaged or encrypted archive.
    MissingDependencyError
        py7zr is not installed.
    """
    py7zr = _py7zr()
    with _in_words(root, py7zr), py7zr.SevenZipFile(root) as archive:
        if archive.needs_password():
            raise _encrypted(root)
        if any(item.is_symlink for item in archive.list()):
            raise ReadError(f"{root.name} must hold plain files only.", got="It holds a link.")
        return [(item.filename, int(item.uncompressed or 0)) for item in archive.list() if not item.is_directory]


def open_member(root: Path, name: str) -> io.BufferedReader:
    """A stream of one member; memory holds a few pieces of it, whatever its size."""
    return io.BufferedReader(_Stream(root, name), 1 << 20)


def _py7zr() -> ModuleType:
    try:
        import py7zr
    except ImportError as error:
        raise MissingDependencyError(
            "Reading 7z archives needs py7zr.", hint="pip install 'sna-toolkit[sevenzip]'"
        ) from error
    return py7zr


@contextmanager
def _in_words(root: Path, py7zr: ModuleType) -> Iterator[None]:
    try:
        yield
    except (ReadError, _StoppedError):
        raise
    except py7zr.exceptions.PasswordRequired as error:
        raise _encrypted(root) from error
    except Exception as error:  # py7zr lets errors of many kinds through when an archive is damaged
        raise ReadError(
            f"{root.name} must be a whole 7z archive.",
            got=f"It is damaged, cut off or unsupported ({type(error).__name__}: {error}).",
            hint="download it again",
        ) from error


def _encrypted(root: Path) -> ReadError:
    return ReadError(f"{root.name} must not be encrypted.", got="It has a password.", hint="decrypt it first")


class _StoppedError(Exception):
    """The reader has had enough."""


class _Stream(io.RawIOBase):
    """What the writing thread puts into the queue; closing stops the thread."""

    def __init__(self, root: Path, name: str) -> None:
        self._pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES)
        self._rest = memoryview(b"")
        self._stop = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write, args=(root, name), daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and not self._ended:
            piece = self._pieces.get()
            if isinstance(piece, BaseException):
                self._ended = True
                raise piece
            self._ended = piece is None
            self._rest = memoryview(piece or b"")
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._rest))
        view[:n], self._rest = self._rest[:n], self._rest[n:]
        return n

    def close(self) -> None:
        if not self.closed:
            self._stop.set()
            self._thread.join(timeout=1)
        super().close()

    def put(self, piece: bytes | BaseException | None) -> None:
        """Wait for room in the queue, unless the reader has gone."""
        while not self._stop.is_set():
            try:
                self._pieces.put(piece, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
        raise _StoppedError

    def _write(self, root: Path, name: str) -> None:
        end: BaseException | None = None
        try:
            py7zr = _py7zr()
            with _in_words(root, py7zr), py7zr.SevenZipFile(root) as archive:
                archive.extract(targets=[name], factory=_make_factory(py7zr, self, name))
        except BaseException as error:
            end = error
        try:
            self.put(end)
        except _StoppedError:
            return


def _make_factory(py7zr: ModuleType, stream: _Stream, name: str) -> Any:
    """What py7zr asks for a place to write to: ours for the member wanted, nowhere for others."""

    class Writer(py7zr.io.Py7zIO):  # type: ignore[name-defined]
        def __init__(self, wanted: bool) -> None:
            self._wanted, self._size = wanted, 0

        def write(self, s: bytes | bytearray) -> int:
            if self._wanted:
                stream.put(bytes(s))
            self._size += len(s)
            return len(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            return

        def size(self) -> int:
            return self._size

    class Factory(py7zr.io.WriterFactory):  # type: ignore[name-defined]
        def create(self, filename: str) -> Any:
            return Writer(filename == name)

    return Factory()

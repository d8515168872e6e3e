"""Open an export safely, whatever it is packed in: a folder, one file, zip, tar, 7z; gzip, bzip2 and xz inside.

Only a 7z archive is unpacked to disk, into a temporary folder. Limits stop archive bombs; encrypted, linked, duplicated
or escaping members are refused. Readers see a `Container`: names and streams.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, cast

from sna.errors import ReadError
from sna.formats import sevenzip

_PACKED: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw)),
    ".bz2": lambda raw: cast("IO[bytes]", bz2.BZ2File(raw)),
    ".xz": lambda raw: cast("IO[bytes]", lzma.LZMAFile(raw)),  # noqa: SIM115 (closed by _Limited)
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".ods")
"""Zip files that are one table, or a few, and no archive of files."""

_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ": ".xz"}
_ARCHIVE = r".*\.(?:zip|7z|tar|tgz|tbz2?|txz|rar)"
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    OverflowError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    NotImplementedError,
    UnicodeDecodeError,
    struct.error,
)


@dataclass(frozen=True)
class Limits:
    """Hard caps while reading an archive; sizes in bytes."""

    members: int = 200_000
    member_bytes: int = 100 * 1024**3
    total_bytes: int = 200 * 1024**3
    ratio: float = 200.0
    ratio_from_bytes: int = 10 * 1024**2
    line_bytes: int = 64 * 1024**2


LIMITS = Limits()


@dataclass(frozen=True)
class Container:
    """Names and streams of an export. ``names`` are POSIX paths inside it, without ``.gz`` / ``.bz2`` / ``.xz``.

    Attributes
    ----------
    path
        What the user named.
    kind
        "folder", "file", "zip", "tar" or "7z".
    names
        Members in sorted order.
    links
        Names in a folder that are links; they are not followed.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    limits: Limits
    _open: Callable[[str], IO[bytes]] = field(repr=False)
    links: tuple[str, ...] = ()

    @property
    def left_aside(self) -> list[tuple[str, str]]:
        """(name, reason) of what is never looked into: links in a folder, archives inside the export."""
        inside = [(name, "archive_inside") for name in self.match(_ARCHIVE) if self.kind != "file"]
        return [*((name, "link_not_followed") for name in self.links), *inside]

    def match(self, pattern: str) -> list[str]:
        """Names whose whole path matches a regular expression (case-insensitive)."""
        rule = re.compile(pattern, re.IGNORECASE)
        return [name for name in self.names if rule.fullmatch(name)]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Stream one member; damage and limits end in a `ReadError` naming the member."""
        try:
            with self._open(name) as stream:
                yield stream
        except _DAMAGED as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ReadError(
                f"{name} in {self.path.name} must be readable to its end.",
                got=f"It is damaged or cut off ({type(error).__name__}: {error}).",
                hint="export or download it again",
            ) from error

    def peek(self, name: str, size: int = 65_536) -> bytes:
        """First bytes of a member."""
        with self.open(name) as stream:
            return stream.read(size)

    def lines(self, name: str) -> Iterator[bytes]:
        """Lines of a member without their ending; a line above the limit raises `ReadError`."""
        with self.open(name) as stream:
            limit = self.limits.line_bytes
            while line := stream.readline(limit + 1):
                if len(line) > limit:
                    raise ReadError(
                        f"A line of {name} may have {limit:,} bytes.", got="One is longer.", hint="split the export"
                    )
                yield line.rstrip(b"\r\n")


@contextmanager
def open_container(path: str | Path, *, limits: Limits = LIMITS) -> Iterator[Container]:
    """Open a folder, a file or an archive.

    Raises
    ------
    ReadError
        Missing or empty path, damaged or encrypted archive, a member name that leaves the archive, too many or too
        large members.
    MissingDependencyError
        A 7z archive without the ``sevenzip`` extra.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise ReadError(f"{root} must exist.", got="There is no such file or folder.", hint="check the path")
    if root.is_dir():
        yield _folder(root, limits)
        return
    if root.stat().st_size == 0:
        raise ReadError(f"{root} must hold an export.", got="The file is empty (0 bytes).", hint="export it again")
    with root.open("rb") as handle:
        head = handle.read(8)
    try:
        if head.startswith(_ZIP) and root.suffix.lower() not in _WORKBOOKS:
            with _open_zip(root) as archive:
                yield _zip(root, archive, limits)
        elif head.startswith(b"7z\xbc\xaf\x27\x1c"):
            with TemporaryDirectory(prefix="sna-") as folder:
                yield _sevenzip(root, Path(folder), limits)
        elif _is_tar(root, limits):
            with _tar_stream(root, limits) as stream, tarfile.open(fileobj=stream, mode="r:") as bundle:
                yield _tar(root, bundle, limits)
        else:
            yield _single(root, limits)
    except _DAMAGED as error:
        raise ReadError(
            f"{root.name} must be a whole archive or file.",
            got=f"It is damaged, cut off or unsupported ({type(error).__name__}: {error}).",
            hint="export or download it again",
        ) from error


@dataclass(frozen=True)
class _Member:
    """One file of an export: its name there, its size unpacked, and how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]

    def stream(self, limits: Limits) -> IO[bytes]:
        """Its bytes; gzip, bzip2 or xz is unpacked on the fly when name and first bytes say so."""
        raw = self.open()
        packed = PurePosixPath(self.name).suffix.lower() in _PACKED
        return _unwrapped(raw, self.name, self.size, limits) if packed else raw


def _file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _container(
    root: Path, kind: str, members: dict[str, _Member], limits: Limits, *, links: Iterable[str] = ()
) -> Container:
    names = tuple(sorted(members))
    return Container(root, kind, names, limits, lambda name: members[name].stream(limits), tuple(links))


def _folder(root: Path, limits: Limits) -> Container:
    files: dict[str, _Member] = {}
    links: list[str] = []
    for item in sorted(root.rglob("*")):
        name = item.relative_to(root).as_posix()
        if _is_litter(name):
            continue
        if item.is_symlink():
            links.append(name)
        elif item.is_file():
            key = name if (plain := _plain_name(name)) in files else plain
            files[key] = _Member(item.name, item.stat().st_size, partial(_file, item))
        if len(files) > limits.members:
            raise _too_many(root, limits)
    if not files:
        got = f"It holds {len(links)} links, which are not followed." if links else "The folder is empty."
        raise ReadError(f"{root} must hold an export.", got=got, hint="check the path")
    return _container(root, "folder", files, limits, links=links)


def _single(root: Path, limits: Limits) -> Container:
    member = _Member(root.name, root.stat().st_size, partial(_file, root))
    return _container(root, "file", {_plain_name(root.name): member}, limits)


def _open_zip(root: Path) -> zipfile.ZipFile:
    """Names are UTF-8 where they can be, else the code page that old tools use."""
    try:
        return zipfile.ZipFile(root, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(root)


def _zip(root: Path, archive: zipfile.ZipFile, limits: Limits) -> Container:
    def opener(info: zipfile.ZipInfo) -> IO[bytes]:
        stream = _Limited(archive.open(info), info.filename, info.compress_size, limits)
        return cast("IO[bytes]", io.BufferedReader(stream))

    infos = [info for info in archive.infolist() if not info.is_dir()]
    members = [_Member(info.orig_filename, info.file_size, partial(opener, info)) for info in infos]
    checked = _checked(root, "zip", members, limits)
    for info in infos:
        if info.flag_bits & 0x1:
            raise ReadError(
                f"{root.name} must not be encrypted.", got=f"{info.filename} has a password.", hint="decrypt it first"
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ReadError(f"{root.name} must hold plain files only.", got=f"{info.filename} is a link.")
    return checked


def _tar(root: Path, bundle: tarfile.TarFile, limits: Limits) -> Container:
    members = []
    for count, member in enumerate(_headers(bundle)):
        if count > limits.members:
            raise _too_many(root, limits)
        if member.issym() or member.islnk() or member.isdev():
            raise ReadError(f"{root.name} must hold plain files only.", got=f"{member.name} is a link or device.")
        if member.isfile():
            opener = cast("Callable[[], IO[bytes]]", partial(bundle.extractfile, member))
            members.append(_Member(member.name, member.size, opener))
    return _checked(root, "tar", members, limits)


def _headers(bundle: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    try:
        yield from bundle
    except (ValueError, OverflowError) as error:
        raise tarfile.ReadError(f"a header is malformed: {error}") from error


def _tar_stream(root: Path, limits: Limits) -> IO[bytes]:
    """The tar itself, unpacked on the fly when it is gzip, bzip2 or xz."""
    return _unwrapped(root.open("rb"), root.name, root.stat().st_size, limits)


def _sevenzip(root: Path, folder: Path, limits: Limits) -> Container:
    listed = sevenzip.list_members(root)
    members = [_Member(name, size, partial(_file, folder / name)) for name, size in listed]
    checked = _checked(root, "7z", members, limits)
    sevenzip.unpack_members(root, [name for name, _ in listed if not _is_litter(name)], into=folder)
    return checked


def _checked(root: Path, kind: str, found: list[_Member], limits: Limits) -> Container:
    """The members of an archive, refused when a name or a size could do harm."""
    members: dict[str, _Member] = {}
    for member in found:
        if _is_litter(member.name):
            continue
        name = member.name.replace("\\", "/")
        if name.startswith("/") or ".." in PurePosixPath(name).parts or re.match(r"^[A-Za-z]:", name):
            raise ReadError(f"Names in {root.name} must stay inside it.", got=f"Found {member.name!r}.")
        if members.setdefault(_plain_name(name), member) is not member:
            raise ReadError(f"Names in {root.name} must be unique.", got=f"{member.name!r} occurs twice.")
        if member.size > limits.member_bytes:
            most = f"{limits.member_bytes:,}"
            raise ReadError(f"A file in {root.name} may have {most} bytes.", got=f"{member.name!r}: {member.size:,}.")
    if not members:
        raise ReadError(f"{root.name} must hold an export.", got="The archive is empty.", hint="export it again")
    if len(members) > limits.members:
        raise _too_many(root, limits)
    total = sum(member.size for member in members.values())
    if total > limits.total_bytes:
        raise ReadError(f"{root.name} may unpack to {limits.total_bytes:,} bytes.", got=f"{total:,} bytes.")
    if total > max(limits.ratio_from_bytes, limits.ratio * root.stat().st_size):
        raise _bomb(root.name, limits)
    return _container(root, kind, members, limits)


def _too_many(root: Path, limits: Limits) -> ReadError:
    return ReadError(f"{root.name} may hold {limits.members:,} files.", got="It holds more.")


def _is_litter(name: str) -> bool:
    """Files a desktop leaves beside an export (macOS resource forks, .DS_Store, Thumbs.db); never part of it."""
    *folders, last = name.replace("\\", "/").split("/")
    return last.startswith(".") or last.lower() in ("thumbs.db", "desktop.ini") or "__MACOSX" in folders


def _plain_name(name: str) -> str:
    clean = _ODD.sub("\ufffd", name.replace("\\", "/").removeprefix("./"))
    suffix = PurePosixPath(clean).suffix.lower()
    return clean[: -len(suffix)] if suffix in _PACKED else clean


def _unwrapped(raw: IO[bytes], name: str, size: int, limits: Limits) -> IO[bytes]:
    head = cast("io.BufferedReader", raw).peek(5)[:5]
    packed = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if packed is None:
        return raw
    return cast("IO[bytes]", io.BufferedReader(_Limited(_PACKED[packed](raw), name, size, limits, raw), 1 << 20))


def _is_tar(root: Path, limits: Limits) -> bool:
    try:
        with _tar_stream(root, limits) as stream, tarfile.open(fileobj=stream, mode="r:") as bundle:
            return next(_headers(bundle), None) is not None
    except _DAMAGED:
        return False


def _bomb(name: str, limits: Limits) -> ReadError:
    return ReadError(
        f"{name} may unpack to {limits.ratio:.0f} times its packed size.",
        got="It unpacks to more: this looks like an archive bomb.",
        hint="unpack it yourself if you trust it, and give the folder",
    )


class _Limited(io.RawIOBase):
    """What a packed stream yields; stops at the ratio and size caps, whether it is read or skipped."""

    def __init__(
        self, stream: IO[bytes], name: str, packed_bytes: int, limits: Limits, packed: IO[bytes] | None = None
    ) -> None:
        self._stream, self._name, self._limits, self._at, self._under = stream, name, limits, 0, packed
        most = max(limits.ratio_from_bytes, limits.ratio * max(packed_bytes, 1))
        self._most = min(most, limits.member_bytes)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset + (self._at if whence == io.SEEK_CUR else 0))
        self._at = self._stream.seek(offset, whence)
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._at += len(data)
        self._check(self._at)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        if self._under is not None:
            self._under.close()
        super().close()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise _bomb(self._name, self._limits)

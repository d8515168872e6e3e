"""Hostile and damaged exports end in a clear `ReadError`; sound ones read the same however they are packed."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import threading
import tracemalloc
import zipfile

import pytest

import sna
from sna.errors import FormatError
from sna.formats.container import LIMITS, Limits, open_container
from sna.formats.json import parse_json

py7zr = pytest.importorskip("py7zr")
SMALL = Limits(ratio_from_bytes=100_000)
ZEROS = b"0" * 3_000_000
NOISE = os.urandom(40_000)


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as bundle:
        for name, data in members:
            bundle.writestr(name, data)
    return path


def make_tar(path, members, *, mode="w"):
    with tarfile.open(path, mode) as bundle:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))
    return path


def make_7z(path, members, **options):
    with py7zr.SevenZipFile(path, "w", **options) as bundle:
        for name, data in members:
            bundle.writestr(data, name)
    return path


def contents(path, *, limits=LIMITS):
    found = {}
    with open_container(path, limits=limits) as container:
        for name in container.names:
            with container.open(name) as stream:
                found[name] = stream.read()
    return found


MEMBERS = [("one/a.json", b'{"a": 1}\n'), ("b.csv", NOISE), ("empty.txt", b"")]


@pytest.mark.parametrize("packing", ["folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "7z"])
def test_every_packing_gives_the_same_names_and_bytes(tmp_path, packing):
    path = tmp_path / f"export.{packing}"
    if packing == "folder":
        for name, data in MEMBERS:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    elif packing == "zip":
        make_zip(path, MEMBERS)
    elif packing == "7z":
        make_7z(path, MEMBERS)
    else:
        make_tar(path, MEMBERS, mode="w:" + packing.partition(".")[2])
    assert contents(path) == dict(MEMBERS)
    with open_container(path) as container:
        assert container.names == ("b.csv", "empty.txt", "one/a.json")
        assert container.peek("one/a.json", 4) == b'{"a"'
        assert list(container.lines("one/a.json")) == [b'{"a": 1}']


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("around", ["alone", "folder", "zip", "tar", "7z"])
def test_packed_members_are_unpacked_on_the_fly_and_lose_their_suffix(tmp_path, suffix, around):
    member = (f"log.jsonl{suffix}", PACKERS[suffix](NOISE))
    if around in ("alone", "folder"):
        (tmp_path / "in").mkdir()
        path = tmp_path / "in" / member[0]
        path.write_bytes(member[1])
        path = path if around == "alone" else path.parent
    else:
        make = {"zip": make_zip, "tar": make_tar, "7z": make_7z}[around]
        path = make(tmp_path / f"x.{around}", [member])
    assert contents(path) == {"log.jsonl": NOISE}


def test_a_suffix_that_lies_is_read_as_it_is(tmp_path):
    (tmp_path / "plain.json.gz").write_bytes(b"[1]")
    assert contents(tmp_path / "plain.json.gz") == {"plain.json": b"[1]"}


BOMBS = {
    "zip": lambda path: make_zip(path, [("a.json", ZEROS)]),
    "gz": lambda path: path.write_bytes(gzip.compress(ZEROS)),
    "bz2": lambda path: path.write_bytes(bz2.compress(ZEROS)),
    "xz": lambda path: path.write_bytes(lzma.compress(ZEROS)),
    "tar.gz": lambda path: make_tar(path, [("a.json", ZEROS), ("b.json", b"1")], mode="w:gz"),
    "7z": lambda path: make_7z(path, [("a.json", ZEROS)]),
    "gz in a zip": lambda path: make_zip(path, [("a.json.gz", gzip.compress(ZEROS))]),
    "gz in a tar": lambda path: make_tar(path, [("a.json.gz", gzip.compress(ZEROS))]),
    "gz in a 7z": lambda path: make_7z(path, [("a.json.gz", gzip.compress(ZEROS))]),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_end_in_an_error_before_they_go_off(tmp_path, kind):
    path = tmp_path / f"bomb.{kind.split()[0]}"
    BOMBS[kind](path)
    assert path.stat().st_size < 20_000
    with pytest.raises(sna.ReadError, match=r"may unpack to 200 times its packed size.*archive bomb"):
        contents(path, limits=SMALL)


@pytest.mark.parametrize("kind", ["zip", "gz", "7z"])
def test_a_bomb_is_stopped_in_little_memory(tmp_path, kind):
    path = tmp_path / f"bomb.{kind}"
    big = b"0" * 60_000_000
    if kind == "gz":
        path.write_bytes(gzip.compress(big))
    elif kind == "zip":
        make_zip(path, [("a.json", big)])
    else:
        make_7z(path, [("a.json", big)], filters=[{"id": py7zr.FILTER_DEFLATE}])
    del big
    tracemalloc.start()
    with pytest.raises(sna.ReadError), open_container(path, limits=SMALL) as container:
        for _ in container.lines(container.names[0]):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25_000_000


def test_a_member_is_streamed_from_a_7z_and_can_be_left_early(tmp_path):
    stored = [{"id": py7zr.FILTER_COPY}]
    path = make_7z(tmp_path / "x.7z", [("a.bin", os.urandom(3_000_000)), ("b.bin", NOISE)], filters=stored)
    before = threading.active_count()
    with open_container(path) as container:
        head = container.peek("a.bin", 10)
        with container.open("b.bin") as stream:
            assert stream.read() == NOISE
        with container.open("a.bin") as stream:
            assert stream.read(10) == head
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["zip", "tar", "7z"])
def test_a_repetitive_export_below_the_cap_is_not_called_a_bomb(tmp_path, kind):
    data = (b"same line again\n" * 20_000) + os.urandom(5_000)
    make = {"zip": make_zip, "tar": make_tar, "7z": make_7z}[kind]
    assert contents(make(tmp_path / f"x.{kind}", [("a", data)])) == {"a": data}


ESCAPES = ["../evil.json", "a/../../evil.json", "/etc/evil.json", "..\\evil.json", "C:\\evil.json", "c:/evil.json"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name, kind):
    path = {"zip": make_zip, "tar": make_tar}[kind](tmp_path / f"slip.{kind}", [(name, b"{}")])
    with pytest.raises(sna.ReadError, match="must stay inside it"):
        contents(path)
    assert sorted(tmp_path.parent.glob("evil*")) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a.json", "a.json"), ("a/b", "a\\b"), ("a", "./a"), ("a.json", "a.json.gz")])
def test_duplicate_members_are_refused(tmp_path, names):
    for kind, make in (("zip", make_zip), ("tar", make_tar)):
        path = make(tmp_path / f"twice.{kind}", [(name, b"{}") for name in names])
        with pytest.raises(sna.ReadError, match=r"must be unique.*occurs twice"):
            contents(path)


def test_a_file_and_its_packed_copy_in_a_folder_are_both_there(tmp_path):
    (tmp_path / "a.json").write_bytes(b"plain")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"packed"))
    assert contents(tmp_path) == {"a.json": b"plain", "a.json.gz": b"packed"}


def test_encrypted_members_are_refused(tmp_path):
    path = make_zip(tmp_path / "secret.zip", [("a.json", b"{}")])
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(sna.ReadError, match="must not be encrypted"):
        contents(path)
    for hidden in (False, True):
        sealed = make_7z(tmp_path / f"s{hidden}.7z", [("a.json", b"{}")], password="x", header_encryption=hidden)
        with pytest.raises(sna.ReadError, match="must not be encrypted"):
            contents(sealed)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as bundle:
        info = tarfile.TarInfo("a.json")
        info.type, info.linkname = kind, "/etc/hostname"
        bundle.addfile(info)
    with pytest.raises(sna.ReadError, match="link or device"):
        contents(path)


def test_links_in_a_zip_are_refused_and_in_a_folder_not_followed(tmp_path):
    info = zipfile.ZipInfo("a.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "links.zip", [(info, b"/etc/hostname")])
    with pytest.raises(sna.ReadError, match="is a link"):
        contents(path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "far.json").write_text("1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "real.json").write_text("2")
    (folder / "file.json").symlink_to(tmp_path / "other" / "far.json")
    (folder / "dir").symlink_to(tmp_path / "other")
    assert contents(folder) == {"real.json": b"2"}


def test_names_in_an_old_code_page_are_read(tmp_path):
    path = make_zip(tmp_path / "old.zip", [("caf_.json", b"1")])
    path.write_bytes(path.read_bytes().replace(b"caf_", b"caf\x82"))
    assert contents(path) == {"café.json": b"1"}


def test_names_never_carry_escapes_or_half_characters(tmp_path):
    path = make_tar(tmp_path / "odd.tar", [("a\x1b[2J\udcff\u202e.json", b"1")])
    assert contents(path) == {"a\ufffd[2J\ufffd\ufffd.json": b"1"}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "gz", "bz2", "xz", "7z"])
def test_an_archive_cut_off_ends_in_a_read_error(tmp_path, kind, share):
    path = tmp_path / f"cut.{kind}"
    if kind in ("gz", "bz2", "xz"):
        path.write_bytes(PACKERS[f".{kind}"](NOISE))
    elif kind == "tar.gz":
        make_tar(path, [("a.bin", NOISE)], mode="w:gz")
    else:
        {"zip": make_zip, "7z": make_7z}[kind](path, [("a.bin", NOISE)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(sna.ReadError, match=r"(?i)damaged|cut off|bomb"):
        contents(path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z"])
def test_a_flipped_byte_is_noticed_or_harmless(tmp_path, kind):
    path = tmp_path / f"flip.{kind}"
    make = {"zip": make_zip, "7z": make_7z}.get(kind)
    if make:
        make(path, [("a.bin", NOISE)])
    else:
        make_tar(path, [("a.bin", NOISE)], mode="w:gz")
    data = path.read_bytes()
    noticed = 0
    places = [*range(64), *range(64, len(data), len(data) // 40), *range(len(data) - 64, len(data))]
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        try:
            contents(path)
        except sna.ReadError:
            noticed += 1
    assert noticed > 40


def test_nothing_at_all_is_said_so(tmp_path):
    (tmp_path / "empty.zip").write_bytes(b"")
    make_zip(tmp_path / "hollow.zip", [])
    (tmp_path / "folder").mkdir()
    for name, words in (("empty.zip", "empty"), ("hollow.zip", "empty"), ("folder", "empty"), ("gone", "no such")):
        with pytest.raises(sna.ReadError, match=words):
            contents(tmp_path / name)


@pytest.mark.parametrize("kind", ["zip", "tar", "7z", "folder"])
def test_more_members_than_the_limit_are_refused(tmp_path, kind):
    members = [(f"{number}.json", b"1") for number in range(12)]
    path = tmp_path / f"many.{kind}"
    if kind == "folder":
        path.mkdir()
        for name, data in members:
            (path / name).write_bytes(data)
    else:
        {"zip": make_zip, "tar": make_tar, "7z": make_7z}[kind](path, members)
    assert len(contents(path)) == 12
    with pytest.raises(sna.ReadError, match="may hold 10 files"):
        contents(path, limits=Limits(members=10))


def test_size_limits_hold_for_a_member_and_in_all(tmp_path):
    path = make_zip(tmp_path / "x.zip", [("a", NOISE), ("b", NOISE)])
    with pytest.raises(sna.ReadError, match="may have 30,000 bytes"):
        contents(path, limits=Limits(member_bytes=30_000))
    with pytest.raises(sna.ReadError, match="may unpack to 50,000 bytes"):
        contents(path, limits=Limits(total_bytes=50_000))
    (tmp_path / "y.gz").write_bytes(gzip.compress(NOISE))
    with pytest.raises(sna.ReadError, match="bomb"):
        contents(tmp_path / "y.gz", limits=Limits(member_bytes=30_000))


def test_archives_in_archives_are_not_followed(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", [("Posts.xml", b"<posts/>")])
    outer = make_zip(tmp_path / "outer.zip", [("inner.zip", inner.read_bytes())])
    with pytest.raises(FormatError):
        sna.read_forum(outer)
    (tmp_path / "twice.json.gz.gz").write_bytes(gzip.compress(gzip.compress(b"[]")))
    once = contents(tmp_path / "twice.json.gz.gz")
    assert list(once) == ["twice.json.gz"]
    assert gzip.decompress(once["twice.json.gz"]) == b"[]"


def test_a_line_over_the_limit_is_refused_and_one_at_the_limit_is_not(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"x" * 100 + b"\n" + b"y" * 100)
    with open_container(tmp_path, limits=Limits(line_bytes=101)) as container:
        assert [len(line) for line in container.lines("a.jsonl")] == [100, 100]
    with (
        open_container(tmp_path, limits=Limits(line_bytes=99)) as container,
        pytest.raises(sna.ReadError, match="may have 99 bytes"),
    ):
        list(container.lines("a.jsonl"))


def test_lines_keep_every_ending_and_the_last_line_without_one(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\n\nthree")
    with open_container(tmp_path / "a.txt") as container:
        assert list(container.lines("a.txt")) == [b"one", b"two", b"", b"three"]


def test_json_nested_too_deeply_is_refused():
    for text in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000):
        with pytest.raises(sna.ReadError):
            parse_json(text, "deep.json")
    assert parse_json(b'{"a": [[1]]}', "x.json") == ({"a": [[1]]}, False)


def test_nothing_is_written_beside_the_archive(tmp_path):
    path = make_zip(tmp_path / "x.zip", MEMBERS)
    before = sorted(tmp_path.rglob("*"))
    contents(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_desktop_leaves_beside_an_export_is_no_part_of_it(tmp_path):
    members = [
        ("out/a.json", b"[]"),
        ("out/.DS_Store", b"\x00\x00\x00\x01Bud1"),
        ("__MACOSX/out/._a.json", b"\x00\x05\x16\x07"),
        ("out/Thumbs.db", b"\xd0\xcf"),
        ("out/b/desktop.ini", b"[x]"),
    ]
    folder = tmp_path / "folder"
    for name, data in members:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with py7zr.SevenZipFile(tmp_path / "e.7z", "w") as bundle:
        bundle.writeall(folder, "")
    make_zip(tmp_path / "e.zip", members)
    make_tar(tmp_path / "e.tar", members)
    for path in (folder, tmp_path / "e.zip", tmp_path / "e.tar", tmp_path / "e.7z"):
        with open_container(path) as container:
            assert container.names == ("out/a.json",), path.name

"""Whatever happens to an export, reading it ends in time, in a Forum whose rows add up or in an `SnaError`."""

import json
import random
import re
import signal
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import sna
from sna.readers import list_readers, recognise
from tests.readers.test_stack import DISCUSSION, INTERNAL, SITE, xml

NAMES = [reader.name for reader in list_readers()]
LARGEST = 100_000
N_LINES = 150
SECONDS = 60
TOKEN = re.compile(
    rb'"[^"\n]{0,200}"|(?<=[\s,:\[>=])-?\d{1,20}(?=[\s,\]}<])|\btrue\b|\bfalse\b|\bnull\b|(?<=,)[^,\n"]*(?=,)'
)
STRANGE = [
    b"null", b"true", b"[]", b"{}", b"[null]", b'[{"id": []}]', b'""', b'"\\ud800"', b'"\\u0000"', b"-1", b"0",
    b"1e400",
    b"123456789012345678901234567890", b'"99999-99-99T99:99:99Z"', b'"9999-12-31T23:59:59.999999-14:00"',
    b'"0001-01-01T00:00:00+14:00"', b"NaN", b'"<row Id=\\"1\\">"', b"&boom;", b"=1+1", b"\xff\xfe", b'"a\x00b"',
    b'"' + b"x" * 3000 + b'"', "\u202eé𝟙".encode(), b'{"id": {"id": {}}}',
]  # fmt: skip

Files = dict[str, bytes]


@dataclass(frozen=True)
class Damage:
    """One blow: what is done, where (as shares of the file) and a seed for the rest."""

    act: str
    at: float
    length: float
    seed: int

    def apply(self, data: bytes) -> bytes:
        rng = random.Random(self.seed)
        start = int(self.at * len(data))
        end = min(len(data), start + 1 + int(self.length * len(data) / 4))
        return ACTS[self.act](data, start=start, end=end, rng=rng)


def truncate(data, *, start, end, rng):
    return data[:start]


def flip(data, *, start, end, rng):
    broken = bytearray(data)
    for _ in range(1 + rng.randrange(20)):
        if broken:
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def cut_out(data, *, start, end, rng):
    return data[:start] + data[end:]


def double(data, *, start, end, rng):
    return data[:end] + data[start:]


def shuffle_lines(data, *, start, end, rng):
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def repeat_lines(data, *, start, end, rng):
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines for _ in range(2 if rng.random() < 0.2 else 1))


def recode(data, *, start, end, rng):
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "latin-1", "utf-8-sig", "cp1252", "utf-32"]), "replace")


def change_ends(data, *, start, end, rng):
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\x0b", b"\x00\n"]))


def replace_values(data, *, start, end, rng):
    share, few = rng.choice([0.01, 0.05, 0.3]), rng.sample(STRANGE, 2)
    return TOKEN.sub(lambda match: rng.choice(few) if rng.random() < share else match[0], data)


def swap_values(data, *, start, end, rng):
    tokens = TOKEN.findall(data) or [b""]
    return TOKEN.sub(lambda match: rng.choice(tokens) if rng.random() < 0.1 else match[0], data)


def nest(data, *, start, end, rng):
    deep = rng.choice([50, 3_000])
    return data[:start] + rng.choice([b"[" * deep, b'{"a":' * deep, b"<row>" * deep, b">" * deep]) + data[end:]


ACTS = {
    act.__name__: act
    for act in (
        truncate, flip, cut_out, double, shuffle_lines, repeat_lines, recode, change_ends, replace_values, swap_values,
        nest,
    )
}  # fmt: skip
DAMAGE = st.builds(
    Damage,
    st.sampled_from([*ACTS, "replace_values", "replace_values", "swap_values"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
CASE = st.tuples(
    st.integers(0, 10**6), st.integers(0, 10**6), st.lists(DAMAGE, min_size=1, max_size=3), st.sampled_from("fffz!")
)


def small(name, data):
    """A small file itself, else its first lines with the end its format needs; None when it cannot be cut."""
    if len(data) <= LARGEST:
        return data
    lines = data.splitlines(keepends=True)
    if name.endswith(".xml") and b"<row" in data and len(lines) > N_LINES:
        return b"".join([*lines[:N_LINES], lines[-1]])
    return b"".join(lines[:N_LINES]) if name.endswith((".csv", ".jsonl", ".mbox", ".sql")) else None


def load(path: Path) -> Files | None:
    """Every file of an export, archives opened; None when one is too large to mutate often."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            found = {name: bundle.read(name) for name in bundle.namelist() if not name.endswith("/")}
    elif path.is_dir():
        found = {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    else:
        found = {path.name: path.read_bytes()}
    cut = {name: small(name, data) for name, data in found.items()}
    return (
        None
        if None in cut.values() or len(cut) > 60
        else {name: data for name, data in cut.items() if data is not None}
    )


@contextmanager
def alarm(seconds: int):
    """End a hang where the system can."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        raise AssertionError(f"reading took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def write(files: Files, folder: Path, packing: str, seed: int) -> Path:
    """A folder, a zip, or a damaged zip."""
    if packing == "f":
        target = folder / "export"
        for name, data in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
        return target
    target = folder / "export.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
    if packing == "!":
        target.write_bytes(flip(target.read_bytes(), start=0, end=0, rng=random.Random(seed)))
    return target


def check(path: Path, platform: str) -> str:
    """Read once; say how it ended."""
    with alarm(SECONDS):
        try:
            forum = sna.read_forum(path, platform=platform)
        except sna.SnaError:
            return "refused"
    table = forum.accounting()
    assert (table["read"] == table["used"] + table["rejected"] + table["withheld"]).all(), table
    assert (table.select("read", "used", "rejected", "withheld", "added").min_horizontal() >= 0).all(), table
    assert forum.posts["author_id"].drop_nulls().is_in(forum.people["person_id"].implode()).all()
    return "read"


def run(exports: list[Files], platform: str, tmp_path_factory, *, n_examples: int) -> set[str]:
    ends = set()

    @settings(
        max_examples=n_examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CASE)
    def survive(case):
        which, where, damages, packing = case
        files = dict(exports[which % len(exports)])
        name = sorted(files)[where % len(files)]
        for damage in damages:
            files[name] = damage.apply(files[name])
        ends.add(check(write(files, tmp_path_factory.mktemp("fuzz"), packing, where), platform))

    survive()
    return ends


ISSUE = {"number": 3, "title": "T", "user": {"login": "ann"}, "created_at": "2024-03-01T09:00:00Z", "comments": 0}
OWN: dict[str, list[Files]] = {
    "stackexchange": [{f"{table}.xml": xml(table, rows).encode() for table, rows in SITE.items()}],
    "stack_internal": [{f"{name}.json": json.dumps(rows, indent=1).encode() for name, rows in INTERNAL.items()}],
    "github": [
        {
            "page.json": json.dumps({"data": {"repository": {"discussions": {"nodes": [DISCUSSION]}}}}).encode(),
            "issues.json": json.dumps([ISSUE], indent=1).encode(),
        }
    ],
}


@pytest.fixture(scope="session")
def catalogue(shared) -> dict[str, list[Files]]:
    """Real exports small enough to mutate, by the reader that takes them."""
    found: dict[str, list[Files]] = {}
    for path in sorted((shared / "fixtures").rglob("*")):
        if path.name.endswith((".md", ".php", ".dtd")) or (path.parent == shared / "fixtures" and path.is_file()):
            continue
        try:
            platform = recognise(path).platform
        except sna.SnaError:
            continue
        files = load(path)
        if files:
            found.setdefault(platform, []).append(files)
    return found


def test_damage_really_changes_files():
    data = b'<row Id="1" Body="a" />\n{"id": 12, "b": null}\nx,y,z\n' * 5
    for act in ACTS:
        assert any(Damage(act, 0.5, 0.3, seed).apply(data) != data for seed in range(5)), act


@pytest.mark.parametrize("platform", OWN)
def test_own_exports_survive_damage(platform, tmp_path_factory):
    for packing in "fz":
        assert check(write(OWN[platform][0], tmp_path_factory.mktemp("whole"), packing, 0), platform) == "read"
    assert run(OWN[platform], platform, tmp_path_factory, n_examples=40) == {"read", "refused"}


@pytest.mark.parametrize("platform", NAMES)
def test_real_exports_survive_damage(platform, catalogue, tmp_path_factory):
    if platform not in catalogue:
        pytest.skip(f"no small sample of {platform}")
    run(catalogue[platform], platform, tmp_path_factory, n_examples=12)


@pytest.mark.calibration
@pytest.mark.parametrize("platform", NAMES)
def test_real_exports_survive_much_damage(platform, catalogue, tmp_path_factory):
    exports = [*catalogue.get(platform, []), *OWN.get(platform, [])]
    if not exports:
        pytest.skip(f"no small sample of {platform}")
    run(exports, platform, tmp_path_factory, n_examples=300)

"""Write docs/readers/platforms.md: every reader on every sample export, in counts, and what each export can tell.

Usage: python scripts/readers_table.py SAMPLES [OUT]

SAMPLES is a folder of exports, one folder per platform; only counts and file labels leave it.
"""

import sys
from pathlib import Path

import polars as pl

import sna
from sna.readers import list_readers, recognise
from sna.readers.reasons import REASONS
from sna.schema import CAPABILITIES

HEAD = """# Readers

Made by `scripts/readers_table.py`; do not edit. `sna.read_forum(path)` asks the readers in this order.

## What each kind of export can tell

`yes`, `~` partial, `-` no. A reader lowers a level when the export at hand lacks the file that carries it;
`sna.list_capabilities(forum)` shows what holds for yours.

"""
COUNTED = """
## Counts on the sample exports

Each file that a reader takes, alone, and each folder of files, as one export (some folders hold samples of several
sources, whose ids then collide and are rejected). Every row read is used, rejected or withheld (private spaces, system
messages, votes summed by day); the reasons stand in `forum.issues`. Replies are posts with a parent.

"""
VOCABULARY = """
## What the issues say

`forum.issues` has one row for each row of the export that was rejected, repaired or withheld, or for many alike (`n`),
with its file and position. Its `reason` is one of these words on every platform; `*` stands for a kind named there.

"""
SHORT = {"yes": "yes", "partial": "~", "no": "-"}
SKIPPED = (".md", ".dtd", ".php")


def list_exports(samples: Path) -> list[tuple[str, Path]]:
    """(platform, path) of every file and folder that a reader takes, alone or as one export."""
    found: list[tuple[str, Path]] = []
    for path in sorted(samples.rglob("*")):
        only_wraps = path.is_dir() and not any(item.is_file() for item in path.iterdir())
        if only_wraps or path.name.endswith(SKIPPED) or (path.is_file() and path.parent == samples):
            continue
        try:
            found.append((recognise(path).platform, path))
        except sna.SnaError:
            continue
    return found


def make_label(path: Path) -> str:
    """The platform's folder and the last name, shortened."""
    name = path.name if len(path.name) <= 45 else f"{path.name[:20]}...{path.suffix}"
    return "/".join(
        [*path.parts[:1], *([".."] if len(path.parts) > 2 else []), *([name] if len(path.parts) > 1 else [])]
    )


def count_export(samples: Path, platform: str, path: Path) -> dict[str, object]:
    """One row of the table."""
    row: dict[str, object] = {"reader": platform, "export": make_label(path.relative_to(samples))}
    try:
        forum = sna.read_forum(path)
    except sna.SnaError as error:
        return {**row, "note": "holds no posts" if "must hold posts" in error.need else type(error).__name__}
    accounts = forum.accounting()
    return {
        **row,
        "posts": forum.posts.height,
        "threads": forum.posts["thread_id"].n_unique(),
        "people": forum.people.height,
        "replies": forum.posts["parent_id"].count(),
        "signals": int(forum.signals["n"].sum()),
        "mentions": forum.mentions.height,
        "read": int(accounts["read"].sum()),
        "rejected": int(accounts["rejected"].sum()),
        "withheld": int(accounts["withheld"].sum()),
        "note": "",
    }


def to_markdown(frame: pl.DataFrame) -> str:
    """A pipe table."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    for values in frame.iter_rows():
        cells = [f"{value:,}" if isinstance(value, int) else "" if value is None else str(value) for value in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def make_capability_table() -> pl.DataFrame:
    """One row per reader, one column per capability."""
    readers = list_readers()
    columns = {"reader": [f"`{reader.name}`" for reader in readers], "export": [reader.title for reader in readers]}
    for name in CAPABILITIES:
        columns[name.replace("_", " ")] = [SHORT[reader.capabilities.get(name, "no")] for reader in readers]
    return pl.DataFrame(columns)


def write_page(samples: Path, out: Path) -> None:
    """Count every export and write the page."""
    rows = [count_export(samples, platform, path) for platform, path in list_exports(samples)]
    order = {reader.name: position for position, reader in enumerate(list_readers())}
    rows.sort(key=lambda row: (order.get(str(row["reader"]), len(order)), str(row["export"])))
    counts = to_markdown(pl.DataFrame(rows, infer_schema_length=None))
    out.parent.mkdir(parents=True, exist_ok=True)
    reasons = pl.DataFrame({"reason": [f"`{word}`" for word in REASONS], "says": list(REASONS.values())})
    page = HEAD + to_markdown(make_capability_table()) + VOCABULARY + to_markdown(reasons) + COUNTED + counts
    out.write_text(page, encoding="utf-8")
    print(f"{out}: {len(rows)} exports, {len(order)} readers")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    write_page(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/readers/platforms.md"))

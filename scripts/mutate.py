"""Break the code on purpose, one small change at a time, and see whether the tests of its floor notice.

Usage: python scripts/mutate.py [--sample 300] [--seed 7] [--jobs 2] [--minutes 600] [--render]

Writes docs/mutants.json (every mutant of the sample and what became of it) and docs/mutants.md. Explanations of
survivors are the field ``why`` in the JSON, written by hand and kept by the next run of the same sample; ``--render``
only writes the page. Each mutant runs in a copy of the tree: first the tests of its own file and its examples, then the
others of its floor, until one fails or the time is up.
"""

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from time import monotonic

ROOT = Path(__file__).parents[1]
JSON, PAGE = ROOT / "docs" / "mutants.json", ROOT / "docs" / "mutants.md"
TARGETS = {
    "stats": ["sna/stats/*.py"],
    "mixing": ["sna/mixing/*.py"],
    "champions": ["sna/champions/*.py"],
    "vitality": ["sna/vitality/*.py"],
    "people": ["sna/people/privacy.py", "sna/people/masking.py", "sna/people/suppression.py"],
    "forum": ["sna/forum.py", "sna/admit.py", "sna/canonical.py"],
}
TESTS = {"forum": ["tests/test_forum.py"], "mixing": ["tests/mixing", "tests/test_published.py"]}
"""Tests of a floor where they are not simply the folder of its name."""

_PATIENCE = 4
"""A change that makes the tests take this many times as long counts as noticed (it often makes a loop endless)."""

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Mod: ast.Mult,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "head": "tail", "tail": "head", "floor": "ceil"}
NAMES |= {"any_horizontal": "all_horizontal", "all_horizontal": "any_horizontal", "first": "last", "last": "first"}
NAMES |= {"cum_sum": "cum_max", "is_null": "is_not_null", "is_not_null": "is_null", "sum": "max", "mean": "median"}


@dataclass
class Mutant:
    """One change: where, from what to what, and what the tests said (killed, timeout, survived, or "" before)."""

    floor: str
    file: str
    line: int
    column: int
    end: tuple[int, int] = field(repr=False)
    before: str = ""
    after: str = ""
    outcome: str = ""
    why: str = ""

    @property
    def name(self) -> tuple[str, int, int, str]:
        """What makes it the same mutant in another run."""
        return self.file, self.line, self.column, self.after


def list_mutants() -> list[Mutant]:
    """Every small change this script knows, in the order of the files."""
    found = []
    for floor, patterns in TARGETS.items():
        for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
            source = path.read_text(encoding="utf-8")
            for node, changed in changes(ast.parse(source)):
                before, after = ast.get_source_segment(source, node), ast.unparse(changed)
                if before and isinstance(node, ast.expr):
                    after = f"({after})" if isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare) else after
                    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
                    file = path.relative_to(ROOT).as_posix()
                    found.append(Mutant(floor, file, node.lineno, node.col_offset, end, before, after))
    return found


def changes(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Expressions and what becomes of them. Not touched: annotations, decorators, texts, and what is raised or said."""
    quiet: set[int] = set()
    for node in ast.walk(tree):
        for part in not_code(node):
            quiet |= {id(inner) for inner in ast.walk(part)}
        if id(node) not in quiet and isinstance(node, ast.expr):
            for changed in changed_ways(node):
                yield node, changed


def not_code(node: ast.AST) -> list[ast.AST]:
    """Parts of a node that say something rather than compute it."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return [node]
    if isinstance(node, ast.FunctionDef):
        return [*node.decorator_list, *([node.returns] if node.returns else [])]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list]
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
        return [node.annotation]
    return []


def changed_ways(node: ast.expr) -> Iterator[ast.expr]:
    """The ways one expression is broken."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARISONS:
        new.ops[0] = COMPARISONS[type(new.ops[0])]()
        yield new
    elif isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC and not is_text(new):
        new.op = ARITHMETIC[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not | ast.Invert | ast.USub):
        yield new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool | int | float) and not is_tolerance(new.value):
        yield ast.Constant(not new.value if isinstance(new.value, bool) else other_number(new.value))
    elif isinstance(new, ast.Attribute) and new.attr in NAMES and isinstance(new.ctx, ast.Load):
        new.attr = NAMES[new.attr]
        yield new


def is_text(node: ast.BinOp) -> bool:
    """Whether a sum is of texts, as far as can be seen."""
    return any(
        isinstance(side, ast.JoinedStr | ast.Constant) and not is_number(side) for side in (node.left, node.right)
    )


def is_tolerance(value: float) -> bool:
    """A number so small that it only says when two floats count as equal: twice as much says the same."""
    return 0 < value < 1e-5


def is_number(node: ast.expr) -> bool:
    """A number written down."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def other_number(value: float) -> float:
    """A number near this one that is not it."""
    return value + 1 if isinstance(value, int) else value * 2 or 1.0


def mutated(source: str, mutant: Mutant) -> str:
    """The source with the change in it; columns count bytes."""
    lines = source.encode().splitlines(keepends=True)
    (last, stop), first = mutant.end, mutant.line
    tail = lines[last - 1][stop:]
    head = lines[first - 1][: mutant.column]
    lines[first - 1 : last] = [head + mutant.after.encode() + tail]
    return b"".join(lines).decode()


def rounds_of(mutant: Mutant) -> list[list[str]]:
    """Tests to run: those of the file and its examples, then the rest of the floor."""
    stem = Path(mutant.file).stem
    folder = ROOT / "tests" / mutant.floor
    own = [
        str(path.relative_to(ROOT))
        for path in (folder / f"test_{stem}.py", ROOT / f"tests/test_{stem}.py")
        if path.is_file()
    ]
    return [[*own, mutant.file], TESTS.get(mutant.floor, [f"tests/{mutant.floor}"])]


def outcome_of(mutant: Mutant, tree: Path, *, seconds: float) -> str:
    """Run the tests on a copy of the tree with the change in it."""
    path = tree / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(mutated(source, mutant), encoding="utf-8")
    try:
        passed = all(run_tests(tests, tree, seconds=seconds) for tests in rounds_of(mutant))
        return "survived" if passed else "killed"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        path.write_text(source, encoding="utf-8")


def usual_seconds(tree: Path) -> dict[str, float]:
    """How long the tests of each floor take without a change, on one core; an error when one fails."""
    taken = {}
    for floor in TARGETS:
        begun = monotonic()
        run_tests(TESTS.get(floor, [f"tests/{floor}"]), tree, seconds=3600, must_pass=True)
        taken[floor] = monotonic() - begun
    return taken


def run_tests(tests: list[str], tree: Path, *, seconds: float, must_pass: bool = False) -> bool:
    """Whether these tests pass on a copy of the tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", *tests]
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=seconds, check=must_pass)
    return run.returncode == 0


def copy_tree(target: Path) -> Path:
    """A working copy to break."""
    names = ("sna", "tests", "datasets", "docs", "scripts", "pyproject.toml", "README.md", "Makefile")
    for name in names:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target / name, ignore=ignore) if source.is_dir() else shutil.copy(source, target / name)
    return target


def run_all(mutants: list[Mutant], *, jobs: int, minutes: float) -> None:
    """Fill in what became of each; those not reached in time stay empty."""
    end = monotonic() + 60 * minutes
    trees: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for job in range(jobs):
            trees.put(copy_tree(Path(folder) / str(job)))
        usual = usual_seconds(copy_tree(Path(folder) / "unchanged"))

        def one(mutant: Mutant) -> None:
            if monotonic() < end:
                tree = trees.get()
                mutant.outcome = outcome_of(mutant, tree, seconds=30 + _PATIENCE * usual[mutant.floor])
                trees.put(tree)
                print(
                    f"{mutant.outcome:<9}{mutant.file}:{mutant.line}  {mutant.before!r} -> {mutant.after!r}"[:160],
                    flush=True,
                )

        list(pool.map(one, mutants))


def page_of(mutants: list[Mutant], n_all: int, seed: int) -> str:
    """The record as Markdown."""
    lines = [
        "# Mutants: would the tests notice?",
        "",
        "Written by `make mutants`; do not edit (explanations are in `docs/mutants.json`, field `why`).",
        f"{n_all:,} small changes of the code are known to `scripts/mutate.py`; {len(mutants)} drawn at random (seed",
        f"{seed}) were made one by one, and the tests of the floor were run. A change that no test notices survives.",
        "",
        "| floor | mutants | killed | killed by time | survived | noticed |",
        "|---|---|---|---|---|---|",
    ]
    for floor in [*TARGETS, "all"]:
        group = [mutant for mutant in mutants if floor in (mutant.floor, "all")]
        count = {name: sum(mutant.outcome == name for mutant in group) for name in ("killed", "timeout", "survived")}
        share = f"{1 - count['survived'] / len(group):.0%}" if group else "-"
        lines.append(
            f"| {floor} | {len(group)} | {count['killed']} | {count['timeout']} | {count['survived']} | {share} |"
        )
    lines += ["", "## Survivors, one by one", ""]
    for mutant in mutants:
        if mutant.outcome == "survived":
            change = f"`{flat(mutant.before)}` -> `{flat(mutant.after)}`"
            lines.append(f"- `{mutant.file}:{mutant.line}` {change}: {mutant.why or 'not explained yet'}")
    return "\n".join(lines) + "\n"


def flat(code: str) -> str:
    """Code on one line."""
    return " ".join(code.split()).replace("`", "'")


def main() -> None:
    """Draw, run, record."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("sample", 300), ("seed", 7), ("jobs", 2), ("minutes", 600)):
        ask.add_argument(f"--{name}", type=int, default=default)
    ask.add_argument("--render", action="store_true")
    given = ask.parse_args()
    old = json.loads(JSON.read_text(encoding="utf-8")) if JSON.is_file() else {"mutants": []}
    if given.render:
        mutants = [Mutant(**row) for row in old["mutants"]]
        PAGE.write_text(page_of(mutants, old["n_all"], old["seed"]), encoding="utf-8")
        return
    known = list_mutants()
    mutants = random.Random(given.seed).sample(known, min(given.sample, len(known)))
    why = {Mutant(**row).name: row["why"] for row in old["mutants"]}
    for mutant in mutants:
        mutant.why = why.get(mutant.name, "")
    run_all(mutants, jobs=given.jobs, minutes=given.minutes)
    done = sorted((mutant for mutant in mutants if mutant.outcome), key=lambda mutant: mutant.name)
    record = {"seed": given.seed, "n_all": len(known), "mutants": [asdict(mutant) for mutant in done]}
    JSON.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page_of(done, len(known), given.seed), encoding="utf-8")


if __name__ == "__main__":
    main()

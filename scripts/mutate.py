"""Break the code on purpose, one small change at a time, and see whether the tests of its floor notice.

Usage: python scripts/mutate.py [--sample 300] [--seed 7] [--jobs 2] [--minutes 600] [--render]

Writes docs/mutants.json (every mutant of the sample and what became of it) and docs/mutants.md. Explanations of
survivors are the field ``why`` in the JSON, written by hand and kept by the next run of the same sample; ``--render``
only writes the page. Each mutant runs in a copy of the tree: first the tests of its own file and its examples, then the
others of its floor, until one fails or the time is up.
"""

import argparse
import ast
import compileall
import copy
import json
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from time import monotonic

import pytest

os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
for _package in ("polars", "scipy.stats", "scipy.optimize", "scipy.sparse.csgraph", "networkx"):
    import_module(_package)
for _package in ("sklearn.linear_model", "sklearn.metrics", "matplotlib.pyplot", "seaborn", "jinja2", "lxml.etree"):
    import_module(_package)

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
        for tests in rounds_of(mutant):
            if outcome := run_tests(tests, tree, seconds=seconds):
                return outcome
    finally:
        path.write_text(source, encoding="utf-8")
    return "survived"


def run_tests(tests: list[str], tree: Path, *, seconds: float) -> str:
    """Nothing when these tests pass on a copy of the tree, else "killed" or "timeout".

    They run in a child process that begins as a copy of this one, where the large packages are loaded already. The
    limit is processor time, so that a busy machine changes no outcome.
    """
    child = os.fork()
    if child == 0:
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        sys.dont_write_bytecode = True  # a stale one of another mutant would be believed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 5))
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:xdist", *tests])))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return "timeout"
    return "killed" if status else ""


def copy_tree(target: Path) -> Path:
    """A working copy to break."""
    names = ("sna", "tests", "datasets", "docs", "scripts", "pyproject.toml", "README.md", "Makefile")
    for name in names:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        target.mkdir(exist_ok=True)
        shutil.copytree(source, target / name, ignore=ignore) if source.is_dir() else shutil.copy(source, target / name)
    compileall.compile_dir(target / "sna", quiet=2)
    return target


def run_all(mutants: list[Mutant], *, jobs: int, minutes: float) -> Iterator[Mutant]:
    """Each mutant with what became of it; those not reached in time are left out."""
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        trees = [copy_tree(Path(folder) / str(job)) for job in range(jobs)]
        usual = {floor: usual_seconds(floor, trees[0]) for floor in TARGETS}
        end = monotonic() + 60 * minutes

        def work(job: int) -> None:
            for mutant in mutants[job::jobs]:
                if monotonic() < end:
                    mutant.outcome = outcome_of(mutant, trees[job], seconds=30 + _PATIENCE * usual[mutant.floor])
                    results.put(mutant)
            results.put(None)

        workers = [fork.Process(target=work, args=(job,)) for job in range(jobs)]
        for worker in workers:
            worker.start()
        while jobs:
            mutant = results.get()
            if mutant is None:
                jobs -= 1
            else:
                yield mutant


def usual_seconds(floor: str, tree: Path) -> float:
    """Processor time of the tests of a floor without a change; an error when one fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run_tests(TESTS.get(floor, [f"tests/{floor}"]), tree, seconds=3600):
        sys.exit(f"The tests of {floor} must pass before anything is broken.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    done = []
    for mutant in run_all(mutants, jobs=given.jobs, minutes=given.minutes):
        mutant.why = why.get(mutant.name, "")
        done.append(mutant)
        change = f"{mutant.before!r} -> {mutant.after!r}"
        print(f"{mutant.outcome:<9}{mutant.file}:{mutant.line}  {change}"[:160], flush=True)
    done.sort(key=lambda mutant: mutant.name)
    record = {"seed": given.seed, "n_all": len(known), "mutants": [asdict(mutant) for mutant in done]}
    JSON.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page_of(done, len(known), given.seed), encoding="utf-8")


if __name__ == "__main__":
    main()

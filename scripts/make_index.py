"""Write the index of public names into the docstring of `sna`; ``--check`` only says whether it is up to date."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "sna" / "__init__.py"
WIDTH = 120

INTRO = '''"""Interaction graphs, champions and cross-role conversations from internal-forum exports.

Start with ``forum = sna.load_example()`` or ``forum = sna.read_forum("export.zip")``. Every name below works as
``sna.<name>``; ``help(sna.<name>)`` explains it, with an example.
'''


def public_names() -> Iterator[tuple[str, str, str]]:
    """``family, name, file`` of every public name, as `sna/__init__.pyi` lists them; submodules are left out."""
    stub = ast.parse((ROOT / "sna" / "__init__.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module.split(".")[0], alias.name, node.module.replace(".", "/")


def first_line(name: str, file: str) -> str:
    """First line of the docstring of a function, class or constant."""
    body = ast.parse((ROOT / "sna" / f"{file}.py").read_text(encoding="utf-8")).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in names_assigned(node):
            return text_of(following).partition("\n")[0]
    return ""


def names_assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    """Names on the left of an assignment."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def text_of(node: ast.stmt | None) -> str:
    """The string a statement consists of: how a constant is documented."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def title_of(family: str) -> str:
    """First line of the docstring of a folder or file."""
    path = ROOT / "sna" / family / "__init__.py"
    path = path if path.is_file() else ROOT / "sna" / f"{family}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def render() -> str:
    """The docstring: one line per name, by family."""
    families: dict[str, list[tuple[str, str]]] = {}
    for family, name, file in public_names():
        families.setdefault(family, []).append((name, first_line(name, file)))
    lines = []
    for family, names in families.items():
        lines += ["", shortened(f"sna.{family}: {title_of(family)}")]
        lines += [shortened(f"    {name:<24} {text}") for name, text in sorted(names, key=lambda pair: pair[0].lower())]
    return INTRO + "\n".join(lines).replace("\\", "\\\\") + '\n"""'


def shortened(line: str) -> str:
    """A line cut after a word where it is too long."""
    return line.rstrip() if len(line) <= WIDTH else line[: WIDTH - 4].rpartition(" ")[0] + " ..."


def written(source: str) -> str:
    """`sna/__init__.py` with its docstring made anew."""
    return re.sub(r'\A""".*?"""', lambda _: render(), source, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    before = TARGET.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        sys.exit(0 if written(before) == before else "The index in sna/__init__.py is out of date: make index")
    TARGET.write_text(written(before), encoding="utf-8")

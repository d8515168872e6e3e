"""The forum that comes with the package: synthetic, seeded, with everything planted written down beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sna.canonical import read_canonical
from sna.errors import ReadError
from sna.forum import Forum

_INSTALLED = Path(__file__).parent / "_example"
_CHECKOUT = Path(__file__).parents[1] / "datasets" / "example"
_TRUTH_FILE = "truth.json"


def load_example() -> Forum:
    """Load the example forum: about 320 invented people of an invented company over 18 months.

    Roles, levels, managers, sites, people who join, leave and change role, silent people, four campaigns, two bots, one
    person who opted out. The data dictionary is the README beside the data; `load_example_truth` says what is planted.

    Returns
    -------
    Forum

    Raises
    ------
    ReadError
        When the package was installed without its data.

    Examples
    --------
    >>> load_example().people["kind"].value_counts().sort("kind").rows()
    [('bot', 2), ('human', 320)]
    """
    return read_canonical(example_folder())


def load_example_truth() -> dict[str, Any]:
    """Load what is planted in the example forum.

    Returns
    -------
    dict
        ``champions`` and ``loud`` (person ids), ``role_preference`` (log-odds before and after ``changed_at``),
        ``pair_preference``, ``level_gap``, ``upward``, ``catalysis``, ``theta`` (by person id), ``seed`` and the whole
        ``design``.

    Raises
    ------
    ReadError
        When the package was installed without its data.

    Examples
    --------
    >>> len(load_example_truth()["champions"])
    13
    """
    truth: dict[str, Any] = json.loads((example_folder() / _TRUTH_FILE).read_text(encoding="utf-8"))
    return truth


def example_folder() -> Path:
    """Folder of the example forum, in an installed package or in a checkout."""
    for folder in (_INSTALLED, _CHECKOUT):
        if (folder / "posts.parquet").is_file():
            return folder
    raise ReadError(
        "The example forum should be part of the package.",
        got=f"Neither {_INSTALLED.name}/ nor datasets/example/ holds posts.parquet.",
        hint="python scripts/make_example.py writes it again in a checkout; otherwise reinstall the package",
    )

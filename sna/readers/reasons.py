"""The words of ``forum.issues["reason"]``: one word for one thing, whatever the platform."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

REASONS: Mapping[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
"""Each reason and what it says of a row; a word that ends in ``*`` stands for all that begin like it."""


def is_known_reason(reason: str) -> bool:
    """Whether a reason is a word of `REASONS`.

    Examples
    --------
    >>> is_known_reason("missing_id"), is_known_reason("system_message:channel_join"), is_known_reason("odd")
    (True, True, False)
    """
    return reason in REASONS or any(word.endswith("*") and reason.startswith(word[:-1]) for word in REASONS)

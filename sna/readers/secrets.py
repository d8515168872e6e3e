"""Keep credentials out of texts: query strings and passwords in addresses, and Slack's tokens."""

from __future__ import annotations

import polars as pl

URL = r"([a-zA-Z][a-zA-Z0-9+.-]{0,20}://)(?:[^\s/?#<>|\"]*@)?([^\s?#<>|\"]*)(?:[?#][^\s<>|\"]*)?"
"""An address: scheme, name and password to drop (to the last @), host and path, query and fragment to drop."""
SLACK_TOKEN = r"xox[a-z](?:\.xox[a-z])?-[\w%-]+"
TOKEN_REMOVED = "[token removed]"


def hide_secrets(posts: pl.DataFrame) -> pl.DataFrame:
    """The texts and titles of posts without query strings, passwords in addresses, and tokens.

    Every reader's posts pass here, whatever the reader itself has cleaned.

    Examples
    --------
    >>> hide_secrets(pl.DataFrame({"text": ["see https://bob:pw@x.org/a.png?sig=1#2 now", None]}))["text"].to_list()
    ['see https://x.org/a.png now', None]
    """
    return posts.with_columns(_hidden(posts[name]) for name in ("title", "text") if name in posts.columns)


def _hidden(text: pl.Series) -> pl.Series:
    if text.dtype != pl.String:
        return text
    if text.str.contains("://", literal=True).any():
        text = text.str.replace_all(URL, "${1}${2}")
    return text.str.replace_all(SLACK_TOKEN, TOKEN_REMOVED) if text.str.contains("xox", literal=True).any() else text

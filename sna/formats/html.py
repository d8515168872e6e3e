"""Plain text from HTML, with what a forum marks in it: mentions and quotes. Nothing is fetched or executed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

_BLOCKS = frozenset(
    ("p", "div", "br", "li", "ul", "ol", "tr", "table", "pre", "blockquote", "section", "article", "aside", "hr")
) | {"h1", "h2", "h3", "h4", "h5", "h6", "dd", "dt"}
_SILENT = frozenset(("script", "style", "head", "title", "template", "noscript", "svg", "object"))
_QUIET = frozenset(("code", "pre", "blockquote"))
_MARKED = _SILENT | _QUIET | {"a", "aside"}
_SPACES = "\t\r\f\v\u00a0"


@dataclass(frozen=True)
class Markup:
    """What one post says: its own words, the names it mentions, the posts it quotes as (thread, post number)."""

    text: str = ""
    mentions: tuple[str, ...] = ()
    quotes: tuple[tuple[str | None, str], ...] = ()


class _Scan:
    """Target of the HTML parser. Depth is counted, so nesting costs neither stack nor time."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.words: list[str] = []
        self.mentions: list[str] = []
        self.quotes: list[tuple[str | None, str]] = []
        self._depth = 0
        self._skip_from = self._quiet_from = 0
        self._mention_from = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._skip_from:
            return
        if tag in _MARKED:
            self._mark(tag, attributes.get("class", "").split(), attributes)
        if tag in _BLOCKS:
            self.words.append("\n")

    def _mark(self, tag: str, classes: list[str], attributes: dict[str, str]) -> None:
        """Where something begins that is not the author's own words, or a mention."""
        if tag in _SILENT or (tag == "aside" and ("quote" in classes or "onebox" in classes)):
            self._skip_from = self._depth
            if "quote" in classes and attributes.get("data-post"):
                self.quotes.append((attributes.get("data-topic"), attributes["data-post"]))
        elif tag in _QUIET and not self._quiet_from:
            self._quiet_from = self._depth
        elif tag == "a" and "mention" in classes and not self._quiet_from:
            self._mention_from = self._depth
            self.mentions.append("")

    def end(self, tag: str) -> None:
        if self._depth == self._skip_from:
            self._skip_from = 0
        if self._depth == self._quiet_from:
            self._quiet_from = 0
        if self._depth == self._mention_from:
            self._mention_from = 0
        if tag in _BLOCKS and not self._skip_from:
            self.words.append("\n")
        self._depth -= 1

    def data(self, data: str) -> None:
        if self._skip_from:
            return
        self.words.append(data)
        if self._mention_from:
            self.mentions[-1] += data

    def close(self) -> Markup:
        names = dict.fromkeys(name.strip().removeprefix("@").strip() for name in self.mentions)
        found = Markup(tidy_text("".join(self.words)), tuple(name for name in names if name), tuple(self.quotes))
        self.reset()
        return found


class HtmlScanner:
    """`scan_html` for many posts: the parser is made once."""

    def __init__(self) -> None:
        self._parser = etree.HTMLParser(target=_Scan(), remove_comments=True, no_network=True, huge_tree=True)

    def scan(self, html: str | None) -> Markup:
        """Own words, mentions and quotes of one post."""
        if not html or not html.strip():
            return Markup()
        if "<" not in html and "&" not in html:
            return Markup(tidy_text(html))
        self._parser.feed(html if html.isascii() else html.encode("utf-8", "replace").decode("utf-8"))
        return self._parser.close()


def scan_html(html: str | None) -> Markup:
    """Own words, mentions (``a.mention``) and quotes (``aside.quote``) of a post's HTML.

    Words and mentions inside quotes and link previews are somebody else's and left out; mentions inside code or
    block quotes are not counted.

    Examples
    --------
    >>> scan_html('<p>Ask <a class="mention" href="/u/bob">@bob</a> &amp; co</p>')
    Markup(text='Ask @bob & co', mentions=('bob',), quotes=())
    """
    return HtmlScanner().scan(html)


def html_to_text(html: str | None) -> str:
    """Words of an HTML fragment, one line per block."""
    return scan_html(html).text


def tidy_text(text: str) -> str:
    r"""Collapse runs of spaces and empty lines.

    Examples
    --------
    >>> tidy_text(" a  b \n\n c ")
    'a b\nc'
    """
    if not text.isprintable():
        for space in _SPACES:
            text = text.replace(space, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    if "\n" in text:
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        while "\n\n" in text:
            text = text.replace("\n\n", "\n")
    return text.strip()


_QUOTE_TAG = re.compile(r"\[quote(?:=(\"[^\"\]\n]{0,300}\"|[^\]\n]{0,300}))?\]|\[/quote\]", re.IGNORECASE)
_CODE = re.compile(r"^(`{3,}+|~{3,}+)[^`\n]*+\n.*?(?:^\1[`~]*+[ \t]*+$|\Z)|`[^`\n]++`", re.MULTILINE | re.DOTALL)
"""Fenced blocks and inline code; possessive, so that no run of backticks is tried twice."""
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)")
_AT = re.compile(r"(?<![\w@/.])@([\w][\w.\-]{0,59})")


def scan_markdown(raw: str | None) -> Markup:
    """Own words, mentions (``@name``) and quotes (``[quote="name, post:3, topic:12"]``) of a post's Markdown.

    Examples
    --------
    >>> scan_markdown('[quote="bob, post:2, topic:7"]hi @cat[/quote]Thanks @bob, `@not`')
    Markup(text='Thanks @bob, `@not`', mentions=('bob',), quotes=(('7', '2'),))
    """
    if not raw:
        return Markup()
    own, quotes = _cut_quotes(raw)
    names = dict.fromkeys(name.rstrip(".-") for name in _AT.findall(_CODE.sub(" ", own) if "`" in own else own))
    return Markup(tidy_text(_LINK.sub(r"\1", own)), tuple(name for name in names if name), tuple(quotes))


def _cut_quotes(raw: str) -> tuple[str, list[tuple[str | None, str]]]:
    """The text outside quotes, and the outermost quotes; an unclosed quote is kept as text."""
    own: list[str] = []
    quotes: list[tuple[str | None, str]] = []
    depth = position = 0
    for tag in _QUOTE_TAG.finditer(raw):
        opening = not tag.group().startswith("[/")
        if depth == 0:
            own.append(raw[position : tag.start()])
            position = tag.start() if opening else tag.end()
            if opening and (reference := _quote_reference(tag.group(1))):
                quotes.append(reference)
        depth = depth + 1 if opening else max(0, depth - 1)
        if depth == 0:
            position = tag.end()
    return "".join(own) + raw[position:], quotes


def _quote_reference(label: str | None) -> tuple[str | None, str] | None:
    parts = dict(part.strip().split(":", 1) for part in (label or "").strip('"').split(",") if ":" in part)
    post = parts.get("post", "").strip()
    return (parts.get("topic", "").strip() or None, post) if post else None

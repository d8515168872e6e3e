"""Guess what the columns of an unknown table mean, from their names and their values. Always shown, never taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import polars as pl

from sna.errors import SchemaError
from sna.formats.frames import as_text
from sna.formats.times import parse_times


def read_words(text: str) -> dict[str, tuple[str, ...]]:
    """Lines of ``meaning: word word``; a line that begins with spaces goes on with the one before.

    Examples
    --------
    >>> read_words("space: channel board" + chr(10) + "  forum" + chr(10) + "title: subject")
    {'space': ('channel', 'board', 'forum'), 'title': ('subject',)}
    """
    lines = text.strip().replace("\n ", " ").splitlines()
    return {meaning: tuple(words.split()) for meaning, words in (line.split(": ") for line in lines)}


_KINDS = """
root: root question topic thread original op discussion first
reply: reply response message post
answer: answer solution
comment: comment note
"""
KIND_WORDS: Mapping[str, str] = {word: kind for kind, words in read_words(_KINDS).items() for word in words}

_HEADERS = """
author: author authorid user userid uid by username poster posterid sender senderid from fromuser createdby creator
  owner ownerid person personid employee employeeid authorname postedby login userprincipalname autor verfasser auteur
  who member
created_at: createdat created sent at date datetime time timestamp postedat posted posttime ts sentat creationdate
  createddate dateline published publishedat datum eventdate createddatetime when postdate dateposted zeit unixtime
thread: thread threadid topic topicid conversation conversationid discussion discussionid rootid threadtitle
  topictitle tid thema questionid
parent: parent parentid parentpostid inreplyto inreplytoid replyto replytoid replytoidpost replyid repliedtoid
  parentmessageid parentpost replytopostid
post_id: postid id messageid msgid uniqueid uuid pid guid commentid contentid
space: space channel channelname channelid category categoryname categoryid forum forumid forumname board boardname
  group groupname groupid theme list room roomid community communityid subforum section team stream streamname
  listname mailinglist
kind: kind type posttype messagetype posttypeid contenttype
title: title subject headline threadsubject betreff titel
text: text body message content post posttext messagetext msg description raw inhalt
addressee: addressee recipient recipientid to touser target replytouser inreplytouser
edited_at: editedat edited updatedat modified modifiedat lastedited edittime lasteditdate
deleted_at: deletedat deleted removedat deletiondate
accepted: accepted isaccepted isanswer bestanswer solution acceptedanswer solved resolve resolved isresolved issolution
likes: likes likecount nlikes upvotes kudos score reactions reactioncount
attributes.role: role userrole platformrole usergroup rank
attributes.job_title: job jobtitle position occupation businesstitle
attributes.department: department dept organization organisation division businessunit abteilung
attributes.location: location country office site city standort
"""
SYNONYMS: Mapping[str, tuple[str, ...]] = read_words(_HEADERS)
"""What headers of the usual exports mean, the likeliest word first; written as `plain_name` gives them."""

_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_SAMPLE = 5_000
_ENOUGH = 0.5


_PERSON = re.compile(
    r"^(?:from|sender|author|user|poster|creator|owner|createdby|postedby|member|person|employee)(?:user)?"
    r"(?P<what>id|uid|key|email|mail|address|emailaddress|login|username|handle|displayname|fullname|name)$"
)
"""Headers such as from_email or sender_name; ids and addresses name a person better than names do."""
_PERSON_RANKS = {"id": 2, "uid": 2, "key": 2, "login": 4, "username": 4, "handle": 4}
_AROUND = ("space", "thread", "title")
"""What may stand around the list of posts in its file, under names that start with ^."""
_LONGEST_TIME = 60
_EXCEL_DAYS = (20_000, 60_000)
_NEARLY = 0.9


def count_known(names: Iterable[str]) -> int:
    """How many fields of a post have a header in ``names`` that is named like them."""
    columns = list(names)
    return sum(any(_name_rank(target, name) is not None for name in columns) for target in SYNONYMS)


def plain_name(name: str) -> str:
    """A header without case, accents of separators and punctuation: "Created_At" and "created at" are one."""
    return re.sub(r"[^0-9a-zà-ÿ]", "", name.lower())


def guess_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """``field, column, confidence, reasons`` for a frame; each column and each field at most once."""
    sample = frame.head(_SAMPLE)
    facts = {name: _facts(sample[name]) for name in sample.columns}
    scored = []
    for target in SYNONYMS:
        for position, name in enumerate(sample.columns):
            score, reasons = _score(target, name, facts)
            if score >= _ENOUGH:
                scored.append((-score, position, list(SYNONYMS).index(target), target, name, reasons))
    chosen: dict[str, tuple[str, float, str]] = {}
    used: set[str] = set()
    for negative, _, _, target, name, reasons in sorted(scored):
        if target not in chosen and name not in used:
            chosen[target] = (name, round(-negative, 2), "; ".join(reasons))
            used.add(name)
    _find_times(facts, chosen)
    _find_ids(facts, chosen)
    _pair_ids(sample, chosen)
    rows = [(target, *chosen[target]) for target in chosen]
    return pl.DataFrame(
        rows,
        schema={"field": pl.String, "column": pl.String, "confidence": pl.Float64, "reasons": pl.String},
        orient="row",
    )


def _find_times(facts: Mapping[str, Mapping[str, float]], chosen: dict[str, tuple[str, float, str]]) -> None:
    """Without a header that says when, the one column of times is taken."""
    taken = {name for name, _, _ in chosen.values()}
    times = [name for name, fact in facts.items() if name not in taken and fact.get("time", 0) > _NEARLY]
    if "created_at" not in chosen and len(times) == 1:
        chosen["created_at"] = (times[0], 0.5, "the only column of times")


def _find_ids(facts: Mapping[str, Mapping[str, float]], chosen: dict[str, tuple[str, float, str]]) -> None:
    """Without a header that says id, the first column that is filled, has no spaces and a new value in every row."""
    if "post_id" in chosen:
        return
    taken = {name for name, _, _ in chosen.values()}
    for name, fact in facts.items():
        plain = fact["filled"] == 1 and fact["unique"] == 1 and not fact["spaces"] and fact["length"] < 80
        if (
            name not in taken
            and plain
            and fact["time"] <= _NEARLY
            and fact["distinct"] > 2
            and not name.startswith("^")
        ):
            chosen["post_id"] = (name, 0.5, "every value is different")
            return


def _pair_ids(sample: pl.DataFrame, chosen: dict[str, tuple[str, float, str]]) -> None:
    """Of several columns that could be the id the one is taken in which the parents are found."""
    if "parent" not in chosen:
        return
    parents = _words_of(sample[chosen["parent"][0]])
    taken = {name for target, (name, _, _) in chosen.items() if target != "post_id"}
    shares = {
        name: len(parents & ids) / len(parents)
        for name in sample.columns
        if parents and name not in taken and len(ids := _words_of(sample[name])) > _NEARLY * sample.height
    }
    best = max(shares, key=lambda name: (shares[name], name == chosen.get("post_id", ("",))[0]), default="")
    if best and shares[best]:
        name, sure, why = chosen.get("post_id", (best, 0.5, ""))
        found = f"{shares[best]:.0%} of the values of {chosen['parent'][0]} are in it"
        chosen["post_id"] = (best, sure, "; ".join(filter(None, [why if name == best else "", found])))


def _words_of(values: pl.Series) -> set[str]:
    return set(as_text(values).drop_nulls()) - {"", "0"}


def time_format_of(values: pl.Series) -> str | None:
    """How times are written: None where `parse_times` finds it out, "excel", a unit, or "ambiguous" (day or month)."""
    try:
        parse_times(values)
    except SchemaError as error:
        return "ambiguous" if "day or month" in error.got else "excel"
    return None


def proposal(guesses: pl.DataFrame, source: str) -> str:
    """The guess as a call to copy and correct."""
    if guesses.is_empty():
        return f'sna.read_table({source}, columns={{"author": "...", "created_at": "...", "thread": "..."}})'
    fields = guesses.filter(~pl.col("field").str.starts_with("attributes."))
    lines = [f"    {f!r}: {c!r},  # {why} ({n:.2f})" for f, c, n, why in fields.iter_rows()]
    found = set(fields["field"])
    lines += [f"    {name!r}: ...,  # not found: fill in" for name in ("author",) if name not in found]
    about = guesses.filter(pl.col("field").str.starts_with("attributes."))
    more = "".join(f"{f.split('.')[1]!r}: {c!r}, " for f, c in about.select("field", "column").iter_rows())
    tail = f", attributes={{{more.rstrip(', ')}}}" if more else ""
    return (
        f"sna.read_table({source}, columns={{\n" + "\n".join(lines).replace("'", '"') + f"\n}}{tail})".replace("'", '"')
    )


def _facts(values: pl.Series) -> dict[str, float]:
    """What the values look like: shares from 0 to 1, and mean length."""
    text = as_text(values)
    present = text.filter(text.is_not_null() & (text != ""))
    if present.is_empty():
        return {"filled": 0.0}
    size = len(present)
    length = float(present.str.len_chars().mean() or 0)  # type: ignore[arg-type]
    return {
        "filled": size / max(len(text), 1),
        "unique": present.n_unique() / size,
        "distinct": float(present.n_unique()),
        "length": length,
        "spaces": float(present.str.contains(" ").mean() or 0),  # type: ignore[arg-type]
        "email": float(present.str.contains(_EMAIL).mean() or 0),  # type: ignore[arg-type]
        "time": _time_share(values, present),
        "days": float(_numbers(present).is_between(*_EXCEL_DAYS).fill_null(False).mean() or 0),  # type: ignore[arg-type]
        "kind": float(present.str.to_lowercase().is_in(list(KIND_WORDS)).mean() or 0),  # type: ignore[arg-type]
        "flag": float(present.str.to_lowercase().is_in(["true", "false", "0", "1", "yes", "no"]).mean() or 0),  # type: ignore[arg-type]
    }


def _numbers(text: pl.Series) -> pl.Series:
    return text.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)


def _time_share(values: pl.Series, present: pl.Series) -> float:
    if values.dtype.is_temporal():
        return 1.0
    if present.str.len_chars().median() > _LONGEST_TIME or not present.head(100).str.contains(r"\d").any():  # type: ignore[operator]
        return 0.0
    try:
        times = parse_times(present.head(200))
    except SchemaError as error:
        return 1.0 if "day or month" in error.got else 0.0
    return 1 - times.null_count() / len(times)


def _score(target: str, name: str, facts: Mapping[str, Mapping[str, float]]) -> tuple[float, list[str]]:
    """How well a column fits a field: its name counts up to 0.6, its values up to 0.4; values can rule it out."""
    fact = facts[name]
    if fact["filled"] == 0:
        return 0.0, []
    rank = _name_rank(target, name)
    score, reasons = (0.6 - 0.005 * rank, [f"named like {target.split('.')[-1]}"]) if rank is not None else (0.0, [])
    fits, why = _fit(target, fact)
    if fits < 0 and target == "created_at" and rank is not None and fact["days"] > _NEARLY:
        fits, why = 0.2, "numbers like the days of a spreadsheet"
    if fits < 0:
        return 0.0, []
    return score + fits, [*reasons, *([why] if why else [])]


def _name_rank(target: str, name: str) -> int | None:
    if name.startswith("^") and target not in _AROUND:
        return None
    plain = plain_name(name)
    synonyms = SYNONYMS[target]
    if plain in synonyms:
        return min(synonyms.index(plain), 20)
    last = plain_name(name.split(".")[-1])
    if last in synonyms:
        return min(synonyms.index(last), 20) + 5
    person = _PERSON.match(plain) if target == "author" else None
    return _PERSON_RANKS.get(person["what"], 6) if person else None


def _fit(target: str, fact: Mapping[str, float]) -> tuple[float, str]:
    """Points for the values (-1 rules the column out) and why."""
    if target in ("created_at", "edited_at", "deleted_at"):
        if fact["time"] < 0.5:
            return -1, ""
        late = target != "created_at"
        return (0.1 if late else 0.4) * fact["time"], f"{fact['time']:.0%} of the values are times"
    if fact["time"] > 0.9 and target not in ("post_id", "likes"):
        return -1, ""
    return _FITS[target.split(".")[0]](fact)


def _fit_author(fact: Mapping[str, float]) -> tuple[float, str]:
    if fact["length"] > 80:
        return -1, ""
    if fact["distinct"] < 2:
        return 0.0, "one value only"
    if fact["email"] > 0.9:
        return 0.4, "e-mail addresses"
    return (0.3, f"{fact['distinct']:.0f} different values, repeated") if fact["unique"] < 0.95 else (0.1, "")


def _fit_id(fact: Mapping[str, float]) -> tuple[float, str]:
    if fact["unique"] < _NEARLY or fact["length"] >= 120:
        return -1, ""
    return (0.4, "every value is different") if fact["unique"] == 1 else (0.2, f"{fact['unique']:.1%} are different")


def _fit_group(fact: Mapping[str, float]) -> tuple[float, str]:
    if fact["unique"] < 0.9 and fact["distinct"] > 1:
        return 0.3, f"{fact['distinct']:.0f} different values"
    return 0.05, ""


def _fit_text(fact: Mapping[str, float]) -> tuple[float, str]:
    return (0.3, f"{fact['length']:.0f} characters on average") if fact["spaces"] > 0.5 else (0.0, "")


def _fit_kind(fact: Mapping[str, float]) -> tuple[float, str]:
    return (0.4, "words like question, answer, reply") if fact["kind"] > 0.9 else (-1, "")


def _fit_flag(fact: Mapping[str, float]) -> tuple[float, str]:
    return (0.3, "true or false") if fact["flag"] > 0.9 else (-1, "")


def _fit_plain(fact: Mapping[str, float]) -> tuple[float, str]:
    return 0.1, ""


def _fit_attribute(fact: Mapping[str, float]) -> tuple[float, str]:
    return (
        (0.2, f"{fact['distinct']:.0f} different values")
        if fact["unique"] < 0.9 or fact["distinct"] < 50
        else (0.0, "")
    )


_FITS = {
    "author": _fit_author,
    "addressee": _fit_author,
    "post_id": _fit_id,
    "thread": _fit_group,
    "space": _fit_group,
    "parent": _fit_plain,
    "title": _fit_plain,
    "text": _fit_text,
    "kind": _fit_kind,
    "accepted": _fit_flag,
    "likes": _fit_plain,
    "attributes": _fit_attribute,
}

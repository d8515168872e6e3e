"""Recompute printed sentences from raw rows, on every forum of a folder, and write docs/truth.md.

Each sentence is read as a reader reads it: its numbers are taken out of the text and compared with numbers counted
here, in plain Python, from `forum.posts`, `forum.signals`, `forum.people` and `forum.roles`. No function that helped to
make a sentence is called to check it. Only totals are written; a sentence that disagrees is printed to the terminal.

Usage: python scripts/truth.py [folder with data/]   (default: $SNA_SHARED, else ../shared)
"""

import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from validate import ENNET, load_forums

import sna
from sna.report import across, champions, momentum, waiting
from sna.report.context import Context, ReportOptions, build_context

ROOT = Path(__file__).parents[1]
SAMPLE = 100
WINDOWS = 12
SEED = 1
POSITIVE = {"like", "upvote", "endorse"}
CHECKS = {
    f"emoji:{code}"
    for code in (
        *("white_check_mark", "heavy_check_mark", "ballot_box_with_check", "check_mark", "check"),
        *("2705", "2714", "2611", "\u2705", "\u2714", "\u2611"),
    )
}
EARLIEST = datetime.min.replace(tzinfo=UTC)
WEEK = timedelta(days=7)


# Raw rows ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Post:
    """One row of the posts table."""

    id: str
    thread: str
    parent: str | None
    author: str | None
    at: datetime | None
    kind: str
    space: str | None


@dataclass
class Raw:
    """Rows of a forum as Python lists and dictionaries."""

    threads: dict[str, list[Post]] = field(default_factory=lambda: defaultdict(list))
    opener: dict[str, Post | None] = field(default_factory=dict)
    human: set[str] = field(default_factory=set)
    signals: dict[str, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    spells: dict[str, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    first_post: dict[str, Post] = field(default_factory=dict)
    end: datetime | None = None


def read_raw(forum: sna.Forum, by: str | None) -> Raw:
    """Copy the tables into plain Python."""
    raw = Raw()
    columns = ("post_id", "thread_id", "parent_id", "author_id", "created_at", "kind", "space")
    posts = [Post(*row) for row in forum.posts.select(columns).iter_rows()]
    posts.sort(key=lambda post: (post.at is None, post.at or EARLIEST, post.id))
    for post in posts:
        raw.threads[post.thread].append(post)
        if post.author and post.at:
            raw.first_post.setdefault(post.author, post)
    raw.opener = {name: opening_post(rows) for name, rows in raw.threads.items()}
    raw.human = {person for person, kind in forum.people.select("person_id", "kind").iter_rows() if kind == "human"}
    for row in forum.signals.select("post_id", "person_id", "kind", "at", "n").iter_rows():
        raw.signals[row[0]].append(row[1:])
    spells = forum.roles.filter(attribute=by or "").select("person_id", "value", "valid_from", "valid_to")
    for person, value, start, end in spells.iter_rows():
        raw.spells[person].append((start or EARLIEST, end is None, end or EARLIEST, value))
    for rows in raw.spells.values():
        rows.sort()
    times = [post.at for post in posts if post.at] + [s[2] for rows in raw.signals.values() for s in rows if s[2]]
    raw.end = forum.source.exported_at or max([*times, *(at for at in forum.events["at"] if at)], default=None)
    return raw


def opening_post(rows: list[Post]) -> Post | None:
    """The root; else the first reply to nothing; else the first post if it is a reply."""
    roots = [post for post in rows if post.kind == "root"]
    orphans = [post for post in rows if post.kind == "reply" and post.parent is None]
    first = [post for post in rows[:1] if post.kind == "reply"]
    return next(iter(roots or orphans or first), None)


def role_at(raw: Raw, person: str, at: datetime | None) -> str | None:
    """The value of the last spell that had begun, if it had not ended."""
    moment, found = at or raw.end, None
    for spell in raw.spells.get(person, []):
        if spell[0] <= moment:
            found = spell
    return found[3] if found and (found[1] or moment < found[2]) else None


def begun_by_people(raw: Raw, name: str) -> Post | None:
    """The opening post of a thread that a person began at a known time."""
    post = raw.opener[name]
    return post if post and post.author in raw.human and post.at else None


def replies(raw: Raw, name: str) -> list[Post]:
    """Dated posts by people other than the asker, not before the opening post."""
    root = begun_by_people(raw, name)
    if root is None:
        return []
    rows = [post for post in raw.threads[name] if post.at and post.author in raw.human]
    return [post for post in rows if post.author != root.author and post.at >= root.at]


def given(raw: Raw, post: Post, kinds: Callable[[str], bool], *, by: str | None = None) -> int:
    """Signals of a kind on a post by others than its author (or by one person)."""
    rows = [s for s in raw.signals.get(post.id, []) if kinds(s[1]) and (s[0] is None or s[0] != post.author)]
    return sum(s[3] for s in rows if by is None or s[0] == by)


def is_accept(kind: str) -> bool:
    """Whether a signal accepts an answer."""
    return kind == "accept"


def is_thanks(kind: str) -> bool:
    """Whether a signal gives thanks."""
    return kind == "thanks"


def is_like(kind: str) -> bool:
    """Whether a signal is a sign of approval."""
    return kind in POSITIVE or kind.startswith("emoji:")


def spoken(span: timedelta) -> str:
    """A duration as a person would say it, rounded down."""
    minutes = int((span + timedelta(microseconds=1)).total_seconds()) // 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    hours = minutes // 60
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"


def number(text: str) -> float:
    """A number out of a text."""
    return float(text.replace(",", ""))


def said(ask: Callable[[], Any]) -> Any:
    """The answer, or None where the source cannot support it."""
    try:
        return ask()
    except sna.NotAnswerableError:
        return None


@dataclass(frozen=True)
class Checked:
    """A sentence, and whether the raw rows say the same."""

    kind: str
    agrees: bool
    sentence: str
    found: object = None


# Evidence ----------------------------------------------------------------------------------------------------------


def check_evidence(forum: sna.Forum, raw: Raw, dice: random.Random) -> Iterator[Checked]:
    """Threads behind people: the post, its time, who wrote before, likes, the asker's first post."""
    hidden = set(forum.people.filter("opt_out")["person_id"])
    writers = sorted({post.author for name in raw.threads for post in replies(raw, name)} - hidden)
    people = dice.sample(writers, min(SAMPLE, len(writers)))
    table = sna.champion_evidence(forum, people, top=3) if people else pl.DataFrame()
    for person, thread, why in table.select("person_id", "thread_id", "why").iter_rows() if people else ():
        facts = evidence_facts(raw, person, thread)
        yield Checked("evidence", why.endswith(facts), why, facts)


def evidence_facts(raw: Raw, person: str, name: str) -> str:
    """What a reader of the raw thread would write, from the time on."""
    rows, root = replies(raw, name), raw.opener[name]
    own = [post for post in rows if post.author == person and (post.at - root.at) <= timedelta(days=30)]
    accepted = [post for post in own if given(raw, post, is_accept)]
    thanked = [post for post in own if given(raw, post, is_thanks)]
    post = (accepted or thanked or own)[0]
    before = {other.author for other in rows if other.author != person and other.at < post.at}
    words = f", {spoken(post.at - root.at)} after the first post; "
    if before:
        words += f"{len(before)} other {'person' if len(before) == 1 else 'people'} had replied before"
    else:
        words += "the first to reply" if accepted or thanked else next_reply(person, post, rows)
    likes = given(raw, post, is_like)
    words += f"; likes: {likes:,}" if likes else ""
    first = raw.first_post[root.author]
    return words + ("; it was the asker's first post." if (first.thread, first.at) == (name, root.at) else ".")


def next_reply(person: str, post: Post, rows: list[Post]) -> str:
    """When somebody else replied after a first reply."""
    others = [other for other in rows if other.author != person]
    if not others:
        return "nobody else replied"
    gap = others[0].at - post.at
    return "nobody else replied within a week" if gap >= WEEK else f"the next person replied {spoken(gap)} later"


# Champions ---------------------------------------------------------------------------------------------------------

PERSON = re.compile(
    r"replied in ([\d,]+) threads? of ([\d,]+) (?:people|person), in ([\d,]+) weeks?; last seen (\d+ \w+ \d+)"
)


def check_champions(context: Context, raw: Raw) -> Iterator[Checked]:
    """What each person listed did: threads of others, their askers, weeks, the last post."""
    if context.forum.supports("threads") == "no":
        return
    facts = said(lambda: champions.measure_champions(context))
    if facts is None:
        return
    until = context.options.until
    answers = any(post.kind == "answer" for rows in raw.threads.values() for post in rows)
    for row in facts.shown.iter_rows(named=True):
        helps, seen = [], []
        for name, rows in raw.threads.items():
            own = [
                post for post in rows if post.author == row["person_id"] and post.at and (not until or post.at < until)
            ]
            seen += [post.at for post in own if post.at >= facts.since]
            root = raw.opener[name]
            if root is None or root.author not in raw.human or root.author == row["person_id"]:
                continue
            acts = [post for post in own if (post.kind == "answer" if answers else post.kind != "root")]
            if acts and acts[0].at >= facts.since:
                helps.append((root.author, acts[0].at))
        weeks = {at.isocalendar()[:2] for _, at in helps}
        found = (len(helps), len({asker for asker, _ in helps}), len(weeks), f"{max(seen).day} {max(seen):%B %Y}")
        sentence = champions.person_words(row, threads=True)
        told = PERSON.fullmatch(sentence)
        agrees = told is not None and (*(number(told[k]) for k in (1, 2, 3)), told[4]) == found
        yield Checked("champions", agrees, sentence, found)


# Stories -----------------------------------------------------------------------------------------------------------

STORY = re.compile(
    r"(?P<what>the accepted answer|the reply that the asker (?:gave thanks for|marked as the solution)|first reply)"
    r"(?: came)? "
    r"(?P<soon>[^,]+?) after the first post, and (?P<people>[\d,]+) (?:person|people) "
    r"(?:had replied by then|replied within a day)"
    r"(?:; (?P<groups>\d+) [\w ]+? took part)?.*\. (?P<slower>[\d,]+) of (?P<others>[\d,]+) other [a-z ]+?"
    r"(?P<where>in the same space|in the forum) took longer; "
    r"(?P<solved>[\d,]+) of the (?P<all>[\d,]+) (?:threads|questions)"
)


def check_stories(forum: sna.Forum, raw: Raw, by: str | None) -> Iterator[Checked]:
    """War stories: the solution's time, the people before it, the comparable and the solved."""
    stories = said(lambda: sna.list_war_stories(forum, by=by or "role", top=SAMPLE))
    if stories is None:
        return
    solved = {name: found for name in raw.threads if (found := solution(raw, name))}
    total = sum(begun_by_people(raw, name) is not None for name in raw.threads)
    if not solved:
        asked = set(sna.list_questions(forum)["thread_id"])  # what is a question is validated elsewhere
        solved = {name: (rows[0], "first reply") for name in asked if (rows := replies(raw, name))}
        total = sum(begun_by_people(raw, name) is not None for name in asked)
    waits = {name: post.at - raw.opener[name].at for name, (post, _) in solved.items()}
    for name, story in stories.select("thread_id", "story").iter_rows():
        told = STORY.search(story)
        if told is None:
            yield Checked("stories", False, story, "not understood")
            continue
        facts = story_facts(raw, name, solved, waits=waits, where=told["where"]) | {"all": total}
        read = {key: told[key] if key in ("what", "soon") else number(told[key]) for key in facts}
        groups = told["groups"] is None or int(told["groups"]) == story_groups(raw, name, solved)
        yield Checked("stories", read == facts and groups, story, facts)


def solution(raw: Raw, name: str) -> tuple[Post, str] | None:
    """The first accepted post; else the first that the asker marked, or gave thanks for. By somebody else only."""
    root = raw.opener[name]
    rows = [post for post in raw.threads[name] if root is not None and post.id != root.id]
    asker = root.author if root else None
    for what, kinds, giver in (
        ("the accepted answer", {"accept"}, None),
        ("the reply that the asker marked as the solution", CHECKS, asker),
        ("the reply that the asker gave thanks for", {"thanks"}, asker),
    ):
        found = [
            post
            for post in rows
            if any(s[1] in kinds and (giver is None or s[0] == giver) for s in raw.signals.get(post.id, []))
        ]
        if found and (giver is not None or what == "the accepted answer"):
            return (found[0], what) if found[0] in replies(raw, name) else None
    return None


def story_cast(raw: Raw, name: str, solved: dict) -> list[Post]:
    """Replies up to the solution, or within a day where nothing is known to be solved."""
    post, what = solved[name]
    end = raw.opener[name].at + timedelta(days=1) if what == "first reply" else post.at
    return [other for other in replies(raw, name) if other.at <= end]


def story_facts(raw: Raw, name: str, solved: dict, *, waits: dict, where: str) -> dict[str, object]:
    """The numbers of a story, from raw rows."""
    space = raw.opener[name].space
    pool = [other for other in waits if other != name]
    pool = [other for other in pool if where == "in the forum" or raw.opener[other].space == space]
    return {
        "what": solved[name][1],
        "soon": spoken(waits[name]),
        "people": len({other.author for other in story_cast(raw, name, solved)}),
        "slower": sum(waits[other] > waits[name] for other in pool),
        "others": len(pool),
        "solved": len(solved),
    }


def story_groups(raw: Raw, name: str, solved: dict) -> int:
    """Known groups among the asker and those who replied."""
    rows = [raw.opener[name], *story_cast(raw, name, solved)]
    return len({role_at(raw, post.author, post.at) for post in rows} - {None})


# Momentum ----------------------------------------------------------------------------------------------------------

RECENT = re.compile(
    r"In the last (\d+) complete weeks? \((.+?) to (.+?)\), ([\d.,]+) people a week wrote on average"
    r"(?:, [\d.]+% of all staff)?(?:; in the same weeks a year earlier it was ([\d.,]+) \(|; .*nobody wrote|\.)"
)


def check_momentum(context: Context, raw: Raw) -> Iterator[Checked]:
    """People per week, now and a year earlier."""
    facts = said(lambda: momentum.measure_momentum(context))
    if facts is None:
        return
    sentence = momentum.recent_words(facts)
    told = RECENT.match(sentence)
    if told is None:
        yield Checked("momentum", False, sentence, "not understood")
        return
    weeks: dict[datetime, set[str]] = defaultdict(set)
    for post in (post for rows in raw.threads.values() for post in rows if post.at and post.author in raw.human):
        day = post.at.replace(hour=0, minute=0, second=0, microsecond=0)
        weeks[day - timedelta(days=day.weekday())].add(post.author)
    start, last = (datetime.strptime(told[k], "%d %B %Y").replace(tzinfo=UTC) for k in (2, 3))
    mondays = [start + k * WEEK for k in range(int(told[1]))]
    now, then = (sum(len(weeks[day - back * WEEK]) for day in mondays) / len(mondays) for back in (0, 52))
    agrees = f"{now:.1f}" == told[4] and (told[5] is None or f"{then:.1f}" == told[5])
    agrees &= last == mondays[-1] + timedelta(days=6) and start.weekday() == 0 and mondays[-1] + WEEK <= raw.end
    until = context.options.until
    later = [day for day in weeks if day > mondays[-1] and day + WEEK <= raw.end and (until is None or day < until)]
    yield Checked("momentum", agrees and not later, sentence, (now, then, later[:1]))


# Waiting -----------------------------------------------------------------------------------------------------------

PERIOD = (
    r"([\d,]+) of ([\d,]+)(?: (?:threads?|questions?))? \(\d+%\)(?: had .*?a week)?"
    r"(?:, half of all within ([^;.]+)|, fewer than half)"
)
OVERALL = re.compile(PERIOD + r"\.")
CHANGE = re.compile(
    rf"Of (?:threads|questions) begun since (.+?), {PERIOD}; before, {PERIOD}\. "
    r"The mean wait.*? was ([\d.]+) hours since then and ([\d.]+) before"
)


def check_waiting(context: Context, raw: Raw) -> Iterator[Checked]:
    """Replies within a week, medians and means, before and after."""
    facts = said(lambda: waiting.measure_waiting(context))
    if facts is None:
        return
    waits = waits_of_questions(context, raw)
    sentence = waiting.answered_words(facts)
    if "too few" not in sentence:
        told = OVERALL.fullmatch(sentence)
        agrees = told is not None and period_agrees(told.groups(), list(waits.values()))
        yield Checked("waiting", agrees, sentence, len(waits))
    sentence, day = waiting.wait_change_words(facts), facts.split_at
    if "too few" not in sentence:
        before = [wait for (_, at), wait in waits.items() if at < day]
        after = [wait for (_, at), wait in waits.items() if at >= day]
        agrees = change_agrees(CHANGE.match(sentence), before, after, day=day)
        yield Checked("waiting, change", agrees, sentence, (day, len(after), len(before)))


def change_agrees(told: re.Match | None, before: list, after: list, *, day: datetime) -> bool:
    """The date; counts, medians and means of both parts."""
    if told is None or told[1] != f"{day.day} {day:%B %Y}":
        return False
    parts = told.groups()
    means = (f"{mean_wait(after):.1f}", f"{mean_wait(before):.1f}")
    return period_agrees(parts[1:4], after) and period_agrees(parts[4:7], before) and means == parts[7:9]


def waits_of_questions(context: Context, raw: Raw) -> dict[tuple[str, datetime], timedelta | None]:
    """Questions asked in the window and followed for a week, with the wait for a reply by somebody else."""
    since, until = context.options.since, context.options.until
    asked = set(sna.list_questions(context.forum)["thread_id"])  # what is a question is validated elsewhere
    machines = {post.author for rows in raw.threads.values() for post in rows if post.author} - raw.human
    waits = {}
    for name, root in raw.opener.items():
        if name not in asked or root.at is None or root.author in machines or root.at + WEEK > raw.end:
            continue
        if (since and root.at < since) or (until and root.at >= until):
            continue
        others = [
            post.at
            for post in raw.threads[name]
            if post.at
            and post is not root
            and post.kind in ("reply", "answer")
            and post.author not in machines
            and (post.author is None or post.author != root.author)
        ]
        waits[name, root.at] = max(min(others) - root.at, timedelta(0)) if others and min(others) <= raw.end else None
    return waits


def period_agrees(told: tuple, waits: list) -> bool:
    """Counts and the wait within which half of all threads had a reply."""
    within = sorted(wait for wait in waits if wait is not None and wait <= WEEK)
    half = (len(waits) + 1) // 2
    median = spoken(within[half - 1]) if len(within) >= half else None
    return (number(told[0]), number(told[1]), told[2]) == (len(within), len(waits), median)


def mean_wait(waits: list) -> float:
    """The mean in hours, counting a week where nobody replied in a week."""
    return sum((WEEK if wait is None else min(wait, WEEK)).total_seconds() / 3600 for wait in waits) / len(waits)


# Across groups -----------------------------------------------------------------------------------------------------

ACROSS = re.compile(
    r"Of ([\d,]+) times? that somebody joined a thread begun by another person(?: since (\d+ \w+ \d+))?, "
    r"([\d,]+) \(\d+%\) crossed(?: [\w ]+?; before, ([\d,]+) of ([\d,]+) \()?"
)


def check_across(context: Context, raw: Raw) -> Iterator[Checked]:
    """Joinings across groups, before and after the date, and the joinings of silent pairs."""
    facts = said(lambda: across.measure_across(context))
    if facts is None:
        return
    sentence, joins = across.across_headline(facts, context.group_word), joinings(context, raw)
    shown = [row for row in joins if row[1] in context.groups and row[2] in context.groups]
    told = ACROSS.match(sentence)
    if told is None:
        yield Checked("across", sentence.startswith("Nobody") and not shown, sentence, len(shown))
        return
    day = facts.summary.split_at if told[2] else None
    after = [own != asked for at, own, asked in shown if day is None or at >= day]
    before = [own != asked for at, own, asked in shown if day is not None and at < day]
    agrees = (number(told[1]), number(told[3])) == (len(after), sum(after))
    if told[2]:
        agrees &= (number(told[4]), number(told[5])) == (sum(before), len(before)) and f"{day.day} {day:%B %Y}" == told[
            2
        ]
    yield Checked("across", agrees, sentence, (len(after), sum(after), len(before), sum(before)))
    counts = Counter((own, asked) for _, own, asked in joins)
    for a, b, n in re.findall(
        r"(?:: |; )([^;:]+?) joined threads of (.+?) ([\d,]+) times?, where", across.silent_words(facts)
    ):
        yield Checked("silent pairs", counts[a, b] == number(n), f"{a} joined threads of {b} {n} times", counts[a, b])


def joinings(context: Context, raw: Raw) -> list[tuple[datetime, str | None, str | None]]:
    """Each person who first wrote in somebody else's thread in the window: when it began, both groups."""
    since, until = context.options.since, context.options.until
    found = []
    for name, rows in raw.threads.items():
        root = raw.opener[name]
        if root is None or root.author not in raw.human:
            continue
        first: dict[str, datetime | None] = {}
        for post in rows:
            if post.author in raw.human:
                first.setdefault(post.author, post.at)
        begun = first.pop(root.author)
        asked = role_at(raw, root.author, begun)
        for person, at in first.items():
            if (not since or (at and at >= since)) and (not until or (at and at < until)):
                found.append((begun, role_at(raw, person, at), asked))
    return found


# All forums --------------------------------------------------------------------------------------------------------


def list_all(data: Path) -> Iterator[tuple[str, Callable[[], sna.Forum]]]:
    """Every forum of the folder, and the bundled example."""
    yield "example", sna.load_example
    for name, load in load_forums(data):
        yield name, (lambda load=load: with_ennet_roles(load(), data)) if name == "ennet" else load


def with_ennet_roles(forum: sna.Forum, data: Path) -> sna.Forum:
    """The role each person had most often, as a snapshot."""
    table = pl.read_csv(next((data / "ennet_roles").glob("ennet_dataset*.csv")), infer_schema_length=0)
    counts = table.group_by(person_id=ENNET["author"], value="role").len()
    counts = counts.sort("len", "value", descending=[True, False])
    roles = counts.unique("person_id", keep="first", maintain_order=True).select("person_id", "value")
    return sna.build_forum(
        people=forum.people,
        posts=forum.posts,
        signals=forum.signals,
        roles=roles.with_columns(attribute=pl.lit("role")),
        source=replace(forum.source, capabilities={**forum.source.capabilities, "org_attributes": "partial"}),
    )


def list_windows(forum: sna.Forum, dice: random.Random) -> list[tuple[datetime | None, datetime | None]]:
    """The whole period, and random parts of at least a tenth of it."""
    first, last = forum.period
    cuts = [sorted((dice.random(), dice.random())) for _ in range(WINDOWS)]
    parts = [(first + (last - first) * a, first + (last - first) * b) for a, b in cuts if b - a > 0.1]
    return [(None, None), *parts]


def check_forum(forum: sna.Forum, dice: random.Random) -> Iterator[Checked]:
    """All kinds of sentences, those of the report in several windows."""
    whole = ReportOptions(names=True, min_group=5, draws=49)
    by = build_context(forum, whole).by
    raw = read_raw(forum, by)
    if forum.supports("threads") != "no":
        yield from check_evidence(forum, raw, dice)
        yield from check_stories(forum, raw, by)
    for since, until in list_windows(forum, dice):
        context = build_context(forum, replace(whole, since=since, until=until))
        for check in (check_champions, check_momentum, check_waiting, check_across):
            yield from check(context, raw)


def write_page(counts: dict[str, dict[str, list[int]]]) -> None:
    """docs/truth.md: per kind and forum, sentences checked and sentences that agreed."""
    kinds = sorted({kind for found in counts.values() for kind in found})
    rows = ["| forum | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    rows += [
        f"| {name} | " + " | ".join(cell(found.get(kind)) for kind in kinds) + " |" for name, found in counts.items()
    ]
    total = {kind: [sum(f[kind][k] for f in counts.values() if kind in f) for k in (0, 1)] for kind in kinds}
    rows.append("| **all** | " + " | ".join(cell(total[kind]) for kind in kinds) + " |")
    (ROOT / "docs" / "truth.md").write_text(TEMPLATE.format(table="\n".join(rows), sample=SAMPLE), encoding="utf-8")


def cell(pair: list[int] | None) -> str:
    """Agreed of printed."""
    return "-" if pair is None else f"{pair[1]:,} of {pair[0]:,}"


TEMPLATE = """# Are the printed sentences true?

`make truth` prints sentences of every kind on every forum at hand: evidence for up to {sample} people, up to {sample}
stories, the sentences of the report in up to 13 windows of time. It takes the numbers out of the text and counts the
same numbers again from the raw rows: plain Python over `forum.posts`, `signals`, `people` and `roles`, with none of the
functions that made the sentence. A cell reads "agreed of printed"; "-" means that this source cannot support that kind
of sentence, and none was printed.

{table}

What is checked: times, counts of people, threads, replies, likes, weeks and joinings, dates, medians and means. What is
not: the ratios, chances and odds beside the counts, and judgements such as "slower beyond chance" or "has increased";
how often those are wrong is measured on simulated forums (docs/calibration.md). Which threads are questions is taken
from `list_questions`, which is validated on labelled text.
"""


def main() -> int:
    """Check every forum; the exit code is 1 when a sentence disagrees."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SNA_SHARED", ROOT / ".." / "shared")) / "data"
    counts: dict[str, dict[str, list[int]]] = {}
    for name, load in list_all(data):
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for checked in check_forum(load(), random.Random(SEED)):
            found[checked.kind][0] += 1
            found[checked.kind][1] += checked.agrees
            if not checked.agrees:
                print(f"{name}, {checked.kind}: {checked.sentence}\n  raw rows: {checked.found}")
        counts[name] = dict(found)
        print(name, {kind: cell(pair) for kind, pair in found.items()}, flush=True)
    write_page(counts)
    return int(any(pair[0] != pair[1] for found in counts.values() for pair in found.values()))


if __name__ == "__main__":
    sys.exit(main())

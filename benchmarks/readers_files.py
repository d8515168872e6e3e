"""Exports read from files, against what a Python user reads the same file with; CPU seconds, the faster of two runs.

The peers only parse; ours also threads, finds people, strips quotes and markup, checks and accounts for every row.
"""

from __future__ import annotations

import csv
import json
import mailbox
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sna

WORDS = ("the", "printer", "on", "floor", "two", "needs", "a", "new", "driver", "before", "monday", "please")
START = datetime(2023, 1, 1, tzinfo=UTC)


def _words(rng: random.Random, n: int) -> str:
    return " ".join(rng.choices(WORDS, k=n))


def make_mbox(path: Path, *, n: int = 20_000, people: int = 400) -> None:
    """Mails with quotes and signatures; two thirds answer an earlier one; every tenth has two alternatives."""
    rng = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            at = START + timedelta(minutes=7 * i)
            sender = f"p{rng.randrange(people)}@example.org"
            reply = f"In-Reply-To: <{rng.randrange(max(0, i - 50), i)}@x>\n" if i and rng.random() < 0.67 else ""
            text = (
                f"On Monday, Bob wrote:\n> {_words(rng, 60)}\n> {_words(rng, 60)}\n\n{_words(rng, 120)}\n-- \nA person"
            )
            kind = ""
            if i % 10 == 0:
                kind = 'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="bb"\n'
                html = f"--bb\nContent-Type: text/html\n\n<p>{_words(rng, 200)}</p>\n--bb--"
                text = f"--bb\nContent-Type: text/plain; charset=utf-8\n\n{text}\n{html}"
            head = f"From {sender} {at:%a %b %e %H:%M:%S %Y}\nFrom: Person <{sender}>\n"
            head += f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000\n"
            trace = "".join(f"Received: from a{k} by b{k}; {at:%a, %d %b %Y %H:%M:%S} +0000\n" for k in range(4))
            file.write(f"{head}{trace}Subject: Re: topic {i % 997}\nMessage-ID: <{i}@x>\n{reply}{kind}\n{text}\n\n")


def make_discourse(path: Path, *, n: int = 60_000, people: int = 800) -> None:
    """Post objects of Discourse's API, one per line, ten to a topic."""
    rng = random.Random(2)
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            user = rng.randrange(people)
            number = i % 10 + 1
            post = {
                "id": i,
                "topic_id": i // 10,
                "post_number": number,
                "reply_to_post_number": rng.randrange(1, number) if number > 2 and rng.random() < 0.4 else None,
                "user_id": user,
                "username": f"user{user}",
                "created_at": (START + timedelta(minutes=i)).isoformat(),
                "cooked": f"<p>{_words(rng, 60)} <a class='mention' href='/u/u1'>@user1</a></p><p>more</p>",
                "trust_level": 2,
                "admin": False,
                "moderator": False,
                "actions_summary": [{"id": 2, "count": i % 3}],
            }
            file.write(json.dumps(post) + "\n")


def make_viva(path: Path, *, n: int = 60_000, people: int = 800) -> None:
    """Messages.csv of a Viva Engage network export, ten to a thread."""
    rng = random.Random(3)
    names = ("id", "thread_id", "replied_to_id", "group_id", "group_name", "in_private_conversation", "sender_id")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "sender_name", "body", "created_at", "message_type"])
        for i in range(n):
            user, thread = rng.randrange(people), i // 10 * 10
            at = (START + timedelta(minutes=i)).isoformat()
            parent = "" if i == thread else rng.randrange(thread, i)
            row = (i + 10**15, thread + 10**15, parent and parent + 10**15, 5, "All", "false", user, f"P {user}")
            writer.writerow([*row, f"{_words(rng, 60)} [[user:{user}]]", at, "update"])


def _with_mailbox(path: Path) -> None:
    with closing(mailbox.mbox(path)) as box:
        for message in box:
            _ = (message["from"], message["date"], message["message-id"], message["references"])
            for part in message.walk():
                if part.get_content_maintype() == "text":
                    part.get_payload(decode=True)


def _with_pandas_lines(path: Path) -> None:
    import pandas

    pandas.read_json(path, lines=True)


def _with_pandas_csv(path: Path) -> None:
    import pandas

    pandas.read_csv(path, dtype=str)


CASES: tuple[tuple[str, str, Callable[..., None], Callable[[Path], None], str], ...] = (
    ("mbox", "list.mbox", make_mbox, _with_mailbox, "mailbox (standard library)"),
    ("Discourse posts by line", "posts.jsonl", make_discourse, _with_pandas_lines, "pandas.read_json"),
    ("Viva Engage messages", "Messages.csv", make_viva, _with_pandas_csv, "pandas.read_csv"),
)


def _seconds(act: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        start = time.process_time()
        act()
        times.append(time.process_time() - start)
    return min(times)


def run() -> list[dict[str, object]]:
    """One row per format: seconds of ours and of the peer, and the size of the file in MB."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, file, make, peer, title in CASES:
            path = Path(folder) / file
            make(path)
            ours, theirs = _seconds(lambda p=path: sna.read_forum(p)), _seconds(lambda p=path, act=peer: act(p))
            size = path.stat().st_size / 1e6
            facts = {"ours_seconds": round(ours, 2), "peer_seconds": round(theirs, 2), "size_mb": round(size, 1)}
            rows.append({"name": name, **facts, "peer": title, "ours_mb_per_second": round(size / ours, 1)})
    return rows

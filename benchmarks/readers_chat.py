"""Reading rate of the chat readers against the obvious way: the standard library's json and a pandas DataFrame.

The peer only makes one table of messages (author, time, thread, text); the readers also resolve mentions, reactions,
memberships and roles, check every row and account for it. Exports are written to a temporary folder.
"""

from __future__ import annotations

import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd

import sna

T0 = 1_700_000_000
WORDS = [
    "the",
    "oven",
    "is",
    "on",
    "fire",
    "please",
    "send",
    "somebody",
    "who",
    "can",
    "bake",
    "bread",
    "before",
    "noon",
]


def make_text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(5, 40)))


def make_slack(path: Path, *, n_messages: int, seed: int = 1) -> Path:
    """An export zip with 20 channels, one file per 2,000 messages, blocks and profiles as real exports carry them."""
    rng = random.Random(seed)
    users = [
        {"id": f"U{i}", "name": f"u{i}", "profile": {"real_name": f"Person {i}", "title": "Baker"}} for i in range(500)
    ]
    channels = [{"id": f"C{i}", "name": f"chan-{i}", "members": [u["id"] for u in users[::3]]} for i in range(20)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("users.json", json.dumps(users))
        archive.writestr("channels.json", json.dumps(channels))
        for start in range(0, n_messages, 2000):
            day = [_slack_message(rng, start + i) for i in range(min(2000, n_messages - start))]
            archive.writestr(_day_name(start), json.dumps(day))
    return path


def _day_name(start: int) -> str:
    number = start // 2000
    return f"chan-{number % 20}/{2000 + number // 336}-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}.json"


def _slack_message(rng: random.Random, number: int) -> dict[str, Any]:
    stamp = f"{T0 + number}.{number % 1_000_000:06d}"
    text = make_text(rng) + (f" <@U{rng.randrange(500)}>" if rng.random() < 0.2 else "")
    message: dict[str, Any] = {
        "client_msg_id": f"{rng.getrandbits(128):032x}",
        "type": "message",
        "user": f"U{rng.randrange(500)}",
        "text": text,
        "ts": stamp,
        "team": "T1",
        "user_profile": {"real_name": "Somebody", "display_name": "some", "avatar_hash": "abc", "team": "T1"},
    }
    if rng.random() < 0.5 and number % 2000:
        message["thread_ts"] = f"{T0 + number - number % 2000}.{(number - number % 2000) % 1_000_000:06d}"
    if rng.random() < 0.1:
        message["reactions"] = [{"name": "+1", "users": [f"U{rng.randrange(500)}"], "count": 1}]
    return message


def make_mattermost(path: Path, *, n_messages: int, seed: int = 2) -> Path:
    """A bulk export: one line per thread of four posts."""
    rng = random.Random(seed)
    lines: list[dict[str, Any]] = [{"type": "version", "version": 1}]
    lines += [{"type": "channel", "channel": {"team": "hq", "name": f"c{i}", "type": "O"}} for i in range(20)]
    lines += [{"type": "user", "user": {"username": f"u{i}", "roles": "system_user", "teams": []}} for i in range(500)]
    for number in range(0, n_messages, 4):
        posts = [_mattermost_post(rng, number + i) for i in range(4)]
        place = {"team": "hq", "channel": f"c{rng.randrange(20)}", "replies": posts[1:]}
        lines.append({"type": "post", "post": {**place, **posts[0]}})
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def _mattermost_post(rng: random.Random, number: int) -> dict[str, Any]:
    reactions = [{"user": f"u{rng.randrange(500)}", "emoji_name": "tada", "create_at": (T0 + number) * 1000}]
    return {
        "user": f"u{rng.randrange(500)}",
        "message": make_text(rng),
        "create_at": (T0 + number) * 1000 + rng.randrange(1000),
        "edit_at": 0,
        "props": {},
        "flagged_by": [],
        "reactions": reactions if rng.random() < 0.1 else None,
        "attachments": None,
    }


def make_teams(path: Path, *, n_messages: int, seed: int = 3) -> Path:
    """One page of channel messages with HTML bodies."""
    rng = random.Random(seed)
    path.write_text(json.dumps({"value": [_teams_message(rng, i) for i in range(n_messages)]}), encoding="utf-8")
    return path


def _teams_message(rng: random.Random, number: int) -> dict[str, Any]:
    second = f"2024-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000:03d}Z"
    person = f"aaaaaaaa-0000-0000-0000-{rng.randrange(500):012d}"
    return {
        "id": str(T0 * 1000 + number),
        "replyToId": str(T0 * 1000 + number - number % 8) if number % 8 else None,
        "messageType": "message",
        "createdDateTime": second,
        "lastModifiedDateTime": second,
        "from": {"application": None, "device": None, "user": {"id": person, "displayName": "Somebody"}},
        "body": {"contentType": "html", "content": f"<p>{make_text(rng)}</p>"},
        "channelIdentity": {"teamId": "t", "channelId": "19:c@thread.tacv2"},
        "webUrl": "https://teams.example.org/l/message/19%3Ac%40thread.tacv2/1?groupId=g&tenantId=t",
        "attachments": [],
        "mentions": [],
        "reactions": [],
    }


def make_zulip(path: Path, *, n_messages: int, seed: int = 4) -> Path:
    """A folder with messages of 50 topics, each read by five people."""
    rng = random.Random(seed)
    path.mkdir(parents=True)
    realm = {
        "zerver_stream": [{"id": 1, "name": "help"}],
        "zerver_recipient": [{"id": 1, "type": 2, "type_id": 1}],
        "zerver_userprofile": [{"id": i, "full_name": f"P{i}", "role": 400, "is_active": True} for i in range(500)],
    }
    (path / "realm.json").write_text(json.dumps(realm))
    for start in range(0, n_messages, 10_000):
        messages = [_zulip_message(rng, start + i) for i in range(min(10_000, n_messages - start))]
        reads = [
            {"id": 0, "user_profile": rng.randrange(500), "message": m["id"], "flags_mask": 1}
            for m in messages
            for _ in range(5)
        ]
        document = {"zerver_message": messages, "zerver_usermessage": reads}
        (path / f"messages-{start // 10_000 + 1:06d}.json").write_text(json.dumps(document))
    return path


def _zulip_message(rng: random.Random, number: int) -> dict[str, Any]:
    text = make_text(rng)
    facts = {
        "rendered_content": f"<p>{text}</p>",
        "edit_history": None,
        "has_link": False,
        "sending_client": 1,
        "realm": 2,
    }
    person = {"id": number, "sender": rng.randrange(500), "recipient": 1, "subject": f"topic {number // 50}"}
    return {**person, "content": text, "date_sent": T0 + number + 0.5, "last_edit_time": None, **facts}


def peer_slack(path: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if "/" in name:
                rows += [{"channel": name.split("/")[0], **message} for message in json.loads(archive.read(name))]
    frame = pd.DataFrame(rows)
    frame["at"] = pd.to_datetime(frame["ts"].astype(float), unit="s", utc=True)
    return frame


def peer_mattermost(path: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["type"] == "post":
                rows += [entry["post"], *entry["post"]["replies"]]
    frame = pd.DataFrame(rows)
    frame["at"] = pd.to_datetime(frame["create_at"], unit="ms", utc=True)
    return frame


def peer_teams(path: Path) -> pd.DataFrame:
    frame = pd.json_normalize(json.loads(path.read_text(encoding="utf-8"))["value"])
    frame["at"] = pd.to_datetime(frame["createdDateTime"], utc=True)
    frame["text"] = frame["body.content"].str.replace(r"<[^>]+>", "", regex=True)
    return frame


def peer_zulip(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    messages, reads = [], []
    for file in sorted(path.glob("messages-*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        messages += document["zerver_message"]
        reads += document["zerver_usermessage"]
    frame = pd.DataFrame(messages)
    frame["at"] = pd.to_datetime(frame["date_sent"], unit="s", utc=True)
    return frame, pd.DataFrame(reads)


def _seconds(task: Callable[[Path], Any], path: Path, repeats: int) -> float:
    """Median CPU seconds."""
    times = []
    for _ in range(repeats):
        start = process_time()
        task(path)
        times.append(process_time() - start)
    return sorted(times)[len(times) // 2]


def _size_mb(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def run(*, n_messages: int = 200_000, repeats: int = 3) -> list[dict[str, Any]]:
    """One row per platform: CPU seconds of ours and of the peer, size in MB, messages read."""
    cases: list[tuple[str, str, Callable[..., Path], Callable[[Path], Any], str]] = [
        ("slack", "export.zip", make_slack, peer_slack, "json + pandas.DataFrame"),
        ("mattermost", "import.jsonl", make_mattermost, peer_mattermost, "json + pandas.DataFrame"),
        ("teams", "page.json", make_teams, peer_teams, "json + pandas.json_normalize"),
        ("zulip", "zulip", make_zulip, peer_zulip, "json + pandas.DataFrame"),
    ]
    rows = []
    for name, file, make, peer_task, peer in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = make(Path(folder) / file, n_messages=n_messages)
            forum = sna.read_forum(path)
            rows.append(
                {
                    "name": f"read {name}",
                    "ours_seconds": _seconds(sna.read_forum, path, repeats),
                    "peer_seconds": _seconds(peer_task, path, repeats),
                    "peer": peer,
                    "size_mb": _size_mb(path),
                    "n_messages": forum.posts.height,
                }
            )
    return rows


if __name__ == "__main__":
    for row in run():
        rate = row["size_mb"] / row["ours_seconds"]
        print(
            f"{row['name']:18} {row['size_mb']:6.1f} MB  ours {row['ours_seconds']:6.2f} s ({rate:5.1f} MB/s, "
            f"{row['n_messages'] / row['ours_seconds']:9,.0f} messages/s)  {row['peer']} {row['peer_seconds']:6.2f} s"
        )

"""How well words tell questions from other posts, on labelled text that is not part of the project.

Needs the folder of real data (``SNA_SHARED``); without it the recorded figures stay as they are. Fits the weights of
`sna.talk.questions.CUES` anew with each family of forums left out. Writes docs/questions/calibration.json: figures
only, no word of any post.
"""

import json
import os
import random
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score

import sna
from sna.talk.openers import list_openers
from sna.talk.questions import CUES, asks, find_cues

TARGET = Path(__file__).parents[1] / "docs" / "questions" / "calibration.json"
DATA = Path(os.environ.get("SNA_SHARED", "")) / "data"
SITES = (
    "ai_2016-12",
    "coffee_posts_2015-03",
    "history.meta_2018-09",
    "matheducators_posts_2014-05",
    "music.meta_2018-09",
)
SUPPORT, OTHERS = ("10",), ("12", "14", "17", "6", "15")
"""Categories of the Discourse forum: support; showcases, news, offers."""
BODY_WEIGHT = {"stack": 0.15, "ennet posts": 0.2}
"""Bodies without titles, question against answer, are another task than threads: they count less in the fit."""
LIFT, ASKS, WONDERS = 0.5, 0.9, 0.5
"""Added to the fitted intercept and to two cues: labels by category call proposals and offers questions."""

READ = {
    "urho openers": "10110111-011-1010111111101-11-1-111111111011101111111111111111111111101110--1",
    "mailing list openers": "111111110111011111-111-11111111-1111-111111-111101111-11101110-111",
    "ennet openers": "111101001010000100-10111111000101101-101000001001110111011000-0111-0000111110110",
    "ennet openers, after the weights were fixed": "0110-100-1010000110011110000111010110001",
    "chat: first lines of conversations": "0111100001111111111-01111011101000111101100100101111-1011111"
    "11-111110111110111001111110111",
}
"""Labels given by one reader to random posts (1 question or request, 0 other, - cannot be told), in the order drawn."""


def labelled() -> dict[str, pl.DataFrame]:
    """``title, text, label`` of each set; labels by what the source records."""
    sets = {}
    for site in SITES:
        posts = sna.read_forum(DATA / "stackexchange" / site).posts.filter(pl.col("kind").is_in(["root", "answer"]))
        sets[f"stack {site}"] = _set(posts, pl.lit(None, pl.String), pl.col("text"), label=pl.col("kind") == "root")
    openers = _openers("urho3d_discourse")
    chosen = openers.filter(pl.col("space").is_in(SUPPORT + OTHERS))
    support, untitled = pl.col("space").is_in(SUPPORT), pl.lit(None, pl.String)
    sets["urho openers, support against showcases"] = _set(chosen, pl.col("title"), pl.col("text"), label=support)
    ennet = pl.read_csv(DATA / "ennet_roles" / "ennet_dataset_2020-10-04.csv", infer_schema_length=0)
    offers, asked = pl.col("theme").str.contains("Announcements"), pl.col("type") == "question"
    text = pl.col("post")
    sets["ennet openers, themes against announcements"] = _set(
        ennet.filter(asked), pl.col("topic"), text, label=~offers
    )
    sets["ennet posts, question against answer"] = _set(ennet.filter(~offers), untitled, text, label=asked)
    return sets


def read_sets(sets: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The posts that were read, in the order they were drawn, with the labels given."""
    ennet = sets["ennet openers, themes against announcements"]
    drawn = {
        "urho openers": _openers("urho3d_discourse").sample(110, seed=7)[:77],
        "mailing list openers": _openers("r_package_devel").sample(110, seed=7)[44:],
        "ennet openers": ennet.sample(80, seed=11),
        "ennet openers, after the weights were fixed": ennet.sample(40, seed=99),
        "chat: first lines of conversations": chat_openers(),
    }
    labels = {name: pl.Series("label", list(text)) for name, text in READ.items()}
    return {
        name: rows.select("title", "text").with_columns(labels[name] == "1").filter(labels[name] != "-")
        for name, rows in drawn.items()
    }


def chat_openers() -> pl.DataFrame:
    """Ninety lines that begin a conversation, by the hand-made links of the chat."""
    lines = []
    for split in ("dev", "test", "train"):
        for path in sorted((DATA / "irc_disentanglement" / split).glob("**/*annotation.txt")):
            text = path.with_name(path.name.replace("annotation", "raw")).read_text(encoding="utf8", errors="replace")
            raw = text.split("\n")
            links = [line.split()[:2] for line in path.read_text(encoding="utf8").splitlines() if line.strip()]
            for number in (int(a) for a, b in links if a == b):
                found = re.match(r"\[\S+\] <\S+> (.*)", raw[number]) if number < len(raw) else None
                lines += [found[1]] if found else []
    random.seed(5)
    texts = random.sample(lines, 90)
    return pl.DataFrame({"title": [None] * 90, "text": texts}, schema={"title": pl.String, "text": pl.String})


def _set(frame: pl.DataFrame, title: pl.Expr, text: pl.Expr, *, label: pl.Expr) -> pl.DataFrame:
    rows = frame.select(title.alias("title"), text.alias("text"), label.alias("label"))
    return rows.filter(pl.col("text").is_not_null())


def _openers(folder: str) -> pl.DataFrame:
    forum = sna.read_forum(DATA / folder)
    return list_openers(forum).join(forum.posts.select("post_id", "text"), on="post_id").sort("post_id")


def family(name: str) -> str:
    """The forums a set comes from."""
    return name.split(" ")[0]


def fit(sets: Mapping[str, pl.DataFrame], cues: Mapping[str, Any]) -> LogisticRegression:
    """Logistic regression with both labels of each set weighing the same."""
    x = np.vstack([cues[name] for name in sets])
    y = np.concatenate([rows["label"].to_numpy() for rows in sets.values()])
    weight = []
    for name, rows in sets.items():
        label = rows["label"].to_numpy()
        part = next((w for start, w in BODY_WEIGHT.items() if name.startswith(start)), 1.0)
        weight.append(np.where(label, 500 / max(label.sum(), 1), 500 / max((~label).sum(), 1)) * part)
    return LogisticRegression(C=0.5, max_iter=2000).fit(x, y, sample_weight=np.concatenate(weight))


def score(label: Sequence[bool], said: Sequence[bool]) -> dict[str, float]:
    """F1 beside what it is made of, and F1 of calling everything a question."""
    y, p = np.asarray(label, bool), np.asarray(said, bool)
    return {
        "posts": len(y),
        "questions": float(y.mean()),
        "F1": f1_score(y, p),
        "precision": precision_score(y, p),
        "recall": recall_score(y, p),
        "others left out": float((~p[~y]).mean()),
        "F1 of calling all questions": float(2 * y.mean() / (1 + y.mean())),
    }


def lifted(model: LogisticRegression, cues: Any) -> Any:
    """Decision of a fitted model with the same additions as the weights shipped."""
    names = list(CUES)
    extra = ASKS * cues[:, names.index("asks somebody for something")]
    extra += WONDERS * cues[:, names.index("wonders or does not know")]
    return model.decision_function(cues) + LIFT + extra > 0


if __name__ == "__main__":
    if not DATA.is_dir():
        sys.exit(0)
    sets = labelled()
    cues = {name: rows.select(find_cues()).to_numpy().astype(float) for name, rows in sets.items()}
    result: dict[str, Any] = {"fitted with the family left out": {}, "as shipped": {}}
    for name, rows in sets.items():
        rest = {other: table for other, table in sets.items() if family(other) != family(name)}
        result["fitted with the family left out"][name] = score(rows["label"], lifted(fit(rest, cues), cues[name]))
        result["as shipped"][name] = score(rows["label"], rows.select(asks())["asks"].fill_null(value=False))
    for name, rows in read_sets(sets).items():
        rest = {other: table for other, table in sets.items() if family(other) != family(name)}
        own = rows.select(find_cues()).to_numpy().astype(float)
        result["fitted with the family left out"][f"read: {name}"] = score(rows["label"], lifted(fit(rest, cues), own))
        result["as shipped"][f"read: {name}"] = score(rows["label"], rows.select(asks())["asks"].fill_null(value=False))
    TARGET.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

"""Discourse tables to a Forum: posts and parents, mentions, signals and events. The same for every kind of export."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from sna.formats.times import iso_time
from sna.forum import Forum
from sna.readers.collect import Collector, ReadOptions
from sna.readers.discourse.people import people_frame, role_spells, usernames, write_memberships
from sna.readers.discourse.tables import Tables, is_true, merged_rows, preferred_first
from sna.schema import TIME

_SMALL_ACTION, _WHISPER = "3", "4"
_ACTION_KINDS = {"1": "bookmark", "2": "like", "3": "flag", "4": "flag", "6": "flag", "7": "flag", "8": "flag"}
_ACTION_KINDS |= {"9": "flag", "10": "flag"}
_HEARTS = ("heart", "+1", "thumbsup")


def make_forum(
    tables: Tables,
    options: ReadOptions,
    *,
    collector: Collector,
    capabilities: Mapping[str, str],
    files: tuple[str, ...] = (),
    exported_at: datetime | None = None,
) -> Forum:
    """Turn the gathered rows into a Forum; private messages, restricted categories and whispers only when asked."""
    tables.merge("users", "id", newest="seen_at")
    topics = _topics(tables, options)
    posts, hidden = _split_private(_placed_posts(tables, topics, collector), options, collector)
    _write_people(tables, collector)
    _write_posts(posts, collector)
    _note_incomplete(tables, topics, collector)
    _write_mentions(tables, posts, collector)
    reactions = _reactions(tables, collector)
    named = pl.concat([reactions, _actions(tables, reactions, collector), _bookmarks(tables, collector)])
    for signals in (named, _anonymous_likes(tables, named), _acceptances(tables, posts, collector)):
        _write_signals(signals, hidden, collector)
    _write_events(tables, topics, collector)
    write_memberships(tables, collector)
    coverage = "all spaces" if options.include_private else "public categories"
    return collector.forum(capabilities=capabilities, files=files, exported_at=exported_at, coverage=coverage)


def _topics(tables: Tables, options: ReadOptions) -> pl.DataFrame:
    """One row per topic: title, category, and why it is private (null when it is not, or when that was asked for)."""
    topics = merged_rows(tables.get("topics"), "id").rename({"id": "topic_id", "deleted_at": "topic_deleted_at"})
    spaces = _spaces(tables).select("category_id", "_restricted")
    return (
        topics.drop("user_id", "created_at", "posts_count")
        .join(spaces, on="category_id", how="left", maintain_order="left")
        .with_columns(_private_reason(options).alias("_private"))
        .drop("_restricted")
    )


def _private_reason(options: ReadOptions) -> pl.Expr:
    if options.include_private:
        return pl.lit(None, pl.String)
    return (
        pl.when(pl.col("archetype") == "private_message")
        .then(pl.lit("private_message"))
        .when(pl.col("_restricted"))
        .then(pl.lit("restricted_category"))
    )


def _spaces(tables: Tables) -> pl.DataFrame:
    """Category id to its name, its parent's name before it, and whether only some may read it."""
    rows = merged_rows(tables.get("categories"), "id")
    parents = rows.select(pl.col("id").alias("parent_category_id"), pl.col("name").alias("_parent"))
    return rows.join(parents, on="parent_category_id", how="left", maintain_order="left").select(
        pl.col("id").alias("category_id"),
        pl.concat_str("_parent", "name", separator=" / ", ignore_nulls=True).alias("space"),
        is_true("read_restricted").alias("_restricted"),
    )


def _single(posts: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    """One row per post, the latest; what hangs on a rejected copy cannot reach another post."""
    ordered = preferred_first(posts, "id")
    twice = pl.col("id").is_not_null() & ~pl.col("id").is_first_distinct()
    if lost := ordered.filter(twice).select("post_id " + pl.col("id")).to_series().sort().to_list():
        collector.reject_rows("posts", "duplicate_id", file="", positions=pl.Series(lost))
    return ordered.filter(~twice)


def _placed_posts(tables: Tables, topics: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    """Posts with their topic's facts, in an order that does not depend on the export's."""
    names = usernames(tables).rename({"person_id": "_person"})
    posts = _single(tables.get("posts"), collector).with_columns(pl.col("username").str.to_lowercase())
    posts = (
        posts.join(names, on="username", how="left", maintain_order="left")
        .join(topics.rename({"category_id": "_category"}), on="topic_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("_category", "category_id").alias("category_id"),
            pl.coalesce("user_id", "_person").alias("user_id"),
        )
    )
    space = pl.coalesce("space", "category_id")
    message = pl.col("archetype") == "private_message"
    return posts.join(_spaces(tables), on="category_id", how="left", maintain_order="left").with_columns(
        pl.when(message).then(pl.lit("private message")).otherwise(space).alias("space"),
    )


def _split_private(posts: pl.DataFrame, options: ReadOptions, collector: Collector) -> tuple[pl.DataFrame, pl.Series]:
    """Posts to keep, and the ids of those withheld (counted by reason)."""
    small = pl.when(pl.col("post_type") == _SMALL_ACTION).then(pl.lit("small_action"))
    whisper = pl.when((pl.col("post_type") == _WHISPER) & (not options.include_private)).then(pl.lit("whisper"))
    marked = posts.with_columns(pl.coalesce(small, _private_reason(options), whisper).alias("_reason"))
    withheld = marked.filter(pl.col("_reason").is_not_null())
    for reason, n in withheld.group_by("_reason").len().sort("_reason").iter_rows():
        collector.withhold("posts", reason, file="", n=n)
    return marked.filter(pl.col("_reason").is_null()), withheld["id"]


def _write_people(tables: Tables, collector: Collector) -> None:
    everybody = people_frame(tables)
    collector.add_frame("people", everybody.filter("listed").drop("listed"))
    collector.replace("people", everybody.drop("listed"))
    collector.add_frame("roles", role_spells(tables))


def _write_posts(posts: pl.DataFrame, collector: Collector) -> None:
    """Add the posts with their parents, and say which parents or times could not be used."""
    made = _with_parents(posts)
    for post, number in made.filter("_lost").select("id", "reply_to_post_number").sort("id").iter_rows():
        place, lost = f"post_id {post}", f"reply to post number {number}"
        collector.note("posts", "parent_missing", kind="repaired", position=place, detail=lost)
    changed = pl.coalesce(iso_time("last_version_at"), iso_time("updated_at"))
    by_author = pl.when(is_true("user_deleted")).then(iso_time("updated_at"))
    written = made.select(
        "parent_id",
        "parent_basis",
        "space",
        "text",
        post_id="id",
        thread_id="topic_id",
        author_id="user_id",
        created_at=iso_time("created_at"),
        kind=pl.when("_root").then(pl.lit("root")).otherwise(pl.lit("reply")),
        title=pl.when("_root").then("title"),
        edited_at=pl.when(pl.col("version").cast(pl.Int64, strict=False) > 1).then(changed),
        deleted_at=pl.coalesce(iso_time("deleted_at"), by_author, iso_time("topic_deleted_at")),
    )
    for post in written.filter(pl.col("created_at").is_null())["post_id"].sort():
        collector.note("posts", "bad_time", position=f"post_id {post}")
    collector.add_frame("posts", written)


def _with_parents(posts: pl.DataFrame) -> pl.DataFrame:
    """Recorded reply, else the first post quoted, else (by rule) the topic's first post; and how we know."""
    number = pl.col("post_number").cast(pl.Int64, strict=False)
    places = _numbered(posts)
    wide = posts.with_columns(_one=pl.lit("1"))
    for column, name in (("reply_to_post_number", "_reply"), ("quote_post_number", "_quote"), ("_one", "_first")):
        found = places.select("topic_id", pl.col("post_number").alias(column), pl.col("id").alias(name))
        wide = wide.join(found, on=["topic_id", column], how="left", maintain_order="left")
    root, replies = pl.col("post_number").eq_missing("1"), pl.col("reply_to_post_number").is_not_null()
    earlier = pl.col("quote_post_number").cast(pl.Int64, strict=False) < number
    rules = {"none": root, "explicit": replies, "quote": pl.col("_quote").is_not_null() & earlier}
    basis = pl.coalesce(*(pl.when(rule).then(pl.lit(name)) for name, rule in rules.items()), pl.lit("root_default"))
    parents = {"explicit": "_reply", "quote": "_quote", "root_default": "_first"}
    return (
        wide.with_columns(parent_basis=basis, _root=root, _lost=replies & pl.col("_reply").is_null() & ~root)
        .with_columns(parent_id=pl.coalesce(pl.when(parent_basis=name).then(at) for name, at in parents.items()))
        .with_columns(
            parent_basis=pl.when(pl.col("parent_id").is_not_null()).then("parent_basis").otherwise(pl.lit("none"))
        )
    )


def _numbered(posts: pl.DataFrame) -> pl.DataFrame:
    """The post that stands at each number of a topic: the one with the lowest id."""
    rows = posts.filter(pl.col("id").is_not_null() & pl.col("post_number").is_not_null())
    ordered = rows.sort(pl.col("id").cast(pl.Int64, strict=False), "id", nulls_last=True)
    return ordered.unique(["topic_id", "post_number"], keep="first", maintain_order=True)


def _note_incomplete(tables: Tables, topics: pl.DataFrame, collector: Collector) -> None:
    """Topic files hold only their first posts (20 by default): say where posts are missing."""
    found = tables.get("posts").group_by("topic_id").agg(pl.col("id").n_unique().alias("_found"))
    short = (
        topics.join(found, on="topic_id", how="left")
        .with_columns(pl.col("_found").fill_null(0), pl.col("stream_length").cast(pl.Int64, strict=False))
        .filter(pl.col("_found") < pl.col("stream_length"))
    )
    for topic, found_here, length in short.select("topic_id", "_found", "stream_length").sort("topic_id").iter_rows():
        text = f"{found_here} of {length} posts; fetch the rest with /t/{topic}/posts.json?post_ids[]="
        collector.note("posts", "topic_incomplete", position=f"topic {topic}", detail=text)


def _write_mentions(tables: Tables, posts: pl.DataFrame, collector: Collector) -> None:
    """Mentions the database recorded, then those marked in the text that it did not."""
    kept = posts.select(post_id="id").unique()
    recorded = tables.get("user_actions").filter(action_type="7")
    structured = recorded.select(post_id="target_post_id", person_id="user_id", basis=pl.lit("structured"))
    marked = tables.get("post_mentions").with_columns(pl.col("username").str.to_lowercase()).unique()
    marked = marked.join(kept, on="post_id", how="semi").join(usernames(tables), on="username", how="left")
    lost = marked.filter(pl.col("person_id").is_null()).select("post_id", "username")
    for post, name in lost.sort(pl.all()).iter_rows():
        collector.reject("mentions", "unknown_person", file="", position=f"post_id {post}", detail=f"@{name}")
    text = marked.filter(pl.col("person_id").is_not_null()).select("post_id", "person_id", basis=pl.lit("markup"))
    both = pl.concat([structured.join(kept, on="post_id", how="semi"), text])
    collector.add_frame("mentions", both.unique(["post_id", "person_id"], keep="first", maintain_order=True))


def _write_signals(signals: pl.DataFrame, hidden: pl.Series, collector: Collector) -> None:
    private = pl.col("post_id").is_in(hidden.implode())
    collector.add_frame("signals", _told(signals, private, "private_space", collector))


_NEVER = pl.lit(None, TIME)


def _signal(
    post: str, kind: pl.Expr, person: str | None, *, at: pl.Expr = _NEVER, n: pl.Expr | int = 1
) -> list[pl.Expr]:
    who = pl.col(person) if person else pl.lit(None, pl.String)
    count = pl.lit(n, pl.Int64) if isinstance(n, int) else n
    return [pl.col(post).alias("post_id"), who.alias("person_id"), kind.alias("kind"), at.alias("at"), count.alias("n")]


def _reaction_kind() -> pl.Expr:
    code = pl.col("reaction_value")
    return pl.when(code.is_in(_HEARTS)).then(pl.lit("like")).otherwise(pl.lit("emoji:") + code)


def _reactions(tables: Tables, collector: Collector) -> pl.DataFrame:
    """Who reacted with what (databases), or how many did (JSON)."""
    reactions = tables.get("discourse_reactions_reactions")
    if not tables.has("discourse_reactions_reaction_users"):
        count = pl.col("reaction_users_count").cast(pl.Int64, strict=False)
        return reactions.filter(count > 0).select(_signal("post_id", _reaction_kind(), None, n=count))
    users = tables.get("discourse_reactions_reaction_users").join(
        reactions.select(pl.col("id").alias("reaction_id"), "reaction_value"), on="reaction_id", how="left"
    )
    return _told(users, pl.col("reaction_value").is_null(), "reaction_unknown", collector).select(
        _signal("post_id", _reaction_kind(), "user_id", at=iso_time("created_at"))
    )


def _actions(tables: Tables, reactions: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    """Likes, bookmarks and flags by person; the like that the reactions plugin writes beside a reaction is not two."""
    kind = pl.col("post_action_type_id").replace_strict(_ACTION_KINDS, default=None, return_dtype=pl.String)
    actions = tables.get("post_actions").with_columns(kind.alias("_kind"))
    standing = _told(actions, pl.col("deleted_at").is_not_null(), "undone", collector)
    kept = _told(standing, pl.col("_kind").is_null(), "other_action", collector)
    signals = kept.select(_signal("post_id", pl.col("_kind"), "user_id", at=iso_time("created_at")))
    likes = signals.filter(pl.col("kind") == "like")
    twice = likes.join(reactions, on=["post_id", "person_id"], how="semi")
    if twice.height:
        collector.withhold("signals", "same_as_reaction", file="", n=twice.height)
    single = likes.join(reactions, on=["post_id", "person_id"], how="anti")
    return pl.concat([single, signals.filter(pl.col("kind") != "like")])


def _bookmarks(tables: Tables, collector: Collector) -> pl.DataFrame:
    rows = tables.get("bookmarks")
    on_post = pl.when(pl.col("bookmarkable_type") == "Post").then("bookmarkable_id").otherwise("post_id")
    rows = _told(rows.with_columns(on_post.alias("post_id")), pl.col("post_id").is_null(), "not_on_a_post", collector)
    return rows.select(_signal("post_id", pl.lit("bookmark"), "user_id", at=iso_time("created_at")))


def _told(
    rows: pl.DataFrame, out: pl.Expr, reason: str, collector: Collector, *, table: str = "signals"
) -> pl.DataFrame:
    """Rows for which ``out`` does not hold; the others are counted as withheld."""
    placed = rows.with_columns(_file=pl.lit(""))
    return collector.drop(table, placed, lost=out, reason=reason, kind="withheld").drop("_file")


def _anonymous_likes(tables: Tables, named: pl.DataFrame) -> pl.DataFrame:
    """Counts of likes without names, less those whose names are known."""
    known = named.filter(pl.col("kind") == "like").group_by("post_id").agg(pl.col("n").sum().alias("_known"))
    count = pl.col("like_count").cast(pl.Int64, strict=False)
    rows = tables.get("posts").with_columns(pl.col("id").alias("post_id"), count.alias("_count"))
    rows = preferred_first(rows, "post_id").unique("post_id", keep="first", maintain_order=True)
    rows = rows.join(known, on="post_id", how="left")
    left = pl.col("_count") - pl.col("_known").fill_null(0)
    return rows.filter(left > 0).select(_signal("post_id", pl.lit("like"), None, n=left))


def _acceptances(tables: Tables, posts: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    """Accepted answers from the table of newer versions, the custom fields of older ones, and the activity log."""
    fields = pl.concat(_solved_fields(tables)).with_columns(pl.lit(1).alias("_rank"))
    accepted = pl.concat([_solved_topics(tables, posts, collector).with_columns(pl.lit(3).alias("_rank")), fields])
    log = tables.get("user_actions").filter(pl.col("action_type") == "15")
    logged = log.select(
        pl.col("target_post_id").alias("post_id"), pl.col("acting_user_id").alias("person_id"), "created_at"
    )
    logged = logged.join(accepted, on="post_id", how="semi").with_columns(pl.lit(2).alias("_rank"))
    merged = merged_rows(pl.concat([accepted, logged]), "post_id", newest="_rank")
    return merged.select(_signal("post_id", pl.lit("accept"), "person_id", at=iso_time("created_at")))


_ACCEPTED = ["post_id", "person_id", "created_at"]


def _solved_topics(tables: Tables, posts: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    numbers = _numbered(posts).select("topic_id", answer_post_number="post_number", _post="id")
    names = usernames(tables).rename({"username": "_name", "person_id": "_person"})
    solved = tables.get("discourse_solved_solved_topics").with_columns(
        _name=pl.col("accepter_username").str.to_lowercase()
    )
    placed = solved.join(numbers, on=["topic_id", "answer_post_number"], how="left").join(names, on="_name", how="left")
    post, person = pl.coalesce("answer_post_id", "_post"), pl.coalesce("accepter_user_id", "_person")
    for topic in placed.filter(post.is_null())["topic_id"].sort():
        collector.note("signals", "accepted_answer_missing", position=f"topic {topic}")
    return placed.select("created_at", post_id=post, person_id=person).drop_nulls("post_id").select(_ACCEPTED)


def _solved_fields(tables: Tables) -> list[pl.DataFrame]:
    nobody = pl.lit(None, pl.String).alias("person_id")
    on_topic = tables.get("topic_custom_fields").filter(pl.col("name") == "accepted_answer_post_id")
    on_post = tables.get("post_custom_fields").filter((pl.col("name") == "is_accepted_answer") & is_true("value"))
    return [
        on_topic.select(pl.col("value").alias("post_id"), nobody, "created_at").filter(pl.col("post_id") != ""),
        on_post.select("post_id", nobody, "created_at"),
    ]


def _write_events(tables: Tables, topics: pl.DataFrame, collector: Collector) -> None:
    """Visits by day, first views of topics, and how many posts of a topic a person read."""
    views = _public(tables.get("topic_views"), topics, collector)
    reads = tables.get("post_timings").group_by("topic_id", "user_id").agg(pl.col("n").cast(pl.Int64).sum())
    for frame in (
        tables.get("user_visits").select(_event("visit", None, at=iso_time("visited_at"))),
        views.select(_event("view", "topic_id", at=iso_time("viewed_at"))),
        _public(reads, topics, collector).select(_event("read", "topic_id", n=pl.col("n"))),
    ):
        collector.add_frame("events", frame)
    if tables.timings_read:
        text = f"{tables.timings_read} rows of post_timings became one event per person and topic; n is posts read"
        collector.note("events", "timings_summed", detail=text)


def _event(kind: str, subject: str | None, *, at: pl.Expr = _NEVER, n: pl.Expr | int = 1) -> list[pl.Expr]:
    place = pl.col(subject) if subject else pl.lit(None, pl.String)
    count = pl.lit(n, pl.Int64) if isinstance(n, int) else n
    facts = (("person_id", pl.col("user_id")), ("kind", pl.lit(kind)), ("object", place), ("at", at), ("n", count))
    return [value.alias(name) for name, value in facts]


def _public(rows: pl.DataFrame, topics: pl.DataFrame, collector: Collector) -> pl.DataFrame:
    """Rows by known persons on topics that are not private."""
    private = topics.filter(pl.col("_private").is_not_null())["topic_id"]
    known = _told(rows, pl.col("user_id").is_null(), "anonymous", collector, table="events")
    hidden = pl.col("topic_id").is_in(private.implode())
    return _told(known, hidden, "private_space", collector, table="events")

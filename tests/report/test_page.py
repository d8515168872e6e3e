"""The report as a reader gets it: nothing from an export runs, no name slips out, small groups stay hidden."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

import sna
from sna.report.context import ReportOptions
from sna.report.page import render_report, write_report

KEY = b"a key of the analyst, 32 bytes ok"
QUICK = ReportOptions(draws=49, key=KEY)
NAMED = replace(QUICK, names=True)
HOSTILE = (
    "<script>alert(1)</script>",
    "<svg/onload=alert(2)>",
    '"><img src=x onerror=alert(3)>',
    "{{ 7*7 }}{% raw %}",
    "evil\u202egnp.exe",
    "bell\x07\x1b[31mred\x00",
    "W" * 3000,
    r"$\frac{1$ _x ^y",
    "javascript:alert(4)",
    "</title></style>",
    "\u5f20\u4f1f \U0001f600",
)
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not match."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.text, self.open = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(self.text)


def section(page, name):
    return re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def forum():
    """80 people with planted helpers, each with a made name that is in no sentence of the report."""
    made = sna.make_forum(n_people=80, n_threads=400, n_weeks=40, champion_share=0.1, champion_factor=8.0, rng=3).forum
    names = pl.format("Zorb{} Quilliam{}", pl.int_range(pl.len()), pl.int_range(pl.len()))
    return replace(made, people=made.people.with_columns(name=names))


@pytest.fixture(scope="module")
def page(forum):
    return render_report(forum, options=QUICK)


def poisoned(forum):
    """Every text that a user or administrator may type is hostile."""
    evil = pl.Series(HOSTILE)

    def cycle(label):
        return evil.gather(pl.Series(range(label.len())) % len(HOSTILE))

    spaces = forum.posts["space"].drop_nulls().unique().sort()
    renamed = dict(zip(spaces, cycle(spaces) + pl.Series(map(str, range(spaces.len()))), strict=True))
    roles = forum.roles.filter(pl.col("attribute") == "role")["value"].unique().sort()
    values = dict(zip(roles, cycle(roles), strict=True))
    return replace(
        forum,
        people=forum.people.with_columns(name=cycle(forum.people["person_id"])),
        posts=forum.posts.with_columns(
            title=pl.when(pl.col("title").is_not_null()).then(cycle(forum.posts["post_id"])),
            space=pl.col("space").replace(renamed),
        ),
        roles=forum.roles.with_columns(
            value=pl.when(pl.col("attribute") == "role").then(pl.col("value").replace(values)).otherwise("value")
        ),
        campaigns=pl.concat(
            [
                forum.campaigns.clear(),
                pl.DataFrame({"campaign_id": ["c"], "name": ["".join(HOSTILE)], "starts_at": [forum.period[0]]}),
            ],
            how="diagonal_relaxed",
        ),
        source=replace(forum.source, platform="<b>evil", coverage="<script>alert(5)</script>"),
    )


@pytest.mark.parametrize("options", [QUICK, NAMED], ids=["pseudonyms", "names"])
def test_hostile_names_titles_spaces_roles_and_campaigns_are_text_never_markup(forum, options):
    page = render_report(poisoned(forum), options=options)
    parsed = Page(page)
    assert set(parsed.tags) <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "p",
            "nav",
            "a",
            "div",
            "ul",
            "li",
            "section",
        ),
        *("figure", "img", "figcaption", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    }
    assert "alert(5)" in parsed.words
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", parsed.words)
    assert "7*7" not in parsed.words or "{{ 7*7 }}" in parsed.words
    assert max(map(len, re.findall(r"\S+", parsed.words))) <= 400


def test_the_page_refers_to_nothing_outside_itself(page):
    parsed = Page(page)
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in parsed.links)
    assert parsed.links
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|url\(", page)
    assert all(f'id="{link[1:]}"' in page for link in parsed.links if link.startswith("#"))


def test_names_ids_and_addresses_are_replaced_unless_asked_for(forum, page):
    words = set(re.findall(r"\w+", Page(page).words))
    known = forum.people.select("person_id", "name").rows()
    assert not [p for p, name in known if p in words or name.split()[0] in words or name.split()[1] in words]
    assert "Person " in section(page, "champions")
    shown = Page(section(render_report(forum, options=NAMED), "champions")).words
    assert re.search(r"Zorb\d+ Quilliam\d+", shown)
    assert "Person " not in shown


def test_pseudonyms_are_not_taken_for_names_and_no_text_is_printed(forum):
    from sna.report.context import build_context

    spoken = replace(forum, posts=forum.posts.with_columns(text=pl.lit("xyzzy plugh")))
    context = build_context(spoken, QUICK)
    shown = context.forum.people.drop_nulls("name")["name"]
    assert shown.str.starts_with("Zorb").all()
    assert context.forum.posts["text"].unique().to_list() == ["xyzzy plugh"]
    page = Page(render_report(spoken, options=QUICK)).words
    assert "xyzzy" not in page
    assert "Zorb" not in page
    assert "same name" not in page


def test_a_name_in_a_title_or_a_space_is_replaced_too(forum):
    victim = forum.people["name"][7]
    posts = forum.posts.with_columns(
        title=pl.when(pl.col("title").is_not_null()).then(pl.lit(f"Thanks, {victim}!")),
        space=pl.format("ask {} {}", pl.lit(victim), pl.col("space")),
    )
    page = Page(render_report(replace(forum, posts=posts), options=QUICK)).words
    assert "Thanks, person-" in page
    assert victim.split()[0] not in re.findall(r"\w+", page)


def test_the_same_key_gives_the_same_bytes_and_no_key_other_pseudonyms(six, page, forum):
    shuffled = replace(forum, posts=forum.posts.sample(fraction=1, shuffle=True, seed=1), people=forum.people.reverse())
    assert render_report(shuffled, options=QUICK) == page
    other = render_report(forum, options=replace(QUICK, key=b"another key of at least 16 bytes"))
    one, two = (set(re.findall(r"Person \w+", text)) for text in (page, other))
    assert one
    assert not one & two


def test_people_who_opted_out_are_nowhere_also_with_names(forum):
    best = sna.find_champions(forum).filter("selected")["person_id"][0]
    name = forum.people.filter(person_id=best)["name"][0]
    assert name in render_report(forum, options=NAMED)
    people = forum.people.with_columns(opt_out=pl.col("person_id") == best)
    page = Page(render_report(replace(forum, people=people), options=NAMED)).words
    assert name not in page
    assert best not in re.findall(r"\w+", page)


def test_small_groups_are_in_no_table_picture_or_story(forum, monkeypatch):
    from sna.report import plot

    drawn, draw = [], plot.plot_mixing_matrix
    monkeypatch.setattr(
        plot, "plot_mixing_matrix", lambda matrix, ax=None, **more: (drawn.append(matrix), draw(matrix, ax=ax, **more))
    )
    helpers = sna.list_war_stories(forum, top=6).explode("helper_ids")["helper_ids"].drop_nulls()
    counts = helpers.value_counts().sort(["count", "helper_ids"], descending=[True, False])
    few = counts["helper_ids"].head(7).implode()
    rare = pl.when(pl.col("person_id").is_in(few)).then(pl.lit("Tinygroup")).otherwise(pl.lit("Large"))
    half = pl.when(pl.col("person_id").hash(seed=1) % 2 == 0).then(pl.lit("Half")).otherwise(rare)
    kept = pl.when(pl.col("person_id").is_in(few)).then(rare).otherwise(half)
    roles = forum.roles.with_columns(
        value=pl.when(pl.col("attribute") == "role").then(kept).otherwise("value"),
        valid_from=pl.lit(None, forum.roles.schema["valid_from"]),
        valid_to=pl.lit(None, forum.roles.schema["valid_to"]),
    ).unique(["person_id", "attribute"])
    small = replace(forum, roles=roles)
    page = render_report(small, options=QUICK)
    assert "Tinygroup" not in page
    assert "fewer than 10 active people are not shown" in page
    assert "Tinygroup" in render_report(small, options=replace(QUICK, min_group=5))
    assert set(drawn[0]["from_group"]) == {"Half", "Large"}


def test_groups_of_fewer_than_five_cannot_be_asked_for(six):
    with pytest.raises(sna.SnaError, match="at least 5"):
        render_report(six, options=ReportOptions(min_group=4))


def test_what_the_source_cannot_support_is_said_in_its_place(forum):
    bare = replace(forum, roles=forum.roles.clear())
    page = render_report(bare, options=QUICK)
    across = section(page, "across")
    assert "needs people's roles" in Page(across).words
    assert "<table" not in across
    assert "<figure" not in across
    assert "than their role" not in Page(page).words


def test_one_group_and_nobody_who_answers_are_said_not_computed(forum):
    one = replace(forum, roles=forum.roles.with_columns(value=pl.lit("IT")))
    assert (
        "needs two groups with at least 10 active people each"
        in Page(section(render_report(one, options=QUICK), "across")).words
    )
    alone = sna.build_forum(
        people=forum.people, roles=forum.roles, posts=forum.posts.filter(kind="root"), source=forum.source
    )
    assert "Nobody does." in Page(section(render_report(alone, options=QUICK), "across")).words


def test_undated_posts_give_a_report_without_momentum(six):
    undated = replace(six, posts=six.posts.with_columns(created_at=pl.lit(None, six.posts.schema["created_at"])))
    page = render_report(undated, options=QUICK)
    assert "no dated posts" in page
    assert 'class="refused"' in section(page, "momentum")


@pytest.mark.parametrize("n_posts", [1, 2, 3])
def test_a_handful_of_posts_gives_no_percentage_and_no_bright_spot(six, n_posts):
    tiny = sna.build_forum(posts=six.posts.head(n_posts), people=six.people, source=six.source)
    page = Page(render_report(tiny, options=QUICK)).words
    assert "(- to -" not in page
    assert "100% to 100%" not in page
    assert "bright spots among" not in page
    assert "nan" not in page.lower().split()


def test_rows_of_the_data_section_balance(forum):
    table = re.search(r"Rows read, used.*?<tbody>(.*?)</tbody>", render_report(forum, options=QUICK), re.DOTALL)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.group(1).split("</tr>")]
    counts = {row[0]: [int(cell.replace(",", "")) for cell in row[1:]] for row in rows if row}
    books = {row[0]: list(row[1:]) for row in forum.accounting().rows() if row[0] in counts}
    assert counts == books
    assert len(counts) >= 4
    names = forum.accounting().columns[1:]
    for row in counts.values():
        line = dict(zip(names, row, strict=True))
        assert line["used"] == line["read"] - line["rejected"] - line["withheld"] + line["added"]


def test_authors_among_known_people_are_people(six):
    headline = Page(render_report(six, options=QUICK)).words
    assert "4 of 5 known people" in headline


def test_an_attribute_nobody_has_is_refused_by_name(six):
    with pytest.raises(sna.SnaError, match="such as role"):
        render_report(six, options=replace(QUICK, by="shoe_size"))


def test_a_folder_that_cannot_be_made_is_a_sentence(six, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(sna.ReadError, match="must be writable"):
        write_report(six, tmp_path / "file", options=QUICK)

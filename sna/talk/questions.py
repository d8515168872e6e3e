"""Which threads begin with a question: by what the source records, else by marks, first words and turns of phrase.

A thread is not a question: announcements, choir practice and answers to lost mails open threads too.
"""

from __future__ import annotations

import polars as pl

from sna.forum import Forum
from sna.talk.openers import list_openers
from sna.talk.windows import cut_window
from sna.types import Moment

_ASKING_WORD = (
    r"what|why|when|where|who|whom|whose|which|how|is there|are there|is it|is this|can|could|would|does|do|did"
    r"|has|have"
    r"|should|any|anyone|anybody|am i"
    r"|was|warum|wieso|wann|wo|wer|welche\w*|wie|gibt es|kann|können|weiß"
    r"|quel\w*|pourquoi|comment|où|qui|est-ce|quelqu'un|y a-t-il"
    r"|qué|por qué|cómo|cuándo|dónde|quién|cuál|alguien|hay"
    r"|che cosa|perché|come|quando|dove|chi|qualcuno|como|quem|alguém|onde|wat|waarom|hoe|heeft iemand|weet iemand"
)
_MARK = r"(?:[\p{L}\p{N})\]\"'’”»*_`][ \u00a0]?[?？؟⁇](?:[\s?!)\"'”»*_]|$)|[？؟])"
_PLEASE = r"(?:please|kindly|pls|plz)"
_HELP = r"(?:help|advice|suggest\w*|input|assist\w*|guidance|support|views)"

CUES: dict[str, tuple[str, str, float]] = {
    "title has a question mark": ("title", _MARK, 1.1),
    "title begins with an asking word": ("title", rf"^\W*(?:{_ASKING_WORD})\b", 0.6),
    "title names a problem or asks how to": (
        "title",
        r"how to|problem|error|issue|fail|crash|trouble|question|help|bug|wrong|not work|doesn'?t|can'?t|cannot|unable"
        r"|warning|frage|fehler|hilfe|erreur|probl[eè]me|aide|ayuda|pregunta|errore|ajuda|vraag|fout",
        1.7,
    ),
    "title announces": (
        "title",
        r"\bann\b|announc|releas|is (?:out|live|available)|now (?:available|open|live|on)|introducing|welcome"
        r"|newsletter"
        r"|weekly|digest|survey|webinar|vacanc|\bjobs?\b|position|hiring|consultan|recruit|opportunit|needed for"
        r"|seeks\b"
        r"|is (?:looking for|seeking)|training course|conference|workshop|updates?\b|launch|wanted|call for|invitation"
        r"|reminder|rfc\b|v?\d+\.\d+ |new version|showcase|minutes|publication|ankündigung|umfrage|einladung|annonce"
        r"|anuncio",
        -0.6,
    ),
    "text has a question mark": ("text", _MARK, 0.8),
    "last words ask": ("end", _MARK, 1.3),
    "a sentence begins with an asking word and ends with a mark": (
        "text",
        rf"(?:^|[.!?:;\n,]\s*|\b(?:so|and|but|also|then)\s+)(?:{_ASKING_WORD})\b[^.?!\n]*[?？؟]",
        1.0,
    ),
    "asks somebody for something": (
        "text",
        r"(?:any|some) ?(?:one|body)(?: here| else| out there)?(?: please)? (?:know|knew|have|has|had|can|could"
        r"|help|share"
        r"|explain|tell|give|point|suggest|advi[sc]e|guide|experienc|tried|seen|use|using|got|who)"
        r"|(?:can|could|would|does|has|did|is|are) (?:any|some) ?(?:one|body)"
        r"|any (?:help|ideas?|suggestions?|advice|pointers?|thoughts|guidance|input|hints?|insights?|feedback"
        r"|tips?|leads?"
        rf"|recommendations?)\b|{_PLEASE} (?:help|advi[sc]e|assist|clarify|explain|guide|suggest|tell me)"
        r"|help (?:me\b|needed|wanted|please)|need (?:\w+ ){0,3}(?:help|advice|clarification)\b"
        r"|weiß (?:jemand|wer)|hat jemand|kann mir|kennt jemand|quelqu'un (?:sait|a|peut|connaît)|pouvez-vous"
        r"|alguien (?:sabe|tiene|puede)|qualcuno (?:sa|ha|può)|alguém (?:sabe|tem|pode)|(?:kan|weet|heeft) iemand",
        1.7,
    ),
    "thanks beforehand or looks forward": (
        "text",
        rf"in advance|(?:thanks|thank you|grateful|appreciat\w*)[^.\n]{{0,40}}(?:{_HELP}|if (?:any|some|you))"
        rf"|(?:{_HELP}|recommend|information)[^.\n]{{0,60}}(?:appreciated|welcome|grateful)"
        r"|look(?:ing)? forward to (?:hear|your)|im voraus|merci d'avance|de antemano|in anticipo|desde já"
        r"|alvast bedankt",
        1.1,
    ),
    "asks whether or how": (
        "text",
        r"(?:can|could|would|do|did|have) you\b|(?:is|are) there (?:a|an|any|some)\b"
        r"|how (?:can|do|could|would|should|to) (?:i|we|you|one)?|what(?:'s| is| are) the (?:best|right|proper|correct)"
        r"|is it (?:possible|ok)",
        0.4,
    ),
    "wonders or does not know": (
        "text",
        r"wonder(?:ing)?\b|(?:want|like|love|curious|interested|trying|hoping|need) to (?:know|understand|find out|ask"
        r"|figure|learn|see if|get)|(?:don'?t|do not|didn'?t) (?:know|understand|see (?:how|why|what))|no (?:idea|clue)"
        r"|not sure|confus|(?:i'?m|i am|we are) (?:looking|searching) for|clarif"
        r"|(?:my|one|quick|some|few|two|following|this|asking) questions?\b|what am i|frage mich|je me demande"
        r"|me pregunto|vraag me af",
        1.0,
    ),
    "something does not work": (
        "text",
        r"(?:does|do|did|is|are|was|has|have)(?:n'?t| not) (?:work|seem|show|run|start|load|find|get|able|appear"
        r"|compile)"
        r"|can'?t|cannot|unable|not (?:able|working)|fail(?:s|ed|ing|ure)?\b|error|problem|issue|trouble|crash|stuck"
        r"|struggl|difficult|wrong\b|strange|weird|tried|trying to|funktioniert nicht|ne (?:marche|fonctionne) pas"
        r"|no funciona|non funziona|não funciona|werkt niet",
        0.2,
    ),
    "announces or offers": (
        "text",
        r"announc|releas(?:e|ed|ing)\b|(?:is|are) (?:now |currently )?(?:available|out|live|open)\b"
        r"|(?:happy|pleased|proud|excited|delighted) to|introducing|check (?:it )?out"
        r"|you can (?:download|find|get|see|play|register|join)|(?:apply|register|registration|deadlines?|closing date"
        r"|applicants?|candidates?|vacancy|recruit\w*|webinar|subscribe|terms of reference|job description"
        r"|consultan(?:t|cy)|resume|cover letter|cv)\b|(?:for|find out|read|learn) more (?:information|info"
        r"|about|details)"
        r"|(?:please|can|to) (?:visit|contact|follow|join|send|email|click|see the|note)"
        r"|we are (?:seeking|looking for|recruiting|hiring|inviting)|is (?:seeking|looking for|recruiting)"
        r"|invit(?:e|es|ing|ed)|all are welcome|fyi\b|just (?:wanted|want) to (?:share|let)"
        r"|here (?:is|are) (?:a|an|the|my|some)",
        -0.4,
    ),
    "tells what to do": (
        "text",
        r"\byou (?:can|could|should|need|must|may|might|have to|will)\b"
        r"|\bi(?:'d| would)? (?:suggest|recommend|think|believe|guess)|^(?:yes|no|well|actually|the|it)\b|\btry\b",
        -0.9,
    ),
    "speaks of what one wants or does": ("text", r"\bi(?:'m|'ve| am| have| want| need| would|'d| get| was)\b", 0.6),
    "greets": (
        "text",
        r"^\W*(?:hi|hello|hey|dear|good (?:day|morning|evening)|greetings|hallo|bonjour|hola|ciao|olá)\b",
        0.6,
    ),
    "long": ("text", r"(?s)^.{1200}", -0.9),
}
"""Cue: where it is looked for, as what, and its weight (log-odds). The weights are a logistic regression on 29 thousand
posts of eight forums, rounded; scripts/calibrate_questions.py fits them again with each family of forums left out."""
INTERCEPT = -0.7
_LEFT_OUT = (
    r"(?m)^[ \t]*[>|].*$",  # quoted lines
    r"(?s)```.*?```|`[^`\n]*`",  # code
    r"https?://\S+|www\.\S+",
    r"(?m)^On .*wrote:\s*$",
    r"(?s)\n-- ?\n.*$",  # signature
)
_MOST, _FIRST, _LAST = 3000, 2400, 160
"""Characters: longer posts are looked at in their beginning and their end; the last words are a cue of their own."""
_TAGS = r"^\s*(?:\[[^\]]{1,30}\]\s*)+"
_REPLY = r"(?i)^(?:\[[^\]]{1,30}\]\s*)*(?:re|aw|sv|antw|vs|rif|odp)\s?(?:\[\d+\])?:"


def is_question(text: str | None, *, title: str | None = None) -> bool:
    """Whether a post asks something, by its words alone.

    Parameters
    ----------
    text, title
        As they were written; quoted lines, code, links and signatures are not looked at.

    Notes
    -----
    Weights of cues are added up. Fitted with one family of forums left out and tried on that family, it finds the
    questions among thread openers with F1 of 0.87 to 0.96 (docs/calibration.md); marking all threads with a question
    mark gives 0.77 to 0.92. Words are English; for German, French, Spanish, Italian, Portuguese and Dutch there
    are a few asking words, not validated; in other languages the question mark alone decides.

    When it misleads: requests in a few words without a mark ("Training for cooks, Niger"), rhetorical questions,
    proposals ("Should we not ..."), one-line greetings.

    Examples
    --------
    >>> is_question("Does anyone know how to clean the gauge?"), is_question("All are welcome.", title="Choir meets")
    (True, False)
    """
    row = pl.DataFrame({"title": [title], "text": [text]}, schema={"title": pl.String, "text": pl.String})
    return bool(row.select(asks())["asks"][0])


def asks() -> pl.Expr:
    """Column ``asks`` for a table with ``title`` and ``text``: null where there are no words at all."""
    score = pl.lit(INTERCEPT)
    for cue, (_, _, weight) in zip(find_cues(), CUES.values(), strict=True):
        score = score + weight * cue.cast(pl.Float64)
    words = pl.concat_str("title", "text", ignore_nulls=True).str.strip_chars()
    reply = pl.col("title").fill_null("").str.contains(_REPLY)
    return pl.when(words.str.len_chars() > 0).then((score > 0) & ~reply).alias("asks")


def find_cues() -> list[pl.Expr]:
    """One column of true and false per cue."""
    text = pl.col("text").fill_null("")
    short = pl.concat_str(text.str.head(_FIRST), pl.lit("\n"), text.str.tail(_FIRST // 4))
    body = pl.when(text.str.len_chars() > _MOST).then(short).otherwise(text)
    for pattern in _LEFT_OUT:
        body = body.str.replace_all(pattern, " ")
    body = body.str.to_lowercase().str.strip_chars()
    title = pl.col("title").fill_null("").str.replace_all(_TAGS, "").str.to_lowercase()
    parts = {"title": title, "text": body, "end": body.str.tail(_LAST)}
    return [parts[where].str.contains(pattern).alias(name) for name, (where, pattern, _) in CUES.items()]


def list_questions(forum: Forum, *, since: Moment = None, until: Moment = None, bots: bool = False) -> pl.DataFrame:
    """The threads that begin with a question: one row per question.

    Parameters
    ----------
    forum
        Any forum.
    since, until
        Questions asked in ``since <= asked_at < until``.
    bots
        Count questions by bots and system accounts. Off by default.

    Returns
    -------
    DataFrame
        ``thread_id, post_id, asker_id, asked_at, space, basis``, sorted by time and thread. ``basis`` says how a
        question is known: "recorded" (the platform keeps questions and answers only), "text" (`is_question`), or
        "thread" (the source has no text and records nothing: every thread counts, and should be called a thread).

    Notes
    -----
    Whether a thread was answered never decides whether it is a question: that would make questions look answered.
    Not questions: threads whose opening post is missing, opening posts of kind "reply" in a space that has roots
    (answers to mails that were lost), and titles that begin with "Re:".

    Examples
    --------
    >>> from sna.datasets import load_example
    >>> questions = list_questions(load_example())
    >>> questions.height, questions["basis"].unique().to_list()
    (914, ['text'])
    """
    openers = list_openers(forum).drop("title").filter(pl.col("post_id").is_not_null())
    words = forum.posts.select("post_id", "kind", "title", "text")
    people = forum.people.select(pl.col("person_id").alias("asker_id"), human=pl.col("kind") == "human")
    rows = openers.join(words, on="post_id").join(people, on="asker_id", how="left").with_columns(asks())
    if not bots:
        rows = rows.filter(pl.col("human").fill_null(value=True))
    rows = rows.filter((pl.col("kind") == "root") | ~(pl.col("kind") == "root").any().over("space"))
    basis = _basis(forum, rows)
    if basis == "text":
        rows = rows.filter(pl.col("asks").fill_null(value=False))
    rows = rows.select("thread_id", "post_id", "asker_id", "space", asked_at="started_at", basis=pl.lit(basis))
    order = ["thread_id", "post_id", "asker_id", "asked_at", "space", "basis"]
    return cut_window(rows, since=since, until=until, column="asked_at").select(order).sort("asked_at", "thread_id")


def _basis(forum: Forum, rows: pl.DataFrame) -> str:
    """A platform that knows answers and comments and no plain replies keeps questions only."""
    kinds = set(forum.posts["kind"].unique())
    if "answer" in kinds and "reply" not in kinds:
        return "recorded"
    return "text" if rows["asks"].is_not_null().any() else "thread"

"""Interaction graphs, champions and cross-role conversations from internal-forum exports.

Start with ``forum = sna.load_example()`` or ``forum = sna.read_forum("export.zip")``. Every name below works as
``sna.<name>``; ``help(sna.<name>)`` explains it, with an example.

sna.canonical: The canonical folder: a Forum as Parquet files and one JSON file, read back equal to what was written.
    write_forum              Write the canonical Parquet folder: one file per table and ``source.json``. Same ...

sna.champions: Who helps more than their chances predict, the evidence, and whether it held later.
    champion_evidence        The threads that best show what a person does for others.
    champion_fairness        Selection rate by role, level, location and tenure, with Wilson intervals.
    champion_stability       How often each person is selected when the choices behind the selection change.
    champion_track_record    How many of a list made in the past went on helping, beside the list made by counting ...
    COMPARATORS              Comparators under their literature names; each is called with ``(forum, since=, ...
    ensemble_score           Order people by how steadily and how lately they helped: the order of `sna.find_champions`.
    find_champions           Find people who help steadily and lately, and more than peers with the same chances.
    forecast_helping         The chance that a person will help somebody in the 13 weeks after the end of the window.
    forum_before             The forum as it could be known at a moment.
    list_facets              What each facet measures and whether this forum supports it: ``facet, meaning, ...
    list_guards              The guards: ``guard, holds_back, meaning``. A guard that holds back keeps a person ...
    list_war_stories         Threads that several people solved unusually quickly, each compared with similar threads.
    say_track_record         The table of `champion_track_record` as one sentence, or why there is none.
    validate_champions       How well scores known at a moment predict who matters after it, beside the usual scores.
    validate_labels          How well scores single out people known to be experts or leaders from elsewhere.

sna.datasets: The forum that comes with the package: synthetic, seeded, with everything planted written down beside it.
    load_example             Load the example forum: about 320 invented people of an invented company over 18 months.
    load_example_truth       Load what is planted in the example forum.

sna.errors: What can go wrong, said in one shape: what we need, what we got, what to do.
    NotAnswerableError       The source cannot support this analysis: a needed signal is absent, or there is too ...
    ReadError                An export cannot be read: missing, empty, damaged, encrypted, or larger than the ...
    SchemaError              A table lacks a column, or holds values its schema does not allow.
    SnaError                 Base of every error raised on purpose; the command line prints it without a traceback.
    SnaWarning               A result is usable but something about it should be known.

sna.forum: The Forum: one frozen object with every table of an export, validated once, when it is made.
    build_forum              Validate tables and join them into a Forum. Nothing is dropped without a row in ``issues``.
    Forum                    People, roles, posts, mentions, signals, events, memberships, campaigns, their source ...
    join_attribute           Add to each row the person's attribute **as of that row's time** (people change roles).
    list_analyses            Which analyses the source can support: ``analysis, answerable (yes / partial / no), ...
    list_capabilities        What the source can and cannot know: ``capability, level, meaning``.
    list_warnings            What looks wrong in a forum, to be read before any number of it.
    Source                   Where a forum comes from and what that source can know.

sna.mixing: Who talks across roles, compared with null models.
    assortativity            Newman's assortativity coefficient of a category, with its jackknife error over ...
    brokerage_totals         Brokerage of the whole forum by role, against the thread-participation null.
    coleman_homophily        Coleman's homophily of each group: ties inside it beyond what its size gives, between ...
    cross_role_change        Did talk across groups change? At a known date, or at the date where it changed most.
    cross_role_ladder        The share of joinings that cross groups, against every named null.
    cross_role_level         Do people seek or avoid the threads of other groups, given who was around?
    cross_role_levels        The level of talk across groups, with people compared within longer and shorter periods.
    cross_role_share         Share of interactions between people of different groups, among those whose groups are ...
    cross_role_summary       Everything the report says about talk across groups: raw shares, change, level, ...
    CrossRoleSummary         What can be said about talk across groups; made by `cross_role_summary`.
    draw_mixing              Draw from a null once, for several results on the same pairs.
    ei_index                 E-I index of Krackhardt and Stern (1988): (external - internal) / (external + ...
    find_bridges             People who stand between groups more than their volume and place give.
    find_change_date         The date at which talk across groups changed most, and the change there, corrected for ...
    hierarchy_flow           How much people act toward higher, equal and lower levels, and how often they are ...
    list_new_ties            First contacts: who joined whose thread for the first time, and how far apart the two ...
    list_silent_pairs        Groups that meet in the same channels and still join each other's threads less than ...
    mixing_ladder            The mixing matrix of thread joinings under every named null, from the simplest to the ...
    mixing_matrix            Who acts toward whom, group by group: observed, expected, ratio with interval, p.
    MixingDraws              Joinings of a forum, and draws of a null made from them once.
    novel_tie_share          Share of new ties that are novel, period by period, against the thread-participation null.
    Null                     A null model: what the pairs would look like if groups did not matter.

sna.network: Ties between people, their export, centrality and brokerage.
    betweenness              Share of shortest directed paths between others that pass through each person.
    bridging_loss            What falls apart between groups without each person.
    brokerage_roles          How often each person stands in each of the five brokerage roles.
    build_network            Sum a forum's interactions into a network of all its people.
    constraint               Burt's constraint: how far a person's contacts are each other's contacts too.
    hits                     HITS: hubs act toward good authorities, authorities are acted toward by good hubs.
    list_bridges             Who bridges which pair of groups.
    Network                  People and directed, weighted ties. Make one with `build_network` or `network_from_edges`.
    network_from_edges       Sum any table of edges into a network.
    pagerank                 PageRank: a score that people pass on along their ties, in proportion to the weight of ...
    reach                    Number of distinct other people within ``steps`` ties.
    strength                 Sum of the weights of each person's ties.

sna.people: Who is who: people's attributes over time, reporting lines, several accounts of one person, and privacy.
    add_org                  Add people's attributes, hire and leave dates, and the people HR knows who never posted.
    audit_suppression        What a reader of a published table can work out about each hidden cell.
    list_identity_links      Which accounts are which person in a merged forum.
    merge_forums             Join several forums into one; the order in which they are given does not matter.
    OrgData                  What HR knows: ``people`` (one row each), ``spells`` (attributes over time), ...
    pseudonymise             Replace every person by a keyed pseudonym, the same one for the same id and key.
    read_org                 Read people's attributes: one row per person, per person and date, or per person and ...
    suggest_identities       Pairs of accounts that may be one person and that no sure key joins. Nothing is joined ...
    suppress_small_groups    Hide small groups, and enough others that the hidden counts cannot be recovered from ...
    without_opted_out        The forum without the people who opted out; threads stay whole.
    write_csv_safely         Write a CSV that a spreadsheet cannot mistake for formulas.

sna.readers: Exports of each platform, read into a `Forum`.
    guess_columns            Guess what the columns of a table mean, with reasons. Nothing is read with it: look, ...
    guess_mapping            Propose a mapping for an unknown export and try it on the first rows.
    list_presets             Names of the mappings that come with the package.
    list_readers             All readers, in the order they are asked.
    MappingGuess             A proposed mapping.
    read_discourse_database  Read a self-hosted Discourse straight from its PostgreSQL database. Nothing is written ...
    read_edges               Read a list of directed ties, one per row, as a Forum.
    read_forum               Read an export: a folder, a file or an archive, of any platform in `list_readers`.
    read_mapped              Read an export with a mapping or a preset.
    read_table               Read a table with one post per row: CSV, TSV, JSONL, Parquet, or any DataFrame.
    recognise                Say which platform an export is from, without reading it whole.
    validate_mapping         Check a mapping without reading data, and show what it fills.

sna.report: The report and its pictures.
    plot_bridges             People by brokerage role, the most bridging on top.
    plot_champions           Contribution of each person against expectation, with intervals, the best on top.
    plot_flow                Who acts toward whom, as bands from groups on the left to groups on the right; width ...
    plot_mixing_matrix       Heat map of observed / expected from group to group; only cells that differ beyond ...
    plot_momentum            People active each week as those who stayed, came back and are new; those lost below ...
    plot_network             Interactive view of the strongest part of a network, coloured by an attribute.
    plot_waiting             Share of questions still waiting for an answer, from `sna.waiting_curve`, with its band.
    render_report            The report as one HTML page that needs no network.
    ReportOptions            How to write a report.
    write_report             Write ``report.html`` into a folder.

sna.results: Frozen results: an Estimate, a Hypothesis written before looking, the Verdict on it; and how numbers ...
    Estimate                 One number with its yardstick and its uncertainty.
    Hypothesis               A claim and how it will be judged, written before looking at the outcome.
    Verdict                  What the data say about a hypothesis; a failed check is said first.

sna.simulate: Synthetic forums with planted champions and role preferences, and the truth behind them.
    make_forum               Make a synthetic forum and the truth behind it. Same seed and design, same bytes.
    Simulation               A synthetic forum and the truth behind it.

sna.stats: Statistics every floor above shares: Monte-Carlo p-values, shrinkage, rank sets, waiting times.
    adjust_p                 Adjust a family of p-values for looking at many.
    find_top_set             Who may be among the first ``top``: a set that holds all of them with probability ...
    monte_carlo_p            Monte-Carlo p-value ``(1 + k) / (1 + n)``, never zero (Phipson and Smyth 2010).
    rank_sets                Confidence sets for ranks; rank 1 is the largest estimate.
    select_by_local_fdr      The largest set whose expected share of false members, ``mean(1 - P(theta >= c))``, is ...
    shrink_means             Partially pooled means (normal-normal): ``estimate, low, high``; rows with null ...
    shrink_rates             Ratio of each person's rate to the rate their group and exposure predict, partially pooled.
    shrink_shares            Each person's share of successes relative to the share expected, partially pooled ...

sna.talk: From posts to acts: threads, who acted toward whom, and what each person did and could see.
    count_left_out           Count the interactions `list_interactions` leaves out with the same options, by reason.
    EDGE_RULES               The edge rules by name; `list_edge_rules` shows them as a table.
    is_question              Whether a post asks something, by its words alone.
    list_edge_rules          The edge rules: ``kind, version, source, target, at, needs``.
    list_interactions        Who acted toward whom: one row per interaction.
    list_questions           The threads that begin with a question: one row per question.
    list_solutions           The post that solved each thread, where the source records one.
    list_threads             One row per thread: where and when it began, who asked, how many took part, when ...
    person_activity          Activity of each person, silent people included.
    roles_per_thread         Threads by the number of different roles among their participants.
    thread_participation     One row per thread and person: when they first wrote in it and how often.
    visible_posts            Opportunity: posts by other people in one's spaces while one was present.
    weekly_activity          Posts, people and threads per week, by an attribute as of each post if asked.

sna.vitality: Is the forum alive: momentum, retention, waiting times.
    cohort_retention         How long people stay, by when they first posted (Kaplan-Meier).
    compare_waits            Do the groups wait alike? One joint test of their mean waits, with askers as the units.
    list_waits               One row per question: when it was asked, when it was first answered (or solved), how ...
    Momentum                 What activity is now, what it was, and how it changed.
    momentum_change          By how much did weekly activity change, season and chance allowed for? See ...
    momentum_now             What is activity now, and how has it changed: gradually, at once, or not beyond season ...
    novelty_floor            What share of the first weeks' level stays when novelty has worn off.
    reply_genealogy          What each week's new threads grew into: replies per root, as recorded and not as modelled.
    time_to_answer           How long questions wait for a first answer by somebody else, unanswered ones included ...
    time_to_solution         How many questions were solved, and how long it took until the post that solved them ...
    waiting_curve            The Kaplan-Meier curves behind `time_to_answer`, for a picture.
    waiting_time_change      Change of the mean wait: questions asked from ``split_at`` on minus those asked before.
    waits_now                How long do people wait since a date, and before it: median, share without an answer ...
    WaitsNow                 How long people wait since a date and before it, side by side, with one test.
    weekly_momentum          Growth accounting: who is new, stayed, came back or was lost, week by week.
"""

import lazy_loader

__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)

FAMILIES = ("champions", "mixing", "network", "people", "readers", "report", "simulate", "stats", "talk", "vitality")
"""Folders with public names; the index above lists each name under its own."""

EVERYDAY = (
    "Estimate",
    "Forum",
    "Network",
    "add_org",
    "build_network",
    "champion_evidence",
    "cross_role_change",
    "cross_role_level",
    "find_champions",
    "list_analyses",
    "list_threads",
    "load_example",
    "mixing_matrix",
    "person_activity",
    "read_edges",
    "read_forum",
    "read_org",
    "read_table",
    "time_to_answer",
    "weekly_momentum",
    "write_report",
)
"""What completion of ``sna.`` shows beside the families. All other public names work as ``sna.<name>`` too."""


def __dir__() -> list[str]:
    return sorted(FAMILIES + EVERYDAY)

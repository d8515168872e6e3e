"""Numbers printed in papers, reproduced from the published data: small tables in `tests/data`, larger ones outside."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

import sna
from sna.mixing.indices import newman_assortativity
from sna.mixing.levels import hierarchy_flow
from sna.network.brokerage import brokerage_roles, label_totals

DATA = Path(__file__).parent / "data"
TRAITS = ("department", "gender", "seniority")


@pytest.fixture(scope="module")
def managers():
    """Krackhardt's high-tech managers: ties of the three relations, and departments."""
    ties = pl.read_csv(DATA / "krackhardt_ties.csv")
    people = pl.read_csv(DATA / "krackhardt_departments.csv").cast(pl.String).rename({"manager": "person_id"})
    return ties, people


def relation_among(managers, relation):
    ties, people = managers
    edges = ties.filter(pl.col(relation) == 1).select(source="ego", target="alter").cast(pl.String)
    return sna.network_from_edges(edges, people=people)


@pytest.fixture(scope="module")
def enron():
    """Enron: receipts by the traits of sender and receiver, and employees by traits."""
    return pl.read_csv(DATA / "enron_messages.csv"), pl.read_csv(DATA / "enron_employees.csv")


def test_newman_2003_couples():
    # Newman (2003), Phys. Rev. E 67, Table I: partners in a study of San Francisco, r = 0.621
    shares = np.array(
        [
            [0.258, 0.016, 0.035, 0.013],
            [0.012, 0.157, 0.058, 0.019],
            [0.013, 0.023, 0.306, 0.035],
            [0.005, 0.007, 0.024, 0.016],
        ]
    )
    value, error = newman_assortativity(1000 * shares)
    assert value == pytest.approx(0.621, abs=0.003)
    assert 0.005 < error < 0.03


def test_krackhardt_brokerage_equals_sna_for_r(managers):
    # R package sna 2.7, brokerage(): w_I 28, w_O 69, b_IO 95, b_OI 62, b_O 246
    advice = relation_among(managers, "advice")
    roles = brokerage_roles(advice, by="department")
    sums = [roles[name].sum() for name in ("coordinator", "consultant", "representative", "gatekeeper", "liaison")]
    assert sums == [28, 69, 95, 62, 246]
    assert roles["n_paths"].sum() == 500
    totals = label_totals(advice, by="department", draws=199, rng=1)
    # total brokerage is the same in every permutation: none of the roles stands out
    assert totals["observed"].sum() == pytest.approx(totals["expected"].sum())
    assert (totals["p_adjusted"] > 0.05).all()


@pytest.mark.parametrize(
    ("relation", "arcs", "census"),
    # Wasserman and Faust (1994): friendship 23 mutual, 56 one-way, 131 none
    [("advice", 190, (45, 100, 65)), ("friendship", 102, (23, 56, 131)), ("reports_to", 20, (0, 20, 190))],
)
def test_krackhardt_arcs_and_dyad_census(managers, relation, arcs, census):
    matrix, _ = relation_among(managers, relation).to_sparse()
    matrix = matrix.toarray()
    assert int(matrix.sum()) == arcs
    mutual = int((matrix * matrix.T).sum()) // 2
    asymmetric = int((matrix != matrix.T).sum()) // 2
    assert (mutual, asymmetric, 210 - mutual - asymmetric) == census


@pytest.mark.parametrize(("relation", "value"), [("friendship", 0.255), ("advice", 0.516)])
def test_krackhardt_ei_index(managers, relation, value):
    network = relation_among(managers, relation)
    assert sna.ei_index(network, by="department") == pytest.approx(value, abs=5e-4)
    # label permutation: friendship inside departments is far beyond chance, advice is not; mean .551
    seen = sna.mixing_matrix(network, by="department", null="label permutation")
    same = seen.filter(pl.col("from_group") == pl.col("to_group"))
    expected = 1 - 2 * same["expected"].sum() / seen["observed"].sum()
    assert expected == pytest.approx(0.551, abs=0.01)
    excess = same["observed"].sum() / same["expected"].sum()
    assert (excess > 1.5) == (relation == "friendship")


def test_enron_sends_by_gender(enron):
    # Perry and Wolfe (2013): receipts by gender of sender and receiver, all messages among the 156
    receipts, employees = enron
    assert (employees["employees"].sum(), receipts["n"].sum()) == (156, 38_388)
    side = [pl.concat_str(pl.lit(f"{who} "), *(f"{who}_{trait}" for trait in TRAITS)) for who in ("sender", "receiver")]
    named = receipts.select(side[0].alias("source"), side[1].alias("target"), "sender_gender", "receiver_gender", "n")
    senders = named.select(person_id="source", gender="sender_gender")
    receivers = named.select(person_id="target", gender="receiver_gender")
    people = pl.concat([senders, receivers]).unique()
    network = sna.network_from_edges(named.select("source", "target", weight="n"), people=people)
    table = sna.mixing_matrix(network, by="gender")
    seen = {(a, b): n for a, b, n in table.select("from_group", "to_group", "observed").iter_rows()}
    order = [("Female", "Female"), ("Female", "Male"), ("Male", "Female"), ("Male", "Male")]
    assert [seen[cell] for cell in order] == [7529, 8061, 5310, 17_488]


def test_enron_naive_shares(enron):
    # the same, messages with at most 10 recipients: share of receipts by women
    receipts, _ = enron
    few = pl.col("n_up_to_10")
    to_women = few.filter(pl.col("receiver_gender") == "Female").sum() / few.sum()
    shares = receipts.group_by("sender_gender").agg(to_women.alias("share")).sort("sender_gender")
    assert shares["share"].to_list() == pytest.approx([0.503, 0.232], abs=5e-4)


def test_enron_static_coefficients(enron):
    # the same, static model: receiver and sender x receiver effects of Legal, Trading, Junior, Female
    receipts, employees = enron
    classes = employees.select(TRAITS).rows()
    sizes = employees["employees"].to_numpy().astype(float)
    place = {traits: row for row, traits in enumerate(classes)}
    weights = np.zeros((len(classes), len(classes)))
    sides = (*(f"sender_{trait}" for trait in TRAITS), *(f"receiver_{trait}" for trait in TRAITS))
    for *traits, n in receipts.select(*sides, "n_up_to_5_to_others").iter_rows():
        weights[place[tuple(traits[:3])], place[tuple(traits[3:])]] = n
    traits = [
        np.array([traits[TRAITS.index(kind)] == value for traits in classes], dtype=float)
        for kind, value in (
            ("department", "Legal"),
            ("department", "Trading"),
            ("seniority", "Junior"),
            ("gender", "Female"),
        )
    ]
    published = np.array(
        [
            [-1.48, -1.74, -1.83, -0.25],
            [3.70, 0.48, 0.23, -0.22],
            [1.06, 1.92, 1.11, -0.21],
            [-0.12, 1.36, 1.70, 0.25],
            [0.87, -0.58, 0.07, 0.83],
        ]
    )
    design = np.stack([np.outer(s, r) for s in [np.ones(len(classes)), *traits] for r in traits], axis=-1)
    others, sent = np.log(sizes - np.eye(len(classes))), weights.sum(axis=1)  # nobody writes to themselves

    def deviance(beta):
        eta = design @ beta + others
        odds = np.exp(eta - eta.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        slope = np.einsum("ij,ijk->k", weights - sent[:, None] * shares, design)
        return -(weights * np.log(shares)).sum() / sent.sum(), -slope / sent.sum()

    fit = minimize(deviance, np.zeros(20), jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 500})
    assert np.abs(fit.x.reshape(5, 4) - published).max() <= 0.0051


def test_lazega_advice_goes_up():
    people = pl.read_csv(DATA / "lazega_status.csv").cast(pl.String).rename({"lawyer": "person_id"})
    edges = pl.read_csv(DATA / "lazega_advice.csv").cast(pl.String).rename({"asks": "source", "asked": "target"})
    network = sna.network_from_edges(edges, people=people)
    assert (network.n_people, network.n_ties) == (71, 892)
    # 1 = partner, 2 = associate
    flow = hierarchy_flow(network, by="status", order=("2", "1"), draws=49, rng=1)
    counts = dict(flow.select("direction", "observed").iter_rows())
    assert (counts["upward"], counts["downward"]) == (242, 59)


def test_collegemsg_identity(shared):
    with gzip.open(shared / "data" / "collegemsg_uci" / "CollegeMsg.txt.gz", "rt") as stream:
        rows = [line.split() for line in stream]
    frame = pl.DataFrame({"source": [r[0] for r in rows], "target": [r[1] for r in rows]})
    network = sna.network_from_edges(frame)
    seconds = [int(r[2]) for r in rows]
    assert (frame.height, network.n_people, network.n_ties) == (59_835, 1_899, 20_296)
    assert (max(seconds) - min(seconds)) // 86_400 == 193


def test_email_eu_core_identity(shared):
    folder = shared / "data" / "email_eu_core"
    edge_file = next(path for path in sorted(folder.glob("email-Eu-core.txt*")))
    opener = gzip.open if edge_file.suffix == ".gz" else open
    with opener(edge_file, "rt") as stream:
        rows = [line.split() for line in stream if line.strip()]
    with open(folder / "email-Eu-core-department-labels.txt", encoding="utf-8") as stream:
        labels = [line.split() for line in stream if line.strip()]
    people = pl.DataFrame({"person_id": [r[0] for r in labels], "department": [r[1] for r in labels]})
    network = sna.network_from_edges(
        pl.DataFrame({"source": [r[0] for r in rows], "target": [r[1] for r in rows]}), people=people
    )
    assert (len(rows), network.n_people, people["department"].n_unique()) == (25_571, 1_005, 42)
    assert network.n_ties + network.left_out["self"] == 25_571


def test_uc_forum_identity(shared):
    edges = pl.read_csv(shared / "data" / "collegemsg_uci" / "ucforum_edges.csv")
    nodes = pl.read_csv(shared / "data" / "collegemsg_uci" / "ucforum_nodes.csv")
    assert nodes.height == 899 + 522
    assert edges.height == 7_089

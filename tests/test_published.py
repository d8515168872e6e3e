"""Numbers printed in papers, reproduced from the published data (see METHODS section 4 for the sources)."""

import csv
import gzip

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

import sna
from sna.mixing.indices import newman_assortativity
from sna.mixing.levels import hierarchy_flow
from sna.network.brokerage import brokerage_roles, brokerage_totals


def edges_of(matrix):
    ids = [f"m{i:02d}" for i in range(len(matrix))]
    rows, columns = np.nonzero(matrix)
    return ids, pl.DataFrame({"source": [ids[i] for i in rows], "target": [ids[j] for j in columns]})


@pytest.fixture(scope="module")
def advice(shared):
    """Krackhardt's high-tech managers, who asks whom for advice, with their department."""
    folder = shared / "data" / "published_tables"
    matrix = np.loadtxt(folder / "krack_advice.csv", delimiter=",", dtype=int)
    department = np.loadtxt(folder / "krack_dept.csv", dtype=int)
    ids, edges = edges_of(matrix)
    people = pl.DataFrame({"person_id": ids, "department": [str(d) for d in department]})
    return sna.network_from_edges(edges, people=people)


@pytest.fixture(scope="module")
def krackhardt(shared):
    """The three relations of the high-tech managers as matrices, and their departments."""
    folder = shared / "data" / "classic_org_networks"
    full = pl.read_csv(folder / "krack_full.csv")
    attributes = pl.read_csv(folder / "krack_attributes.csv")
    matrices = {}
    for relation in ("advice_tie", "friendship_tie", "reports_to_tie"):
        matrix = np.zeros((21, 21), dtype=int)
        for ego, alter, tie in full.select("ego", "alter", relation).iter_rows():
            matrix[int(ego) - 1, int(alter) - 1] = tie
        np.fill_diagonal(matrix, 0)
        matrices[relation] = matrix
    return matrices, [str(d) for d in attributes["DEPT"]]


@pytest.fixture(scope="module")
def enron(shared):
    """Enron messages among 156 employees as pairs (sender, receiver) with the number of recipients, and attributes."""
    folder = shared / "data" / "enron_156_roles"

    def rows(name):
        with open(folder / name, encoding="utf-8", errors="replace") as stream:
            return list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))

    employees, messages, recipients = rows("employees.tsv"), rows("messages.tsv"), rows("recipients.tsv")
    sender = {row[0]: row[-1] for row in messages}
    pairs = pl.DataFrame({"message": [r[0] for r in recipients], "target": [r[2] for r in recipients]}).with_columns(
        pl.col("message").replace_strict(sender).alias("source"), pl.len().over("message").alias("n")
    )
    columns = {"person_id": 0, "department": 2, "gender": 5, "seniority": 6}
    people = pl.DataFrame({name: [row[i] for row in employees] for name, i in columns.items()})
    return pairs, people, len(messages)


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


def test_krackhardt_brokerage_equals_sna_for_r(advice):
    roles = brokerage_roles(advice, by="department")
    sums = [roles[name].sum() for name in ("coordinator", "consultant", "representative", "gatekeeper", "liaison")]
    assert sums == [28, 69, 95, 62, 246]
    assert roles["n_paths"].sum() == 500
    totals = brokerage_totals(advice, by="department", draws=199, rng=1)
    # total brokerage is the same in every permutation: none of the roles stands out
    assert totals["observed"].sum() == pytest.approx(totals["expected"].sum())
    assert (totals["p_adjusted"] > 0.05).all()


def test_krackhardt_arcs_and_dyad_census(krackhardt):
    matrices, _ = krackhardt
    assert [int(matrix.sum()) for matrix in matrices.values()] == [190, 102, 20]
    census = {}
    for name, matrix in matrices.items():
        mutual = int((matrix * matrix.T).sum()) // 2
        asymmetric = int((matrix != matrix.T).sum()) // 2
        census[name] = (mutual, asymmetric, 210 - mutual - asymmetric)
    # Wasserman and Faust (1994): friendship 23 / 56 / 131
    assert census["friendship_tie"] == (23, 56, 131)
    assert census["advice_tie"] == (45, 100, 65)


@pytest.mark.parametrize(("relation", "value"), [("friendship_tie", 0.255), ("advice_tie", 0.516)])
def test_krackhardt_ei_index(krackhardt, relation, value):
    matrices, departments = krackhardt
    ids, edges = edges_of(matrices[relation])
    network = sna.network_from_edges(edges, people=pl.DataFrame({"person_id": ids, "department": departments}))
    assert sna.ei_index(network, by="department") == pytest.approx(value, abs=5e-4)
    # label permutation: friendship inside departments is far beyond chance, advice is not; mean .551
    seen = sna.mixing_matrix(network, by="department", null="label permutation")
    same = seen.filter(pl.col("from_group") == pl.col("to_group"))
    expected = 1 - 2 * same["expected"].sum() / seen["observed"].sum()
    assert expected == pytest.approx(0.551, abs=0.01)
    excess = same["observed"].sum() / same["expected"].sum()
    assert (excess > 1.5) == (relation == "friendship_tie")


def test_enron_counts(enron):
    pairs, people, n_messages = enron
    assert (people.height, n_messages, pairs.height) == (156, 21_635, 38_388)
    network = sna.network_from_edges(pairs.select("source", "target"), people=people)
    # Perry and Wolfe (2013), gender send counts, all recipients; what people send to themselves is no tie
    table = sna.mixing_matrix(network, by="gender")
    seen = {(a, b): n for a, b, n in table.select("from_group", "to_group", "observed").iter_rows()}
    own = pairs.filter(pl.col("source") == pl.col("target")).join(people, left_on="source", right_on="person_id")
    self_sent = dict(own["gender"].value_counts().iter_rows())
    for gender in ("Female", "Male"):
        seen[gender, gender] += self_sent.get(gender, 0)
    order = [("Female", "Female"), ("Female", "Male"), ("Male", "Female"), ("Male", "Male")]
    assert [seen[cell] for cell in order] == [7529, 8061, 5310, 17_488]


def test_enron_naive_shares(enron):
    pairs, people, _ = enron
    gender = dict(people.select("person_id", "gender").iter_rows())
    few = pairs.filter(pl.col("n") <= 10).with_columns(
        pl.col("source", "target").replace_strict(gender).name.prefix("g_")
    )
    to_women = few.group_by("g_source").agg((pl.col("g_target") == "Female").mean()).sort("g_source")
    assert to_women["g_target"].to_list() == pytest.approx([0.503, 0.232], abs=5e-4)


def test_enron_static_coefficients(enron):
    # Perry and Wolfe (2013), static model: receiver and sender x receiver effects of Legal, Trading, Junior, Female
    pairs, people, _ = enron
    table = people.sort(pl.col("person_id").cast(pl.Int64))
    index = {person: i for i, person in enumerate(table["person_id"])}
    traits = [
        (table[column] == value).to_numpy().astype(float)
        for column, value in (
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
    few = pairs.filter(pl.col("n") <= 5)
    weights = np.zeros((156, 156))
    np.add.at(weights, ([index[s] for s in few["source"]], [index[t] for t in few["target"]]), 1)
    np.fill_diagonal(weights, 0)
    design = np.stack([np.outer(s, r) for s in [np.ones(156), *traits] for r in traits], axis=-1)
    others, sent = ~np.eye(156, dtype=bool), weights.sum(axis=1)

    def deviance(beta):
        eta = np.where(others, design @ beta, -np.inf)
        odds = np.exp(eta - eta.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        logs = np.log(np.where(others & (shares > 0), shares, 1.0))
        slope = np.einsum("ij,ijk->k", weights - sent[:, None] * shares, design)
        return -(weights * logs).sum() / sent.sum(), -slope / sent.sum()

    fit = minimize(deviance, np.zeros(20), jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 500})
    assert np.abs(fit.x.reshape(5, 4) - published).max() <= 0.0051


def test_lazega_advice_goes_up(shared):
    folder = shared / "data" / "classic_org_networks"
    people = pl.read_csv(folder / "law_advice_nodes.csv", schema_overrides={"id": pl.String, "status": pl.String})
    kinds = {"advice": 892, "friends": 575, "cowork": 1104}
    edges = {name: pl.read_csv(folder / f"law_{name}_edges.csv").cast(pl.String) for name in kinds}
    assert {name: frame.height for name, frame in edges.items()} == kinds
    network = sna.network_from_edges(edges["advice"], people=people.select(pl.col("id").alias("person_id"), "status"))
    assert network.n_ties == 892
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

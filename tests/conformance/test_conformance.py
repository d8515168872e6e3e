"""This project passes every conformance case; the peers are only reported on, by ``python -m tests.conformance``."""

import pytest

from tests.conformance.__main__ import FAIL, NOT_OFFERED, PASS, judge, write_table
from tests.conformance.adapters import ADAPTERS, NetworkX, Sna, find_version
from tests.conformance.cases import BROKERS, CASES, Case, same


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sna_passes(case):
    found, expected = case.run(Sna())
    assert same(found, expected), f"{case.smallest}: found {found}, expected {expected}"


def test_every_case_has_its_own_name():
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_wrong_answer_an_error_and_a_missing_method_are_told_apart():
    case = next(case for case in CASES if case.name == "strength is not distance")

    class Wrong(Sna):
        def weighted_betweenness(self, table):
            return dict.fromkeys(table.people, 0)

    class Broken(Sna):
        def weighted_betweenness(self, table):
            raise ZeroDivisionError("no such thing")

    assert judge(case, Sna())[0] == PASS
    assert judge(case, Wrong())[0] == FAIL
    assert judge(case, Broken()) == (FAIL, "ZeroDivisionError: no such thing")
    replies = next(case for case in CASES if case.needs == "replies")
    assert judge(replies, NetworkX())[0] == NOT_OFFERED


def test_values_are_compared_key_by_key():
    assert same({"a": 1.0}, {"a": 1.0 + 1e-9})
    assert same({"a": float("nan")}, {"a": None})
    for wrong in ({"a": 1.1}, {"a": None}, {"a": 1.0, "b": 0.0}, {}):
        assert not same(wrong, {"a": 1.0})


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "sna"])
def test_peers_can_be_run_through_most_cases(name):
    """An adapter that fails nearly everything is wrong itself."""
    adapter = ADAPTERS[name]
    if find_version(adapter) is None:
        pytest.skip(f"{name} is not installed")
    offered = [case for case in CASES if hasattr(adapter(), case.needs)]
    passed = [case.name for case in offered if judge(case, adapter())[0] == PASS]
    assert len(passed) > len(offered) / 2


def test_the_table_says_who_passes_what(tmp_path):
    case = Case("a case", "reach", "a -> b", lambda adapter: (adapter.reach(BROKERS), {"a": 2, "b": 1, "c": 0, "d": 1}))
    text = write_table(tmp_path / "table.md", cases=[case], adapters=[Sna, NetworkX]).read_text(encoding="utf-8")
    assert "| a case | pass | pass |" in text

"""The command line as a newcomer meets it: right answers, clear messages, exit codes, never a traceback."""

import json
import subprocess
import sys
import zipfile

import polars as pl
import pytest
from click.testing import CliRunner

import sna
from sna.cli import _shown_p, main
from tests.workbook import make_workbook

QUESTION = (
    '<row Id="1" PostTypeId="1" CreationDate="2024-01-01T10:00:00.000" OwnerUserId="1" Title="How?" Body="b" '
    'AcceptedAnswerId="2" />'
)
ANSWER = '<row Id="2" PostTypeId="2" ParentId="1" CreationDate="2024-01-02T10:00:00.000" OwnerUserId="2" Body="so" />'
WIKI = '<row Id="9" PostTypeId="5" CreationDate="2024-01-01T10:00:00.000" Body="about a tag" />'
USERS = "".join(
    f'<row Id="{i}" Reputation="1" CreationDate="2023-12-01T00:00:00.000" DisplayName="{name}" />\n'
    for i, name in ((1, "Ann &lt;b&gt;"), (2, "Bob"), (3, "Silent"))
)


def posts_xml(*rows: str) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "\n".join(rows) + "\n</posts>\n"


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "Posts.xml").write_text(posts_xml(QUESTION, ANSWER), encoding="utf-8")
    (folder / "Users.xml").write_text(f'<?xml version="1.0"?>\n<users>\n{USERS}</users>\n', encoding="utf-8")
    return folder


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def test_check_says_what_it_is_what_was_used_and_what_it_supports(export):
    result = run("check", export)
    assert result.exit_code == 0, result.output
    assert "Recognised: stackexchange, because" in result.output
    assert "posts                 2          2" in result.output
    assert "[no     ] silent readers" in result.output


def test_check_json_gives_scripts_the_same(export):
    facts = json.loads(run("check", export, "--json").stdout)
    assert facts["tables"]["posts"] == {"read": 2, "used": 2, "rejected": 0, "withheld": 0, "added": 0}
    assert facts["tables"]["people"]["used"] == 3
    assert facts["capabilities"]["acceptance"] == "yes"
    assert {"analysis": "silent readers", "answerable": "no", "because": "reads: no"} in facts["analyses"]


def test_a_zip_is_read_as_its_folder_is(export, tmp_path):
    packed = tmp_path / "site.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in export.iterdir():
            archive.write(file, f"site/{file.name}")
    from_zip, from_folder = (json.loads(run("check", p, "--json").stdout) for p in (packed, export))
    assert from_zip["tables"] == from_folder["tables"]


def test_convert_writes_tables_that_read_back_equal(export, tmp_path):
    assert run("convert", export, tmp_path / "out").exit_code == 0
    assert sna.read_forum(tmp_path / "out").equals(sna.read_forum(export))


def test_report_writes_one_self_contained_file(export, tmp_path):
    result = run("report", export, "--out", tmp_path / "report", "--quiet")
    assert result.exit_code == 0, result.output
    assert "Report: " in result.output
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def damaged(tmp_path, name, data: bytes):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def truncated_zip(tmp_path):
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Posts.xml", posts_xml(QUESTION) * 50)
    return damaged(tmp_path, "cut.zip", whole.read_bytes()[:-60])


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda t: t / "nowhere.zip", 3, "must exist"),
        (lambda t: damaged(t, "empty.zip", b""), 3, "is empty"),
        (lambda t: damaged(t, "notes.bin", b"\x00\x01\x02 nothing we know"), 4, "No reader of sna takes it"),
        (truncated_zip, 3, "damaged"),
        (lambda t: damaged(t, "Posts.xml", posts_xml(WIKI).encode()), 3, "must hold posts"),
    ],
)
def test_every_bad_export_gets_a_sentence_and_an_exit_code(tmp_path, make, code, message):
    result = run("check", make(tmp_path), "--quiet")
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_bad_dates_duplicate_ids_and_unknown_rows_are_counted_not_fatal(tmp_path):
    bad_date = QUESTION.replace("2024-01-01T10:00:00.000", "yesterday").replace('<row Id="1"', '<row Id="7"')
    (tmp_path / "Posts.xml").write_text(posts_xml(QUESTION, QUESTION, ANSWER, bad_date), encoding="utf-8")
    facts = json.loads(run("check", tmp_path, "--json").stdout)
    assert facts["tables"]["posts"]["read"] == 4
    assert facts["tables"]["posts"]["used"] == 3
    assert {"table": "posts", "kind": "rejected", "reason": "duplicate_id", "n": 1} in facts["issues"]
    assert {"table": "posts", "kind": "repaired", "reason": "bad_time", "n": 1} in facts["issues"]


def test_a_byte_that_is_not_utf8_is_no_traceback(tmp_path):
    text = posts_xml(QUESTION.replace('Body="b"', 'Body="caf\udce9"'), ANSWER)
    (tmp_path / "Posts.xml").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("check", tmp_path, "--json")
    assert result.exit_code in (0, 3), result.output
    assert "Traceback" not in result.output


def test_a_column_that_is_not_there_is_named(tmp_path):
    (tmp_path / "people.csv").write_text("colour,shoe\nred,42\n", encoding="utf-8")
    (tmp_path / "Posts.xml").write_text(posts_xml(QUESTION, ANSWER), encoding="utf-8")
    result = run("check", tmp_path / "Posts.xml", "--org", tmp_path / "people.csv")
    assert result.exit_code in (3, 4, 5), result.output
    assert "colour" in result.output


def test_wrong_usage_is_exit_code_two():
    assert run("check").exit_code == 2
    assert run("report", "x", "--example").exit_code == 2


def test_terminal_escapes_in_an_export_do_not_reach_the_terminal(tmp_path):
    path = damaged(tmp_path, "evil\x1b[31m.bin", b"nothing")
    assert "\x1b" not in run("check", path).output


def test_the_installed_command_answers():
    result = subprocess.run([sys.executable, "-m", "sna", "--version"], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "0.1.0" in result.stdout


def test_a_list_of_ties_is_read_when_its_columns_are_named(tmp_path):
    path = tmp_path / "mail.csv"
    path.write_text("from;to;when\nann;bob;2024-01-01 10:00:00\nbob;ann;2024-01-02 10:00:00\n", encoding="utf-8")
    assert run("check", path).exit_code == 4
    assert "--edges" in run("check", path).output
    facts = json.loads(run("check", path, "--edges", "from, to, when", "--json").stdout)
    assert (facts["platform"], facts["tables"]["mentions"]["used"]) == ("edges", 2)
    assert run("check", path, "--edges", "from").exit_code == 2
    assert run("check", path, "--edges", "from,nobody").exit_code == 5


def test_champions_lists_ids_with_intervals_and_says_when_nobody_can_be_named(tmp_path):
    rows = json.loads(run("champions", "--example", "--top", "3", "--json", "--quiet").stdout)
    assert len(rows) == 3
    assert all(row["contribution_low"] < row["contribution"] < row["contribution_high"] for row in rows)
    assert rows[0]["standing"] == "champion"
    assert rows[0]["person_id"] in run("champions", "--example", "--top", "3").output


def test_across_prints_the_summary(export):
    result = run("across", "--example", "--draws", "49", "--split-at", "2024-07-01", "--json")
    summary = json.loads(result.stdout)
    assert summary["split_basis"] == "given"
    assert summary["change_decision"] == "more"
    change = summary["change"][0]
    assert change["low"] < change["value"] < change["high"]
    assert {row["null"] for row in summary["matrix"]} == {"thread participation"}
    words = run("across", "--example", "--draws", "49", "--split-at", "Chat with the leaders")
    assert "had another role than the person who began it" in words.output
    assert "| Engineering" in words.output
    refused = run("across", export)
    assert refused.exit_code in (5, 6)
    assert "role" in refused.output


def test_a_mapping_is_proposed_checked_and_used(tmp_path):
    table = tmp_path / "posts.csv"
    lines = [f"{i},u{i % 3},2024-01-{i + 1:02d} 10:00:00,t{i // 3},words {i}" for i in range(9)]
    table.write_text("\n".join(["id,author,created_at,thread,text", *lines]) + "\n", encoding="utf-8")
    guess = run("map", "guess", table)
    assert guess.exit_code == 0, guess.output
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(guess.stdout, encoding="utf-8")
    assert run("map", "check", mapping).exit_code == 0, run("map", "check", mapping).output
    facts = json.loads(run("check", table, "--mapping", mapping, "--json").stdout)
    assert facts["tables"]["posts"]["used"] == 9
    mapping.write_text("platform: x\nnonsense: 1\n", encoding="utf-8")
    assert run("map", "check", mapping).exit_code == 5


def test_a_defect_of_ours_is_said_without_a_traceback(monkeypatch, export):
    def broken(*_, **__):
        raise RuntimeError("oops")

    monkeypatch.setattr("sna.cli.describe", broken)
    monkeypatch.delenv("SNA_DEBUG", raising=False)
    result = run("check", export)
    assert result.exit_code == 70
    assert "RuntimeError: oops" in result.output
    assert "Traceback" not in result.output
    monkeypatch.setenv("SNA_DEBUG", "1")
    assert isinstance(run("check", export).exception, RuntimeError)


TABLE = "who,when,topic,words\n" + "".join(f"u{i % 3},{i + 1}/6/15 10:00,t{i // 3},words {i}\n" for i in range(9))


def test_columns_and_times_are_named_at_the_shell(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(TABLE, encoding="utf-8")
    columns = "author=who,created_at=when,thread=topic"
    facts = json.loads(run("check", table, "--columns", columns, "--time-format", "dmy", "--json").stdout)
    assert facts["period"][0].startswith("2015-06-01")
    assert facts["tables"]["posts"]["used"] == 9
    assert run("check", table, "--columns", columns).exit_code == 5
    assert run("check", table, "--columns", "author").exit_code == 2


def test_edges_by_position_and_a_sheet(tmp_path):
    path = tmp_path / "ties.xlsx"
    rows = [["from", "to", "at"], ["ann", "bob", ("date", 45413.5)], ["bob", "ann", ("date", 45414.5)]]
    path.write_bytes(make_workbook({"Notes": [["x"], ["y"]], "Ties": rows}))
    facts = json.loads(run("check", path, "--edges", "1,2,3", "--sheet", "Ties", "--json").stdout)
    assert facts["period"][0].startswith("2024-05-01T12:00")
    assert facts["tables"]["mentions"]["used"] == 2


def test_a_table_no_reader_knows_is_read_when_somebody_agrees(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(TABLE.replace("/6/15", ".6.2015"), encoding="utf-8")
    refused = run("check", table)
    assert refused.exit_code == 4
    assert "author_id:" in refused.output
    assert "--yes" in refused.output
    agreed = run("check", table, "--yes", "--json")
    assert json.loads(agreed.stdout)["tables"]["posts"]["used"] == 9
    assert "its columns were guessed" in agreed.stdout
    table.write_text(TABLE, encoding="utf-8")
    open_question = run("check", table, "--yes")
    assert open_question.exit_code == 5
    assert "day or month first" in open_question.output


def test_the_org_file_is_looked_at_before_the_export(tmp_path, monkeypatch, export):
    org = tmp_path / "org.csv"
    org.write_text("foo,bar\n1,2\n", encoding="utf-8")
    monkeypatch.setattr(sna, "read_forum", lambda *_, **__: pytest.fail("the export was read first"))
    assert run("check", export, "--org", org).exit_code == 5
    monkeypatch.undo()
    wrong = run("check", export, "--org", org, "--org-columns", "person_id=baz")
    assert wrong.exit_code == 5
    assert "baz" in wrong.output
    assert run("check", export, "--org", org, "--org-columns", "person_id=foo,role=bar").exit_code == 0


def test_small_p_values_are_never_shown_as_zero():
    table = pl.DataFrame({"p_value": [0.0004, 0.0312, None]}).select(_shown_p("p_value"))
    assert table["p_value"].to_list() == ["< 0.001", "0.031", None]

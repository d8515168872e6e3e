"""What is not recognised is described first, and the next command follows."""

import io
import json
import re
import sqlite3
import zipfile

import polars as pl
import pytest
from click.testing import CliRunner

import sna
from sna.cli import main
from sna.errors import FormatError
from sna.formats.container import open_container
from sna.readers.look import describe_export
from tests.workbook import make_workbook


def office(inside):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(inside, "<x/>")
    return packed.getvalue()


def sqlite_file(tmp_path):
    path = tmp_path / "made.db"
    sqlite3.connect(path).execute("create table t (a)").connection.close()
    return path.read_bytes()


CASES = {
    "a.csv": (b"a,b,c\n1,2,3\n", "is a CSV with the columns a, b, c.", "sna map guess"),
    "wide.csv": ((",".join(f"c{i}" for i in range(12)) + "\n").encode(), "c7 and 4 more.", "sna map guess"),
    "semi.csv": ("Autor;Datum;Wörter\nx;y;z\n".encode("cp1252"), "columns Autor, Datum, W", "sna map guess"),
    "a.json": (json.dumps([{"x": 1, "y": 2}]).encode(), "is a JSON list of objects with the keys x, y.", "map guess"),
    "o.json": (b'{"kind": 1, "rows": []}', "is a JSON object with the keys kind, rows.", "sna map guess"),
    "a.jsonl": (b'{"x": 1}\n{"x": 2}\n', "is JSON lines with the keys x.", "sna map guess"),
    "a.xml": (b'<?xml version="1.0"?>\n<board><p/></board>', "is XML with root <board>.", "sna map guess"),
    "page.html": (b"<!DOCTYPE html><html><body>hi</body></html>", "is a web page (HTML).", "as data"),
    "d.sql": (b"CREATE TABLE `notes` (a int);\nCREATE TABLE users (b int);\n", "tables notes, users.", "map guess"),
    "scan.pdf": (b"%PDF-1.7\n...", "is a PDF.", "as data"),
    "shot.png": (b"\x89PNG\r\n\x1a\n", "is an image.", "as data"),
    "mail.pst": (b"!BDN\x00\x01", "is an Outlook mailbox (PST).", "mbox"),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Office file", "CSV UTF-8"),
    "text.docx": (office("word/document.xml"), "is a Word document (DOCX).", "as data"),
    "sheet.xlsx": (office("xl/workbook.xml"), "is a workbook that is damaged.", "sna map guess"),
    "noise.bin": (bytes(range(256)) * 4, "is a binary file of no kind sna knows.", "as data"),
    "channels.json": (
        b'[{"id": "C1", "name": "help"}]',
        "is a JSON list",
        "one part of a Slack export: give the whole",
    ),
}


@pytest.mark.parametrize(("name", "case"), CASES.items())
def test_an_unknown_file_is_described_with_the_next_step(tmp_path, name, case):
    data, what, hint = case
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError) as error:
        sna.read_forum(tmp_path / name)
    message = str(error.value)
    assert message.startswith(f"{name} is ")
    assert what in message
    assert hint in message.partition("Hint: ")[2]
    assert len(message) < 420


def test_folders_and_archives_are_counted_by_kind(tmp_path):
    with zipfile.ZipFile(tmp_path / "sheets.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.xlsx", office("xl/workbook.xml"))
        archive.writestr("note.txt", "x")
    with pytest.raises(FormatError, match=re.escape("sheets.zip is a zip of 3 XLSX files, 1 TXT file;")):
        sna.read_forum(tmp_path / "sheets.zip")
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2):
        pl.DataFrame({"who": ["a"], "what": ["b"]}).write_csv(folder / f"{number}.csv")
    with pytest.raises(FormatError, match=r"a folder of 2 CSV files; 0.csv is a CSV with the columns who, what"):
        sna.read_forum(folder)


def test_a_database_file_and_parquet_are_known_by_their_first_bytes(tmp_path):
    (tmp_path / "x.db").write_bytes(sqlite_file(tmp_path))
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "t.parquet")
    with open_container(tmp_path / "x.db") as container:
        assert describe_export(container)[0] == "an SQLite database"
    with open_container(tmp_path / "t.parquet") as container:
        assert describe_export(container)[0] == "a Parquet table with the columns a, b"


def test_the_shell_says_it_in_one_line_with_a_command_that_can_be_pasted(tmp_path):
    path = tmp_path / "my posts.csv"
    path.write_text("a,b\n1,2\n")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 4
    assert f"sna map guess '{path}'" in result.output
    assert "Slack" not in result.output


def test_a_workbook_is_described_by_its_columns(tmp_path):
    (tmp_path / "b.xlsx").write_bytes(make_workbook({"Log": [["who", "what"], ["ann", "bread"]]}))
    with open_container(tmp_path / "b.xlsx") as container:
        assert describe_export(container)[0] == "a workbook with the columns who, what"

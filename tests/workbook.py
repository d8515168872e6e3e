"""A workbook written by hand, so that tests need no library that writes one."""

import io
import zipfile
from xml.sax.saxutils import escape

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{_OFFICE}"'


def make_workbook(sheets):
    """Bytes of an .xlsx from rows by sheet name: texts, numbers, None, and dates as ``("date", serial)``."""
    numbered = list(enumerate(sheets, start=1))
    places = "".join(_relation(f"s{i}", f"{_OFFICE}/worksheet", f"worksheets/sheet{i}.xml") for i, _ in numbered)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": _relations(_relation("r", f"{_OFFICE}/officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {_SHEET}><sheets>"
        + "".join(f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"/>' for i, name in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(places + _relation("st", f"{_OFFICE}/styles", "styles.xml")),
        "xl/styles.xml": f'<styleSheet {_SHEET}><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for i, name in numbered:
        rows = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in sheets[name])
        parts[f"xl/worksheets/sheet{i}.xml"] = f"<worksheet {_SHEET}><sheetData>{rows}</sheetData></worksheet>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def _relation(name, kind, target):
    return f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>'


def _relations(inside):
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inside}</Relationships>'


def _cell(value):
    if value is None:
        return "<c/>"
    if isinstance(value, tuple):
        return f'<c s="1"><v>{value[1]}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"

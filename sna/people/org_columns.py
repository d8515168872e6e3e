"""Which column of an HR table is what: header synonyms of the usual systems, and what is never read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from sna.formats.frames import as_text
from sna.readers.tables.guess import plain_name, read_words

_KEYS = """
person_id: personid employeeid empid workerid employeenumber employeeno personnelnumber id userid externalid employee
  worker person globalid staffid staffnumber uid personalnummer mitarbeiternummer matricule peoplehistoricalid
email: email emailaddress mail workemail primaryemail primaryworkemail businessemail userprincipalname upn emailwork
  companyemail
username: username login loginname samaccountname networkid account nickname
name: name fullname displayname workername employeename preferredname legalname
first_name: firstname givenname forename vorname prenom preferredfirstname
last_name: lastname surname familyname nachname nom
manager: managerid reportstoid manageremployeeid supervisorid managerpersonid managerworkerid manageremail manager
  reportsto supervisor linemanager managername supervisorname managerasoflastdetectedmanagerchange vorgesetzter
  vorgesetzte fuehrungskraft responsable
valid_from: validfrom effectivedate effectivefrom effectivestartdate fromdate metricdate snapshotdate asof asofdate
  recorddate positiondataeffectivedate gueltigab date datum
valid_to: validto effectiveto effectiveenddate todate effectiveuntil gueltigbis validuntil
joined_at: hiredate dateofhire joineddate joiningdate joindate employeehiredate originalhiredate dateofjoining
  lasthiredate employmentstartdate eintrittsdatum eintritt dateembauche
left_at: leavedate terminationdate exitdate lastday lastdayofwork lastworkingday leavingdate employeeleavedatetime
  dateofleaving separationdate austrittsdatum austritt datesortie
start: startdate start
end: enddate end
"""
KEYS: Mapping[str, tuple[str, ...]] = read_words(_KEYS)
"""Columns with a meaning of their own; ``start`` and ``end`` are settled by what else is there."""

_ATTRIBUTES = """
role: role function functiontype jobfunction jobfamily jobfamilyreference rolle funktion
job_title: jobtitle title businesstitle position positiontitle jobprofile job stelle poste
department: department departmentname dept organization organisation organizationname orgunit supervisoryorganization
  businessunit division team departmentid abteilung service
level: level leveldesignation managementlevel managementlevelreference joblevel grade jobgrade band careerlevel ebene
  niveau
location: location locationname locationreference office officelocation site worklocation city standort lieu
country: country countrycode land pays
employment_type: employmenttype employeetype workertype usertype contracttype timetype
employment_status: status employmentstatus active employeestatus accountenabled
"""
ATTRIBUTES: Mapping[str, tuple[str, ...]] = read_words(_ATTRIBUTES)
_LONG = {
    "person_id": (*KEYS["person_id"], *KEYS["email"], *KEYS["username"], *KEYS["name"]),
    "attribute": ("attribute", "attributename", "field", "property", "key", "merkmal"),
    "value": ("value", "attributevalue", "newvalue", "wert"),
}
_PRIVATE = re.compile(
    r"salar|wage|hourlyrate|compensation|bonus|payrate|paygrade\w*amount|gehalt|lohn|phone|mobile|cell|fax|telefon|birth"
    r"|dateofb|^dob$|geburt|ssn|socialsecurity|nationalid|passport|taxid|iban|bank|homeaddress|street|postalcode|zipcode"
    r"|(?:^|base|annual|total|gross|net|hourly|monthly|weekly|daily|target|variable)pay(?:amount)?$|remunerat|earnings"
    r"|(?:daily|day|cost|bill|billing|charge)rate|allowance|stipend|equity|stockoption|entgelt|vergutung|verguetung"
    r"|nationality|citizenship|^age$|emergencycontact|nextofkin|nationalinsurance|sozialversicherung|steuer(?:id|nummer|klasse)|pension"
    r"|password|^ip$|ipaddress|token|secret|health|disab|religio|ethnic|race$|sexual|union|marital|gender|^sex$|geschlecht"
)
_METRIC_VALUES = 50
_SECOND = {"name": ("worker", "employee", "person"), "username": ("userprincipalname", "upn")}
"""What a column that could be the person's id or address is when another column is."""


@dataclass(frozen=True)
class OrgColumns:
    """What each column is: ``keys`` (our name -> column), ``attributes`` (name -> column), and what is ``left_out``."""

    layout: str
    keys: Mapping[str, str]
    attributes: Mapping[str, str]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_private_column(name: str) -> bool:
    """Pay, phone, birth, health and the like: such columns are never read."""
    return bool(_PRIVATE.search(plain_name(name)))


def find_org_columns(frame: pl.DataFrame) -> OrgColumns:
    """Settle what each column is from its name; measurements and private facts are left out and listed."""
    names = [name for name in frame.columns if not is_private_column(name)]
    private = tuple(name for name in frame.columns if is_private_column(name))
    long = {key: _first(names, words) for key, words in _LONG.items()}
    if all(long.values()):
        keys = {k: v for k, v in long.items() if v}
        keys |= {k: v for k in ("valid_from", "valid_to", "start", "end") if (v := _first(names, KEYS[k]))}
        return OrgColumns("long", _settled(keys, frame), {}, {"private_column": private})
    found = _found_keys(names, frame)
    keys = _settled({key: name for key, name in found.items() if name}, frame)
    rest = [name for name in names if name not in found.values()]
    managers = {name for name in rest if plain_name(name) in KEYS["manager"]}
    metrics = tuple(name for name in rest if name not in managers and _is_metric(frame[name]))
    named = [name for name in rest if name not in metrics and name not in managers]
    left_out = {"private_column": private, "measurement_column": metrics}
    return OrgColumns("wide", keys, _attribute_names(named), left_out)


def _first(names: Sequence[str], words: Sequence[str]) -> str | None:
    by_word = {plain_name(name): name for name in reversed(names)}
    last = {plain_name(name.split(".")[-1]): name for name in reversed(names)}
    return next((by_word[w] for w in words if w in by_word), None) or next((last[w] for w in words if w in last), None)


def _found_keys(names: Sequence[str], frame: pl.DataFrame) -> dict[str, str | None]:
    """The column of each key. Of several ids the one that managers are named by is the person's."""
    found = {key: _first(names, words) for key, words in KEYS.items()}
    ids = [column for word in KEYS["person_id"] if (column := _first(names, (word,)))]
    manager = found["manager"]
    if manager and len(ids) > 1:
        bosses = set(as_text(frame[manager]).drop_nulls()) - {""}
        hits = {column: len(bosses & set(as_text(frame[column]).drop_nulls())) for column in dict.fromkeys(ids)}
        found["person_id"] = max(hits, key=lambda column: hits[column])
    for key, words in _SECOND.items():
        taken = {column for column in found.values() if column}
        found[key] = found[key] or _first([name for name in names if name not in taken], words)
    return found


def _settled(keys: dict[str, str], frame: pl.DataFrame) -> dict[str, str]:
    """``Start date`` is the row's validity where people have several rows, their hire date otherwise."""
    start, end = keys.pop("start", None), keys.pop("end", None)
    person = keys.get("person_id") or keys.get("email") or keys.get("username") or keys.get("name")
    several = person is not None and frame[person].n_unique() < frame.height
    for column, dated, once in ((start, "valid_from", "joined_at"), (end, "valid_to", "left_at")):
        if column:
            keys.setdefault(dated if several or "attribute" in keys else once, column)
    return keys


def _attribute_names(names: Sequence[str]) -> dict[str, str]:
    """Canonical attribute names where a header is known; the first header in the list of synonyms takes the name."""
    chosen: dict[str, str] = {}
    for attribute, words in ATTRIBUTES.items():
        column = _first([name for name in names if name not in chosen.values()], words)
        if column:
            chosen[attribute] = column
    for name in names:
        if name not in chosen.values():
            chosen.setdefault(snake_name(name), name)
    return chosen


def snake_name(name: str) -> str:
    """A header as an attribute name.

    Examples
    --------
    >>> snake_name("Supervisory Organization"), snake_name("CostCenter")
    ('supervisory_organization', 'cost_center')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.split(".")[-1].strip())
    return re.sub(r"\W+", "_", parted).strip("_").lower() or "attribute"


def _is_metric(values: pl.Series) -> bool:
    """Numbers with many values, or with decimals, are measurements and not attributes of a person."""
    text = as_text(values)
    numbers = text.filter(text.is_not_null() & (text != "")).cast(pl.Float64, strict=False)
    if numbers.is_empty() or numbers.null_count():
        return False
    return numbers.n_unique() > _METRIC_VALUES or bool((numbers != numbers.round(0)).any())

"""People's attributes over time: layouts, dates, managers, damage; and their join to a forum."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sna
from sna.errors import ParameterError, ReadError, SchemaError
from sna.people.reporting_lines import chain_depth, on_cycle


def table(header, *rows):
    return pl.DataFrame([r.split(",") for r in rows], schema=header.split(","), orient="row")


def spells(org, attribute):
    rows = org.spells.filter(pl.col("attribute") == attribute)
    days = [pl.col(c).dt.strftime("%Y-%m-%d") for c in ("valid_from", "valid_to")]
    return rows.select("person_id", "value", *days).rows()


def reasons(frame):
    return dict(frame.group_by("reason").agg(pl.col("n").sum()).iter_rows())


def test_a_snapshot_holds_for_the_whole_period():
    org = sna.read_org(table("Employee ID,Name,Department,Job Title,Work Phone", "1,Ann,HR,Lead,555"))
    assert org.spells.select("attribute", "value", "basis").rows() == [
        ("department", "HR", "snapshot"),
        ("job_title", "Lead", "snapshot"),
    ]
    assert org.spells["valid_from"].null_count() == 2
    assert reasons(org.issues) == {"private_column": 1}
    dated = sna.read_org(table("Employee ID,Department", "1,HR"), as_of=datetime(2024, 5, 1, tzinfo=UTC))
    assert spells(dated, "department") == [("1", "HR", "2024-05-01", None)]


def test_effective_dated_rows_hold_until_the_next_and_empty_cells_end_a_spell():
    org = sna.read_org(
        table(
            "PersonId,EffectiveDate,Organization,HourlyRate",
            "a@x.io,1/3/2024,Sales,10",
            "a@x.io,2/1/2024,Sales,11",
            "a@x.io,3/15/2024,Legal,12",
            "a@x.io,4/1/2024,,12",
            "b@x.io,2/1/2024,Ops,9",
        )
    )
    assert spells(org, "department") == [
        ("a@x.io", "Sales", "2024-01-03", "2024-03-15"),
        ("a@x.io", "Legal", "2024-03-15", "2024-04-01"),
        ("b@x.io", "Ops", "2024-02-01", None),
    ]
    assert set(org.spells["basis"]) == {"effective_dated"}
    assert org.people["email"].to_list() == ["a@x.io", "b@x.io"]
    assert "hourly_rate" not in org.spells["attribute"]


def test_one_attribute_per_row_with_intervals():
    org = sna.read_org(
        table(
            "person,attribute,value,valid_from,valid_to",
            "a,Job Title,Clerk,2020-01-01,2021-01-01",
            "a,Job Title,Chief,2022-01-01,",
            "a,Salary,100,2020-01-01,",
            "a,manager,B,2020-01-01,",
            "b,manager,,2020-01-01,",
        )
    )
    assert spells(org, "job_title") == [("a", "Clerk", "2020-01-01", "2021-01-01"), ("a", "Chief", "2022-01-01", None)]
    assert spells(org, "manager") == [("a", "b", "2020-01-01", None)]
    assert reasons(org.issues)["private_column"] == 1
    assert "100" not in org.spells["value"]


def test_last_day_inclusive_ends_are_found():
    org = sna.read_org(
        table("empId,startDate,endDate,division", "1,2020-01-01,2020-12-31,X", "1,2021-01-01,2021-06-30,Y")
    )
    assert spells(org, "department") == [("1", "X", "2020-01-01", "2021-01-01"), ("1", "Y", "2021-01-01", "2021-07-01")]
    assert reasons(org.issues) == {"last_day_inclusive": 1}


def test_hire_and_leave_dates_and_start_date_without_history():
    org = sna.read_org(
        table("User ID,Start Date,End Date,Team", "1,2020-01-01,2024-02-01,X", "2,2021-01-01,2020-01-01,Y")
    )
    assert org.people["joined_at"].dt.year().to_list() == [2020, 2021]
    assert org.people["left_at"].dt.year().to_list() == [2024, 2020]
    assert reasons(org.issues) == {"left_before_joined": 1}
    again = sna.read_org(table("id,effectivedate,hiredate,d", "1,2020-01-01,2019-01-01,X", "1,2022-01-01,2022-01-01,Y"))
    assert again.people["joined_at"].dt.year().to_list() == [2019]
    assert reasons(again.issues)["rehired"] == 1


def test_levels_follow_the_reporting_line_and_its_troubles_are_told():
    org = sna.read_org(
        table(
            "ID,Full Name,Email,Manager",
            "1,Top One,t@x.io,1",
            "2,Ann Ax,a@x.io,t@x.io",
            "3,Bob By,b@x.io,ANN AX",
            "4,Cyc Le,c@x.io,5",
            "5,Cyc Me,d@x.io,4",
            "6,Und Er,e@x.io,5",
            "7,Out Er,f@x.io,boss@elsewhere.io",
            "8,New By,g@x.io,Vacant",
        )
    )
    assert dict(r[:2] for r in spells(org, "level")) == {"1": "0", "2": "1", "3": "2", "8": "0"}
    assert dict(r[:2] for r in spells(org, "manager"))["3"] == "2"
    assert reasons(org.issues) == {
        "self_manager": 1,
        "manager_cycle": 2,
        "unknown_manager": 1,
        "vacant_manager": 1,
        "level_unknown": 4,
    }


def test_levels_change_when_a_manager_above_changes():
    org = sna.read_org(
        table(
            "id,effective date,manager",
            "top,2024-01-01,",
            "mid,2024-01-01,top",
            "new,2024-06-01,mid",
            "low,2024-01-01,mid",
            "mid,2024-09-01,new2",
            "new2,2024-09-01,top",
        )
    )
    assert spells(org, "level") == [
        ("low", "2", "2024-01-01", "2024-09-01"),
        ("low", "3", "2024-09-01", None),
        ("mid", "1", "2024-01-01", "2024-09-01"),
        ("mid", "2", "2024-09-01", None),
        ("new", "2", "2024-06-01", "2024-09-01"),
        ("new", "3", "2024-09-01", None),
        ("new2", "1", "2024-09-01", None),
        ("top", "0", "2024-01-01", None),
    ]


def test_a_given_level_is_not_replaced():
    org = sna.read_org(table("id,manager,grade", "1,,L9", "2,1,L3"))
    assert spells(org, "level") == [("1", "L9", None, None), ("2", "L3", None, None)]


def test_managers_outside_the_table_head_it_only_when_it_has_no_top():
    org = sna.read_org(table("id,manager", "1,x", "2,1"))
    assert dict(r[:2] for r in spells(org, "level")) == {"1": "0", "2": "1"}


def test_damage_is_an_issue_and_the_rows_are_counted(tmp_path):
    path = tmp_path / "org.csv"
    text = "\r\n".join(
        [
            "Personalnummer;Abteilung;Gehalt",
            "0071;Vertrieb;1",
            "0071;Vertrieb;2",
            "0072;Recht;1",
            "0072;Technik;1",
            "1.23E+11;Recht;1",
            ";Recht;1",
            "Vacant;Recht;1",
            "Gesamt;4;7",
            "zu;viele;Zellen;hier",
        ]
    )
    path.write_bytes(text.encode("utf-16"))
    org = sna.read_org(path)
    assert spells(org, "department") == [("0071", "Vertrieb", None, None), ("0072", "Recht", None, None)]
    assert reasons(org.issues) == {
        "duplicate_row": 1,
        "conflicting_row": 1,
        "spreadsheet_number": 1,
        "missing_person": 2,
        "total_row": 1,
        "damaged_row": 1,
        "private_column": 1,
    }
    assert org.n_read == 9
    lost = org.issues.filter(pl.col("kind") == "rejected")["n"].sum()
    assert org.n_read - lost == 2


def test_leading_zeros_lost_by_a_spreadsheet_still_find_the_manager():
    org = sna.read_org(table("id,manager", "007,007", "008,7"))
    assert dict(r[:2] for r in spells(org, "manager")) == {"008": "007"}


def test_measurements_are_left_out_unless_named():
    rows = [f"p{i},{i * 1.5},{i}" for i in range(80)]
    org = sna.read_org(table("id,Emails_sent,Visits", *rows))
    assert org.spells.is_empty()
    assert reasons(org.issues) == {"measurement_column": 2}
    named = sna.read_org(table("id,Emails_sent,Visits", *rows), attributes={"visits": "Visits"})
    assert named.spells.height == 80
    with pytest.raises(SchemaError, match="never read"):
        sna.read_org(table("id,Salary", "1,2"), attributes={"pay": "Salary"})


def scim(user_id, name, manager=None, **extra):
    work = {"department": "Ops", "manager": {"value": manager}} if manager else {"department": "Ops"}
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "ID": user_id,
        "userName": name,
        "Emails": [{"value": "old@x.io"}, {"value": f"{name}@x.io", "primary": True}],
        "phoneNumbers": [{"value": "555"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": work,
        **extra,
    }


def test_scim_users_are_a_snapshot(tmp_path):
    path = tmp_path / "users.json"
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g"}
    users = [scim("u1", "ann"), scim("u2", "bob", "u1", title="Cook"), group]
    path.write_text(json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "Resources": users}))
    org = sna.read_org(path)
    assert org.people.select("person_id", "email", "username").rows() == [
        ("u1", "ann@x.io", "ann"), ("u2", "bob@x.io", "bob")]  # fmt: skip
    assert dict(r[:2] for r in spells(org, "level")) == {"u1": "0", "u2": "1"}
    assert spells(org, "job_title") == [("u2", "Cook", None, None)]
    assert reasons(org.issues) == {"not_an_object": 1}
    assert not org.spells["value"].str.contains("555").any()


@pytest.fixture
def forum():
    people = pl.DataFrame(
        {
            "person_id": ["u1", "u2", "u3", "u4", "u5"],
            "name": ["Ann Ax", "bob", "Cat Cy", "Dan Do", "Dan Do"],
            "email": ["ANN@x.io", None, None, None, None],
        }
    )
    posts = pl.DataFrame({"post_id": ["p"], "thread_id": ["p"], "author_id": ["u1"], "created_at": ["2024-03-01"]})
    roles = pl.DataFrame({"person_id": ["u1"], "attribute": ["role"], "value": ["moderator"]})
    return sna.build_forum(people=people, posts=posts, roles=roles, source=sna.Source("toy"))


ORG = table(
    "id,email,login,name,role,manager,hire date,effective date",
    "71,ann@X.io,ax,A. Ax,HR,74,2020-01-01,2024-01-01",
    "71,ann@X.io,ax,A. Ax,IT,74,2020-01-01,2024-06-01",
    "72,,BOB,Robert By,IT,71,,2024-01-01",
    "73,,,cat  cy,Ops,71,,2024-01-01",
    "74,,,Dan Do,Boss,,,2024-01-01",
    "75,,,Eve Ex,Ops,74,,2024-01-01",
)


def test_org_joins_by_the_surest_key_and_adds_the_silent(forum):
    joined = sna.add_org(forum, sna.read_org(ORG))
    assert joined.people["person_id"].to_list() == ["74", "75", "u1", "u2", "u3", "u4", "u5"]
    at = datetime(2024, 3, 1, tzinfo=UTC)
    assert dict(joined.attribute("role", at=at).drop_nulls().iter_rows()) == {
        "u1": "HR", "u2": "IT", "u3": "Ops", "74": "Boss", "75": "Ops"}  # fmt: skip
    assert dict(joined.attribute("role", at=datetime(2024, 7, 1, tzinfo=UTC)).iter_rows())["u1"] == "IT"
    assert dict(joined.attribute("manager", at=at).drop_nulls().iter_rows()) == {
        "u1": "74", "u2": "u1", "u3": "u1", "75": "74"}  # fmt: skip
    assert joined.people.filter(person_id="u1")["joined_at"].dt.year().item() == 2020
    assert joined.roles.filter(attribute="toy_role")["value"].to_list() == ["moderator"]
    counted = reasons(joined.issues)
    assert counted["matched_by_email"] == 1
    assert counted["matched_by_username"] == 1
    assert counted["matched_by_name"] == 1
    assert counted["match_unclear"] == 1
    assert counted["not_in_org"] == 2
    assert counted["starts_after_forum"] == 1
    assert joined.supports("roster") == "yes"
    assert joined.supports("org_attributes") == "yes"
    books = joined.accounting()
    assert (books["added"] >= 0).all()
    assert books.filter(pl.col("table") == "roles").select("used", "added").row(0) == (joined.roles.height, 0)


def test_an_id_used_by_somebody_else_gets_a_prefix(forum):
    joined = sna.add_org(forum, sna.read_org(table("id,email,team", "u3,new@x.io,Z")), match_on=("email",))
    assert "org:u3" in joined.people["person_id"]
    assert joined.attribute("department").drop_nulls().rows() == [("org:u3", "Z")]
    with pytest.raises(ParameterError, match="surest first"):
        sna.add_org(forum, sna.read_org(ORG), match_on=("shoe size",))


def test_org_does_not_depend_on_row_order():
    one, two = sna.read_org(ORG), sna.read_org(ORG[::-1])
    assert one.people.equals(two.people)
    assert one.spells.equals(two.spells)


def test_mistakes_are_told():
    with pytest.raises(SchemaError, match="who each row is about"):
        sna.read_org(table("colour,shape", "red,round"))
    with pytest.raises(ReadError, match="total_row"):
        sna.read_org(table("id,team", "Total,4"))
    with pytest.raises(SchemaError, match="day or month"):
        sna.read_org(table("id,effective date,team", "1,1/2/2024,X"))


def slow_depth(managers):
    def steps(i, seen):
        if i in seen:
            return -1
        up = managers[i]
        below = steps(up, seen | {i}) if up >= 0 else None
        return 0 if below is None else (-1 if below < 0 else below + 1)

    return [steps(i, frozenset()) for i in range(len(managers))]


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.integers(-1, n - 1), min_size=n, max_size=n)))
def test_chain_depth_equals_walking_the_line(managers):
    depth = chain_depth(np.array(managers))
    assert depth.tolist() == slow_depth(managers)
    walked = [i for i in range(len(managers)) if i in reachable(managers, i)]
    assert np.flatnonzero(on_cycle(np.array(managers))).tolist() == walked


def reachable(managers, start):
    seen, at = set(), managers[start]
    while at >= 0 and at not in seen:
        seen.add(at)
        at = managers[at]
    return seen


def test_real_hierarchy(shared):
    forum = sna.read_edges(shared / "data/manufacturing_email/communication.csv", source=0, target=1, at=2)
    org = sna.read_org(shared / "data/manufacturing_email/reportsto.csv")
    levels = org.spells.filter(attribute="level")["value"].value_counts().sort("value")
    assert levels.rows() == [("0", 1), ("1", 11), ("2", 64), ("3", 33), ("4", 44), ("5", 1)]
    assert org.spells.filter(attribute="manager")["value"].n_unique() == 34
    joined = sna.add_org(forum, org)
    assert reasons(joined.issues) == {"matched_by_person_id": 154, "not_in_org": 13, "self_manager": 1}


def test_real_hr_samples(shared):
    viva = sna.read_org(shared / "fixtures/hr/viva_orgdata_doc_example.csv")
    assert viva.people.height == 6
    assert viva.people["joined_at"].dt.year().to_list() == [2014, 2014, 2014, 2015, 2015, 2015]
    weekly = sna.read_org(shared / "fixtures/hr/vivainsights_pq_data_slim.csv")
    assert weekly.people.height == 300
    assert weekly.n_read == 10_500
    users = sna.read_org(shared / "fixtures/scim/rfc7643-8.3-enterprise_user.json")
    assert users.people.height == 1
    assert {"department", "manager"} <= set(users.spells["attribute"])


def test_pay_under_any_common_name_is_never_read(tmp_path):
    pay = ["Annual Base Pay", "BasePay", "pay", "Bill Rate", "Cost_Rate", "Entgelt", "Nationality", "Age", "Steuer-ID"]
    kept = ["Pays", "Payband", "Directorate", "Language", "Steuerung"]
    head = ",".join(["Employee ID", *pay, *kept])
    (tmp_path / "hr.csv").write_text(head + "\n1," + ",".join(["hunter2"] * len(pay) + ["x"] * len(kept)) + "\n")
    org = sna.read_org(tmp_path / "hr.csv")
    assert "hunter2" not in org.spells["value"].to_list()
    assert sorted(org.spells["attribute"]) == ["country", "directorate", "language", "payband", "steuerung"]


def test_of_several_ids_the_one_managers_are_named_by_is_the_persons(tmp_path):
    rows = "STATUS,USERID,EMPID,EMAIL,MANAGER\nactive,u1,1,a@example.org,NO_MANAGER\nactive,u2,2,b@example.org,u1\n"
    (tmp_path / "hr.csv").write_text(rows)
    org = sna.read_org(tmp_path / "hr.csv")
    assert org.spells.filter(attribute="manager").select("person_id", "value").rows() == [("u2", "u1")]
    assert org.spells.filter(attribute="level").select("person_id", "value").rows() == [("u1", "0"), ("u2", "1")]
    assert "unknown_manager" not in org.issues["reason"].to_list()


def test_a_worker_beside_an_id_is_a_name_and_a_principal_beside_an_address_a_login(tmp_path):
    rows = "Employee_ID,Worker,mail,userPrincipalName,Team\n01,Ann B,a@example.org,ann@corp.example.org,IT\n"
    (tmp_path / "hr.csv").write_text(rows)
    person = sna.read_org(tmp_path / "hr.csv").people.row(0)
    assert person[:4] == ("01", "a@example.org", "Ann B", "ann@corp.example.org")


@pytest.mark.parametrize("schemas", ["urn:x:User", 7, {"a": 1}, [None], [["x"]]])
def test_scim_with_schemas_of_another_type(tmp_path, schemas):
    path = tmp_path / "users.json"
    user = {"schemas": schemas, "userName": "ann", "name": ["Ann"], "emails": {"value": "x"}, "manager": 3}
    path.write_text(json.dumps([{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bob"}, user]))
    assert "bob" in set(sna.read_org(path).people["person_id"])

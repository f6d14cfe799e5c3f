"""Reviewing over HTTP and on the command line, and what is exported then."""

import csv
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from serving.cli import main
from serving.corrections.store import Pair, count_pairs
from serving.settings import Settings
from serving.state.audit import list_entries
from serving.state.database import Database
from serving.state.times import now_ms
from tests.serving.corrections.conftest import URL, make_jpeg, say, send

Run = Callable[..., str]
GREEN, BLUE = ({"kind": "label", "name": name} for name in ("green", "blue"))


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("GHOSTLENS_REPOSITORY", str(settings.repository))
    monkeypatch.setenv("GHOSTLENS_STATE", str(settings.state))

    def call(*arguments: str | Path, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["corrections", *map(str, arguments)])
        assert done.exit_code == status, done.output
        return done.output

    return call


def test_a_reviewer_sees_what_was_said_and_the_photo(app: FlaskClient) -> None:
    said = say(site="branch 12", note="unripe")
    send(app, said, make_jpeg(1))
    (listed,) = app.get(URL).json["corrections"]
    shown = app.get(f"{URL}/{said['correction_id']}")
    assert shown.json == listed
    assert shown.headers["Cache-Control"] == "no-store"
    assert datetime.fromisoformat(listed["scanned_at"]) == datetime.fromisoformat(
        said["scanned_at"]
    )
    for name in ("answered", "right", "site", "note", "version"):
        assert listed[name] == said[name]
    assert said["device_id"] not in shown.text
    photo = app.get(listed["photo_url"])
    assert (photo.status_code, photo.mimetype) == (200, "image/jpeg")
    assert photo.headers["Cache-Control"] == "no-store"


def test_pages_of_the_list_lead_to_every_correction_once(app: FlaskClient) -> None:
    ids = [say()["correction_id"] for _ in range(7)]
    for one in ids:
        send(app, say(correction_id=one))
    seen, query = [], {"limit": 3}
    while True:
        page = app.get(URL, query_string=query).json
        seen += [one["correction_id"] for one in page["corrections"]]
        if page["next"] is None:
            break
        send(app, say())  # what comes in meanwhile moves nothing
        query["cursor"] = page["next"]
    assert sorted(seen) == sorted(ids)


@pytest.mark.parametrize(
    ("query", "status"),
    [("cursor=x", 422), ("cursor=////", 422), ("limit=0", 422), ("state=lost", 422), ("a=b", 422)],
)
def test_what_cannot_be_listed_is_refused(app: FlaskClient, query: str, status: int) -> None:
    assert app.get(f"{URL}?{query}").status_code == status


def test_what_is_not_there_is_404(app: FlaskClient) -> None:
    assert app.get("/v1/models/none/corrections").status_code == 404
    assert app.get(f"{URL}/{uuid.uuid4()}").status_code == 404
    said = say()
    send(app, said)
    assert app.get(f"{URL}/{said['correction_id']}/photo").status_code == 404
    other = f"/v1/models/other/corrections/{said['correction_id']}"
    assert app.get(other).status_code == 404


def decide(app: FlaskClient, said: dict[str, Any], decision: str, **more: Any) -> Any:
    body = {"decision": decision, "name": "Ada", **more}
    return app.post(f"{URL}/{said['correction_id']}/decision", json=body)


def test_who_acts_without_a_key_and_a_name_has_the_same_word_everywhere(
    app: FlaskClient, database: Database
) -> None:
    said = say()
    send(app, said)
    body = {"decision": "accepted"}
    decided = app.post(f"{URL}/{said['correction_id']}/decision", json=body).json
    hold = "/v1/models/colours/versions/1.1.0/hold"
    assert app.post(hold, json={"action": "halt", "reason": "look"}).status_code == 200
    with database.read() as connection:
        actors = {entry.actor for entry in list_entries(connection)}
    assert actors == {decided["decided_by"]} == {"somebody without a key"}


def test_a_decision_is_remembered_and_stands_in_the_audit_log(
    app: FlaskClient, database: Database
) -> None:
    said = say()
    send(app, said, make_jpeg(1))
    accepted = decide(app, said, "accepted", reason="seen it").json
    assert (accepted["state"], accepted["final"]) == ("accepted", GREEN)
    assert (accepted["decided_by"], accepted["reason"]) == ("Ada", "seen it")
    changed = decide(app, said, "accepted", right=BLUE).json
    assert (changed["right"], changed["final"]) == (GREEN, BLUE)
    with database.read() as connection:
        first, second = list_entries(connection)
    assert (first.actor, first.action, first.reason) == ("Ada", "correction accepted", "seen it")
    assert second.details == {"correction": said["correction_id"], "kind": "label", "label": "blue"}


def test_what_is_rejected_loses_its_photo(
    app: FlaskClient, list_files: Callable[[], list[Path]]
) -> None:
    said = say()
    send(app, said, make_jpeg(1))
    rejected = decide(app, said, "rejected").json
    assert (rejected["state"], rejected["photo_url"], rejected["final"]) == ("rejected", None, None)
    assert rejected["photo"] == {"kept": False, "until": None, "why": "rejected"}
    assert list_files() == []
    # The next one like it is a new one.
    assert send(app, say(), make_jpeg(1)).json["state"] == "open"


def test_of_one_photo_one_label_alone_is_accepted(app: FlaskClient) -> None:
    one, two = say("green"), say("blue", device="other")
    for said in (one, two):
        send(app, said, make_jpeg(1))
    listed = app.get(URL, query_string={"conflict": "yes"}).json["corrections"]
    assert {entry["correction_id"] for entry in listed} == {
        one["correction_id"],
        two["correction_id"],
    }
    assert decide(app, one, "accepted").status_code == 200
    refused = decide(app, two, "accepted")
    assert (refused.status_code, refused.json["type"]) == (409, "/docs#correction")
    assert "reject that one first" in refused.json["detail"]
    assert decide(app, two, "accepted", right=GREEN).status_code == 200
    assert decide(app, one, "rejected").json["state"] == "rejected"
    assert decide(app, two, "accepted").status_code == 200


def test_a_duplicate_is_decided_with_the_first(app: FlaskClient) -> None:
    one, two = say(), say()
    for said in (one, two):
        send(app, said, make_jpeg(1))
    assert decide(app, two, "accepted").status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "perhaps"},
        {"decision": "rejected", "right": {"kind": "label", "name": "blue"}},
        {"decision": "accepted", "right": {"kind": "label", "name": "pink"}},
        {"decision": "accepted", "right": {"kind": "not-an-item", "name": "x"}},
        {"decision": "accepted", "more": 1},
    ],
)
def test_what_is_no_decision_is_refused(app: FlaskClient, body: dict[str, Any]) -> None:
    said = say()
    send(app, said)
    url = f"{URL}/{said['correction_id']}"
    assert app.post(f"{url}/decision", json=body).status_code == 422
    assert app.get(url).json["state"] == "open"


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/photo", "/{id}/decision"])
def test_reviewing_needs_the_scope_admin(app: FlaskClient, path: str) -> None:
    method = app.post if path.endswith("decision") else app.get
    remote = {"REMOTE_ADDR": "203.0.113.9"}
    answer = method(URL + path.replace("{id}", str(uuid.uuid4())), environ_base=remote)
    assert answer.status_code == 401
    assert "admin" in answer.json["detail"]


def test_the_commands_do_the_same(
    app: FlaskClient, run: Run, database: Database, tmp_path: Path
) -> None:
    said, bad = say(note="unripe"), say(None)
    send(app, said, make_jpeg(1))
    send(app, bad, make_jpeg(2))
    one, two = said["correction_id"], bad["correction_id"]
    listed = run("list", "--model", "colours", "--status", "open")
    assert f"{one} " in listed
    assert "said red (unsure), it is green; photo kept; unripe" in listed
    assert "it is not an item" in listed
    assert "right_label: green" in run("show", one, "--photo", tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").stat().st_size > 1000
    assert "no label 'pink'" in run("accept", one, "--label", "pink", status=1)
    assert run("accept", one, "--name", "Ada", "--reason", "seen") == f"{one} is accepted\n"
    assert run("reject", two, "--name", "Ada") == f"{two} is rejected\n"
    assert run("list", "--status", "open") == "none\n"
    with database.read() as connection:
        entries = list_entries(connection)
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("Ada", "correction accepted"),
        ("Ada", "correction rejected"),
    ]


def test_a_device_is_forgotten_with_all_that_it_sent(
    app: FlaskClient, run: Run, list_files: Callable[[], list[Path]], database: Database
) -> None:
    for seed in range(3):
        send(app, say(device="gone"), make_jpeg(seed))
    send(app, say(device="stays"), make_jpeg(3))
    done = run("forget", "--device", "gone", "--name", "Ada")
    assert done == "deleted: 3 corrections, 3 photos\n"
    assert len(list_files()) == 1
    assert len(app.get(URL).json["corrections"]) == 1
    with database.read() as connection:
        (entry,) = list_entries(connection)
    assert (entry.action, entry.details) == ("corrections forgotten", {"count": 3})


def test_what_contradicted_only_a_forgotten_device_contradicts_nothing_any_more(
    app: FlaskClient, run: Run
) -> None:
    send(app, say("green", device="gone"), make_jpeg(1))
    send(app, say("blue", device="stays"), make_jpeg(1))
    assert len(app.get(f"{URL}?conflict=yes").json["corrections"]) == 2
    run("forget", "--device", "gone", "--name", "Ada")
    [left] = app.get(URL).json["corrections"]
    assert left["conflict_with"] is None
    assert app.get(f"{URL}?conflict=yes").json["corrections"] == []


def test_photos_that_are_elsewhere_are_not_called_deleted(
    app: FlaskClient, run: Run, list_files: Callable[[], list[Path]]
) -> None:
    for seed in range(2):
        send(app, say(device="gone"), make_jpeg(seed))
    list_files()[0].rename(list_files()[0].with_name("moved"))
    said = run("forget", "--device", "gone", status=1)
    assert "deleted: 2 corrections, 1 photo\n" in said
    assert "1 photo of this device not found in " in said


def read_manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_accepted_is_exported_as_a_source(
    app: FlaskClient, run: Run, tmp_path: Path
) -> None:
    new = {"kind": "other", "name": "Rote Bete"}
    said = {
        "label": say("green"),
        "none": say(None),
        "new": say() | {"right": new},
        "open": say("blue"),
        "bare": say("blue"),
    }
    for seed, (name, one) in enumerate(said.items()):
        send(app, one, None if name == "bare" else make_jpeg(seed))
    accepted = [one["correction_id"] for name, one in said.items() if name != "open"]
    run("accept", *accepted)
    out = run("export", "colours", "--out", tmp_path / "one")
    assert "2 photos (green 1, not-an-item 1)" in out
    assert "left out: 1, no photo is kept" in out
    assert "new labels, for --new-label: Rote Bete 1" in out
    rows = read_manifest(tmp_path / "one")
    assert [(row["label"], row["split"]) for row in rows] == [("green", "train"), ("", "unknown")]
    assert rows[0]["answered"] == "red"
    assert all((tmp_path / "one" / row["path"]).is_file() for row in rows)

    run("export", "colours", "--out", tmp_path / "two", "--open-too", "--new-label", "Rote Bete")
    labels = sorted(row["label"] for row in read_manifest(tmp_path / "two"))
    assert labels == ["", "Rote Bete", "blue", "green"]
    assert "exists already" in run("export", "colours", "--out", tmp_path / "two", status=1)


def test_where_there_is_no_photo_to_export_it_says_why_and_writes_nothing(
    app: FlaskClient, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert "no correction was accepted yet" in run("export", "colours", "--out", out, status=1)
    said = say("green"), say() | {"right": {"kind": "other", "name": "Rote Bete"}}
    for one, photo in zip(said, (None, make_jpeg(1)), strict=True):
        send(app, one, photo)
        run("accept", one["correction_id"])
    words = run("export", "colours", "--out", out, status=1)
    assert "left out were 1, no photo is kept; 1, the label is new" in words
    assert "for --new-label, are Rote Bete" in words
    assert not out.exists()


def test_what_two_say_otherwise_of_a_photo_is_not_exported(
    app: FlaskClient, run: Run, tmp_path: Path
) -> None:
    send(app, say("green"), make_jpeg(1))
    send(app, say("blue", device="other"), make_jpeg(1))
    send(app, say("green", device="third"), make_jpeg(2))
    send(app, say("green", device="fourth"), make_jpeg(2))
    out = run("export", "colours", "--out", tmp_path / "out", "--open-too")
    assert "left out: 2, another says otherwise of the same photo" in out
    assert "left out: 1, the same photo and label as another" in out
    assert len(read_manifest(tmp_path / "out")) == 1


def test_pairs_are_counted_for_the_dashboard(app: FlaskClient, database: Database) -> None:
    for right in ("green", "green", "blue", None):
        send(app, say(right))
    rejected = say("blue")
    send(app, rejected)
    decide(app, rejected, "rejected")
    with database.read() as connection:
        first, *others = count_pairs(connection, "colours", 0)
        assert first == Pair("red", "green", 2)
        assert {pair.right: pair.count for pair in others} == {"blue": 1, None: 1}
        assert count_pairs(connection, "colours", now_ms() + 1000) == []
        assert count_pairs(connection, "other", 0) == []

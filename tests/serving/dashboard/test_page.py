import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from serving.access.keys import Wish, create_key
from serving.app import create_app
from serving.cli import main
from serving.corrections.tables import corrections
from serving.dashboard.counts import ON_DEVICE, ON_SERVER, Scan, today
from serving.publishing.policy import roll_back, roll_out
from serving.publishing.publish import change_release
from serving.rollouts import HALTED
from serving.settings import Settings
from serving.state.times import now_ms
from tests.serving.dashboard.conftest import Fill, make_usage
from tests.serving.dashboard.test_drift import fill_weeks

URL = "/dashboard/colours"


class Text(HTMLParser):
    """The words that a page shows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def show(app: Any, url: str = URL) -> str:
    response = app.test_client().get(url)
    assert response.status_code == 200
    return str(response.text)


def read(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Text(page).words))


def add_correction(app: Any, answered: str, right: str | None, number: int) -> None:
    row = {
        "request_sha256": "0" * 64,
        "received_ms": now_ms(),
        "scanned_ms": now_ms(),
        "model": "colours",
        "version": "1.2.0",
        "device": "0" * 64,
        "answered_label": answered,
        "answered_verdict": "unsure",
        "answered_by": "device",
        "right_kind": "label",
        "right_label": right,
        "photo": "not-sent",
        "state": "open",
    }
    with app.extensions["ghostlens"].database.write() as connection:
        for each in range(number):
            said = {"correction_id": f"{answered}{right}{each}"[-36:]}
            connection.execute(insert(corrections).values(row | said))


def test_it_works_with_no_data_at_all(app: Any, tmp_path: Path) -> None:
    words = read(show(app))
    for said in ("No scan was counted", "Nobody corrected", "Nothing to compare yet", "1.2.0"):
        assert said in words
    nothing = create_app(Settings(tmp_path / "none", state=tmp_path / "state"))
    assert "Nothing is published yet" in read(show(nothing, "/dashboard"))
    assert nothing.test_client().get(URL).status_code in (404, 503)
    assert app.test_client().get("/dashboard/none").status_code == 404
    assert app.test_client().get(f"{URL}?days=9").status_code == 422


def test_it_says_what_the_database_says(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 34)
    fill(*[Scan("colours", "1.2.0", ON_SERVER, today(), "unsure", "blue", 0.3, 40.0)] * 30)
    assert app.test_client().post(
        "/v1/models/colours/usage", json=make_usage(0, 50, sent=30)
    ).json == {"counted": True}
    add_correction(app, "red", "green", 4)
    page = show(app)
    words = read(page)
    # 7 days of 100 scans and the 50 of which 30 were sent, and answered by the server.
    assert "scans 750 750 on 1 devices" in words
    assert "sent to the server 4.0 %" in words
    assert "server, median 41 ms" in words or "server, median 40 ms" in words
    assert "red green 4" in words
    assert page.count('class="chart"') == 4 + 12
    assert page.count("The same as a table") == 4 + 12
    assert "No drift" in words


def test_an_alarm_is_the_first_thing_that_is_said(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 7, 34)
    fill_weeks(fill, ON_DEVICE, 0, 6, least=0.97)
    page = show(app)
    assert page.index("the photos are not what they were") < page.index("Releases and rollouts")
    assert "On devices: 0 % of answers are 90 %" not in read(page)
    assert 'role="alert"' in page


def test_rollouts_stand_with_their_share_and_why_they_are_halted(
    published_with_baseline: Path, key_folder: Path, tmp_path: Path
) -> None:
    repository = Path(shutil.copytree(published_with_baseline, tmp_path / "repository"))
    for change in (roll_back("stable", "1.0.0"), roll_out("stable", "1.2.0", 2500)):
        change_release("colours", repository, [key_folder], change)
    app = create_app(Settings(repository, state=tmp_path / "state"))
    assert "25 % not yet none reported waiting no device asked" in read(show(app))
    check = {"platform": "android", "device_id": "phone", "current_version": "1.0.0"}
    assert app.test_client().post("/v1/models/colours/check", json=check).status_code == 200
    assert "25 % 25 % none reported on its way" in read(show(app))
    rollouts = app.extensions["ghostlens"].rollouts
    rollouts.hold("colours", "1.2.0", HALTED, "Ann", "<script>too dark</script>")
    page = show(app)
    assert "halted <script>too dark</script> (Ann, " in read(page)
    assert "<script>too" not in page


def test_attack_labels_and_corrections_that_are_markup_stay_text(app: Any, fill: Fill) -> None:
    label = "<script>alert(1)</script>\"'><svg onload=x>"
    for day in range(7):
        fill(*[Scan("colours", label, ON_DEVICE, today() - day, "sure", label, 0.9)] * 40)
    add_correction(app, label, label, 2)
    page = show(app)
    assert "<script>" in read(page)
    assert "<script" not in page
    assert "onload=x>" not in page.replace("onload=x&gt;", "")
    tags = set(re.findall(r"<(/?[a-z0-9]+)", page))
    assert not tags & {"script", "iframe", "object", "style"}


def test_pages_keep_to_the_policy_and_links_lead_somewhere(app: Any, fill: Fill) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 6)
    response = app.test_client().get(URL)
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", response.text)
    for address in set(re.findall(r'(?:href|src)="(/[^"#]*)"', response.text)):
        assert app.test_client().get(address.replace("&amp;", "&")).status_code == 200, address


@pytest.mark.parametrize("least", [0.0, 0.97])
def test_the_command_ends_with_1_at_an_alarm(
    app: Any, fill: Fill, published_with_baseline: Path, tmp_path: Path, least: float
) -> None:
    fill_weeks(fill, ON_DEVICE, 0, 6, least=least)
    place = ["--repository", str(published_with_baseline), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(main, ["drift", *place, "colours"])
    assert done.exit_code == (1 if least else 0), done.output
    assert ("alarm " in done.output) == bool(least)
    assert "confidence against validation" in done.output


def test_where_keys_are_required_a_browser_opens_it_with_one_of_the_scope(
    published_with_baseline: Path, tmp_path: Path
) -> None:
    settings = Settings(published_with_baseline, state=tmp_path / "state", public_scopes=())
    app = create_app(settings)
    refused = app.test_client().get(URL, headers={"Accept": "text/html"})
    assert refused.status_code == 401
    assert any("Basic" in words for words in refused.headers.getlist("WWW-Authenticate"))
    database = app.extensions["ghostlens"].database
    for scope, status in (("observe", 200), ("recognise", 403)):
        token = create_key(database, Wish(scope, frozenset({scope})), "ann", now_ms())
        for address in (URL, "/v1/models/colours/drift"):
            answer = app.test_client().get(address, auth=("", token))
            assert answer.status_code == status

"""The page where corrections are reviewed."""

import re
import uuid

from flask.testing import FlaskClient

from tests.serving.corrections.conftest import URL, make_jpeg, say, send

PAGE = "/corrections/colours"


def list_ids(app: FlaskClient, name: str) -> list[str]:
    text = app.get(f"{PAGE}?list={name}").text
    return re.findall(r'class="correction" id="([^"]+)"', text)


def test_it_shows_what_was_said_with_its_photo_and_what_can_be_accepted(app: FlaskClient) -> None:
    said = say(site="branch 12", note="<b>unripe</b>")
    send(app, said, make_jpeg(1))
    shown = app.get("/corrections")
    assert shown.headers["Cache-Control"] == "no-store"
    assert "branch 12" in shown.text
    assert "&lt;b&gt;unripe&lt;/b&gt;" in shown.text
    assert f'src="{URL}/{said["correction_id"]}/photo"' in shown.text
    assert '<option value="blue">' in shown.text
    assert said["device_id"] not in re.sub(r"the device", "", shown.text)


def test_a_decision_moves_it_to_another_list(app: FlaskClient) -> None:
    first, second = say(), say(device="another")
    send(app, first)
    send(app, second)
    one, two = first["correction_id"], second["correction_id"]
    assert sorted(list_ids(app, "open")) == sorted([one, two])
    app.post(f"{URL}/{one}/decision", json={"decision": "accepted"})
    app.post(f"{URL}/{two}/decision", json={"decision": "rejected"})
    assert (list_ids(app, "open"), list_ids(app, "accepted")) == ([], [one])
    assert list_ids(app, "rejected") == [two]


def test_what_contradicts_has_a_list_of_its_own(app: FlaskClient) -> None:
    both = say("green"), say("blue", device="another")
    for said in both:
        send(app, said, make_jpeg(1))
    send(app, say(), make_jpeg(2))
    assert set(list_ids(app, "conflict")) == {said["correction_id"] for said in both}


def test_older_ones_are_on_the_next_page(app: FlaskClient) -> None:
    ids = [str(uuid.uuid4()) for _ in range(33)]
    for one in ids:
        send(app, say(correction_id=one))
    page = app.get(PAGE).text
    (address,) = re.findall(r'href="([^"]+cursor=[^"]+)"', page)
    older = app.get(address.replace("&amp;", "&")).text
    both = re.findall(r'class="correction" id="([^"]+)"', page + older)
    assert sorted(both) == sorted(ids)


def test_a_list_or_a_model_that_there_is_not_is_said(app: FlaskClient) -> None:
    assert app.get(f"{PAGE}?list=all").status_code == 422
    assert app.get("/corrections/other").status_code == 404
    assert "There are none" in app.get(PAGE).text

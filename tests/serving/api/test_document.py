import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import escape
from openapi_spec_validator import OpenAPIV31SpecValidator

from serving.api import document, views
from serving.api.document import list_operations
from serving.api.remedies import REMEDIES
from serving.app import create_app
from serving.coding import Representation, from_bytes
from serving.problems import KINDS
from serving.settings import Settings
from tests.conftest import ROOT

METHODS = {"get", "post", "put", "patch", "delete", "head"}


@pytest.fixture
def spec(client: FlaskClient) -> dict:
    return client.get("/openapi.json").json


def find_refs(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for part in value.values() for ref in find_refs(part)]
    return [ref for part in value for ref in find_refs(part)] if isinstance(value, list) else []


def test_docs_describe_every_operation_type_and_problem(client: FlaskClient, spec: dict) -> None:
    page = client.get("/docs").text
    for path in spec["paths"]:
        assert path in page
    for name in spec["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    for _, _, name, title in KINDS:
        assert f'id="{name}"' in page
        assert escape(title) in page
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page


def test_two_who_ask_first_do_not_build_the_document_at_once(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(published))
    build, both, met = document.build, threading.Barrier(2), threading.Event()

    def build_with_another(*given: Any) -> dict[str, Any]:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
            met.set()
        return build(*given)

    monkeypatch.setattr(document, "build", build_with_another)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: app.test_client().get("/openapi.json"), range(2)))
    assert [answer.status_code for answer in found] == [200, 200]
    assert found[0].data == found[1].data
    assert not met.is_set()  # APIFlask builds in the app itself


def test_the_openapi_document_is_whole(spec: dict) -> None:
    assert spec["openapi"] == "3.1.0"
    names = {f"{kind}/{name}" for kind, found in spec["components"].items() for name in found}
    assert {ref.removeprefix("#/components/") for ref in find_refs(spec)} <= names
    operations = [
        (path, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    identifiers = [operation["operationId"] for _, operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    for path, operation in operations:
        in_path = {entry["name"] for entry in operation["parameters"] if entry["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert "nullable" not in str(operation)
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]


def test_the_openapi_document_says_that_errors_are_problems(spec: dict) -> None:
    recognise = spec["paths"]["/v1/models/{model}/recognise"]["post"]
    assert "multipart/form-data" in recognise["requestBody"]["content"]
    for status in ("404", "409", "413", "415", "422", "503"):
        assert list(recognise["responses"][status]["content"]) == ["application/problem+json"]


def test_answers_hold_exactly_what_the_openapi_document_says(
    client: FlaskClient, spec: dict
) -> None:
    schemas = spec["components"]["schemas"]
    photo = client.get("/v1/models/colours/versions/1.1.0").json
    golden = next(file["url"] for file in photo["files"] if file["role"] == "golden")
    answers = {
        "ModelList": client.get("/v1/models").json,
        "ModelDetail": client.get("/v1/models/colours").json,
        "VersionDetail": photo,
        "CheckAnswer": client.post("/v1/models/colours/check", json={"platform": "web"}).json,
        "RecogniseAnswer": client.post(
            "/v1/models/colours/recognise",
            data=client.get(golden).data,
            content_type="image/jpeg",
        ).json,
        "Live": client.get("/livez").json,
        "Ready": client.get("/readyz").json,
    }
    for name, answer in answers.items():
        assert set(answer) == set(schemas[name]["properties"]), name
    problem = client.get("/v1/models/apples").json
    assert set(problem) <= set(schemas["Problem"]["properties"])


def test_the_document_is_one_of_openapi_3_1(spec: dict) -> None:
    assert not list(OpenAPIV31SpecValidator(spec).iter_errors())


def test_every_operation_says_what_it_needs_and_what_may_go_wrong(spec: dict) -> None:
    for path, _, operation in list_operations(spec):
        answers = operation["responses"]
        assert operation["summary"] and operation["tags"]
        if operation["security"]:
            scope = operation["x-scope"]
            assert operation["security"][0] == {"bearer": [scope]}
            assert f"Scope `{scope}`" in operation["description"]
            assert {"401", "403", "429", "503"} <= set(answers), path
        for status, answer in answers.items():
            if status >= "400" and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
            if status in ("429", "503"):
                assert "Retry-After" in answer["headers"]
        if "requestBody" in operation:
            assert operation["requestBody"]["required"]
            assert {"400", "408", "413", "415", "422"} <= set(answers), path


def test_whoever_needs_a_key_reads_another_document(published: Path, tmp_path: Path) -> None:
    for scopes, expected in [(("pull",), [{}]), ((), [])]:
        settings = Settings(published, public_scopes=scopes, state=tmp_path)
        spec = create_app(settings).test_client().get("/openapi.json").json
        operation = spec["paths"]["/v1/models"]["get"]
        assert operation["security"][2:] == expected
        assert ("Here it needs no key" in operation["description"]) == bool(scopes)
        assert spec["paths"]["/livez"]["get"]["security"] == []


def test_answers_may_gain_members_and_requests_may_not(spec: dict) -> None:
    schemas = spec["components"]["schemas"]
    assert schemas["CheckRequest"]["additionalProperties"] is False
    assert schemas["CheckRequest"]["required"] == ["platform"]
    assert "additionalProperties" not in schemas["CheckAnswer"]
    assert set(schemas["CheckAnswer"]["required"]) == set(schemas["CheckAnswer"]["properties"])
    assert schemas["CheckAnswer"]["properties"]["version"]["type"] == ["string", "null"]
    assert "error" not in schemas["Problem"]["required"]


def test_patterns_are_such_that_every_language_reads(spec: dict) -> None:
    patterns = re.findall(r"'pattern': '([^']*)'", str(spec))
    assert "^[0-9a-f]{64}$" in patterns
    assert not [text for text in patterns if r"\\Z" in text]


def test_every_kind_of_problem_has_words_on_what_to_do() -> None:
    assert {name for _, _, name, _ in KINDS} == set(REMEDIES)


def test_the_document_the_page_and_static_files_are_known_by_a_tag_of_their_content(
    published: Path, tmp_path: Path
) -> None:
    replicas = [create_app(Settings(published, state=tmp_path)).test_client() for _ in range(2)]
    for address in ("/openapi.json", "/docs", "/static/style.css", "/static/icon.svg", "/"):
        first, second = (replica.get(address) for replica in replicas)
        assert first.status_code == 200
        assert first.headers["ETag"] == second.headers["ETag"], address
        assert "Last-Modified" not in first.headers
        again = replicas[1].get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert "Content-Security-Policy" in again.headers
    for address in ("/static/", "/static/..%2fapp.py", "/static/../app.py", "/static/none.css"):
        assert replicas[0].get(address).status_code == 404, address


def test_a_page_finds_its_files_while_another_request_lists_them(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("style.css", "dashboard.css", "review.css", "review.js")
    app = create_app(Settings(published, state=tmp_path))
    statuses: list[int] = []
    read_before: list[Representation] = []

    def read(data: bytes) -> Representation:
        if read_before:  # one file is known, the others are not: now another request comes
            monkeypatch.undo()
            statuses.extend(app.test_client().get(f"/static/{name}").status_code for name in names)
        read_before.append(from_bytes(data))
        return read_before[-1]

    views._list_static.cache_clear()
    monkeypatch.setattr(views, "from_bytes", read)
    statuses += [app.test_client().get(f"/static/{name}").status_code for name in names]
    assert statuses == [200] * 2 * len(names)


def test_the_handbooks_table_of_traps_names_tests_that_there_are() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "api.md").read_text())
    assert len(named) > 10
    for path, test in named:
        assert f"\ndef {test}(" in (ROOT / path).read_text(), test

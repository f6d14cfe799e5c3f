from typing import Any

from apiflask import APIBlueprint, APIFlask, Schema
from apiflask.fields import Integer
from flask.testing import FlaskClient

from serving.api.queries import takes_query


class Query(Schema):
    number = Integer(load_default=5)


def make_client() -> FlaskClient:
    app, blueprint = APIFlask("queries"), APIBlueprint("queries", "queries")

    @blueprint.get("/<name>")
    @takes_query(blueprint, Query)
    def view(name: str, query_data: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "number": query_data.pop("number")}

    app.register_blueprint(blueprint)
    return app.test_client()


def test_a_view_may_change_what_it_is_given() -> None:
    client = make_client()
    for query, number in [("", 5), ("", 5), ("?number=3", 3), ("?number=3", 3), ("", 5)]:
        assert client.get(f"/photo{query}").get_json() == {"name": "photo", "number": number}


def test_what_was_refused_is_refused_again() -> None:
    client = make_client()
    for query in ("number=many", "number=many", "colour=red", "colour=red"):
        answer = client.get(f"/photo?{query}")
        assert answer.status_code == 422
        assert query.partition("=")[0] in answer.get_json()["detail"]["query"]


def test_the_query_is_described() -> None:
    spec = make_client().get("/openapi.json").get_json()
    names = [parameter["name"] for parameter in spec["paths"]["/{name}"]["get"]["parameters"]]
    assert names == ["name", "number"]

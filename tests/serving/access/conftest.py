from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from serving.access.keys import Wish, create_key
from serving.app import create_app
from serving.context import get_database
from serving.settings import Settings

MakeKey = Callable[..., str]


@pytest.fixture
def guarded(published: Path, tmp_path: Path) -> FlaskClient:
    """A client of an app that serves `published`, where everything needs a key."""
    settings = Settings(published, state=tmp_path / "state", public_scopes=())
    return create_app(settings).test_client()


@pytest.fixture
def make_key(guarded: FlaskClient) -> MakeKey:
    """Makes keys of that app, and returns their tokens."""

    def make(*scopes: str, name: str = "till", **wish: object) -> str:
        with guarded.application.app_context():
            database = get_database()
        found = Wish(name, frozenset(scopes), **wish)  # type: ignore[arg-type]
        return create_key(database, found, "ann", 1_000)

    return make

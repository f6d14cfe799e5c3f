import pytest
from flask import Flask

from serving.access.scopes import PUBLIC_ENDPOINTS, SCOPES, find_declared, find_scope, read_scopes
from serving.app import create_app
from serving.errors import SettingsError
from serving.settings import Settings


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(Settings())


def test_every_view_declares_a_scope_or_stands_in_the_list_of_public_ones(app: Flask) -> None:
    declared = {name for name in app.view_functions if find_declared(app, name)}
    assert declared & PUBLIC_ENDPOINTS == set()
    assert declared | PUBLIC_ENDPOINTS == set(app.view_functions)
    assert {find_scope(app, name) for name in app.view_functions} <= {None, *SCOPES}


def test_a_view_that_declares_nothing_needs_admin(app: Flask) -> None:
    app.view_functions["forgotten"] = lambda: "secret"
    assert find_scope(app, "forgotten") == "admin"
    del app.view_functions["forgotten"]


def test_lists_of_scopes() -> None:
    assert read_scopes("") == ()
    assert read_scopes("pull, recognise") == ("recognise", "pull")
    assert read_scopes("all") == tuple(SCOPES)
    with pytest.raises(SettingsError, match="no scope 'pul': allowed are recognise, pull, report"):
        read_scopes("pul")

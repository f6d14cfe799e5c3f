from pathlib import Path

import pytest

from mobile_assets.signing import PASSPHRASE_VARIABLE
from serving.app import create_app
from serving.errors import SettingsError
from serving.settings import Settings


def test_variables_set_what_they_name_and_arguments_win() -> None:
    environment = {"GHOSTLENS_THREADS": "30", "GHOSTLENS_REPOSITORY": "a", "PATH": "/bin"}
    settings = Settings.from_environment(environment, repository=Path("b"), threads=None)
    assert (settings.threads, settings.repository) == (30, Path("b"))


def test_an_unknown_variable_names_those_that_are_allowed() -> None:
    with pytest.raises(SettingsError, match=r"GHOSTLENS_TREADS is not known.*GHOSTLENS_THREADS"):
        Settings.from_environment({"GHOSTLENS_TREADS": "3"})


def test_the_passphrase_of_the_keys_may_stand_in_the_same_environment() -> None:
    assert Settings.from_environment({PASSPHRASE_VARIABLE: "secret"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [("GHOSTLENS_THREADS", "many"), ("GHOSTLENS_THREADS", "0"), ("GHOSTLENS_MAX_UPLOAD_BYTES", "")],
)
def test_a_bad_value_is_named(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=r"(?i)" + variable.removeprefix("GHOSTLENS_")):
        Settings.from_environment({variable: text})


def test_a_server_with_all_it_needs_elsewhere_needs_no_folder() -> None:
    elsewhere = {"repository": "s3://bucket", "database": "postgresql://ghost@host/ghostlens"}
    assert Settings(**elsewhere).state_place == elsewhere["database"]
    create_app(Settings(**elsewhere))
    with pytest.raises(SettingsError, match="keep_photos needs keep_photos_in"):
        _ = Settings(**elsewhere, keep_photos=1).photos_place


def test_threads_are_more_than_those_that_may_wait() -> None:
    with pytest.raises(SettingsError, match="threads is 17: allowed are more than"):
        Settings(threads=17, recognise_at_once=1, recognise_queue=16)
    assert Settings(threads=18, recognise_at_once=1, recognise_queue=16).threads == 18

"""Settings: TOML in, checked dataclasses out, and back."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import (
    DataSettings,
    ModelSettings,
    Settings,
    load_settings,
    override,
    read_settings,
)
from training.errors import ConfigError
from training.recipe import DistillSettings, TrainSettings

PRESETS = sorted((Path(__file__).parents[2] / "training" / "presets").glob("*.toml"))


@given(
    st.builds(
        Settings,
        st.builds(
            DataSettings,
            path=st.text(),
            seed=st.integers(0, 2**40),
            held_out=st.lists(st.text(), unique=True).map(tuple),
        ),
        st.builds(ModelSettings, input_px=st.sampled_from([32, 224]), pretrained=st.text()),
        st.builds(TrainSettings, learning_rate=st.floats(1e-9, 10), flip=st.booleans()),
        st.builds(DistillSettings, teacher=st.text(), weight=st.floats(1e-9, 1)),
    )
)
def test_settings_survive_toml(settings: Settings) -> None:
    assert read_settings(settings.to_toml()) == settings


@given(st.text())
def test_any_text_is_read_or_refused_with_a_typed_error(text: str) -> None:
    try:
        read_settings(text)
    except ConfigError as error:
        assert str(error).startswith("settings: ")


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_are_valid(path: Path) -> None:
    assert load_settings(path) == read_settings(load_settings(path).to_toml())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trian]\nepochs = 1", r"table is 'trian': allowed are data, model, train, distill"),
        ("[train]\nepoch = 1", r"\[train\] key is 'epoch': allowed are epochs, "),
        ("[train]\nepochs = '3'", r"train.epochs is '3': it must be of type int"),
        ("[train]\nepochs = true", r"train.epochs is True: it must be of type int"),
        ("[train]\nepochs = 0", r"train.epochs is 0: allowed are whole numbers from 1"),
        ("[train]\nlearning_rate = nan", r"train.learning_rate is nan"),
        ("[data]\nheld_out = 'x'", r"data.held_out is 'x': it must be a list of strings"),
        ("[data]\nheld_out = ['x', 'x']", r"data.held_out is \('x', 'x'\): allowed are each"),
        ("[train]\nstart_px = 100", r"train.start_px is 100: allowed are multiples of 32"),
        ("[train]\nfinish_epochs = 31", r"train.finish_epochs is 31: allowed are 0 to epochs"),
        ("[distill]\nweight = 0", r"distill.weight is 0.0: allowed are over 0 up to 1"),
        ("[model]\ninput_px = 100", r"model.input_px is 100: allowed are multiples of 32"),
        ("[model]\narchitecture = 'x'", r"ghostnet_050, ghostnet_100, ghostnet_130"),
        ("[data]\nsource = 'folder'", r"data.path is ''"),
        ("train = 3", r"train is 3: it must be a table"),
        ("[train", r"not TOML"),
    ],
)
def test_names_what_is_wrong_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(text)


def test_overrides_single_values() -> None:
    changed = override(
        Settings(), ("train.epochs=3", "model.resampler=bicubic", "train.learning_rate=1")
    )
    assert changed.train.epochs == 3
    assert changed.model.resampler == "bicubic"
    assert changed.train.learning_rate == 1.0
    assert dataclasses.replace(changed, train=TrainSettings(), model=ModelSettings()) == Settings()


def test_a_whole_number_in_a_float_setting_reads_the_same() -> None:
    whole = Settings(train=TrainSettings(warmup_epochs=1))
    assert whole.to_toml() == Settings(train=TrainSettings(warmup_epochs=1.0)).to_toml()


@pytest.mark.parametrize("assignment", ["epochs=3", "train.epochs", "nosuch.key=1", "train.x=1"])
def test_refuses_an_override_of_nothing(assignment: str) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        override(Settings(), (assignment,))


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothere\.toml"):
        load_settings(tmp_path / "nothere.toml")

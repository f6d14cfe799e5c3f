"""The density at the end of a run sees the training photos as an app sees them."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.config import DataSettings
from training.feature_density import fit_feature_density
from training.learning import density
from training.learning.photo_cache import decode_all, read_whole
from training.networks.catalogue import create
from training.networks.normalise import Normalise
from training.networks.outputs import ask
from training.preprocess import Preprocess
from training.sources.data import open_source

PREPROCESS = Preprocess.for_input(32)


@pytest.mark.parametrize("cache_size_bytes", [None, 0])
def test_fits_what_an_app_would_show_it(cache_size_bytes: int | None) -> None:
    torch.manual_seed(0)
    model = create("ghostnet_050", 16)
    photos = open_source(DataSettings(train_per_class=2, validation_per_class=1)).train
    decode = partial(read_whole, short_px=64)
    with decode_all(photos, decode, 0, "decode", size_bytes=cache_size_bytes) as decoded:
        fitted = density.fit_density(model, decoded, PREPROCESS, Normalise(), torch.device("cpu"))
    x_nhwc = np.stack([PREPROCESS.read(photo.read()) for photo in photos])
    (outputs,) = ask(model, Normalise(), [x_nhwc])
    expected = fit_feature_density(outputs.features.numpy())
    np.testing.assert_allclose(fitted.mean, expected.mean, atol=0.02)
    assert len(fitted.directions) == len(photos) - 1


@given(st.integers(0, 500), st.integers(1, 300))
def test_chosen_photos_are_spread_evenly(count: int, most: int) -> None:
    places = density.choose_evenly(count, most)
    assert len(places) == min(count, most)
    gaps = np.diff(places)
    assert (gaps >= 1).all() and np.ptp(gaps) <= 1 if len(gaps) else True
    assert not len(places) or (places[0] == 0 and places[-1] < count)

"""A network answers the same however its photos are batched, and in whatever mode it was."""

import numpy as np
import torch

from training.answers import Answers
from training.feature_density import fit_feature_density
from training.networks.catalogue import create
from training.networks.normalise import Normalise
from training.networks.outputs import ask

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


def test_batches_do_not_change_answers() -> None:
    torch.manual_seed(0)
    model = create("ghostnet_050", 5)
    (whole,) = ask(model, Normalise(), [PIXELS])
    density = fit_feature_density(whole.features.numpy())
    parts = ask(model, Normalise(), [PIXELS[:4], PIXELS[4:]])
    together = Answers.concatenate(part.to_answers(density) for part in parts)
    expected = whole.to_answers(density)
    np.testing.assert_allclose(together.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(together.known_scores, expected.known_scores, rtol=1e-3, atol=1e-4)


def test_logits_are_the_networks_own_and_dropout_is_off() -> None:
    torch.manual_seed(0)
    model = create("ghostnet_050", 5, dropout=0.9).train()
    (outputs,) = ask(model, Normalise(), [PIXELS])
    with torch.no_grad():
        expected = model(Normalise()(torch.from_numpy(PIXELS)))
    assert not model.training
    torch.testing.assert_close(outputs.logits.clone(), expected)


def test_gradients_can_be_computed_while_answers_are_read() -> None:
    model = create("ghostnet_050", 5)
    for _ in ask(model, Normalise(), [PIXELS[:1]]):
        assert not torch.is_inference_mode_enabled()
        model(Normalise()(torch.from_numpy(PIXELS[:1]))).sum().backward()

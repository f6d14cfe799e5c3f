import numpy as np
import pytest
import torch

from conversion.deploy import DeployedNchw, deploy_checkpoint, fuse
from conversion.errors import ConversionError


def test_fusing_changes_no_answer_and_leaves_no_bn(checkpoint, photos):
    fused = fuse(checkpoint.model)
    x_nchw = checkpoint.normalise(torch.from_numpy(photos))
    with torch.inference_mode():
        torch.testing.assert_close(fused(x_nchw), checkpoint.model(x_nchw), atol=2e-4, rtol=1e-5)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in fused.modules())


def test_fusing_leaves_the_original_as_it_was(checkpoint):
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    fuse(checkpoint.model)
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_deployed_network_answers_raw_pixels_like_the_checkpoint(checkpoint, photos, layout):
    deployed = deploy_checkpoint(checkpoint, layout)
    x = torch.from_numpy(photos).float()
    x = x.permute(0, 3, 1, 2) if layout == "nchw" else x
    with torch.inference_mode():
        rows, scores = (output.numpy() for output in deployed(x))
    expected = checkpoint.answer(photos)
    np.testing.assert_allclose(rows, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(scores[:, 0], expected.known_scores, atol=1e-4)


def test_pixels_are_scaled_as_the_checkpoint_says():
    class Twice(torch.nn.Module):
        def forward(self, x_nchw):
            return x_nchw.flatten(1), x_nchw.flatten(1)

    same = torch.nn.Identity()
    identity = DeployedNchw(Twice(), same, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    x_nchw = torch.tensor([255.0, 0.0, 51.0]).reshape(1, 3, 1, 1)
    scaled = torch.tensor([[1.0, -1.0, 0.2]])
    torch.testing.assert_close(identity(x_nchw), (scaled.softmax(dim=1), scaled))


def test_a_model_in_training_mode_is_refused():
    with pytest.raises(ConversionError, match="training mode"):
        fuse(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1)))


def test_a_bn_without_a_convolution_before_it_is_named():
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.BatchNorm2d(1)).eval()
    with pytest.raises(ConversionError, match="right before 1"):
        fuse(model)


def test_an_unknown_layout_is_refused(checkpoint):
    with pytest.raises(ConversionError, match="allowed are nchw, nhwc"):
        deploy_checkpoint(checkpoint, "hwc")

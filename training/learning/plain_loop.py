"""The yardstick of our training's speed: the loop that PyTorch's tutorials teach, written well.

A `DataLoader` whose workers open each JPEG with Pillow, change it as our recipe says with Pillow's
own operations, and normalise it to float32; a shuffled order; the network in PyTorch's default
memory order; AdamW with its defaults; float32 without a compiler. It keeps no average of the
weights, clips no gradient and checks no loss, which ours does.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.data import DataLoader, Dataset

from training.config import Settings
from training.learning.augment import apply_policy, draw_crop, erase_rectangle
from training.learning.mixing import mix
from training.networks.catalogue import create
from training.networks.normalise import IMAGENET_MEAN, IMAGENET_STD
from training.photos import Photo
from training.preprocess import PixelsHwc
from training.recipe import TrainSettings

_MEAN = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
_STD = torch.tensor(IMAGENET_STD).view(3, 1, 1)


class PlainPhotos(Dataset[tuple[Tensor, int]]):
    """Photos that are opened and changed each time anew.

    Args:
        photos: JPEG files.
        train: the augmentation.
        side_px: side of the result, in pixels.
    """

    def __init__(self, photos: Sequence[Photo], train: TrainSettings, side_px: int) -> None:
        self.photos = photos
        self.train = train
        self.side_px = side_px

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Returns normalised pixels, float32, shape [3, side_px, side_px], and the class."""
        photo = self.photos[index]
        # torch seeds each worker's own generator; numpy's follows from it.
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        with Image.open(photo.read.path) as image:  # type: ignore[attr-defined]
            x_hwc = self._change(image.convert("RGB"), random)
        x_chw = torch.from_numpy(x_hwc).permute(2, 0, 1).contiguous().float().div(255)
        return x_chw.sub_(_MEAN).div_(_STD), photo.class_index

    def _change(self, image: Image.Image, random: np.random.Generator) -> PixelsHwc:
        train = self.train
        top, left, height, width = draw_crop(
            image.height, image.width, train.crop_scale_min, random
        )
        image = image.resize(
            (self.side_px, self.side_px),
            Image.Resampling.BILINEAR,
            box=(left, top, left + width, top + height),
        )
        if train.flip and random.random() < 0.5:
            image = ImageOps.mirror(image)
        image = apply_policy(image, train, random)
        if train.colour_jitter > 0:
            for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
                factor = random.uniform(1 - train.colour_jitter, 1 + train.colour_jitter)
                image = kind(image).enhance(factor)
        x_hwc = np.array(image)
        if random.random() < train.erase_share:
            erase_rectangle(x_hwc, random)
        return x_hwc


class PlainLoop:
    """Trains on photos, an epoch a call.

    Args:
        settings: network, batch size, augmentation, rate and workers.
        photos: JPEG files, at least one batch.
        classes: number of outputs.
        channels_last: keep the network and its input in the channels-last memory order.
        fused: let AdamW change all weights in one call.
    """

    def __init__(
        self,
        settings: Settings,
        photos: Sequence[Photo],
        classes: int,
        channels_last: bool = False,
        fused: bool = False,
    ) -> None:
        self.settings, self.classes = settings, classes
        train, model = settings.train, settings.model
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        network = create(model.architecture, classes, model.dropout)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = network.to(self.device, memory_format=self.format)  # type: ignore[call-overload]
        self.optimizer = AdamW(
            self.model.parameters(),
            train.learning_rate,
            weight_decay=train.weight_decay,
            fused=fused or None,  # None leaves the choice to PyTorch
        )
        self.criterion = nn.CrossEntropyLoss(label_smoothing=train.label_smoothing)
        self.loader = DataLoader(
            PlainPhotos(photos, train, model.input_px),
            batch_size=train.batch_size,
            shuffle=True,
            num_workers=train.workers,
            persistent_workers=train.workers > 0,
            drop_last=True,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context="spawn" if train.workers else None,
        )

    def train_epoch(self) -> float:
        """Takes one step a batch, and returns the mean loss in nats."""
        self.model.train()
        total = 0.0
        for x_nchw, targets in self._mixed_batches():
            x_nchw = x_nchw.to(self.device, memory_format=self.format, non_blocking=True)
            loss = self.criterion(self.model(x_nchw), targets.to(self.device, non_blocking=True))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.loader)

    def _mixed_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        train = self.settings.train
        generator = torch.Generator()
        for x_nchw, truth in self.loader:
            if train.mixup > 0 or train.cutmix > 0:
                yield mix(x_nchw, truth, self.classes, generator, train.mixup, train.cutmix)
            else:
                yield x_nchw, truth

"""The recipe of a training run: tables [train] and [distill] of the settings. Free of torch."""

from dataclasses import dataclass

from training.limits import check, check_one_of

OPTIMIZERS = ("adamw", "sgd")
POLICIES = ("none", "trivial", "rand")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes:
        epochs: passes over the training photos.
        batch_size: photos a step, over all processes together.
        optimizer: "adamw" or "sgd" (Nesterov momentum 0.9).
        learning_rate: the highest rate, reached after the warm-up.
        weight_decay: on convolution and linear weights; never on biases and BN.
        warmup_epochs: epochs of linear warm-up; cosine decay to zero follows.
        layer_decay: the rate of each stage of the network is this times the rate of the stage
            after it, the head's being `learning_rate`; 1 for the same rate everywhere (layer-wise
            learning-rate decay, as in ELECTRA, arXiv 2003.10555, and BEiT, arXiv 2106.08254).
        frozen_bn: keep the statistics of BN as they were loaded, for fine-tuning.
        label_smoothing: share of the target spread over all classes.
        coarse_weight: share of the loss that asks for the coarse class, 0 to below 1; only where
            the source has coarse classes.
        ema_decay: decay of the moving average of the weights, which is what is kept; early on
            it is capped at (1 + step) / (10 + step), so that short runs average too. 0 for none.
        policy: "none", "trivial" (TrivialAugment, arXiv 2103.10158) or "rand" (RandAugment,
            arXiv 1909.13719).
        rand_magnitude: strength of RandAugment's two operations, 0 to 10.
        crop_scale_min: smallest share of a photo's area that a random resized crop takes.
        colour_jitter: largest change of brightness, contrast and saturation, as a share.
        flip: mirror half of the photos left to right.
        erase_share: share of photos of which a random rectangle is erased (arXiv 1708.04896).
        mixup: alpha of Mixup's Beta distribution (arXiv 1710.09412); 0 for none.
        cutmix: alpha of CutMix's Beta distribution (arXiv 1905.04899); 0 for none. With both,
            each batch takes one of the two at random.
        balance: how far rare classes are drawn more often: weights are class sizes to the power
            of minus this; 0 draws photos as they come, 1 draws all classes equally often.
        start_px: side of the first epoch's photos, in pixels, a multiple of 32; 0 for
            `finish_px`.
        finish_px: side of the last epochs' photos; 0 for `model.input_px`. Sides grow evenly in
            between. Validation always takes `model.input_px`.
        finish_epochs: epochs at the end that run at `finish_px` altogether.
        precision: "float32", or "bfloat16" for autocast, which pays on GPUs and newer CPUs.
        compile: compile the network with `torch.compile`.
        save_every_steps: steps between two saved states within an epoch; 0 to save only after
            each epoch.
        seed: seed of the weights, the order of photos and the augmentation.
        workers: processes that prepare photos beside the training; 0 for none.
        threads: CPU threads of the network; 0 for as many as there are cores. Below about 128
            pixels one is as fast as two.
        target_precision: share of right answers that the threshold "sure" is chosen for.
    """

    epochs: int = 30
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 2.0
    layer_decay: float = 1.0
    frozen_bn: bool = False
    label_smoothing: float = 0.1
    coarse_weight: float = 0.0
    ema_decay: float = 0.999
    policy: str = "trivial"
    rand_magnitude: float = 4.0
    crop_scale_min: float = 0.35
    colour_jitter: float = 0.2
    flip: bool = True
    erase_share: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: float = 0.0
    start_px: int = 0
    finish_px: int = 0
    finish_epochs: int = 0
    precision: str = "float32"
    compile: bool = False
    save_every_steps: int = 500
    seed: int = 0
    workers: int = 2
    threads: int = 0
    target_precision: float = 0.95

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "train.epochs", self.epochs, "whole numbers from 1")
        check(self.batch_size >= 2, "train.batch_size", self.batch_size, "whole numbers from 2")
        check_one_of("train.optimizer", self.optimizer, OPTIMIZERS)
        check_one_of("train.policy", self.policy, POLICIES)
        check_one_of("train.precision", self.precision, PRECISIONS)
        rate = self.learning_rate
        check(0 < rate <= 10, "train.learning_rate", rate, "over 0 up to 10")
        warmup = self.warmup_epochs
        check(0 <= warmup < self.epochs, "train.warmup_epochs", warmup, "0 to below epochs")
        decay = self.layer_decay
        check(0 < decay <= 1, "train.layer_decay", decay, "over 0 up to 1")
        scale = self.crop_scale_min
        check(0 < scale <= 1, "train.crop_scale_min", scale, "over 0 up to 1")
        magnitude = self.rand_magnitude
        check(0 <= magnitude <= 10, "train.rand_magnitude", magnitude, "0 to 10")
        precision = self.target_precision
        check(0.5 <= precision < 1, "train.target_precision", precision, "0.5 to below 1")
        for name in ("weight_decay", "erase_share", "balance"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"train.{name}", value, "0 to 1")
        for name in ("label_smoothing", "coarse_weight", "ema_decay", "colour_jitter"):
            value = getattr(self, name)
            check(0 <= value < 1, f"train.{name}", value, "0 to below 1")
        for name in ("mixup", "cutmix"):
            value = getattr(self, name)
            check(0 <= value <= 10, f"train.{name}", value, "0 to 10")
        for name in ("save_every_steps", "seed", "workers", "threads"):
            value = getattr(self, name)
            check(value >= 0, f"train.{name}", value, "whole numbers from 0")
        for name in ("start_px", "finish_px"):
            value = getattr(self, name)
            fits = value % 32 == 0 and 0 <= value <= 1024
            check(fits, f"train.{name}", value, "multiples of 32 from 32 to 1024, and 0")
        finish = self.finish_epochs
        check(0 <= finish <= self.epochs, "train.finish_epochs", finish, "0 to epochs")


@dataclass(frozen=True)
class DistillSettings:
    """Learning from the answers of a trained network (Hinton et al., arXiv 1503.02531).

    Attributes:
        teacher: folder of the teacher's checkpoint, with the same labels; empty for none.
        weight: share of the loss that asks for the teacher's answers; the rest asks for the
            labels.
        temperature: what both networks' logits are divided by before they are compared.
        teacher_px: side of the photos that the teacher sees, in pixels; 0 for its own
            `model.input_px`. It sees the same augmented view as the student, which is made at
            the larger of the two sides.
    """

    teacher: str = ""
    weight: float = 0.5
    temperature: float = 2.0
    teacher_px: int = 0

    def __post_init__(self) -> None:
        check(0 < self.weight <= 1, "distill.weight", self.weight, "over 0 up to 1")
        temperature = self.temperature
        check(0 < temperature <= 100, "distill.temperature", temperature, "over 0 up to 100")
        fits = self.teacher_px % 32 == 0 and 0 <= self.teacher_px <= 1024
        allowed = "multiples of 32 from 32 to 1024, and 0"
        check(fits, "distill.teacher_px", self.teacher_px, allowed)

"""What there is in the zoo: for each model its data, its training and the files to export."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import nn

import data
from models.convolutional import Conv, ConvBatchNorm, Depthwise, Residual, Series
from models.dense import Mlp, MlpSoftplus, OneFileMean, OneFileSampled, Table
from models.latent_diffusion import LatentDiffusion
from models.transformer import VitLike


@dataclass(frozen=True)
class Variant:
    """One way of exporting a model, which becomes one folder."""

    dynamo: bool
    opset: int | None = None
    fixed_batch: bool = False
    external_data: bool = False

    @property
    def name(self) -> str:
        parts = ["dynamo" if self.dynamo else "legacy"]
        parts += ["fixed_batch"] if self.fixed_batch else []
        parts += ["external"] if self.external_data else []
        parts += [f"opset{self.opset}"] if self.opset else []
        return "_".join(parts)


DYNAMO, LEGACY = Variant(dynamo=True), Variant(dynamo=False)


@dataclass(frozen=True)
class Entry:
    name: str
    model: Callable[[], nn.Module]
    # Samples of a seed, `[count, ...]`.
    data: Callable[[int, int], np.ndarray]
    # How the outputs of the encoder give mu and sigma, see `conventions.py`.
    convention: str
    notes: list[str]
    # What the decoder gives: `means` of the reconstruction or `logits`.
    decoder_output: str = "means"
    # Standard deviation of the Gaussian likelihood of training, per feature or for all.
    observation_noise: float | np.ndarray = 0.3
    constant_sigma: float | None = None
    # What the user of the model does to pixels in [0, 1] before; the references are after it.
    normalisation: str | None = None
    one_file: bool = False
    sampled: bool = False
    steps: int = 600
    variants: list[Variant] = field(default_factory=lambda: [DYNAMO, LEGACY])
    # Names given at export, of x and z; without them the exporter makes some up.
    input_names: tuple[str, str] | None = ("x", "z")
    # Of the outputs of the encoder, or of a model in one file.
    encoder_names: list[str] | None = None
    decoder_names: list[str] | None = None


def grey(size: int) -> Callable[[int, int], np.ndarray]:
    return lambda count, seed: data.images(count, 1, size, seed)


def flat_grey(size: int) -> Callable[[int, int], np.ndarray]:
    return lambda count, seed: data.images(count, 1, size, seed).reshape(count, -1)


def colour(size: int) -> Callable[[int, int], np.ndarray]:
    return lambda count, seed: data.images(count, 3, size, seed)


def signed_colour(size: int) -> Callable[[int, int], np.ndarray]:
    return lambda count, seed: 2.0 * data.images(count, 3, size, seed) - 1.0


SIGNED = "2 * pixel - 1"

CATALOGUE = [
    Entry(
        name="mlp",
        model=Mlp,
        data=flat_grey(28),
        convention="mu_log_variance",
        steps=2000,
        input_names=("input", "latent"),
        encoder_names=["mu", "logvar"],
        decoder_names=["reconstruction"],
        notes=["28 x 28 images, flattened by the user before the model"],
    ),
    Entry(
        name="conv",
        model=Conv,
        data=grey(28),
        convention="mu_log_variance",
        variants=[DYNAMO, LEGACY, Variant(dynamo=True, fixed_batch=True), Variant(dynamo=False, fixed_batch=True)],
        input_names=None,
        notes=[
            "inputs and outputs have the names that the exporter makes up, so names do not help",
            "transposed convolutions with output_padding; views whose batch size is read from the input",
        ],
    ),
    Entry(
        name="conv_batchnorm",
        model=ConvBatchNorm,
        data=signed_colour(32),
        convention="halves",
        observation_noise=0.8,
        input_names=("input", "input"),
        encoder_names=["output"],
        decoder_names=["output"],
        normalisation=SIGNED,
        notes=["the encoder's batch normalisations fold into convolutions, the decoder's cannot"],
    ),
    Entry(
        name="latent_diffusion",
        model=LatentDiffusion,
        data=signed_colour(32),
        observation_noise=0.4,
        convention="halves",
        steps=400,
        input_names=("sample", "latent_sample"),
        encoder_names=["latent_parameters"],
        decoder_names=["sample"],
        normalisation=SIGNED,
        notes=[
            "channels 0..4 of the encoder's output are mu, 4..8 the logarithm of the variance",
            "pads by (0, 1, 0, 1) before convolutions of stride 2; single-head attention over pixels",
        ],
    ),
    Entry(
        name="one_file_mean",
        model=OneFileMean,
        data=grey(14),
        convention="mu_log_variance",
        one_file=True,
        variants=[DYNAMO, LEGACY, Variant(dynamo=True, external_data=True)],
        encoder_names=["x_hat", "mu", "logvar"],
        notes=["z is mu: x_hat is the reconstruction of mu"],
    ),
    Entry(
        name="one_file_sampled",
        model=OneFileSampled,
        data=grey(14),
        convention="mu_log_variance",
        one_file=True,
        sampled=True,
        encoder_names=["recon_batch", "mu", "logvar"],
        notes=[
            "z is drawn inside the graph: x_hat of the reference is the reconstruction of mu, which the graph "
            "gives when the noise is zero",
            "the input is [n, 1, 14, 14] but x_hat is [n, 196], as in PyTorch's example",
        ],
    ),
    Entry(
        name="mlp_softplus",
        model=MlpSoftplus,
        data=flat_grey(14),
        steps=2000,
        convention="mu_sigma",
        decoder_output="logits",
        input_names=None,
        notes=["the second output is sigma, softplus(.) + 1e-4", "names are made up by the exporter"],
    ),
    Entry(
        name="residual",
        model=Residual,
        data=colour(16),
        convention="mu_softplus",
        encoder_names=["mean", "scale"],
        decoder_names=["image"],
        notes=["sigma = softplus(scale), applied outside the graph"],
    ),
    Entry(
        name="series",
        model=Series,
        data=lambda count, seed: data.series(count, 64, seed),
        convention="mu_log_variance",
        observation_noise=0.5,
        variants=[
            DYNAMO,
            LEGACY,
            Variant(dynamo=False, fixed_batch=True),
            *(Variant(dynamo=False, opset=opset) for opset in (11, 13, 17)),
            Variant(dynamo=True, opset=18),
        ],
        encoder_names=["mu", "logvar"],
        decoder_names=["x_hat"],
        notes=["two channels of 64 steps"],
    ),
    Entry(
        name="table",
        model=Table,
        data=data.table,
        convention="mu_only",
        constant_sigma=0.1,
        observation_noise=data.TABLE_SCALE.astype(np.float32) * 0.3,
        input_names=("features", "z"),
        encoder_names=["z"],
        decoder_names=["features_hat"],
        notes=["features have units: the model standardises them itself and puts the units back"],
    ),
    Entry(
        name="depthwise",
        model=Depthwise,
        data=colour(16),
        convention="mu_log_variance",
        encoder_names=["mu", "logvar"],
        decoder_names=["x_hat"],
        notes=["instance normalisation: every image has its own statistics"],
    ),
    Entry(
        name="vit_like",
        model=VitLike,
        data=grey(16),
        convention="mu_log_variance",
        steps=1000,
        variants=[
            DYNAMO,
            LEGACY,
            Variant(dynamo=True, fixed_batch=True),
            # 11 is refused: the attention needs 14.
            *(Variant(dynamo=False, opset=opset) for opset in (11, 14)),
            Variant(dynamo=True, opset=23),
        ],
        encoder_names=["mu", "logvar"],
        decoder_names=["x_hat"],
        notes=["two heads; scaled_dot_product_attention in the encoder, matrix products in the decoder"],
    ),
]

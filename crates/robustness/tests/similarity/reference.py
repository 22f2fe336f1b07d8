"""Scores pairs of pictures by other implementations and writes `reference.json`.

    pip install scikit-image==0.26.0 pytorch-msssim==1.0.0 tensorflow-cpu==2.21.0 && python reference.py

Pictures are those of `main.rs`; the peak signal-to-noise ratios, compared to the last digits, show that both mean the
same. Multi-scale similarities come from TensorFlow, in single precision, and from pytorch-msssim, in double precision,
where it means the same: at five scales and even sides all the way.
"""

import gzip
import json
import pathlib

import numpy
import pytorch_msssim
import skimage
import tensorflow
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

EXPONENTS = numpy.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
HERE = pathlib.Path(__file__)


def digits(rows):
    path = HERE.parents[3] / "data/assets/mnist-10k-images-idx3-ubyte.gz"
    pixels = numpy.frombuffer(gzip.decompress(path.read_bytes()), numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    return pixels[rows].astype(numpy.float32) / numpy.float32(255.0)


def noise(shape, seed):
    """Numbers in [0, 1), the same in every language."""
    k = numpy.arange(seed, seed + numpy.prod(shape), dtype=numpy.uint64)
    return ((k * k * numpy.uint64(2654435761)) % 2**32 / 2**32).reshape(shape)


def disturbed(picture, strength):
    mixed = (1.0 - strength) * picture.astype(numpy.float64) + strength * noise(picture.shape, 1_000_000)
    return mixed.astype(numpy.float32)


def random(shape):
    return noise(shape, 1).astype(numpy.float32)


def mosaic(side):
    """`side` x `side` digits."""
    rows = digits(slice(0, side * side)).reshape(side, side, 28, 28)
    return rows.transpose(0, 2, 1, 3).reshape(1, side * 28, side * 28)


def pairs():
    """Name, both pictures, range."""
    first, second = digits(0), digits(1)
    yield "two digits", first, second, 1.0
    yield "a disturbed digit", first, disturbed(first, 0.2), 1.0
    yield "a digit on [-2, 2]", first, disturbed(first, 0.2), 4.0
    yield "noise in three channels", random([3, 48, 40]), disturbed(random([3, 48, 40]), 0.4), 1.0
    yield "noise of odd sides", random([2, 45, 37]), disturbed(random([2, 45, 37]), 0.4), 1.0
    yield "one window", random([1, 11, 11]), disturbed(random([1, 11, 11]), 0.4), 1.0
    yield "noise at five scales", random([2, 176, 192]), disturbed(random([2, 176, 192]), 0.4), 1.0
    yield "noise at five scales of odd sides", random([1, 161, 187]), disturbed(random([1, 161, 187]), 0.4), 1.0
    yield "a mosaic of digits", mosaic(7), disturbed(mosaic(7), 0.3), 1.0


def scale_count(side):
    count = 0
    while side >= 11 and count < 5:
        side, count = (side + 1) // 2, count + 1
    return count


def by_tensorflow(a, b, span, scales):
    exponents = EXPONENTS[:scales] / (1.0 if scales == 5 else EXPONENTS[:scales].sum())
    a, b = (tensorflow.constant(picture.transpose(1, 2, 0)) for picture in (a, b))
    return float(tensorflow.image.ssim_multiscale(a, b, span, power_factors=exponents.tolist()))


def by_pytorch_msssim(a, b, span):
    a, b = (torch.tensor(picture, dtype=torch.float64)[None] for picture in (a, b))
    window = torch.exp(-0.5 * ((torch.arange(11, dtype=torch.float64) - 5) / 1.5) ** 2)
    window = (window / window.sum()).repeat(a.shape[1], 1, 1, 1)
    return float(pytorch_msssim.ms_ssim(a, b, data_range=span, win=window))


def main():
    results = []
    for name, a, b, span in pairs():
        double = [picture.astype(numpy.float64) for picture in (a, b)]
        scales = scale_count(min(a.shape[1:]))
        result = {
            "name": name,
            "psnr": float(peak_signal_noise_ratio(*double, data_range=span)),
            # Its mean leaves out a border of 5, that is, windows that do not fit.
            "ssim": float(
                structural_similarity(
                    *double,
                    data_range=span,
                    channel_axis=0,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                )
            ),
            "scales": scales,
            "tensorflow": by_tensorflow(a, b, span, scales),
        }
        if scales == 5 and all(side % 16 == 0 for side in a.shape[1:]):
            result["pytorch_msssim"] = by_pytorch_msssim(a, b, span)
        results.append(result)
    versions = {"scikit_image": skimage.__version__, "tensorflow": tensorflow.__version__}
    lines = ",\n".join("  " + json.dumps(result) for result in results)
    text = f'{{"versions": {json.dumps(versions)}, "pairs": [\n{lines}\n]}}\n'
    HERE.with_name("reference.json").write_text(text)


if __name__ == "__main__":
    main()

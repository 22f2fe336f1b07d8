"""How Jacobians are stored: as products with random vectors, and where they are small in full too.

| tensor | shape | what |
|---|---|---|
| `probe_input` | [k, features] | random signs |
| `probe_latent` | [k, latent] | random signs |
| `encoder_jvp` | [n, k, latent] | J v for every v in `probe_input` |
| `encoder_vjp` | [n, k, features] | u^T J for every u in `probe_latent` |
| `decoder_jvp` | [n, k, features] | J v for every v in `probe_latent` |
| `decoder_vjp` | [n, k, latent] | u^T J for every u in `probe_input` |
| `jacobian_mu` | [1, latent, features] | the encoder's at the first point, where it takes less than 60 kB |
| `jacobian_decoder` | [1, features, latent] | the decoder's, under the same condition |

The points are the first n of the reference. There are n = 2 points and k = 8 probes, or one point and two probes
where there are more than 256 features, to keep the files small.
"""

from typing import NamedTuple

import numpy as np

FULL_BYTES = 60_000


class Extent(NamedTuple):
    points: int
    probes: int


def extent(features: int) -> Extent:
    return Extent(points=2, probes=8) if features <= 256 else Extent(points=1, probes=2)


def tensors(encoder: np.ndarray, decoder: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors above, from Jacobians `[n, latent, features]` and `[n, features, latent]`."""
    _, latent, features = encoder.shape
    probes = extent(features).probes
    random = np.random.default_rng(3)
    # Signs are exact in single precision, and compress well.
    probe_input = random.choice([-1.0, 1.0], (probes, features))
    probe_latent = random.choice([-1.0, 1.0], (probes, latent))
    stored = {
        "probe_input": probe_input,
        "probe_latent": probe_latent,
        "encoder_jvp": np.einsum("nlf,pf->npl", encoder, probe_input),
        "encoder_vjp": np.einsum("nlf,pl->npf", encoder, probe_latent),
        "decoder_jvp": np.einsum("nfl,pl->npf", decoder, probe_latent),
        "decoder_vjp": np.einsum("nfl,pf->npl", decoder, probe_input),
    }
    if 4 * latent * features < FULL_BYTES:
        stored |= {"jacobian_mu": encoder[:1], "jacobian_decoder": decoder[:1]}
    return stored

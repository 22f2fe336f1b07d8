"""What the outputs of an encoder mean.

| name | outputs | sigma |
|---|---|---|
| `mu_log_variance` | mu, logarithm of the variance | exp(. / 2) |
| `mu_sigma` | mu, sigma | as it is |
| `mu_softplus` | mu, s | softplus(s) |
| `halves` | one tensor, split in half along axis 1: mu, logarithm of the variance | exp(. / 2) |
| `mu_only` | mu | a constant |
"""


def posterior(outputs, convention: str, constant_sigma: float | None, library):
    """Mu and sigma, from arrays of `library` (numpy or torch)."""
    match convention:
        case "mu_log_variance":
            mu, log_variance = outputs
            return mu, library.exp(0.5 * log_variance)
        case "mu_sigma":
            return outputs
        case "mu_softplus":
            mu, before = outputs
            return mu, library.log1p(library.exp(before))
        case "halves":
            (both,) = outputs
            half = both.shape[1] // 2
            return both[:, :half], library.exp(0.5 * both[:, half:])
        case "mu_only":
            (mu,) = outputs
            return mu, library.full_like(mu, constant_sigma)
    raise ValueError(f"unknown convention {convention}")

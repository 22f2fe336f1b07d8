"""Procedural data sets: nothing here is taken from anywhere, so the fixtures have no licence but ours."""

import numpy as np


def images(count: int, channels: int, size: int, seed: int) -> np.ndarray:
    """Soft-edged ellipses crossed by a bar, `[count, channels, size, size]` in [0, 1]."""
    random = np.random.default_rng(seed)
    axis = np.linspace(-1.0, 1.0, size)
    y, x = np.meshgrid(axis, axis, indexing="ij")

    def per_image(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (count, 1, 1))

    angle, centre_x, centre_y = per_image(0, np.pi), per_image(-0.4, 0.4), per_image(-0.4, 0.4)
    along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
    across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
    radius = np.hypot(along / per_image(0.3, 0.7), across / per_image(0.2, 0.5))
    ellipse = _soft_step(1.0 - radius)
    bar = _soft_step(per_image(0.05, 0.15) - np.abs(x + y - per_image(-0.8, 0.8)))

    def colours(low: float, high: float) -> np.ndarray:
        return random.uniform(low, high, (count, channels, 1, 1))

    background = colours(0.0, 0.2)
    picture = background + (colours(0.5, 0.9) - background) * ellipse[:, None]
    picture = picture + (colours(0.6, 1.0) - picture) * bar[:, None]
    noise = random.normal(0.0, 0.02, picture.shape)
    return np.clip(picture + noise, 0.0, 1.0).astype(np.float32)


def _soft_step(value: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-12.0 * value))


def series(count: int, length: int, seed: int) -> np.ndarray:
    """A damped oscillation and its delayed, distorted echo, `[count, 2, length]`."""
    random = np.random.default_rng(seed)
    time = np.linspace(0.0, 1.0, length)
    frequency, phase, damping, amplitude = (
        random.uniform(low, high, (count, 1)) for low, high in [(2, 6), (0, 6.3), (0, 2), (0.5, 1.5)]
    )

    def oscillation(delay: float) -> np.ndarray:
        return amplitude * np.exp(-damping * time) * np.sin(2 * np.pi * frequency * (time - delay) + phase)

    both = np.stack([oscillation(0.0), np.tanh(2.0 * oscillation(0.1))], axis=1)
    return (both + random.normal(0.0, 0.05, both.shape)).astype(np.float32)


# What one unit of each of the table's features measures, so that standardising matters.
TABLE_SCALE = np.array([1, 10, 0.01, 250, 3, 0.5, 40, 1e3, 0.2, 7, 15, 0.05])
TABLE_OFFSET = np.array([0, 35, 0.1, 1200, -4, 2, 100, 5e3, 0.6, 0, 70, -0.3])


def table(count: int, seed: int) -> np.ndarray:
    """Twelve features of very different units driven by four hidden factors, `[count, 12]`."""
    random = np.random.default_rng(seed)
    # The mixture is the same whatever the seed: it is what there is to learn.
    mixture = np.random.default_rng(12).normal(size=(4, 12))
    factors = random.normal(size=(count, 4))
    features = np.sin(factors @ mixture) + 0.5 * factors @ mixture
    features = features + random.normal(0.0, 0.1, features.shape)
    return (TABLE_OFFSET + TABLE_SCALE * features).astype(np.float32)

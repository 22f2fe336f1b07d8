"""Trains the Keras models, exports them by way of tf2onnx and writes what TensorFlow says about them.

    python zoo/make_keras.py

Needs an environment of its own, see `requirements-keras.txt`.
"""

import os

# Has to be set before TensorFlow is loaded.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="")

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from keras import layers

import data
import derivatives
from fixture import Description, Fixture

BATCH, STEPS, SAMPLES = 64, 600, 4096
OBSERVATION_NOISE = 0.3
POINTS = 4
DATA_SEED, REFERENCE_SEED = 1, 2


def mlp() -> tuple[keras.Model, keras.Model]:
    x = keras.Input((144,), name="pixels")
    h = layers.Dense(24)(x)
    h = layers.LeakyReLU(negative_slope=0.1)(layers.BatchNormalization()(h))
    # The exact one becomes an `Erfc`, an operator that ONNX does not have: tf2onnx says so, and writes the file.
    h = keras.activations.gelu(layers.Dense(12)(h), approximate=True)
    encoder = keras.Model(x, [layers.Dense(3, name="z_mean")(h), layers.Dense(3, name="z_log_var")(h)], name="encoder")
    z = keras.Input((3,), name="latent")
    h = layers.Dense(12, activation="silu")(z)
    h = layers.Dense(24, activation="elu")(h)
    return encoder, keras.Model(z, layers.Dense(144, activation="sigmoid")(h), name="decoder")


def conv() -> tuple[keras.Model, keras.Model]:
    x = keras.Input((28, 28, 1), name="image")
    h = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    encoder = keras.Model(x, [layers.Dense(4, name="z_mean")(h), layers.Dense(4, name="z_log_var")(h)], name="encoder")
    z = keras.Input((4,), name="latent")
    h = layers.Reshape((7, 7, 8))(layers.Dense(7 * 7 * 8, activation="relu")(z))
    h = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.UpSampling2D(2)(h)
    return encoder, keras.Model(z, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(h), name="decoder")


def make(name: str, build: Callable, samples: Callable[[int, int], np.ndarray], notes: list[str]) -> None:
    # Layers are named by counting: without this, the names in a file depend on what was built before.
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    encoder, decoder = build()
    train(encoder, decoder, tf.constant(samples(SAMPLES, DATA_SEED)))
    description = Description(
        name=name,
        framework=f"Keras {keras.__version__}, TensorFlow {tf.__version__}",
        layout="channels last",
        encoder={"convention": "mu_log_variance"},
        decoder={"output": "means"},
        notes=notes,
    )
    fixture = Fixture(description)
    models = {"encoder": encoder, "decoder": decoder}

    def by_keras(folder: Path) -> list[str]:
        for role, model in models.items():
            model.export(folder / f"{role}.onnx", format="onnx", verbose=False)
        return list(models)

    def by_tf2onnx(folder: Path) -> list[str]:
        for role, model in models.items():
            tf2onnx.convert.from_keras(model, opset=13, output_path=str(folder / f"{role}.onnx"))
        return list(models)

    fixture.export("keras", "keras.Model.export(format='onnx')", by_keras)
    fixture.export("tf2onnx", f"tf2onnx.convert.from_keras, tf2onnx {tf2onnx.__version__}", by_tf2onnx)
    fixture.finish(reference(build, encoder, decoder, samples(POINTS, REFERENCE_SEED)))


def train(encoder: keras.Model, decoder: keras.Model, samples: tf.Tensor) -> None:
    """Maximises the evidence lower bound."""
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimiser = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, STEPS))
    optimiser.build(variables)

    @tf.function
    def step(x: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            mu, log_variance = encoder(x, training=True)
            z = mu + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mu))
            misfit = 0.5 * tf.reduce_sum(((decoder(z, training=True) - x) / OBSERVATION_NOISE) ** 2) / BATCH
            divergence = 0.5 * tf.reduce_sum(mu**2 + tf.exp(log_variance) - log_variance - 1.0) / BATCH
            loss = misfit + divergence
        optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables))

    random = np.random.default_rng(0)
    for _ in range(STEPS):
        step(tf.gather(samples, random.integers(SAMPLES, size=BATCH)))


def reference(build: Callable, encoder: keras.Model, decoder: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """As in `reference.py`, in double precision."""
    keras.config.set_floatx("float64")
    exact_encoder, exact_decoder = build()
    keras.config.set_floatx("float32")
    exact_encoder.set_weights(encoder.get_weights())
    exact_decoder.set_weights(decoder.get_weights())
    x = x.astype(np.float64)
    mu, log_variance = exact_encoder(x)
    x_hat = exact_decoder(mu)
    n = derivatives.extent(x[0].size).points
    values = {"x": x, "mu": mu.numpy(), "sigma": np.exp(0.5 * log_variance.numpy()), "x_hat": x_hat.numpy()}
    return values | derivatives.tensors(
        encoder=jacobians(lambda points: exact_encoder(points)[0], tf.constant(x[:n])),
        decoder=jacobians(exact_decoder, mu[:n]),
    )


def jacobians(function: Callable, points: tf.Tensor) -> np.ndarray:
    """Of flattened points, `[n, outputs, inputs]`."""
    with tf.GradientTape() as tape:
        tape.watch(points)
        outputs = tf.reshape(function(points), (len(points), -1))
    jacobian = tape.batch_jacobian(outputs, points)
    return jacobian.numpy().reshape(*outputs.shape, -1)


def main() -> None:
    tf.config.experimental.enable_op_determinism()
    make(
        "keras_mlp",
        mlp,
        lambda count, seed: data.images(count, 1, 12, seed).reshape(count, -1),
        ["batch normalisation between a dense layer and its activation"],
    )
    make(
        "keras_conv",
        conv,
        lambda count, seed: data.images(count, 1, 28, seed).transpose(0, 2, 3, 1),
        ["images are [n, 28, 28, 1]: the graph transposes, or reshapes, to channels first and back"],
    )


if __name__ == "__main__":
    main()

"""The sizes and the numbers of the workloads that `frameworks.py` measures."""

import math

import numpy

# Rows of the data of W3, and the standard deviation of its observations.
BAYES_ROWS, BAYES_SIGMA = 455, 0.1
# Latents and features of W4.
LATENTS, FEATURES = 16, 8
# Standard deviation of a pixel in W7, the side of its images, its latents and channels, and the bound of log sigma.
PIXEL_SIGMA, SIDE, CODE, CHANNELS, BOUND = 0.3, 28, 16, 8, 8.0
# The padding of the decoder's convolutions: 4 pixels doubled to 8, 16 without padding to 14, 28.
UP_PADDING = [1, 0, 1]


def vae_widths(workload):
    """The widths of the encoder without its last layer, L, and the widths of the decoder."""
    if workload == "W2":
        return [784, 512, 256], 2, [2, 64, 256, 784]
    return [784, 400], 20, [20, 400, 784]


def vae_pixels(batch):
    random = numpy.random.default_rng(0)
    return (random.random((max(4096, 8 * batch), 784)) < 0.3).astype(numpy.float32)


def bayes_rows():
    """Inputs, and targets in the last column."""
    return numpy.random.default_rng(0).standard_normal((BAYES_ROWS, 14)).astype(numpy.float32)


def process_numbers(rows):
    """Z, X, and sin²(w − w') of W4."""
    random = numpy.random.default_rng(0)
    z, x = random.standard_normal((rows, LATENTS)), 0.35 * random.standard_normal((rows, FEATURES))
    w = random.random(rows) * math.pi
    return z, x, numpy.sin(w[:, None] - w[None, :]) ** 2


def cosines(shape, scale, shift=0.0):
    """scale cos i + shift for i from 0 on: the numbers of W7."""
    size = math.prod(shape)
    return (scale * numpy.cos(numpy.arange(size, dtype=numpy.float64)) + shift).astype(numpy.float32).reshape(shape)


def convolutional_numbers(batch):
    """Layers, images and noise of W7: kernels with biases of the encoder's convolutions, weights (inputs, outputs) with biases of the
    two linear layers, and kernels with biases of the decoder's convolutions."""
    pair = lambda *shape: tuple(cosines(s, 0.2) for s in (shape, shape[:1]))
    linear = lambda inputs, outputs: (cosines((inputs, outputs), 0.2), cosines((outputs,), 0.2))
    down = [pair(CHANNELS, channels, 3, 3) for channels in (1, CHANNELS, CHANNELS)]
    up = [pair(channels, CHANNELS, 3, 3) for channels in (CHANNELS, CHANNELS, 1)]
    features = CHANNELS * 4 * 4
    heads, back = linear(features, 2 * CODE), linear(CODE, features)
    images = cosines((batch, 1, SIDE, SIDE), 0.5, 0.5)
    return (down, heads, back, up), images, cosines((batch, CODE), math.sqrt(2))

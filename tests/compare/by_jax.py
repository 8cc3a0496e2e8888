"""The workloads of `frameworks.py` in JAX."""

import math

import jax
import jax.numpy as jnp
import numpy
from jax.scipy.linalg import cho_solve, solve_triangular

from workloads import (
    BAYES_ROWS,
    BAYES_SIGMA,
    BOUND,
    CHANNELS,
    LATENTS,
    PIXEL_SIGMA,
    SIDE,
    UP_PADDING,
    bayes_rows,
    convolutional_numbers,
    process_numbers,
    vae_pixels,
    vae_widths,
)


class Jax:
    """One of JAX's variants, with a method for each model: its loss, its parameters, its data, and whether a step takes rows of these."""

    def __init__(self, framework, workload, batch, threads):
        if workload.startswith("W4"):
            jax.config.update("jax_enable_x64", True)
        jnp.zeros(1).block_until_ready()
        self.workload, self.batch, self.loop = workload, batch, framework == "jaxscan"
        self.random = numpy.random.default_rng(0)

    def step_of(self, model, update):
        """A function that makes some steps of this method's model and returns the loss of the last, and how many they are."""
        # The loss is a function of parameters, of the data or rows of them, and of the key of the noise.
        loss, parameters, data, by_rows = getattr(self, model)()
        if not update:
            return self.gradient(loss, parameters, data), 1
        return self.updating(loss, parameters, data, by_rows, 100 if model in ("bayes", "tiny") else 10)

    def gradient(self, loss, parameters, data):
        gradient = jax.jit(lambda parameters, data: jax.value_and_grad(loss)(parameters, data, None))

        def step():
            value, _ = jax.block_until_ready(gradient(parameters, data))
            return float(value)

        return step

    def updating(self, loss, parameters, data, by_rows, steps):
        """One step of Adam, or so many if the loop is compiled."""
        batch, key = self.batch, jax.random.key(0)
        batches = len(data) // batch

        def one(parameters, moments, i, data):
            rows = jax.lax.dynamic_slice_in_dim(data, i % batches * batch, batch) if by_rows else data
            value, gradient = jax.value_and_grad(loss)(parameters, rows, jax.random.fold_in(key, i))
            parameters, moments = self.adam(parameters, gradient, moments)
            return parameters, moments, i + 1, value

        def many(parameters, moments, i, data):
            first = one(parameters, moments, i, data)
            return jax.lax.fori_loop(1, steps, lambda _, at: one(*at[:3], data), first)

        function = jax.jit(many if self.loop else one, donate_argnums=(0, 1))
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
        time = jnp.zeros((), jax.tree.leaves(parameters)[0].dtype)
        state = parameters, (zeros(), zeros(), time), jnp.zeros((), jnp.int32)

        def step():
            nonlocal state
            *state, value = function(*state, data)
            return float(value)

        return step, steps if self.loop else 1

    def adam(self, parameters, gradient, moments, rate=1e-3, b1=0.9, b2=0.999, epsilon=1e-8):
        sqrt, tree_map = jnp.sqrt, jax.tree.map
        m, v, t = moments
        t = t + 1
        m = tree_map(lambda m, g: b1 * m + (1 - b1) * g, m, gradient)
        v = tree_map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gradient)
        c1, c2 = 1 - b1**t, 1 - b2**t
        update = lambda p, m, v: p - rate * (m / c1) / (sqrt(v / c2) + epsilon)
        return tree_map(update, parameters, m, v), (m, v, t)

    def normal(self, *shape):
        return jnp.array(self.random.standard_normal(shape).astype(numpy.float32))

    def linear(self, inputs, outputs):
        return self.normal(inputs, outputs) / math.sqrt(inputs), jnp.zeros(outputs)

    def vae(self):
        down, latent, up = vae_widths(self.workload)
        phi = jnp.tanh if self.workload == "W1t" else jax.nn.relu
        layers = lambda widths: [self.linear(*ends) for ends in zip(widths, widths[1:])]
        heads = [self.linear(down[-1], latent) for _ in range(2)]
        parameters = {"encoder": layers(down), "heads": heads, "decoder": layers(up)}

        def loss(parameters, x, key):
            h = x
            for w, b in parameters["encoder"]:
                h = phi(h @ w + b)
            mu, log_variance = (h @ w + b for w, b in parameters["heads"])
            h = mu + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mu.shape)
            for w, b in parameters["decoder"][:-1]:
                h = phi(h @ w + b)
            w, b = parameters["decoder"][-1]
            logits = h @ w + b
            likelihood = jnp.sum(jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits))))
            kl = -0.5 * jnp.sum(1 + log_variance - mu * mu - jnp.exp(log_variance))
            return (likelihood + kl) / x.shape[0]

        return loss, parameters, jnp.array(vae_pixels(self.batch)), True

    def bayes(self):
        batch = self.batch
        shapes = [(13, 50), (50,), (50, 1), (1,)]
        parameters = [0.1 * self.normal(*shape) for shape in shapes], [jnp.full(shape, -3.0) for shape in shapes]

        def loss(parameters, rows, key):
            x, y = rows[:, :13], rows[:, 13:]
            w, kl = [], 0.0
            for m, r, key in zip(*parameters, jax.random.split(key, 4)):
                sigma = jax.nn.softplus(r)
                w.append(m + sigma * jax.random.normal(key, m.shape))
                kl = kl + (-jnp.log(sigma) + 0.5 * (sigma * sigma + m * m) - 0.5).sum()
            mean = jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
            return kl * (batch / BAYES_ROWS) + 0.5 / BAYES_SIGMA**2 * ((mean - y) ** 2).sum()

        return loss, parameters, jnp.array(bayes_rows()), True

    def process(self):
        rows = self.batch
        z, x, squares = (jnp.array(array) for array in process_numbers(rows))
        parameters = z, x, jnp.array([0.0, 0.0, -0.7])
        constant = 0.5 * math.log(2 * math.pi) * rows * LATENTS

        @jax.custom_vjp
        def log_density(k, z):
            return forward(k, z)[0]

        def forward(k, z):
            factor = jnp.linalg.cholesky(k, symmetrize_input=False)
            a = cho_solve((factor, True), z)
            return -0.5 * (z * a).sum() - LATENTS * jnp.log(jnp.diag(factor)).sum() - constant, (factor, a)

        def backward(kept, adjoint):
            factor, a = kept
            inverse = cho_solve((factor, True), jnp.eye(rows))
            return adjoint * (-0.5 * LATENTS * inverse + 0.5 * a @ a.T), -adjoint * a

        log_density.defvjp(forward, backward)

        def loss(parameters, squares, _):
            z, x, logs = parameters
            beta, nu, alpha = jnp.exp(logs)
            k = beta * jnp.exp(-2 * squares / nu**2) * (x @ x.T) + alpha * jnp.eye(rows)
            if self.workload == "W4h":
                return -log_density(k, z)
            factor = jnp.linalg.cholesky(k)
            whitened = solve_triangular(factor, z, lower=True)
            return 0.5 * (whitened * whitened).sum() + LATENTS * jnp.log(jnp.diag(factor)).sum() + constant

        return loss, parameters, squares, False

    def tiny(self):
        parameters = [self.linear(2, 16), self.linear(16, 16), self.linear(16, 1)]

        def loss(parameters, numbers, _):
            h = numbers[None, :2]
            for w, b in parameters[:-1]:
                h = jnp.tanh(h @ w + b)
            w, b = parameters[-1]
            d = h @ w + b - numbers[2]
            return (d * d).sum()

        return loss, parameters, self.normal(3), False

    def convolutional(self):
        batch = self.batch
        (down, heads, back, up), images, noise = convolutional_numbers(batch)
        # Channels are the last axis, with which compiled convolutions are faster.
        kernels = lambda layers: [(w.transpose(2, 3, 1, 0), b) for w, b in layers]
        order = numpy.arange(CHANNELS * 16).reshape(CHANNELS, 16).T.reshape(-1)
        heads, back = (heads[0][order], heads[1]), (back[0][:, order], back[1][order])
        parameters, data = (kernels(down), heads, back, kernels(up)), (images.transpose(0, 2, 3, 1), noise)

        def convolution(h, w, b, stride, padding):
            axes = ("NHWC", "HWIO", "NHWC")
            padding = [(padding, padding)] * 2
            a = jax.lax.conv_general_dilated(h, w, (stride, stride), padding, dimension_numbers=axes)
            return jax.nn.elu(a + b)

        def loss(parameters, data, _):
            (down, heads, back, up), (images, noise) = parameters, data
            h = images
            for w, b in down:
                h = convolution(h, w, b, 2, 1)
            mu, log_sigma = jnp.split(h.reshape(batch, -1) @ heads[0] + heads[1], 2, 1)
            log_sigma = BOUND * jnp.tanh(log_sigma / BOUND)
            z = mu + jnp.exp(log_sigma) * noise
            h = (z @ back[0] + back[1]).reshape(batch, 4, 4, CHANNELS)
            for (w, b), padding in zip(up, UP_PADDING):
                h = convolution(h.repeat(2, 1).repeat(2, 2), w, b, 1, padding)
            squares = 0.5 / PIXEL_SIGMA**2 * ((images - h) ** 2).sum()
            kl = (0.5 * (jnp.exp(2 * log_sigma) + mu * mu - 1) - log_sigma).sum()
            return (squares + kl) / batch + SIDE**2 * (math.log(PIXEL_SIGMA) + 0.5 * math.log(2 * math.pi))

        return loss, *jax.tree.map(jnp.array, (parameters, data)), False

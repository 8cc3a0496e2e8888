"""The workloads of `frameworks.py` in PyTorch."""

import math

import torch
from torch.nn import functional

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


class Torch:
    """One of PyTorch's variants, with a method for each model: its loss, its parameters, and its data if a step takes rows of these."""

    def __init__(self, framework, workload, batch, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.workload, self.batch, self.fused = workload, batch, framework != "torch"
        self.compiled = torch.compile if framework == "torchcompile" else lambda f: f

    def step_of(self, model, update):
        """A function that makes a step of this method's model and returns the loss, and 1, the number of steps."""
        # The loss is a function of rows of the data, or of nothing.
        loss, parameters, data = getattr(self, model)()
        batch, at, loss = self.batch, 0, self.compiled(loss)
        batches = 1 if data is None else len(data) // batch
        adam = torch.optim.Adam(parameters, lr=1e-3, **({"fused": True} if self.fused else {}))

        def step():
            nonlocal at
            adam.zero_grad(set_to_none=True)
            value = loss() if data is None else loss(data[at * batch : (at + 1) * batch])
            at = (at + 1) % batches
            value.backward()
            if update:
                adam.step()
            return value.item()

        return step, 1

    def parameter(self, array):
        return torch.nn.Parameter(torch.as_tensor(array))

    def vae(self):
        down, latent, up = vae_widths(self.workload)
        phi = torch.tanh if self.workload == "W1t" else torch.relu
        layers = lambda widths: [torch.nn.Linear(*ends) for ends in zip(widths, widths[1:])]
        encoder, decoder = layers(down), layers(up)
        heads = [torch.nn.Linear(down[-1], latent) for _ in range(2)]

        def loss(x):
            h = x
            for layer in encoder:
                h = phi(layer(h))
            mu, log_variance = (head(h) for head in heads)
            h = mu + torch.exp(0.5 * log_variance) * torch.randn_like(mu)
            for layer in decoder[:-1]:
                h = phi(layer(h))
            likelihood = functional.binary_cross_entropy_with_logits(decoder[-1](h), x, reduction="sum")
            kl = -0.5 * torch.sum(1 + log_variance - mu * mu - log_variance.exp())
            return (likelihood + kl) / x.shape[0]

        parameters = [p for layer in encoder + heads + decoder for p in layer.parameters()]
        return loss, parameters, torch.from_numpy(vae_pixels(self.batch))

    def bayes(self):
        batch = self.batch
        shapes = [(50, 13), (50,), (1, 50), (1,)]
        mu = [self.parameter(0.1 * torch.randn(shape)) for shape in shapes]
        rho = [self.parameter(torch.full(shape, -3.0)) for shape in shapes]

        def loss(rows):
            x, y = rows[:, :13], rows[:, 13:]
            w, kl = [], 0.0
            for m, r in zip(mu, rho):
                sigma = functional.softplus(r)
                w.append(m + sigma * torch.randn_like(m))
                kl = kl + (-torch.log(sigma) + 0.5 * (sigma * sigma + m * m) - 0.5).sum()
            mean = functional.linear(torch.relu(functional.linear(x, w[0], w[1])), w[2], w[3])
            return kl * (batch / BAYES_ROWS) + 0.5 / BAYES_SIGMA**2 * ((mean - y) ** 2).sum()

        return loss, mu + rho, torch.from_numpy(bayes_rows())

    def process(self):
        rows = self.batch
        torch.set_default_dtype(torch.float64)
        z, x, squares = process_numbers(rows)
        z, x, squares = self.parameter(z), self.parameter(x), torch.from_numpy(squares)
        log_beta, log_nu, log_alpha = (self.parameter(value) for value in (0.0, 0.0, -0.7))
        identity, constant = torch.eye(rows), 0.5 * math.log(2 * math.pi) * rows * LATENTS

        class LogDensity(torch.autograd.Function):
            @staticmethod
            def forward(context, k, z):
                factor = torch.linalg.cholesky(k)
                a = torch.cholesky_solve(z, factor)
                context.save_for_backward(factor, a)
                return -0.5 * (z * a).sum() - LATENTS * factor.diagonal().log().sum() - constant

            @staticmethod
            def backward(context, adjoint):
                factor, a = context.saved_tensors
                inverse = torch.cholesky_inverse(factor)
                return adjoint * torch.addmm(inverse, a, a.t(), beta=-0.5 * LATENTS, alpha=0.5), -adjoint * a

        def loss():
            views = torch.exp(log_beta) * torch.exp(-2 * squares / torch.exp(log_nu) ** 2)
            k = views * (x @ x.t()) + torch.exp(log_alpha) * identity
            if self.workload == "W4h":
                return -LogDensity.apply(k, z)
            factor = torch.linalg.cholesky(k)
            whitened = torch.linalg.solve_triangular(factor, z, upper=False)
            return 0.5 * (whitened * whitened).sum() + LATENTS * factor.diagonal().log().sum() + constant

        return loss, [z, x, log_beta, log_nu, log_alpha], None

    def tiny(self):
        parameters = []
        for inputs, outputs in ((2, 16), (16, 16), (16, 1)):
            parameters += [self.parameter(0.3 * torch.randn(inputs, outputs)), self.parameter(torch.zeros(outputs))]
        w1, b1, w2, b2, w3, b3 = parameters
        x, y = torch.randn(1, 2), torch.randn(1, 1)

        def loss():
            h = torch.tanh(x @ w1 + b1)
            d = torch.tanh(h @ w2 + b2) @ w3 + b3 - y
            return (d * d).sum()

        return loss, parameters, None

    def convolutional(self):
        batch = self.batch
        (down, heads, back, up), images, noise = convolutional_numbers(batch)
        images, noise = torch.from_numpy(images), torch.from_numpy(noise)
        pair = lambda layer: tuple(self.parameter(array) for array in layer)
        down, up, heads, back = [pair(layer) for layer in down], [pair(layer) for layer in up], pair(heads), pair(back)

        def loss():
            h = images
            for w, b in down:
                h = functional.elu(functional.conv2d(h, w, b, stride=2, padding=1))
            mu, log_sigma = torch.addmm(heads[1], h.flatten(1), heads[0]).chunk(2, 1)
            log_sigma = BOUND * torch.tanh(log_sigma / BOUND)
            z = mu + torch.exp(log_sigma) * noise
            h = torch.addmm(back[1], z, back[0]).unflatten(1, (CHANNELS, 4, 4))
            for (w, b), padding in zip(up, UP_PADDING):
                h = functional.interpolate(h, scale_factor=2, mode="nearest")
                h = functional.elu(functional.conv2d(h, w, b, padding=padding))
            squares = 0.5 / PIXEL_SIGMA**2 * ((images - h) ** 2).sum()
            kl = (0.5 * (torch.exp(2 * log_sigma) + mu * mu - 1) - log_sigma).sum()
            return (squares + kl) / batch + SIDE**2 * (math.log(PIXEL_SIGMA) + 0.5 * math.log(2 * math.pi))

        return loss, [array for layer in [*down, heads, back, *up] for array in layer], None

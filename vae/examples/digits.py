"""Encodes and decodes an image with the model that the example digits has trained: digits.py MODEL"""
import sys
import numpy as np
from safetensors.numpy import load_file

theta = load_file(sys.argv[1])  # such as out/vae-digits/model.safetensors

def network(name, x):
    for i in range(3):
        x = x @ theta[f"theta.{name}.{i}.weight"] + theta[f"theta.{name}.{i}.bias"]
        x = np.maximum(x, 0) if i < 2 else x
    return x

mu, s = np.split(network("encoder", np.linspace(0, 1, 64, dtype=np.float32)), 2)  # log sigma is 8 tanh(s/8)
print(*mu, *1 / (1 + np.exp(-network("decoder", mu))))

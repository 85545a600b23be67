"""PyTorch as judge: the same nets, the same weights, the same inputs, computed by torch and torchvision.

    python3 judge.py NET[@SIZE]... [--weights FOLDER] [--batch 1]

prints the outputs as JSON, one line for each net. Weights and inputs are made by `values` below from the tensor's name; test/judges/hashed-values.ts makes the
same numbers in TypeScript, so that the committed fixture (test/fixtures/torch-nets.json) can be checked where no Python is.
Nets: se_attention, torchvision's by their names, unbiased_se_resnet50 (resnet50 with SEAttention after each bn3), those of gated_nets.py.
"""
import argparse
import json
import math
import os
import re
import struct

import numpy as np
import torch
from torch import nn


def key_of(name):
    """FNV-1a over UTF-16 code units, 32 bits."""
    h = 0x811C9DC5
    for c in name:
        h = ((h ^ ord(c)) * 0x01000193) & 0xFFFFFFFF
    return h


def values(name, count, low, high):
    """`count` f32 numbers in [low, high): a hash of (name, index), the same on every machine."""
    out = np.empty(count, dtype=np.float32)
    # in pieces that stay in the cache: VGG's first linear layer has 10^8 numbers
    for begin in range(0, count, 1 << 16):
        piece = out[begin : begin + (1 << 16)]
        with np.errstate(over="ignore"):
            x = np.arange(begin, begin + piece.size, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(key_of(name))
            x ^= x >> np.uint32(16)
            x *= np.uint32(0x21F0AAAD)
            x ^= x >> np.uint32(15)
            x *= np.uint32(0x735A2D97)
            x ^= x >> np.uint32(15)
        piece[:] = low + (high - low) * ((x >> np.uint32(8)).astype(np.float64) / 2**24)
    return out


# norms of MobileNetV3's blocks: 45 of them with a mean gain over 1 would make rounding errors a thousand times larger
INVERTED = re.compile(r"^features\.\d+\.block\.\d+\.1\.weight$")


def tensor(name, shape):
    """The value of one tensor of a state dict, by the kind its name tells."""
    count = int(np.prod(shape))
    if name.endswith("running_var"):
        v = values(name, count, 0.5, 1.5)
    elif name.endswith("running_mean"):
        v = values(name, count, -0.2, 0.2)
    elif INVERTED.match(name):
        v = values(name, count, 0.5, 1.1)
    elif len(shape) == 1 and name.endswith("weight"):
        # the last norm of a residual branch is smaller, so that sixteen blocks do not blow the signal up
        v = values(name, count, 0.2, 0.4) if name.endswith("bn3.weight") else values(name, count, 0.5, 1.5)
    elif len(shape) == 1:
        v = values(name, count, -0.2, 0.2)
    else:
        bound = math.sqrt(6.0 / np.prod(shape[1:]))
        v = values(name, count, -bound, bound)
    return torch.from_numpy(v.reshape(shape))


class SEAttention(nn.Module):
    """The module the project started from: pool, two bias-free matrices, sigmoid, scale."""

    def __init__(self, channel=512, reduction=16):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


def unbiased_se_resnet50():
    """torchvision's resnet50 with SEAttention after each bn3."""
    from gated_nets import After, units
    from torchvision.models import resnet50

    net = resnet50()
    for unit in units(net):
        unit.bn3 = After(unit.bn3, SEAttention(unit.bn3.num_features, 16))
    return net


def net_and_names(name):
    """The module and, for each of its state-dict names, the name under which the tensor is made and saved."""
    if name == "se_attention":
        return SEAttention(channel=512, reduction=8), lambda n: n
    import torchvision
    from gated_nets import NETS, our_name

    if name == "unbiased_se_resnet50":
        return unbiased_se_resnet50(), our_name
    if name in NETS:
        make, names = NETS[name]
        return make(), names

    # the training heads are no part of the nets here
    heads = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(**heads), lambda n: n


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for n, t in tensors.items():
        size = t.numel() * 4
        header[n] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for t in tensors.values():
            f.write(t.contiguous().numpy().tobytes())


def answer(net_at_size, a):
    name, _, wanted = net_at_size.partition("@")
    net, rename = net_and_names(name)
    net.eval()
    # the same object, which also holds the versions of the modules: MnasNet asks for its own
    state = net.state_dict()
    for n, t in list(state.items()):
        state[n] = tensor(rename(n), tuple(t.shape)) if t.dtype == torch.float32 else t
    net.load_state_dict(state)
    block = name == "se_attention"
    size = int(wanted or (7 if block else 224))
    shape = (a.batch or (50 if block else 1), 512 if block else 3, size, size)
    x = torch.from_numpy(values("input", int(np.prod(shape)), -2, 2).reshape(shape))
    if a.weights:
        write_safetensors(os.path.join(a.weights, f"{name}.safetensors"), {rename(n): t for n, t in state.items() if t.dtype == torch.float32})
    # in float64: some nets lose three digits in float32, in PyTorch as anywhere
    y = net.double()(x.double()).numpy()
    flat = y.reshape(-1)[:: a.every]
    line = {"net": name, "torch": torch.__version__, "shape": list(y.shape), "every": a.every, "max": float(np.abs(y).max()),
            "values": [float(v) for v in flat]}
    print(json.dumps(line))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("nets", nargs="+", metavar="NET[@SIZE]")
    p.add_argument("--weights", metavar="FOLDER", help="write FOLDER/NET.safetensors")
    p.add_argument("--batch", type=int)
    p.add_argument("--every", type=int, default=1, help="print every n-th output element only")
    a = p.parse_args()
    torch.set_grad_enabled(False)
    # every tensor is replaced: random starts would only cost time
    for init in ("kaiming_normal_", "kaiming_uniform_", "xavier_uniform_", "trunc_normal_", "normal_", "uniform_"):
        setattr(torch.nn.init, init, lambda t, *a, **k: t)
    for net in a.nets:
        answer(net, a)


if __name__ == "__main__":
    main()

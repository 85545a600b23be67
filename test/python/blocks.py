"""Writes test/fixtures/attention-blocks.json: the attention blocks of specs/std, written in PyTorch from their formulas, in float64.

    python3 test/python/blocks.py > test/fixtures/attention-blocks.json

Weights are those of judge.py's `tensor` by name, inputs those of its `values`, so only results are stored. Of each block: the call, its
tensors at C = 256 (names, shapes, order), and 40 output elements at C = 32 on a map that is not square.
"""
import json
import math

import torch
import torch.nn.functional as F

from judge import tensor, values

CHANNELS, HEIGHT, WIDTH, BATCH = 32, 9, 12, 2


class Weights:
    """The tensors a formula asks for, in the order it asks."""

    def __init__(self):
        self.listed = []

    def __call__(self, name, *shape):
        path = f"att.{name}"
        if path not in [n for n, _ in self.listed]:
            self.listed.append((path, list(shape)))
        return tensor(path, shape).double()


def conv(w, name, x, out, kernel=1, bias=True, **how):
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    groups = how.get("groups", 1)
    weight = w(f"{name}.weight", out, x.shape[1] // groups, kh, kw)
    return F.conv2d(x, weight, w(f"{name}.bias", out) if bias else None, **how)


def bn(w, name, x):
    c = x.shape[1]
    scale, shift = w(f"{name}.weight", c), w(f"{name}.bias", c)
    mean, var = w(f"{name}.running_mean", c), w(f"{name}.running_var", c)
    w.listed.append((f"att.{name}.num_batches_tracked", []))
    return F.batch_norm(x, mean, var, scale, shift, eps=1e-5)


def mean(x):
    return x.mean((2, 3), keepdim=True)


def top(x):
    return x.amax((2, 3), keepdim=True)


def mlp(w, x, hidden, out, bias=True, act=F.relu, first="fc1", second="fc2"):
    return conv(w, second, act(conv(w, first, x, hidden, bias=bias)), out, bias=bias)


def se(w, x, hidden=None, bias=False, act=F.relu, gate=torch.sigmoid, pool=mean):
    c = x.shape[1]
    return x * gate(mlp(w, pool(x), hidden or c // 16, c, bias, act))


def hsigmoid6(x):
    return (x + 3).clamp(0, 6) / 6


def ese(w, x):
    return x * hsigmoid6(conv(w, "fc", mean(x), x.shape[1]))


def eca(w, x, circular=False):
    c = x.shape[1]
    t = int(abs(math.log2(c) + 1) / 2)
    k = max(3, t if t % 2 else t + 1)
    row = mean(x).reshape(-1, 1, c)
    row = F.pad(row, (k // 2, k // 2), mode="circular" if circular else "constant")
    return x * torch.sigmoid(F.conv1d(row, w("conv.weight", 1, 1, k))).reshape(-1, c, 1, 1)


def sse(w, x):
    return x * torch.sigmoid(conv(w, "conv", x, 1))


def scse(w, x):
    c = x.shape[1]
    channel = torch.sigmoid(mlp(w, mean(x), c // 16, c, first="cSE.fc1", second="cSE.fc2"))
    return x * channel + x * torch.sigmoid(conv(w, "sSE.conv", x, 1))


def cbam(w, x, bias=False, max_first=False):
    c = x.shape[1]

    def shared(v):
        return mlp(w, v, c // 16, c, bias, first="channel.fc1", second="channel.fc2")

    y = x * torch.sigmoid(shared(mean(x)) + shared(top(x)))
    pair = [y.mean(1, keepdim=True), y.amax(1, keepdim=True)]
    maps = torch.cat(pair[::-1] if max_first else pair, 1)
    maps = conv(w, "spatial.conv.conv", maps, 1, 7, bias=False, padding=3)
    return y * torch.sigmoid(bn(w, "spatial.conv.bn", maps))


def bam(w, x):
    c = x.shape[1]
    h = c // 16
    channel = conv(w, "fc2", F.relu(bn(w, "fc_bn", conv(w, "fc1", mean(x), h))), c)
    y = F.relu(bn(w, "reduce_bn", conv(w, "reduce", x, h)))
    for name in ("conv1", "conv2"):
        y = F.relu(bn(w, f"{name}_bn", conv(w, name, y, h, 3, padding=4, dilation=4)))
    return x * (1 + torch.sigmoid(channel * conv(w, "last", y, 1)))


def ge(w, x, extent=0, learned=False, with_mlp=False):
    c, size = x.shape[1], x.shape[2:]
    if learned and extent == 0:
        g = bn(w, "gather.norm1", conv(w, "gather.conv1", x, c, tuple(size), bias=False, groups=c))
    elif learned:
        g = x
        for i in range(1, int(math.log2(extent)) + 1):
            g = F.relu(g) if i > 1 else g
            g = bn(w, f"gather.norm{i}", conv(w, f"gather.conv{i}", g, c, 3, bias=False, stride=2, padding=1, groups=c))
    elif extent == 0:
        g = mean(x)
    else:
        g = F.avg_pool2d(x, 2 * extent - 1, extent, extent - 1, count_include_pad=False)
    if with_mlp:
        g = mlp(w, g, c // 16, c, first="mlp.fc1", second="mlp.fc2")
    return x * torch.sigmoid(F.interpolate(g, size=size))


def gct(w, x, eps=1e-5):
    c = x.shape[1]
    s = w("alpha.weight", c).reshape(1, c, 1, 1) * (x.pow(2).sum((2, 3), keepdim=True) + eps).sqrt()
    norm = (s.pow(2).mean(1, keepdim=True) + eps).sqrt()
    gamma, beta = w("gate.weight", c).reshape(1, c, 1, 1), w("gate.bias", c).reshape(1, c, 1, 1)
    return x * (1 + torch.tanh(gamma * s / norm + beta))


def simam(w, x):
    d = (x - mean(x)) ** 2
    n = x.shape[2] * x.shape[3] - 1
    return x * torch.sigmoid(d / (4 * (d.sum((2, 3), keepdim=True) / n + 1e-4)) + 0.5)


def coord(w, x):
    c, rows = x.shape[1], x.shape[2]
    y = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], 2)
    y = bn(w, "bn1", conv(w, "conv1", y, max(8, c // 32)))
    y = y * hsigmoid6(y)
    high = torch.sigmoid(conv(w, "conv_h", y[:, :, :rows], c))
    wide = torch.sigmoid(conv(w, "conv_w", y[:, :, rows:].transpose(2, 3), c))
    return x * high * wide


def gc(w, x, fuse="scale"):
    n, c, height, width = x.shape
    attention = conv(w, "conv_attn", x, 1).reshape(n, 1, -1).softmax(-1)
    context = (x.reshape(n, c, -1) * attention).sum(-1).reshape(n, c, 1, 1)
    h, name = c // 8, f"mlp_{fuse}"
    y = conv(w, f"{name}.fc1", context, h)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    y = y * w(f"{name}.norm.weight", h).reshape(1, h, 1, 1) + w(f"{name}.norm.bias", h).reshape(1, h, 1, 1)
    y = conv(w, f"{name}.fc2", F.relu(y), c)
    return x * torch.sigmoid(y) if fuse == "scale" else x + y


def sk(w, x, split=False):
    c = x.shape[1]
    halves = x.chunk(2, 1) if split else (x, x)
    paths = [
        F.relu(bn(w, f"paths.{i}.bn", conv(w, f"paths.{i}.conv", v, c, 3, bias=False, padding=i + 1, dilation=i + 1)))
        for i, v in enumerate(halves)
    ]
    d = max(8, (c // 16 + 4) // 8 * 8)
    z = F.relu(bn(w, "attn.bn", conv(w, "attn.fc_reduce", mean(paths[0] + paths[1]), d, bias=False)))
    a = conv(w, "attn.fc_select", z, 2 * c, bias=False).reshape(-1, 2, c, 1, 1).softmax(1)
    return a[:, 0] * paths[0] + a[:, 1] * paths[1]


def mix(x):
    return (mean(x) + top(x)) / 2


BLOCKS = {
    "se": se,
    "se(bias=true)": lambda w, x: se(w, x, bias=True),
    "se(hidden=3, bias=true)": lambda w, x: se(w, x, hidden=3, bias=True),
    'se(act="silu", bias=true)': lambda w, x: se(w, x, bias=True, act=F.silu),
    'se(gate="hsigmoid6", bias=true)': lambda w, x: se(w, x, bias=True, gate=hsigmoid6),
    'se(gate="tanh")': lambda w, x: se(w, x, gate=torch.tanh),
    'se(gate="relu")': lambda w, x: se(w, x, gate=F.relu),
    'se(pool="max")': lambda w, x: se(w, x, pool=top),
    'se(pool="mix", bias=true)': lambda w, x: se(w, x, bias=True, pool=mix),
    "ese": ese,
    "eca": eca,
    'eca(pad_mode="circular")': lambda w, x: eca(w, x, circular=True),
    "cse": lambda w, x: se(w, x, bias=True),
    "sse": sse,
    "scse": scse,
    "cbam": cbam,
    "cbam(bias=true, max_first=true)": lambda w, x: cbam(w, x, bias=True, max_first=True),
    "bam": bam,
    "ge": ge,
    "ge(extent=2)": lambda w, x: ge(w, x, extent=2),
    "ge(extent=8)": lambda w, x: ge(w, x, extent=8),
    "ge(mlp=true)": lambda w, x: ge(w, x, with_mlp=True),
    "ge(learned=true)": lambda w, x: ge(w, x, learned=True),
    "ge(extent=2, learned=true)": lambda w, x: ge(w, x, extent=2, learned=True),
    "ge(extent=8, learned=true, mlp=true)": lambda w, x: ge(w, x, extent=8, learned=True, with_mlp=True),
    "gct": gct,
    "simam": simam,
    "coord": coord,
    "gc": gc,
    'gc(fuse="add")': lambda w, x: gc(w, x, fuse="add"),
    "sk": sk,
    "sk(split=true)": lambda w, x: sk(w, x, split=True),
}


def image(channels):
    count = BATCH * channels * HEIGHT * WIDTH
    return torch.from_numpy(values("input", count, -2, 2).reshape(BATCH, channels, HEIGHT, WIDTH)).double()


def case(call, formula):
    wide = Weights()
    formula(wide, image(256))
    y = formula(Weights(), image(CHANNELS))
    flat = y.reshape(-1)
    step = len(flat) // 40 | 1
    return {
        "call": call,
        "tensors": [f"{n.removeprefix('att.')} [{', '.join(map(str, s))}]" for n, s in wide.listed],
        "every": step,
        "max": float(flat.abs().max()),
        "values": [float(f"{v:.9g}") for v in flat[::step].tolist()],
    }


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    shape = [BATCH, CHANNELS, HEIGHT, WIDTH]
    cases = ",\n".join(json.dumps(case(call, f)) for call, f in BLOCKS.items())
    print('{"shape": ' + json.dumps(shape) + ', "blocks": [\n' + cases + "\n]}")

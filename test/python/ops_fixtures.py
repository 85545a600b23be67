"""Writes test/fixtures/torch-ops.json: PyTorch's float64 results for the layers of the language.

Run:  python3 test/python/ops_fixtures.py > test/fixtures/torch-ops.json
Inputs come from the integer hash in `values`, which test/ops/torch.test.ts repeats, so only results are stored.
"""

import json
import math

import torch
import torch.nn.functional as F

MASK = 0xFFFFFFFF


def values(shape, seed, low=-2.0, high=2.0):
    out = []
    for i in range(math.prod(shape)):
        h = (i + 1 + seed * 7919) * 2654435761 & MASK
        h ^= h >> 15
        h = h * 2246822519 & MASK
        h ^= h >> 13
        out.append(low + (h >> 16) / 65536 * (high - low))
    return torch.tensor(out, dtype=torch.float64).reshape(shape)


cases = []


def case(op, attrs, shapes, fn, weights=None, low=-2.0, high=2.0):
    inputs = [values(s, k + 1, low, high) for k, s in enumerate(shapes)]
    tensors = {}
    for k, (name, shape) in enumerate((weights or {}).items()):
        tensors[name] = values(shape, 100 + k, 0.25, 2.0) if name == "running_var" else values(shape, 100 + k, -1.0, 1.0)
    y = fn(*inputs, **tensors)
    cases.append(
        {
            "op": op,
            "attrs": attrs,
            "inputs": shapes,
            "range": [low, high],
            "weights": weights or {},
            "shape": list(y.shape),
            "values": [float(f"{v:.9g}") for v in y.reshape(-1).tolist()],
        }
    )


def conv(attrs, shape, weight, bias=False, **kw):
    weights = {"weight": weight, **({"bias": [weight[0]]} if bias else {})}
    fn = lambda x, weight, bias=None: F.conv2d(x, weight, bias, **kw)
    case("conv", {"out": weight[0], "bias": bias, **attrs}, [shape], fn, weights)


conv({"kernel": 3}, [1, 3, 4, 5], [2, 3, 3, 3], padding=1)
conv({"kernel": 3, "stride": 2}, [2, 2, 5, 4], [3, 2, 3, 3], bias=True, stride=2, padding=1)
conv({"kernel": [3, 1], "stride": [2, 1], "pad": [2, 0], "dilation": [2, 1]}, [1, 2, 6, 3], [2, 2, 3, 1],
     stride=(2, 1), padding=(2, 0), dilation=(2, 1))
conv({"kernel": 3, "groups": 2}, [1, 4, 3, 4], [6, 2, 3, 3], bias=True, padding=1, groups=2)
conv({"kernel": 3, "groups": 3}, [1, 3, 4, 4], [6, 1, 3, 3], padding=1, groups=3)
conv({"kernel": 3, "pad": "half", "dilation": 2}, [1, 2, 5, 5], [2, 2, 3, 3], padding=2, dilation=2)


def deconv(attrs, shape, weight, groups=1, **kw):
    out = weight[1] * groups
    fn = lambda x, weight, bias: F.conv_transpose2d(x, weight, bias, groups=groups, **kw)
    case("deconv", {"out": out, "bias": True, "groups": groups, **attrs}, [shape], fn, {"weight": weight, "bias": [out]})


deconv({"kernel": 2, "stride": 2}, [1, 3, 2, 3], [3, 2, 2, 2], stride=2)
deconv({"kernel": 3, "stride": 2, "pad": 1, "out_pad": 1}, [1, 2, 3, 2], [2, 2, 3, 3], stride=2, padding=1, output_padding=1)
deconv({"kernel": 3, "stride": [1, 2], "dilation": 2, "pad": [1, 0]}, [1, 2, 3, 2], [2, 2, 3, 3],
       stride=(1, 2), dilation=2, padding=(1, 0))
deconv({"kernel": 3, "stride": 2}, [1, 4, 2, 2], [4, 2, 3, 3], groups=2, stride=2)

case("linear", {"out": 4}, [[2, 5]], lambda x, weight, bias: F.linear(x, weight, bias), {"weight": [4, 5], "bias": [4]})


def chanconv(x, weight, mode):
    k = weight.shape[2]
    line = x.reshape(x.shape[0], 1, -1)
    line = F.pad(line, (k // 2, k // 2), mode="circular" if mode == "circular" else "constant")
    return F.conv1d(line, weight).reshape(x.shape)


case("chanconv", {"kernel": 5}, [[2, 7, 1, 1]], lambda x, weight: chanconv(x, weight, "zeros"), {"weight": [1, 1, 5]})
case("chanconv", {"kernel": 3, "pad_mode": "circular"}, [[2, 5, 1, 1]],
     lambda x, weight: chanconv(x, weight, "circular"), {"weight": [1, 1, 3]})

stats = lambda c: {"weight": [c], "bias": [c], "running_mean": [c], "running_var": [c]}
case("bn", {"eps": 1e-3}, [[2, 3, 2, 3]],
     lambda x, weight, bias, running_mean, running_var: F.batch_norm(x, running_mean, running_var, weight, bias, False, 0.1, 1e-3), stats(3))
case("ln", {}, [[2, 5, 2, 2]],
     lambda x, weight, bias: F.layer_norm(x.permute(0, 2, 3, 1), [5], weight, bias, 1e-5).permute(0, 3, 1, 2), {"weight": [5], "bias": [5]})
case("gn", {"groups": 2}, [[2, 6, 2, 2]], lambda x, weight, bias: F.group_norm(x, 2, weight, bias, 1e-5), {"weight": [6], "bias": [6]})
case("instnorm", {"affine": True}, [[2, 3, 3, 2]], lambda x, weight, bias: F.instance_norm(x, None, None, weight, bias, True, 0.1, 1e-5),
     {"weight": [3], "bias": [3]})
case("lrn", {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 2}, [[1, 8, 2, 2]], lambda x: F.local_response_norm(x, 5, 0.5, 0.75, 2.0))
case("lrn", {"size": 4, "alpha": 1, "beta": 0.5}, [[1, 7, 1, 2]], lambda x: F.local_response_norm(x, 4, 1.0, 0.5, 1.0))

for op, fn in {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "elu": F.elu,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "hsigmoid6": F.hardsigmoid,
    "hswish": F.hardswish,
    "square": torch.square,
    "abs": torch.abs,
}.items():
    case(op, {}, [[1, 12]], fn, low=-9.0, high=9.0)
for op, fn in {"sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "recip": torch.reciprocal}.items():
    case(op, {}, [[1, 6]], fn, low=0.25, high=9.0)
case("gelu", {"approx": "tanh"}, [[1, 12]], lambda x: F.gelu(x, approximate="tanh"), low=-9.0, high=9.0)
case("leaky_relu", {"slope": 0.25}, [[1, 6]], lambda x: F.leaky_relu(x, 0.25))
case("elu", {"alpha": 0.5}, [[1, 6]], lambda x: F.elu(x, 0.5))
case("clip", {"min": -0.5, "max": 1.25}, [[1, 8]], lambda x: torch.clamp(x, -0.5, 1.25))
case("prelu", {}, [[1, 3, 2, 2]], lambda x, weight: F.prelu(x, weight), {"weight": [3]})
case("softmax", {}, [[2, 5]], lambda x: F.softmax(x, 1))
case("softmax", {"over": "hw"}, [[1, 2, 2, 3]], lambda x: F.softmax(x.flatten(2), 2).reshape(x.shape))
case("softmax", {"parts": 2}, [[1, 6, 1, 2]], lambda x: F.softmax(x.reshape(1, 2, 3, 1, 2), 1).reshape(x.shape))

case("maxpool", {"kernel": 3, "stride": 2, "pad": 1}, [[1, 2, 8, 7]], lambda x: F.max_pool2d(x, 3, 2, 1))
case("maxpool", {"kernel": 3, "stride": 2, "ceil": True}, [[1, 2, 8, 7]], lambda x: F.max_pool2d(x, 3, 2, 0, ceil_mode=True))
case("maxpool", {"kernel": 2, "stride": 3, "pad": 1, "ceil": True}, [[1, 2, 5, 5]], lambda x: F.max_pool2d(x, 2, 3, 1, ceil_mode=True))
case("maxpool", {"kernel": [3, 2], "stride": 1, "dilation": [2, 3]}, [[1, 1, 6, 6]], lambda x: F.max_pool2d(x, (3, 2), 1, 0, (2, 3)))
for count in (True, False):
    for ceil in (True, False):
        case("avgpool", {"kernel": 3, "stride": 2, "pad": 1, "ceil": ceil, "count_pad": count}, [[1, 2, 6, 7]],
             lambda x: F.avg_pool2d(x, 3, 2, 1, ceil, count))
case("avgpool", {"kernel": [2, 3], "stride": 3, "ceil": True}, [[1, 2, 6, 7]], lambda x: F.avg_pool2d(x, (2, 3), 3, 0, True))
case("gap", {}, [[2, 3, 3, 4]], lambda x: F.adaptive_avg_pool2d(x, 1))
case("gmp", {}, [[2, 3, 3, 4]], lambda x: F.adaptive_max_pool2d(x, 1))
case("gap", {"over": "h"}, [[1, 2, 3, 4]], lambda x: x.mean(2, keepdim=True))
case("avgpool_to", {"size": [2, 3]}, [[1, 2, 4, 6]], lambda x: F.adaptive_avg_pool2d(x, (2, 3)))
case("maxpool_to", {"size": 2}, [[1, 2, 4, 6]], lambda x: F.adaptive_max_pool2d(x, 2))
case("chanmean", {}, [[1, 5, 2, 2]], lambda x: x.mean(1, keepdim=True))
case("chanmax", {}, [[1, 5, 2, 2]], lambda x: x.amax(1, keepdim=True))

case("upsample", {"scale": 2}, [[1, 2, 2, 3]], lambda x: F.interpolate(x, scale_factor=2, mode="nearest"))
case("upsample", {"size": [5, 4]}, [[1, 2, 3, 6]], lambda x: F.interpolate(x, size=(5, 4), mode="nearest"))
case("upsample", {"scale": 2, "mode": "bilinear"}, [[1, 2, 2, 3]], lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"))
case("upsample", {"size": [3, 7], "mode": "bilinear"}, [[1, 2, 5, 3]], lambda x: F.interpolate(x, size=(3, 7), mode="bilinear"))
case("upsample", {"size": [5, 4], "mode": "bilinear", "align": True}, [[1, 2, 3, 6]],
     lambda x: F.interpolate(x, size=(5, 4), mode="bilinear", align_corners=True))
case("pixelshuffle", {"factor": 2}, [[1, 8, 2, 1]], lambda x: F.pixel_shuffle(x, 2))
case("pixelunshuffle", {"factor": 2}, [[1, 2, 4, 2]], lambda x: F.pixel_unshuffle(x, 2))
case("chanshuffle", {"groups": 3}, [[1, 6, 1, 2]], lambda x: x.reshape(1, 3, 2, 1, 2).transpose(1, 2).reshape(x.shape))
case("slice", {"start": 1, "stop": 3, "axis": "w"}, [[1, 2, 2, 4]], lambda x: x[:, :, :, 1:3])
case("pad", {"amount": [1, 0, 2, 3], "value": 0.5}, [[1, 2, 2, 2]], lambda x: F.pad(x, (0, 3, 1, 2), value=0.5))
case("pad", {"amount": [2, 1], "mode": "reflect"}, [[1, 2, 3, 3]], lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"))
case("pad", {"amount": [1, 3, 0, 2], "mode": "edge"}, [[1, 2, 2, 3]], lambda x: F.pad(x, (3, 2, 1, 0), mode="replicate"))
case("pad", {"amount": [1, 2], "axis": "c"}, [[1, 2, 2, 2]], lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)))
case("flatten", {}, [[2, 2, 2, 3]], lambda x: x.flatten(1))
case("reshape", {"dims": [3, 2, 4]}, [[1, 2, 3, 4]], lambda x: x.reshape(1, 3, 2, 4))
case("swaphw", {}, [[1, 2, 2, 3]], lambda x: x.transpose(2, 3))
case("add", {}, [[1, 2, 2, 3], [1, 2, 1, 1]], lambda a, b: a + b)
case("mul", {}, [[2, 2, 2, 2], [2, 1, 2, 2]], lambda a, b: a * b)
case("concat", {"axis": "h"}, [[1, 2, 1, 3], [1, 2, 2, 3]], lambda a, b: torch.cat([a, b], 2))

print("[")
print(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
print("]")

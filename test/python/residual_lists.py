"""Writes test/fixtures/residual-lists.json: what torchvision says of the nets in test/zoo/residual.test.ts.

    python3 test/python/residual_lists.py > test/fixtures/residual-lists.json

The facts are those of zoo_lists.py, which also prints the tensors of one net.
"""
import json

import torch

from zoo_lists import facts

NETS = (
    *(f"resnet{d}" for d in (18, 34, 50, 101, 152)),
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    *(f"vgg{d}{n}" for d in (11, 13, 16, 19) for n in ("", "_bn")),
    *(f"densenet{d}" for d in (121, 161, 169, 201)),
    "squeezenet1_0",
    "squeezenet1_1",
)

if __name__ == "__main__":
    # weights are not needed, and random ones take minutes for the large nets
    for init in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "constant_", "trunc_normal_"):
        setattr(torch.nn.init, init, lambda t, *a, **k: t)
    print("{\n" + ",\n".join(f'"{n}": {json.dumps(facts(n, 224))}' for n in NETS) + "\n}")

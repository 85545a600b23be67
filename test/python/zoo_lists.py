"""Writes test/fixtures/zoo-lists.json: what torchvision says of the nets in test/zoo/mobile.test.ts and inception.test.ts.

    python3 test/python/zoo_lists.py > test/fixtures/zoo-lists.json
    python3 test/python/zoo_lists.py NET       prints the tensors of one net, one a line, to see what a hash stands for

Of each net: the number of tensors, trainable parameters, multiply-adds of convolutions and linear layers at the given size, and the
SHA-256 of its state dict's list, one line `name [a, b]` for each tensor.
"""
import hashlib
import json
import sys

import torch
import torchvision

SIZES = {
    "googlenet": 224,
    "inception_v3": 299,
    "mobilenet_v2": 224,
    "mobilenet_v3_large": 224,
    "mobilenet_v3_small": 224,
    "shufflenet_v2_x0_5": 224,
    "shufflenet_v2_x1_0": 224,
    "shufflenet_v2_x1_5": 224,
    "shufflenet_v2_x2_0": 224,
    "mnasnet0_5": 224,
    "mnasnet0_75": 224,
    "mnasnet1_0": 224,
    "mnasnet1_3": 224,
    "efficientnet_b0": 224,
    "efficientnet_b1": 240,
    "efficientnet_b2": 288,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    **{f"regnet_{k}_{s}": 224 for k in "xy" for s in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")},
}


def made(name):
    extra = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return getattr(torchvision.models, name)(**extra).eval()


def lines(net):
    return [f"{n} [{', '.join(map(str, t.shape))}]" for n, t in net.state_dict().items()]


def macs(net, size):
    total = 0

    def count(module, _, out):
        nonlocal total
        total += out.numel() // (out.shape[1] if isinstance(module, torch.nn.Conv2d) else out.shape[-1]) * module.weight.numel()

    for m in net.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
            m.register_forward_hook(count)
    with torch.no_grad():
        net.to("meta")(torch.empty(1, 3, size, size, device="meta"))
    return total


def facts_of(net, size):
    text = lines(net)
    return {
        "size": size,
        "tensors": len(text),
        "parameters": sum(p.numel() for p in net.parameters()),
        "macs": macs(net, size),
        "sha256": hashlib.sha256("\n".join(text).encode()).hexdigest(),
    }


if __name__ == "__main__":
    # weights are not needed, and random ones take minutes for the large nets
    for init in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "trunc_normal_"):
        setattr(torch.nn.init, init, lambda t, *a, **k: t)
    if len(sys.argv) > 1:
        print("\n".join(lines(made(sys.argv[1]))))
    else:
        table = ",\n".join(f'"{n}": {json.dumps(facts_of(made(n), s))}' for n, s in SIZES.items())
        print("{\n" + table + "\n}")

"""Writes test/fixtures/timm-lists.json: nets that torchvision has not, written here as torch modules from their papers and timm's names.

    python3 test/python/timm_lists.py > test/fixtures/timm-lists.json
    python3 test/python/timm_lists.py NET      prints the tensors of one net, one a line, to see what a hash stands for
"""
import json
import sys
from collections import OrderedDict

import torch
from torch import nn

from zoo_lists import facts_of, lines


def seq(*named):
    """Pairs of a name and a module."""
    return nn.Sequential(OrderedDict(named))


def numbered(*modules):
    return nn.Sequential(*modules)


class Sum(nn.Module):
    """main(x) + shortcut(x), with the main path's own names: its children are this module's."""

    def __init__(self, main, shortcut=None, after=None):
        super().__init__()
        self.order = [name for name, _ in main]
        for name, module in main:
            self.add_module(name, module)
        self.shortcut = shortcut if shortcut is not None else nn.Sequential()
        self.after = after

    def forward(self, x):
        y = x
        for name in self.order:
            y = getattr(self, name)(y)
        y = y + self.shortcut(x)
        return y if self.after is None else self.after(y)


class Cat(nn.Module):
    """The branches' outputs one behind the other in channels."""

    def __init__(self, *named):
        super().__init__()
        self.order = [name for name, _ in named]
        for name, module in named:
            self.add_module(name, module)

    def forward(self, x):
        return torch.cat([getattr(self, name)(x) for name in self.order], 1)


# ---- MobileNet v1: timm's mobilenetv1_100 ----

def mobilenet_v1():
    def separable(c, out, stride=1):
        return seq(
            ("conv_dw", nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False)),
            ("bn1", nn.BatchNorm2d(c)),
            ("conv_pw", nn.Conv2d(c, out, 1, bias=False)),
            ("bn2", nn.BatchNorm2d(out)),
        )

    stages = [[(32, 64, 1)], [(64, 128, 2), (128, 128, 1)], [(128, 256, 2), (256, 256, 1)],
              [(256, 512, 2)] + [(512, 512, 1)] * 5, [(512, 1024, 2), (1024, 1024, 1)]]
    return seq(
        ("conv_stem", nn.Conv2d(3, 32, 3, 2, 1, bias=False)),
        ("bn1", nn.BatchNorm2d(32)),
        ("blocks", numbered(*(numbered(*(separable(*u) for u in stage)) for stage in stages))),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(1024, 1000)),
    )


# ---- GhostNet: table 1 of the paper, timm's ghostnet_100 ----

class Ghost(nn.Module):
    def __init__(self, c, out):
        super().__init__()
        half = out // 2
        self.primary_conv = numbered(nn.Conv2d(c, half, 1, bias=False), nn.BatchNorm2d(half))
        self.cheap_operation = numbered(nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False), nn.BatchNorm2d(half))

    def forward(self, x):
        y = self.primary_conv(x)
        return torch.cat([y, self.cheap_operation(y)], 1)


class GhostGate(nn.Module):
    """A quarter of the channels, to a multiple of 4."""

    def __init__(self, c):
        super().__init__()
        hidden = max(4, int(c * 0.25 + 2) // 4 * 4)
        if hidden < 0.9 * c * 0.25:
            hidden += 4
        self.conv_reduce = nn.Conv2d(c, hidden, 1)
        self.conv_expand = nn.Conv2d(hidden, c, 1)

    def forward(self, x):
        return x * self.conv_expand(self.conv_reduce(x.mean((2, 3), keepdim=True)))


def ghostnet():
    # kernel, expansion, out, gate, stride
    rows = [
        [(3, 16, 16, 0, 1)], [(3, 48, 24, 0, 2)], [(3, 72, 24, 0, 1)], [(5, 72, 40, 1, 2)], [(5, 120, 40, 1, 1)], [(3, 240, 80, 0, 2)],
        [(3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 1, 1), (3, 672, 112, 1, 1)],
        [(5, 672, 160, 1, 2)], [(5, 960, 160, 0, 1), (5, 960, 160, 1, 1), (5, 960, 160, 0, 1), (5, 960, 160, 1, 1)],
    ]
    c = 16
    stages = []
    for row in rows:
        units = []
        for kernel, mid, out, gated, stride in row:
            main = [("ghost1", Ghost(c, mid))]
            if stride == 2:
                main += [("conv_dw", nn.Conv2d(mid, mid, kernel, 2, kernel // 2, groups=mid, bias=False)), ("bn_dw", nn.BatchNorm2d(mid))]
            if gated:
                main.append(("se", GhostGate(mid)))
            main.append(("ghost2", Ghost(mid, out)))
            shortcut = None
            if stride == 2 or c != out:
                shortcut = numbered(
                    nn.Conv2d(c, c, kernel, stride, kernel // 2, groups=c, bias=False), nn.BatchNorm2d(c),
                    nn.Conv2d(c, out, 1, bias=False), nn.BatchNorm2d(out))
            units.append(Sum(main, shortcut))
            c = out
        stages.append(numbered(*units))
    stages.append(numbered(seq(("conv", nn.Conv2d(160, 960, 1, bias=False)), ("bn1", nn.BatchNorm2d(960)))))
    return seq(
        ("conv_stem", nn.Conv2d(3, 16, 3, 2, 1, bias=False)), ("bn1", nn.BatchNorm2d(16)),
        ("blocks", numbered(*stages)),
        ("global_pool", nn.AdaptiveAvgPool2d(1)),
        ("conv_head", nn.Conv2d(960, 1280, 1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(1280, 1000)),
    )


# ---- Inception-ResNet-v2: timm's names ----

def cbr(c, out, kernel, stride=1, padding=0):
    return seq(("conv", nn.Conv2d(c, out, kernel, stride, padding, bias=False)), ("bn", nn.BatchNorm2d(out, eps=1e-3)))


def inception_unit(c, made, branches):
    """A residual unit: branches of `made` channels together, and a biased 1x1 back to c."""
    return Sum([("branches", Cat(*branches)), ("conv2d", nn.Conv2d(made, c, 1))])


def inception_resnet_v2():
    def block35():
        return inception_unit(320, 128, [
            ("branch0", cbr(320, 32, 1)),
            ("branch1", numbered(cbr(320, 32, 1), cbr(32, 32, 3, 1, 1))),
            ("branch2", numbered(cbr(320, 32, 1), cbr(32, 48, 3, 1, 1), cbr(48, 64, 3, 1, 1)))])

    def block17():
        return inception_unit(1088, 384, [
            ("branch0", cbr(1088, 192, 1)),
            ("branch1", numbered(cbr(1088, 128, 1), cbr(128, 160, (1, 7), 1, (0, 3)), cbr(160, 192, (7, 1), 1, (3, 0))))])

    def block8():
        return inception_unit(2080, 448, [
            ("branch0", cbr(2080, 192, 1)),
            ("branch1", numbered(cbr(2080, 192, 1), cbr(192, 224, (1, 3), 1, (0, 1)), cbr(224, 256, (3, 1), 1, (1, 0))))])

    return seq(
        ("conv2d_1a", cbr(3, 32, 3, 2)), ("conv2d_2a", cbr(32, 32, 3)), ("conv2d_2b", cbr(32, 64, 3, 1, 1)),
        ("maxpool_3a", nn.MaxPool2d(3, 2)), ("conv2d_3b", cbr(64, 80, 1)), ("conv2d_4a", cbr(80, 192, 3)), ("maxpool_5a", nn.MaxPool2d(3, 2)),
        ("mixed_5b", Cat(
            ("branch0", cbr(192, 96, 1)),
            ("branch1", numbered(cbr(192, 48, 1), cbr(48, 64, 5, 1, 2))),
            ("branch2", numbered(cbr(192, 64, 1), cbr(64, 96, 3, 1, 1), cbr(96, 96, 3, 1, 1))),
            ("branch3", numbered(nn.AvgPool2d(3, 1, 1, count_include_pad=False), cbr(192, 64, 1))))),
        ("repeat", numbered(*(block35() for _ in range(10)))),
        ("mixed_6a", Cat(
            ("branch0", cbr(320, 384, 3, 2)),
            ("branch1", numbered(cbr(320, 256, 1), cbr(256, 256, 3, 1, 1), cbr(256, 384, 3, 2))),
            ("branch2", nn.MaxPool2d(3, 2)))),
        ("repeat_1", numbered(*(block17() for _ in range(20)))),
        ("mixed_7a", Cat(
            ("branch0", numbered(cbr(1088, 256, 1), cbr(256, 384, 3, 2))),
            ("branch1", numbered(cbr(1088, 256, 1), cbr(256, 288, 3, 2))),
            ("branch2", numbered(cbr(1088, 256, 1), cbr(256, 288, 3, 1, 1), cbr(288, 320, 3, 2))),
            ("branch3", nn.MaxPool2d(3, 2)))),
        ("repeat_2", numbered(*(block8() for _ in range(9)))),
        ("block8", block8()),
        ("conv2d_7b", cbr(2080, 1536, 1)),
        ("global_pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()),
        ("classif", nn.Linear(1536, 1000)),
    )


# ---- ShuffleNet v1 with three groups: names of the authors' PyTorch code ----

class ShuffleUnit(nn.Module):
    def __init__(self, c, out, stride, first, groups=3):
        super().__init__()
        mid, made, self.stride, self.groups = out // 4, out - (c if stride == 2 else 0), stride, groups
        self.branch_main_1 = numbered(
            nn.Conv2d(c, mid, 1, groups=first, bias=False), nn.BatchNorm2d(mid), nn.ReLU(),
            nn.Conv2d(mid, mid, 3, stride, 1, groups=mid, bias=False), nn.BatchNorm2d(mid))
        self.branch_main_2 = numbered(nn.Conv2d(mid, made, 1, groups=groups, bias=False), nn.BatchNorm2d(made))

    def forward(self, x):
        y = self.branch_main_1(x)
        # channel_shuffle, which torch 1.13 has not for tensors without data
        y = self.branch_main_2(y.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2))
        return x + y if self.stride == 1 else torch.cat([nn.functional.avg_pool2d(x, 3, 2, 1), y], 1)


def shufflenet_v1():
    c, units = 24, []
    for out, repeats in ((240, 4), (480, 8), (960, 4)):
        for i in range(repeats):
            units.append(ShuffleUnit(c, out, 2 if i == 0 else 1, 1 if c == 24 else 3))
            c = out
    return seq(
        ("first_conv", numbered(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU())),
        ("maxpool", nn.MaxPool2d(3, 2, 1)),
        ("features", numbered(*units)),
        ("globalpool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()),
        ("classifier", numbered(nn.Linear(960, 1000, bias=False))),
    )


NETS = {mobilenet_v1: 224, ghostnet: 224, inception_resnet_v2: 299, shufflenet_v1: 224}


class Bare(nn.Module):
    """A net whose tensors go by the names of the published checkpoint: `branches` is a word of this file only."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def state_dict(self):
        return OrderedDict((name.replace(".branches.", "."), t) for name, t in self.net.state_dict().items())

    def forward(self, x):
        return self.net(x)


if __name__ == "__main__":
    for init in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
        setattr(torch.nn.init, init, lambda t, *a, **k: t)
    made = {f.__name__: f for f in NETS}
    if len(sys.argv) > 1:
        print("\n".join(lines(Bare(made[sys.argv[1]]()))))
    else:
        table = ",\n".join(f'"{f.__name__}": {json.dumps(facts_of(Bare(f()).eval(), size))}' for f, size in NETS.items())
        print("{\n" + table + "\n}")

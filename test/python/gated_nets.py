"""SE nets that torchvision has not: its own nets with modules put in by hand, where the SENet paper and the nets in specs/nets put them.

judge.py asks for them by the names of the nets that ship. Inserted modules change paths of a state dict; `our_name` changes them back.
"""
import re

import torch
import torchvision
from torch import nn


class SE(nn.Module):
    """Two 1x1 convolutions, as in torchvision and timm; `squeeze` is None where every position has its own gate."""

    def __init__(self, channels, hidden=None, bias=False, squeeze="avg", gate=torch.sigmoid):
        super().__init__()
        hidden = hidden or channels // 16
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)
        self.squeeze, self.gate = squeeze, gate

    def forward(self, x):
        s = x
        if self.squeeze == "avg":
            s = x.mean((2, 3), keepdim=True)
        if self.squeeze == "max":
            s = x.amax((2, 3), keepdim=True)
        return x * self.gate(self.fc2(torch.relu(self.fc1(s))))


class After(nn.Module):
    def __init__(self, inner, se):
        super().__init__()
        self.inner, self.se = inner, se

    def forward(self, x):
        return self.se(self.inner(x))


class Before(After):
    def forward(self, x):
        return self.inner(self.se(x))


def our_name(name):
    """`layer1.0.bn3.se.fc1.weight` -> `layer1.0.se.fc1.weight`; of VGG's list `features.2.se.fc1.weight` -> `features.2_se.fc1.weight`."""
    name = name.replace(".inner.", ".")
    return re.sub(r"\.(?:bn\d|conv\d|downsample)\.se\.", ".se.", name)


def units(net):
    return [unit for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for unit in stage]


def timm_hidden(channels):
    """A multiple of 8, at least 8."""
    return max(8, (channels // 16 + 4) // 8 * 8)


def wrap(module, attribute, se, how=After):
    setattr(module, attribute, how(getattr(module, attribute), se))


def after_last_norm(net, make):
    """At the end of the residual branch, before the sum."""
    for unit in units(net):
        last = "bn3" if hasattr(unit, "bn3") else "bn2"
        wrap(unit, last, make(getattr(unit, last).num_features))
    return net


def pre(net):
    for unit in units(net):
        wrap(unit, "conv1", SE(unit.conv1.in_channels), Before)
    return net


def post(net):
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for i, unit in enumerate(stage):
            stage[i] = After(unit, SE(unit.bn3.num_features))
    return net


def identity(net):
    for unit in units(net):
        unit.downsample = After(unit.downsample or nn.Identity(), SE(unit.bn3.num_features))
    return net


def three(net):
    for unit in units(net):
        wrap(unit, "bn2", SE(unit.bn2.num_features))
    return net


def paper_form(net, strides=(2, 1)):
    """The stem's pool rounds up; `strides` of the first 1x1 and of the 3x3 where a unit halves the map."""
    net.maxpool = nn.MaxPool2d(3, 2, 0, ceil_mode=True)
    for unit in units(net):
        if unit.conv2.stride == (2, 2):
            unit.conv1.stride, unit.conv2.stride = ((s, s) for s in strides)
    return net


def in_vgg(net):
    channels = 3
    for i, layer in enumerate(net.features):
        channels = layer.out_channels if isinstance(layer, nn.Conv2d) else channels
        if isinstance(layer, nn.ReLU):
            net.features[i] = After(layer, SE(channels))
    return net


def in_densenet(net):
    for block in (b for n, b in net.features.named_children() if n.startswith("denseblock")):
        for layer in block.values():
            wrap(layer, "conv2", SE(layer.conv2.out_channels))
    return net


def in_squeezenet(net):
    for i, fire in enumerate(net.features):
        if type(fire).__name__ == "Fire":
            net.features[i] = After(fire, SE(fire.expand1x1.out_channels + fire.expand3x3.out_channels))
    return net


def in_inception(net, widths):
    """After the concat of every module, with biases."""
    modules = [n for n, _ in net.named_children() if n.startswith(("inception", "Mixed"))]
    assert len(modules) == len(widths)
    for name, channels in zip(modules, widths):
        wrap(net, name, SE(channels, bias=True))
    return net


def cadene(name):
    name = re.sub(r"^(conv1|bn1)\.", r"layer0.\1.", our_name(name))
    return re.sub(r"^fc\.", "last_linear.", name).replace(".se.", ".se_module.")


GOOGLENET = [256, 480, 512, 512, 512, 528, 832, 832, 1024]
INCEPTION_V3 = [256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]

models = torchvision.models
heads = {"aux_logits": False, "init_weights": False}
resnet50 = models.resnet50


def ablation(**how):
    return lambda: after_last_norm(paper_form(resnet50()), lambda c: SE(c, **how))


def biased(hidden=lambda c: c // 16):
    return lambda c: SE(c, hidden(c), bias=True)


# by the name of the net that ships: how it is made, and what its tensors are called there
NETS = {
    "se_resnet18": (lambda: after_last_norm(models.resnet18(), biased(timm_hidden)), our_name),
    "se_resnet50": (lambda: after_last_norm(resnet50(), biased()), our_name),
    "se_resnext50_32x4d": (lambda: after_last_norm(models.resnext50_32x4d(), biased(timm_hidden)), our_name),
    "legacy_se_resnet50": (lambda: after_last_norm(paper_form(resnet50()), biased()), cadene),
    "legacy_se_resnext50_32x4d": (lambda: after_last_norm(paper_form(models.resnext50_32x4d(), (1, 2)), biased()), cadene),
    "se_pre": (lambda: pre(resnet50()), our_name),
    "se_post": (lambda: post(resnet50()), our_name),
    "se_identity": (lambda: identity(resnet50()), our_name),
    "se_3x3": (lambda: three(resnet50()), our_name),
    "se_max": (ablation(squeeze="max"), our_name),
    "se_gate_tanh": (ablation(gate=torch.tanh), our_name),
    "no_squeeze_resnet50": (ablation(squeeze=None), our_name),
    "se_vgg16_bn": (lambda: in_vgg(models.vgg16_bn()), lambda n: re.sub(r"\.(\d+)\.se\.", r".\1_se.", our_name(n))),
    "se_densenet121": (lambda: in_densenet(models.densenet121()), our_name),
    "se_squeezenet1_1": (lambda: in_squeezenet(models.squeezenet1_1()), our_name),
    "se_googlenet": (lambda: in_inception(models.googlenet(**heads), GOOGLENET), our_name),
    "se_inception_v3": (lambda: in_inception(models.inception_v3(**heads), INCEPTION_V3), our_name),
}

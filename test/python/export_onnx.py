"""Writes torchvision's networks, and small ones with other people's SE modules, as ONNX models, as their users do: export_onnx.py FOLDER NET:OPSET:MODE:SIZE ...

MODE is `eval`, where the exporter folds batch norms, or `keep`, where it leaves them and all names as they are.
"""
import sys
import warnings

import torch
import torchvision
from torch import nn

warnings.filterwarnings("ignore")


class SELayer(nn.Module):
    """Matrices in a list, sizes asked while it runs: the form that is copied most."""

    def __init__(self, channels):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 4, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // 4, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.fc(self.avg_pool(x).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


class SEModule(nn.Module):
    """Convolutions under the names that they have in timm."""

    def __init__(self, channels):
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, channels // 4, 1)
        self.act1 = nn.ReLU()
        self.conv_expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x):
        y = self.act1(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.conv_expand(y))


class Block(nn.Module):
    def __init__(self, channels, se):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.se = se(channels)

    def forward(self, x):
        return torch.relu(self.se(self.bn1(self.conv1(x))) + x)


class SmallNet(nn.Module):
    def __init__(self, se):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layer1 = nn.Sequential(Block(16, se), Block(16, se))
        self.fc = nn.Linear(16, 16)

    def forward(self, x):
        return self.fc(self.layer1(self.stem(x)).mean((2, 3)))


class TurnedNet(nn.Module):
    """Norms by groups, a convolution that is used twice, and a map that is flattened channels last."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=4, padding=1)
        self.norm1 = nn.GroupNorm(4, 16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.act = nn.PReLU(16)
        self.fc = nn.Linear(16 * 64, 16)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = self.act(self.conv2(torch.relu(self.conv2(x)))).permute(0, 2, 3, 1)
        return self.fc(x.reshape(x.shape[0], -1))


def small_convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    model = ConvNeXt([CNBlockConfig(16, 32, 2), CNBlockConfig(32, None, 1)], num_classes=16, layer_scale=0.5)
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return model


OWN = {
    "se_matrices": lambda: SmallNet(SELayer),
    "se_convolutions": lambda: SmallNet(SEModule),
    "turned": TurnedNet,
    "convnext": small_convnext,
}
folder = sys.argv[1]
for case in sys.argv[2:]:
    net, opset, mode, size = case.split(":")
    torch.manual_seed(1)
    more = {"aux_logits": False, "init_weights": False} if net in ("googlenet", "inception_v3") else {}
    model = OWN[net]() if net in OWN else getattr(torchvision.models, net)(weights=None, num_classes=16, **more)
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    count = 3 * int(size) ** 2
    image = torch.sin(torch.arange(count, dtype=torch.float64) * 0.37).float().reshape(1, 3, int(size), int(size))
    torch.onnx.export(
        model,
        image,
        f"{folder}/{net}_{opset}.onnx",
        opset_version=int(opset),
        training=torch.onnx.TrainingMode.EVAL if mode == "eval" else torch.onnx.TrainingMode.PRESERVE,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
    )
    print("\n".join(f"{net}_{opset}.onnx {name}" for name, t in model.state_dict().items() if t.is_floating_point()))

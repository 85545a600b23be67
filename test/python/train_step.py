"""One step of training in PyTorch, with numbers by name as in judge.py: prints the state dict after it, and outputs before and after.

    python3 train_step.py
"""
import json
import sys

import numpy as np
import torch
from judge import tensor, values
from torch import nn


class Se(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Conv2d(8, 2, 1)
        self.fc2 = nn.Conv2d(2, 8, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Step(nn.Module):
    """The net `step` of test/modules/tfjs-training.test.ts."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.se = Se()
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(self.se(torch.relu(self.bn(self.conv(x)))).mean((2, 3)))


def numbers(t):
    return [float(f"{v:.9g}") for v in t.detach().numpy().reshape(-1)]


def main():
    net = Step()
    net.load_state_dict({n: (tensor(n, tuple(t.shape)) if t.dtype == torch.float32 else t) for n, t in net.state_dict().items()})
    shape = (4, 3, 6, 5)
    x = torch.from_numpy(values("input", int(np.prod(shape)), -2, 2).reshape(shape))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net.train()
    y = net(x)
    loss = (y * y).mean()
    loss.backward()
    optimizer.step()
    net.eval()
    state = {n: numbers(t) for n, t in net.state_dict().items() if t.dtype == torch.float32}
    json.dump({"torch": torch.__version__, "loss": float(loss), "trained": numbers(y), "evaluated": numbers(net(x)), "state": state}, sys.stdout)


if __name__ == "__main__":
    main()

"""Runs emitted nets on weights made here, and writes what they gave.

Each line of standard input is a folder with model.py and inputs.json, shapes by name. Written beside them: weights.safetensors by the net's own
`save_weights`, and each input and output as NAME.f32. Answered by a line of JSON: names, shapes and types of the state dict. Statistics of
batch norms are those of what arrives there, made uneven, as training would leave them: others make deep nets chaotic. Warnings are errors:
nothing that a later PyTorch has removed may be used.
"""
import importlib.util
import json
import os
import re
import sys
import warnings

import torch

warnings.simplefilter("error")
torch.set_num_threads(1)
# every weight is made below: random starts would only cost time
for name in ("kaiming_uniform_", "uniform_", "normal_"):
    setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)

generator = torch.Generator()
INVERTED = re.compile(r"features\.\d+\.block\.\d+\.1\.weight")


def between(tensor, low, high):
    tensor.uniform_(low, high, generator=generator)


def fill(name, tensor):
    """By the kind that a name tells, as the other judges do (test/judges/hashed-values.ts)."""
    if not tensor.is_floating_point() or name.endswith(("running_mean", "running_var")):
        return
    if tensor.dim() > 1:
        bound = (6 / max(1, tensor[0].numel())) ** 0.5
        between(tensor, -bound, bound)
    elif INVERTED.fullmatch(name):
        between(tensor, 0.5, 1.1)
    elif name.endswith("weight"):
        between(tensor, *((0.2, 0.4) if name.endswith("bn3.weight") else (0.5, 1.5)))
    else:
        between(tensor, -0.2, 0.2)


def settle(norm, inputs):
    """Before its first use; a norm that is used twice keeps what the first use gave it."""
    if getattr(norm, "settled", False) or norm.running_mean is None:
        return
    norm.settled = True
    variance, mean = torch.var_mean(inputs[0].double(), unbiased=False)
    variance, mean = max(variance.item(), 1e-6), mean.item()
    between(norm.running_mean, mean - 0.3 * variance**0.5, mean + 0.3 * variance**0.5)
    between(norm.running_var, 0.7 * variance, 1.4 * variance)


for i, folder in enumerate(line.rstrip("\n") for line in sys.stdin):
    spec = importlib.util.spec_from_file_location(f"model_{i}", os.path.join(folder, "model.py"))
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    with open(os.path.join(folder, "inputs.json"), encoding="utf8") as file:
        shapes = json.load(file)
    generator.manual_seed(1 + i)
    net = model.NET().eval()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            fill(name, tensor)
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.register_forward_pre_hook(settle)
        inputs = {name: torch.empty(shape).uniform_(-1, 1, generator=generator) for name, shape in shapes.items()}
        outputs = net(*inputs.values())
    outputs = outputs if isinstance(outputs, dict) else {model.OUTPUTS[0]: outputs}
    for name, tensor in {**inputs, **outputs}.items():
        tensor.contiguous().numpy().tofile(os.path.join(folder, f"{name}.f32"))
    model.save_weights(net, os.path.join(folder, "weights.safetensors"))
    print(json.dumps([{"name": n, "shape": list(t.shape), "dtype": str(t.dtype)} for n, t in net.state_dict().items()]), flush=True)
    # before the next is made: it takes the memory of this one
    del net, outputs

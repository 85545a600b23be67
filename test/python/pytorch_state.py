"""Loads emitted nets and writes their weights again.

    python3 pytorch_state.py FOLDER...

Each FOLDER has model.py and one .safetensors file; `saved.safetensors` is written beside them. Prints names and shapes of every
state dict as JSON. Without a .safetensors file the net is run instead, without numbers, and the shapes of its outputs come behind its tensors.
Warnings are errors: nothing that a later PyTorch has removed may be used.
"""
import glob
import importlib.util
import json
import os
import sys
import warnings

import torch

warnings.simplefilter("error")
# every weight is read from a file: random starts would only cost time
for name in ("kaiming_uniform_", "uniform_", "normal_"):
    setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)

answer = []
for i, folder in enumerate(sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(f"model_{i}", os.path.join(folder, "model.py"))
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    net = model.NET()
    lines = [{"name": n, "shape": list(t.shape), "dtype": str(t.dtype)} for n, t in net.state_dict().items()]
    files = glob.glob(os.path.join(glob.escape(folder), "*.safetensors"))
    if files:
        (weights,) = files
        model.load_weights(net, weights)
        model.save_weights(net, os.path.join(folder, "saved.safetensors"))
    else:
        with torch.no_grad():
            outputs = net.eval().to("meta")(*(torch.zeros(1, *shape, device="meta") for shape in model.INPUTS.values()))
        outputs = outputs if isinstance(outputs, dict) else {model.OUTPUTS[0]: outputs}
        lines += [{"name": n, "shape": list(t.shape), "dtype": "output"} for n, t in outputs.items()]
    answer.append(lines)
json.dump(answer, sys.stdout)

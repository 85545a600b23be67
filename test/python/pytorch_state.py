"""Loads emitted nets and writes their weights again.

    python3 pytorch_state.py FOLDER...

Each FOLDER has model.py and one .safetensors file; `saved.safetensors` is written beside them. Prints names and shapes of every
state dict as JSON.
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
    answer.append([{"name": n, "shape": list(t.shape), "dtype": str(t.dtype)} for n, t in net.state_dict().items()])
    (weights,) = glob.glob(os.path.join(glob.escape(folder), "*.safetensors"))
    model.load_weights(net, weights)
    model.save_weights(net, os.path.join(folder, "saved.safetensors"))
json.dump(answer, sys.stdout)

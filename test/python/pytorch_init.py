"""What init_weights of an emitted net does: python3 pytorch_init.py FOLDER BASE. Prints JSON.

FOLDER is a net with an edit that has `init preserve`, BASE the net without the edit.
"""
import importlib.util
import json
import os
import sys

import torch


def load(folder):
    spec = importlib.util.spec_from_file_location(os.path.basename(os.path.dirname(folder)), os.path.join(folder, "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


torch.manual_seed(1)
changed, base = load(sys.argv[1]), load(sys.argv[2])
answer = {}
net = changed.NET()
for policy in ("default", "paper"):
    changed.init_weights(net, policy)
    answer[policy] = {n: [float(t.abs().max()), float(t.std(unbiased=False)), float(t.mean())] for n, t in net.named_parameters()}

old = base.NET()
base.init_weights(old)
net.load_state_dict(old.state_dict(), strict=False)
changed.init_weights(net, "preserve")
x = torch.randn(2, *base.INPUTS["image"])
answer["same"] = bool(torch.equal(net.eval()(x), old.eval()(x)))
answer["gradients"] = all(p.requires_grad for p in net.parameters())
errors = []
for module, policy in ((base, "preserve"), (base, "best")):
    try:
        module.init_weights(old, policy)
    except ValueError as error:
        errors.append(str(error))
answer["errors"] = errors
json.dump(answer, sys.stdout)

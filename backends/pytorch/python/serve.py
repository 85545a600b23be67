"""Runs emitted nets for `sec`: requests on stdin, answers on stdout.

A message is a line of JSON and then `bytes` bytes of f32 values, in the order of the JSON's `tensors`.
"""
import importlib.util
import json
import os
import sys

import numpy as np
import torch

stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
# what a net prints must not get between the answers
sys.stdout = sys.stderr
torch.set_grad_enabled(False)
# every weight is read from a file: random starts would only cost time
for name in ("kaiming_uniform_", "uniform_", "normal_"):
    setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
nets = {}


def answer(message, tensors=()):
    blocks = [np.ascontiguousarray(t, dtype="<f4").tobytes() for t in tensors]
    message["bytes"] = sum(len(b) for b in blocks)
    stdout.write(json.dumps(message).encode() + b"\n")
    for block in blocks:
        stdout.write(block)
    stdout.flush()


def load(request):
    spec = importlib.util.spec_from_file_location(f"sec_net_{request['id']}", os.path.join(request["folder"], "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.NET()
    module.load_weights(net, os.path.join(request["folder"], request["weights"]))
    nets[request["id"]] = net.eval()
    answer({})


def run(request, body):
    inputs, at = [], 0
    for shape in request["shapes"]:
        count = int(np.prod(shape))
        inputs.append(torch.from_numpy(np.frombuffer(body, "<f4", count, 4 * at).copy().reshape(shape)))
        at += count
    outputs = nets[request["id"]](*inputs)
    named = outputs if isinstance(outputs, dict) else {request["output"]: outputs}
    answer({"tensors": [{"name": n, "count": t.numel()} for n, t in named.items()]}, [t.numpy() for t in named.values()])


answer({"torch": torch.__version__})
for line in stdin:
    request = json.loads(line)
    body = stdin.read(request.get("bytes", 0))
    try:
        if request["do"] == "load":
            load(request)
        elif request["do"] == "run":
            run(request, body)
        else:
            nets.pop(request["id"], None)
            answer({})
    except Exception as error:  # the other side reports it
        answer({"error": f"{type(error).__name__}: {error}"})

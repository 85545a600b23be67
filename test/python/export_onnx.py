"""Writes torchvision's networks as ONNX models, as their users do: export_onnx.py FOLDER NET:OPSET:MODE:SIZE ...

MODE is `eval`, where the exporter folds batch norms, or `keep`, where it leaves them and all names as they are.
"""
import sys
import warnings

import torch
import torchvision

warnings.filterwarnings("ignore")
folder = sys.argv[1]
for case in sys.argv[2:]:
    net, opset, mode, size = case.split(":")
    torch.manual_seed(1)
    more = {"aux_logits": False, "init_weights": False} if net in ("googlenet", "inception_v3") else {}
    model = getattr(torchvision.models, net)(weights=None, num_classes=16, **more).eval()
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
        f"{folder}/{net}.onnx",
        opset_version=int(opset),
        training=torch.onnx.TrainingMode.EVAL if mode == "eval" else torch.onnx.TrainingMode.PRESERVE,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
    )
    print("\n".join(f"{net} {name}" for name, t in model.state_dict().items() if t.is_floating_point()))

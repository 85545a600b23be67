"""two_heads, as a PyTorch module. Written by sec from net.se.

    net = TwoHeads()
    load_weights(net, "two_heads.safetensors")

The names in `state_dict()` are those of the spec. Runs on PyTorch 1.13 and later, needs nothing but torch and numpy.
"""
from __future__ import annotations

import json
import math
import os
from collections import OrderedDict
from typing import Any, Dict, Optional, Tuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Double(nn.Module):
    """Block 'double' (flows.se, line 3).

    At enc: [N, 3, 32, 32] -> [N, 16, 32, 32]
    Used as enc, mid, dec
    """

    def __init__(self, in_channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class CBAMChannel(nn.Module):
    """Group 'att.channel' (std.se, line 63).

    [N, 32, 16, 16] -> [N, 32, 16, 16]
    Used as att.channel
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(32, 4, 1, bias=False)
        self.fc2 = nn.Conv2d(4, 32, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        avg = F.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        avg = self.fc2(avg)
        max_ = F.relu(self.fc1(x.amax((2, 3), keepdim=True)))
        return x * torch.sigmoid(avg + self.fc2(max_))


class CBAMSpatial(nn.Module):
    """Group 'att.spatial' (std.se, line 73).

    [N, 32, 16, 16] -> [N, 32, 16, 16]
    Used as att.spatial
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            OrderedDict([
                ("conv", nn.Conv2d(2, 1, 7, padding=3, bias=False)),
                ("bn", nn.BatchNorm2d(1)),
            ])
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        scale = torch.cat([mean, x.amax(1, keepdim=True)], 1)
        scale = self.conv(scale)
        return x * torch.sigmoid(scale)


class CBAM(nn.Module):
    """Block 'cbam' (std.se, line 61).

    [N, 32, 16, 16] -> [N, 32, 16, 16]
    Used as att
    """

    def __init__(self) -> None:
        super().__init__()
        self.channel = CBAMChannel()
        self.spatial = CBAMSpatial()

    def forward(self, x: Tensor) -> Tensor:
        x = self.channel(x)
        return self.spatial(x)


class TwoHeads(nn.Module):
    """Net 'two_heads' (flows.se, line 6).

    [N, 3, 32, 32] -> [N, 2, 32, 32], [N, 5]
    """

    def __init__(self) -> None:
        super().__init__()
        self.enc = Double(3, 16)
        self.mid = Double(16, 32)
        self.att = CBAM()
        self.add_module("raise", nn.ConvTranspose2d(32, 16, 2, stride=2))
        self.dec = Double(32, 16)
        self.head = nn.Conv2d(16, 2, 1)
        self.fc = nn.Linear(32, 5)

    def forward(self, image: Tensor) -> Dict[str, Tensor]:
        x = self.enc(image)
        maxpool = F.max_pool2d(x, 2)
        mid = self.mid(maxpool)
        att = self.att(mid)
        x = torch.cat([getattr(self, "raise")(att), x], 1)
        x = self.dec(x)
        x = self.head(x)
        return {"mask": x, "logits": self.fc(torch.flatten(att.mean((2, 3), keepdim=True), 1))}


NET = TwoHeads
# Sizes of the inputs, without the batch.
INPUTS: Dict[str, Tuple[int, ...]] = {"image": (3, 32, 32)}
OUTPUTS: Tuple[str, ...] = ("mask", "logits")
# Modules that edits with `init preserve` put in, tensors that are 0 there, and factors of the neighbours that make up for it.
INSERTED: Tuple[str, ...] = ()
PRESERVE_ZERO: Tuple[str, ...] = ()
PRESERVE_FACTOR: Dict[str, float] = {}
# Layers whose edit says how they start, whatever the policy.
FIXED_INIT: Dict[str, str] = {}


_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}


def read_tensors(path: Union[str, "os.PathLike[str]"]) -> Tuple[Dict[str, Tensor], Dict[str, str]]:
    """Tensors and metadata of a safetensors file. Nothing in it is executed."""
    with open(path, "rb") as file:
        length = file.read(8)
        size = os.fstat(file.fileno()).st_size
        header_bytes = int.from_bytes(length, "little")
        if len(length) < 8 or header_bytes > min(size - 8, 100_000_000):
            raise ValueError(f"{path} is no safetensors file")
        header = json.loads(file.read(header_bytes))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        dtype, shape, (begin, end) = _DTYPES.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
        if dtype is None:
            raise ValueError(f"{path}: {name} has the type {entry['dtype']}, which is not read here")
        count = math.prod(shape)
        if not 0 <= begin <= end <= len(data) or end - begin != count * torch.empty(0, dtype=dtype).element_size():
            raise ValueError(f"{path}: {name} does not lie in the file")
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=begin) if count else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(shape).clone()
    return tensors, metadata


def write_tensors(path: Union[str, "os.PathLike[str]"], tensors: Dict[str, Tensor], metadata: Optional[Dict[str, str]] = None) -> None:
    """A safetensors file; it takes its place only when it is complete."""
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: Dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    at = 0
    for name, tensor in tensors.items():
        end = at + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = f"{os.fspath(path)}.part"
    with open(part, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy())
    os.replace(part, path)


def load_weights(model: nn.Module, path: Union[str, "os.PathLike[str]"]) -> None:
    """Loads a safetensors file. Every tensor must be there and fit, none may be left over; only num_batches_tracked may be missing."""
    given, _ = read_tensors(path)
    state = model.state_dict()
    missing = [n for n in state if n not in given and not n.endswith("num_batches_tracked")]
    extra = [n for n in given if n not in state]
    wrong = [f"{n}: {list(given[n].shape)} instead of {list(t.shape)}" for n, t in state.items() if n in given and given[n].shape != t.shape]
    if missing or extra or wrong:
        lists = {"missing": missing, "without a place": extra, "of another shape": wrong}
        text = "; ".join(f"{len(v)} {k}: {', '.join(v[:5])}{', ...' if len(v) > 5 else ''}" for k, v in lists.items() if v)
        raise ValueError(f"{path} does not fit the net: {text}")
    model.load_state_dict({n: given.get(n, t) for n, t in state.items()})


def save_weights(model: nn.Module, path: Union[str, "os.PathLike[str]"]) -> None:
    """Writes the state dict as safetensors: what `load_weights` and `sec compile --weights` read."""
    write_tensors(path, dict(model.state_dict()))


def _start(module: nn.Module, policy: str) -> None:
    """Fresh weights of one layer, by the rules `sec` has for its own."""
    if policy == "default":
        if isinstance(module, nn.PReLU):
            nn.init.constant_(module.weight, 0.25)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()
        return
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Conv1d)):
        # He et al. 2015: the variance of gradients is kept; fan_out = out * kernel
        nn.init.normal_(module.weight, std=math.sqrt(2 / (module.out_channels * math.prod(module.kernel_size))))
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
    else:
        _start(module, "default")
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


@torch.no_grad()
def init_weights(model: nn.Module, policy: str = "default") -> None:
    """Starts the weights anew.

    "default": PyTorch's own: uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)); norms start as the identity.
    "paper": normal with std sqrt(2/fan_out) for convolutions and 0.001 for linear layers, biases 0.
    "preserve": starts the inserted layers only, so that the net computes what it computed before the insertion: load the weights of that
    net first (`model.load_state_dict(..., strict=False)`). Needs an edit with `init preserve` in the spec.
    """
    if policy not in ("default", "paper", "preserve"):
        raise ValueError(f'policy is "default", "paper" or "preserve", not {policy!r}')
    if policy == "preserve" and not PRESERVE_ZERO:
        raise ValueError("no edit of this net has `init preserve`")
    for name, module in model.named_modules():
        below = any(name == p or name.startswith(f"{p}.") for p in INSERTED)
        if policy == "preserve" and not below:
            continue
        own = FIXED_INIT.get(name, "default" if policy == "preserve" else policy)
        _start(module, own)
    if policy != "preserve":
        return
    state = model.state_dict()
    for name in PRESERVE_ZERO:
        state[name].zero_()
    for name, factor in PRESERVE_FACTOR.items():
        state[name].mul_(factor)

"""Trains the net of model.py beside this file. WRITTEN_BY.

    python3 train.py --data images/ --epochs 90            one process; a GPU is used when there is one
    torchrun --nproc_per_node 2 train.py --data images/    several processes; --batch is that of all of them together
    python3 train.py --data images.npz --out run1 --resume

Data is a folder with train/CLASS/*.png and val/CLASS/*.png (torchvision's ImageFolder), or an .npz file with the arrays train_images,
train_labels, val_images, val_labels; images are uint8 [N, H, W, C] or [N, H, W].

Writes to --out: last.safetensors and best.safetensors (`sec compile --weights` takes them), optimizer.safetensors (what --resume needs
besides), metrics.jsonl (one line an epoch).

Several processes give the losses of one process at the same --batch, up to rounding: every step takes the same images, each image is
changed by a generator of its own, and batch norms use the statistics of the whole batch (--bn global, the default). Dropout draws other
masks, and with --bn local each process has its own statistics.
"""
import argparse
import contextlib
import gc
import json
import math
import os
import random
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
from model import INPUTS, NET, init_weights, load_weights, read_tensors, save_weights, write_tensors
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset


def parse_arguments():
    p = argparse.ArgumentParser(description="train the net of model.py", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--data", required=True, help="folder of images, or .npz file")
    p.add_argument("--out", default="run", help="folder for checkpoints and metrics")
    p.add_argument("--epochs", type=int, default=90)
    p.add_argument("--batch", type=int, default=128, help="images a step, of all processes together")
    p.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd")
    p.add_argument("--lr", type=float, default=0.1, help="largest learning rate, for the whole batch")
    p.add_argument("--warmup", type=float, default=5, help="epochs in which the rate grows linearly")
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--decay", type=float, default=1e-4, help="weight decay; norms and biases have none")
    p.add_argument("--smoothing", type=float, default=0.1, help="label smoothing")
    p.add_argument("--init", choices=["default", "paper", "preserve"], default="default")
    p.add_argument("--weights", help="safetensors file to start from")
    p.add_argument("--resume", action="store_true", help="go on from --out")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--mean", type=float, nargs="+", default=[0.485, 0.456, 0.406], help="of pixels between 0 and 1")
    p.add_argument("--std", type=float, nargs="+", default=[0.229, 0.224, 0.225])
    p.add_argument("--shift", type=int, default=0, help="train on images moved by up to so many pixels")
    p.add_argument("--no-flip", action="store_true", help="do not mirror images: for digits and letters")
    p.add_argument("--workers", type=int, default=0, help="processes that read images, for each training process")
    p.add_argument("--bn", choices=["global", "local"], default="global", help="batch statistics of all processes, or of each")
    p.add_argument("--no-amp", action="store_true", help="full precision on a GPU too")
    p.add_argument("--threads", type=int, help="CPU threads")
    return p.parse_args()


class Arrays:
    """Images and labels of an .npz file."""

    def __init__(self, path, part):
        with np.load(path) as file:
            images, self.labels = file[f"{part}_images"], file[f"{part}_labels"].astype(np.int64)
        self.images = images[..., None] if images.ndim == 3 else images
        if self.images.dtype != np.uint8 or len(self.images) != len(self.labels):
            raise SystemExit(f"{path}: {part}_images must be uint8, one for each label")

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], int(self.labels[i])


class Folder:
    """torchvision's ImageFolder, scaled and cropped to the net's size."""

    def __init__(self, path, part, channels, height, width):
        from torchvision import transforms
        from torchvision.datasets import ImageFolder

        resize = transforms.Compose([transforms.Resize(max(height, width)), transforms.CenterCrop((height, width))])
        self.images = ImageFolder(os.path.join(path, part), resize)
        self.mode = "L" if channels == 1 else "RGB"

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, label = self.images[i]
        pixels = np.asarray(image.convert(self.mode))
        return (pixels[..., None] if pixels.ndim == 2 else pixels), label


class Images(Dataset):
    """Tensors for the net. An index comes with its epoch, so that the changes to an image depend on nothing else."""

    def __init__(self, source, arguments, changed, channels):
        self.source, self.arguments, self.changed = source, arguments, changed
        self.mean = np.resize(np.asarray(arguments.mean, np.float32), channels)
        self.std = np.resize(np.asarray(arguments.std, np.float32), channels)

    def __len__(self):
        return len(self.source)

    def __getitem__(self, key):
        epoch, i = key
        pixels, label = self.source[i]
        if self.changed:
            draw = random.Random(f"{self.arguments.seed} {epoch} {i}")
            if not self.arguments.no_flip and draw.random() < 0.5:
                pixels = pixels[:, ::-1]
            s = self.arguments.shift
            if s > 0:
                dy, dx = draw.randint(0, 2 * s), draw.randint(0, 2 * s)
                h, w = pixels.shape[:2]
                pixels = np.pad(pixels, ((s, s), (s, s), (0, 0)), mode="edge")[dy : dy + h, dx : dx + w]
        values = (pixels.astype(np.float32) / 255 - self.mean) / self.std
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))), label


class Batches:
    """Keys of this process's share of every step. All processes agree on the order; a last step that is too small is left out in training."""

    def __init__(self, count, batch, epoch, seed, rank, world, shuffled):
        order = np.random.default_rng([seed, epoch]).permutation(count) if shuffled else np.arange(count)
        # a small data set is one step
        batch = min(batch, count // world * world) if shuffled else batch
        end = count // batch * batch if shuffled else count
        self.steps = [[(epoch, int(i)) for i in order[at : at + batch][rank::world]] for at in range(0, end, batch)]

    def __iter__(self):
        return iter(self.steps)

    def __len__(self):
        return len(self.steps)


class GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    """A batch norm whose statistics are those of all processes; every process has as many images. On a GPU PyTorch's own does the same."""

    def _check_input_dim(self, x):
        pass

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        axes = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        world = dist.get_world_size()
        # gradients flow through the sums to all processes
        mean = dist.nn.all_reduce(x.mean(axes)) / world
        centred = x - mean.reshape(shape)
        variance = dist.nn.all_reduce(centred.square().mean(axes)) / world
        count = x.numel() // x.shape[1] * world
        with torch.no_grad():
            self.num_batches_tracked += 1
            rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
            self.running_var.lerp_((variance * count / max(count - 1, 1)).to(self.running_var.dtype), rate)
        y = centred * torch.rsqrt(variance + self.eps).reshape(shape)
        return y * self.weight.reshape(shape) + self.bias.reshape(shape) if self.affine else y


def use_global_statistics(model, device):
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    # only here: the import alone makes a temporary folder
    import torch.distributed.nn

    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__class__ = GlobalBatchNorm
    return model


def rate_at(step, steps, warmup, largest):
    """Linear to the largest rate, then half a cosine to 0."""
    if step < warmup:
        return largest * (step + 1) / warmup
    return largest * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def make_optimizer(model, a):
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": a.decay}, {"params": others, "weight_decay": 0.0}]
    if a.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=a.lr)
    return torch.optim.SGD(groups, lr=a.lr, momentum=a.momentum)


def save_optimizer(path, model, optimizer, scaler, state):
    """Momenta under the names of their parameters: safetensors, so that opening it can run nothing."""
    names = {p: n for n, p in model.named_parameters()}
    tensors = {
        f"{names[p]}:{key}": torch.as_tensor(value).float()
        for p, entry in optimizer.state.items()
        for key, value in entry.items()
        if value is not None
    }
    write_tensors(path, tensors, {"state": json.dumps({**state, "scale": scaler.get_scale() if scaler else None})})


def load_optimizer(path, model, optimizer, scaler):
    tensors, metadata = read_tensors(path)
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, part = key.rsplit(":", 1)
        p = parameters[name]
        # PyTorch counts AdamW's steps on the CPU
        optimizer.state[p][part] = value if part == "step" else value.to(p.device)
    state = json.loads(metadata["state"])
    if scaler and state["scale"]:
        scaler.load_state_dict({**scaler.state_dict(), "scale": state["scale"]})
    return state


def make_scaler(device, off):
    if device.type != "cuda" or off:
        return None
    # torch.cuda.amp.GradScaler is the older name
    return torch.amp.GradScaler("cuda") if hasattr(torch.amp, "GradScaler") else torch.cuda.amp.GradScaler()


def precision(mixed):
    return torch.autocast("cuda", dtype=torch.float16) if mixed else contextlib.nullcontext()


def summed(values, device):
    total = torch.tensor(values, dtype=torch.float64, device=device)
    if dist.is_initialized():
        dist.all_reduce(total)
    return total.tolist()


class Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, title, steps, shown):
        self.title, self.steps, self.shown = title, steps, shown and sys.stderr.isatty()

    def at(self, step, text):
        done = 30 * step // self.steps
        print(f"\r{self.title} [{'#' * done}{'.' * (30 - done)}] {step}/{self.steps} {text}", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def logits_of(output):
    return output if torch.is_tensor(output) else list(output.values())[-1]


def evaluate(model, loader, device, amp):
    model.eval()
    loss = right = count = 0.0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with precision(amp):
                logits = logits_of(model(images))
            loss += nn.functional.cross_entropy(logits.float(), labels, reduction="sum").item()
            right += (logits.argmax(1) == labels).sum().item()
            count += len(labels)
    loss, right, count = summed([loss, right, count], device)
    return loss / count, right / count


def main():
    a = parse_arguments()
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if a.threads:
        torch.set_num_threads(a.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if a.batch % world != 0:
        raise SystemExit(f"--batch {a.batch} does not divide by {world} processes")
    torch.manual_seed(a.seed)

    (channels, height, width), *more = INPUTS.values()
    if more:
        raise SystemExit("train.py trains nets with one input: write your own loop around model.py")

    if not os.path.exists(a.data) or not (a.data.endswith(".npz") or os.path.isdir(os.path.join(a.data, "train"))):
        raise SystemExit(f"--data {a.data}: it is neither a folder with train/ and val/ nor an .npz file")

    def source(part):
        return Arrays(a.data, part) if a.data.endswith(".npz") else Folder(a.data, part, channels, height, width)

    data = {part: Images(source(part), a, part == "train", channels) for part in ("train", "val")}

    def loader(part, epoch):
        batches = Batches(len(data[part]), a.batch, epoch, a.seed, rank, world, part == "train")
        return DataLoader(data[part], batch_sampler=batches, num_workers=a.workers, pin_memory=device.type == "cuda")

    net = NET()
    init_weights(net, "default" if a.init == "preserve" else a.init)
    if a.weights:
        load_weights(net, a.weights)
    if a.init == "preserve":
        init_weights(net, "preserve")
    last, side, metrics = (os.path.join(a.out, name) for name in ("last.safetensors", "optimizer.safetensors", "metrics.jsonl"))
    if a.resume:
        if not (os.path.exists(last) and os.path.exists(side)):
            raise SystemExit(f"--resume: there is no run in {a.out}")
        load_weights(net, last)
    if world > 1 and a.bn == "global":
        net = use_global_statistics(net, device)
    net.to(device)
    optimizer, scaler = make_optimizer(net, a), make_scaler(device, a.no_amp)
    state = load_optimizer(side, net, optimizer, scaler) if a.resume else {"epoch": 0, "best": 0.0}
    # batch statistics of a process are its own affair: nothing is sent but gradients
    model = DistributedDataParallel(net, device_ids=[local] if device.type == "cuda" else None, broadcast_buffers=False) if world > 1 else net
    if rank == 0:
        os.makedirs(a.out, exist_ok=True)
        kept = []
        if a.resume and os.path.exists(metrics):
            with open(metrics) as file:
                kept = [line for line in file if json.loads(line)["epoch"] < state["epoch"]]
        with open(metrics, "w") as file:
            file.writelines(kept)

    per_epoch = len(Batches(len(data["train"]), a.batch, 0, a.seed, rank, world, True))
    warmup, steps = int(a.warmup * per_epoch), a.epochs * per_epoch
    for epoch in range(state["epoch"], a.epochs):
        # masks of dropout depend on the epoch alone, so that a run that was resumed is the run that was not
        torch.manual_seed(a.seed * 1_000_003 + epoch * 1009 + rank)
        began = time.time()
        model.train()
        progress = Progress(f"epoch {epoch + 1}/{a.epochs}", per_epoch, rank == 0)
        # kept on the device: asking for a number makes a GPU wait
        losses, right, seen = [], torch.zeros((), dtype=torch.int64, device=device), 0
        for k, (images, labels) in enumerate(loader("train", epoch)):
            rate = rate_at(epoch * per_epoch + k, steps, warmup, a.lr)
            for group in optimizer.param_groups:
                group["lr"] = rate
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with precision(scaler is not None):
                logits = logits_of(model(images))
                loss = nn.functional.cross_entropy(logits, labels, label_smoothing=a.smoothing)
            optimizer.zero_grad(set_to_none=True)
            if scaler:
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            else:
                loss.backward()
                optimizer.step()
            losses.append(loss.detach())
            right += (logits.argmax(1) == labels).sum()
            seen += len(labels)
            if progress.shown:
                progress.at(k + 1, f"loss {loss.item():.4f}")
        progress.end()
        *losses, right, seen = summed([*torch.stack(losses).tolist(), right.item(), seen], device)
        losses = [v / world for v in losses]
        if not math.isfinite(losses[-1]):
            raise SystemExit(f"the loss is {losses[-1]} in epoch {epoch + 1}: try a smaller --lr")
        val_loss, val_accuracy = evaluate(net, loader("val", epoch), device, scaler is not None)
        if rank == 0:
            save_weights(net, last)
            if val_accuracy >= state["best"]:
                save_weights(net, os.path.join(a.out, "best.safetensors"))
            state = {"epoch": epoch + 1, "best": max(state["best"], val_accuracy)}
            save_optimizer(side, net, optimizer, scaler, state)
            line = {
                "epoch": epoch,
                "lr": rate,
                "loss": sum(losses) / len(losses),
                "losses": losses,
                "accuracy": right / seen,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "seconds": round(time.time() - began, 3),
            }
            with open(metrics, "a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"epoch {epoch + 1}/{a.epochs}: loss {line['loss']:.4f}, val accuracy {100 * val_accuracy:.2f} %", flush=True)
    if world > 1:
        # nobody leaves while another still waits for an answer
        dist.barrier()
        # the group is given up by itself: as a part of the model it would wait, with Python's lock, for a thread that waits for that lock
        model = logits = loss = None
        gc.collect()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()

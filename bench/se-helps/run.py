"""Does SE help? Trains digits_resnet20 and digits_se_resnet20 with the train.py that `sec compile` writes, equal budgets, several seeds.

    sec compile examples/digits/digits.se -t pytorch --set pytorch.train=true -o OUT
    python3 bench/se-helps/run.py OUT DIGITS.csv.gz

DIGITS.csv.gz is scikit-learn's (Debian: python3-sklearn, sklearn/datasets/data/digits.csv.gz): 1797 rows of 64 pixels of 0 to 16 and a label.
Prints one line a run as JSON, and mean and spread of the accuracy after the last epoch; the best epoch is not looked for.
"""
import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys

import numpy as np

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("compiled")
p.add_argument("digits")
p.add_argument("--seeds", type=int, default=5)
p.add_argument("--epochs", type=int, default=40)
p.add_argument("--train", type=int, default=898, help="rows to train on, the first ones; the others are held out")
a = p.parse_args()

with gzip.open(a.digits, "rt") as file:
    rows = np.loadtxt(file, delimiter=",")
images = np.round(rows[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
labels = rows[:, 64].astype(np.int64)
data = os.path.join(a.compiled, "digits.npz")
np.savez_compressed(data, train_images=images[: a.train], train_labels=labels[: a.train],
                    val_images=images[a.train :], val_labels=labels[a.train :])

accuracies = {}
for seed in range(a.seeds):
    for net in ("digits_resnet20", "digits_se_resnet20"):
        folder = os.path.join(a.compiled, net, "pytorch")
        out = os.path.join(a.compiled, f"{net}-{seed}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, os.path.join(folder, "train.py"), "--data", data, "--out", out, "--epochs", str(a.epochs), "--batch", "64",
             "--lr", "0.1", "--warmup", "3", "--decay", "5e-4", "--mean", "0.3", "--std", "0.37", "--shift", "1", "--no-flip",
             "--seed", str(seed), "--threads", "1"],
            check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(os.path.join(out, "metrics.jsonl")) as file:
            last = json.loads(file.readlines()[-1])
        accuracies.setdefault(net, []).append(100 * last["val_accuracy"])
        print(json.dumps({"net": net, "seed": seed, "accuracy": round(100 * last["val_accuracy"], 2), "loss": round(last["loss"], 4),
                          "val_loss": round(last["val_loss"], 4), "cpu_seconds": round(after.ru_utime - before.ru_utime)}), flush=True)
for net, values in accuracies.items():
    print(f"{net}: mean {statistics.mean(values):.2f} %, from {min(values):.2f} to {max(values):.2f}, "
          f"standard deviation {statistics.stdev(values) if len(values) > 1 else 0:.2f}")

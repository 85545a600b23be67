"""Prints a Caffe prototxt as an expression: one line for each layer that is reached from the classifier, inputs before users.

    python3 test/python/caffe_layers.py SE-BN-Inception.prototxt > test/fixtures/se-bn-inception.layers.txt
    python3 test/python/caffe_layers.py SE-ResNet-50.prototxt > test/fixtures/se-resnet-50.layers.txt

A line is `number: layer (numbers of its inputs)`. BatchNorm and Scale are one `bn`; a two-input Scale is a `mul`, an Axpy a `mul` and an `add`; pools round up;
the average over the whole last map is `gap`. test/zoo/caffe-layers.ts writes the lines of the net in the same way.
"""
import re
import sys


def blocks(text):
    """The `layer { ... }` parts."""
    for m in re.finditer(r"^layer\s*\{", text, re.M):
        depth, end = 1, m.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield text[m.end() : end - 1]


def one(body, key, default=None):
    found = re.findall(rf'\b{key}:\s*"?([\w./+-]+)"?', body)
    return found[0] if found else default


def every(body, key):
    return re.findall(rf'^\s*{key}:\s*"([^"]+)"', body, re.M)


def describe(kind, body):
    number = lambda key, default: int(one(body, key, default))
    if kind == "Convolution":
        bias = " bias" if one(body, "bias_term", "true") == "true" else ""
        return f"conv {number('num_output', 0)} k{number('kernel_size', 1)} s{number('stride', 1)} p{number('pad', 0)}{bias}"
    if kind == "InnerProduct":
        return f"linear {number('num_output', 0)} bias"
    if kind == "Pooling":
        k, s, p = number("kernel_size", 0), number("stride", 1), number("pad", 0)
        if one(body, "pool") == "AVE" and (one(body, "global_pooling") == "true" or k == 7):
            return "gap"
        return f"{'maxpool' if one(body, 'pool') == 'MAX' else 'avgpool'} k{k} s{s} p{p}{' up' if s > 1 else ''}"
    return {"ReLU": "relu", "Sigmoid": "sigmoid", "Concat": "concat"}[kind]


def main(path):
    text = open(path, encoding="utf8").read()
    made = {"data": ("input", [])}
    last = None
    for body in blocks(text):
        kind, bottoms, tops = one(body, "type"), every(body, "bottom"), every(body, "top")
        inputs = [made[b] for b in bottoms if b in made]
        if not inputs or kind in ("Softmax", "SoftmaxWithLoss", "Accuracy"):
            continue
        if kind == "BatchNorm":
            node = ("bn", inputs)
        elif kind == "Reshape" or (kind == "Scale" and len(inputs) == 1):
            node = inputs[0]
        elif kind == "Scale":
            node = ("mul", inputs)
        elif kind == "Axpy":
            node = ("add", [("mul", [inputs[1], inputs[0]]), inputs[2]])
        else:
            node = (describe(kind, body), inputs)
        made[tops[0]] = node
        last = node
    numbers = {}

    def show(node):
        if id(node) not in numbers:
            inputs = [show(i) for i in node[1]]
            numbers[id(node)] = len(numbers)
            print(f"{numbers[id(node)]}: {node[0]} ({' '.join(map(str, inputs))})")
        return numbers[id(node)]

    sys.setrecursionlimit(10000)
    show(last)


if __name__ == "__main__":
    main(sys.argv[1])

class PaddedConv2d(nn.Conv2d):
    """A convolution with its own padding on each side: (left, right, top, bottom), as in F.pad."""

    def __init__(self, *args: Any, border: Tuple[int, int, int, int], **options: Any) -> None:
        super().__init__(*args, **options)
        self.border = border

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.border))


class CroppedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that cuts (left, right, top, bottom) off its result."""

    def __init__(self, *args: Any, crop: Tuple[int, int, int, int], **options: Any) -> None:
        super().__init__(*args, **options)
        self.crop = crop

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(super().forward(x), [-n for n in self.crop])


class ChannelConv(nn.Conv1d):
    """A 1-D convolution along the channels of [N, C, 1, 1]."""

    def __init__(self, kernel: int, padding_mode: str = "zeros", bias: bool = True) -> None:
        super().__init__(1, 1, kernel, padding=kernel // 2, padding_mode=padding_mode, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        row = x.flatten(1).unsqueeze(1)
        if self.padding_mode != "circular":
            return super().forward(row).reshape(x.shape)
        # PyTorch's own wraps around once at most; a kernel may be wider than all channels
        side, count = self.kernel_size[0] // 2, row.shape[2]
        wrapped = row[..., torch.arange(-side, count + side, device=x.device) % count]
        return F.conv1d(wrapped, self.weight, self.bias).reshape(x.shape)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels, at each position of [N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Affine(nn.Module):
    """Scale and shift per channel; a fresh scale is `start`."""

    def __init__(self, channels: int, bias: bool = True, start: float = 1.0) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.weight, self.start)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        y = x * self.weight.reshape(shape)
        return y if self.bias is None else y + self.bias.reshape(shape)


def drop_path(x: Tensor, p: float, training: bool) -> Tensor:
    """Stochastic depth: drops whole images of a batch with probability p and scales the others up."""
    if not training or p == 0:
        return x
    if p >= 1:
        return torch.zeros_like(x)
    keep = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device, dtype=x.dtype) >= p
    return x * keep / (1 - p)


class DropPath(nn.Module):
    """`drop_path` as a module."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(x, self.p, self.training)


def average_pool(
    x: Tensor,
    kernel: Any,
    stride: Any,
    border: Tuple[int, int, int, int],
    beyond: Tuple[int, int, int, int],
    count_border: bool,
) -> Tensor:
    """Means of windows on a map with a border of zeros, (left, right, top, bottom). Windows may reach beyond it; what lies there counts
    for nothing, and the border counts only with `count_border`."""
    ones = torch.ones_like(x[:1, :1])
    counted = F.pad(ones, border, value=1.0 if count_border else 0.0)
    count = F.avg_pool2d(F.pad(counted, beyond), kernel, stride, divisor_override=1)
    return F.avg_pool2d(F.pad(F.pad(x, border), beyond), kernel, stride, divisor_override=1) / count

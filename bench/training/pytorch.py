"""One training step of bench/training/networks.ts in PyTorch on the CPU, in f32. Started by the benchmark (`--python PATH`), which sends
one JSON message a line and gets one back: shapes and numbers come with the messages.
"""

import base64
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def convnet(p, x, one_hot):
    first = F.relu(F.conv2d(x, p["conv1"], padding=1))
    second = F.relu(F.conv2d(first, p["conv2"], padding=1, stride=2))
    third = F.relu(F.conv2d(second, p["conv3"], padding=1, stride=2))
    logits = F.linear(third.flatten(1), p["linear"])
    return F.cross_entropy(logits, one_hot)


def unet(p, x, context, target):
    def resnet(h, weight):
        return h + F.conv2d(F.silu(F.group_norm(h, 8)), weight, padding=1)

    first = resnet(F.conv2d(x, p["in"], padding=1), p["first"])
    pixels = first.flatten(2).transpose(1, 2)
    q, k, v = (F.linear(h, w).unsqueeze(1) for h, w in ((pixels, p["q"]), (context, p["k"]), (context, p["v"])))
    attended = F.scaled_dot_product_attention(q, k, v).squeeze(1)
    crossed = first + F.linear(attended, p["o"]).transpose(1, 2).reshape(first.shape)
    middle = resnet(F.conv2d(crossed, p["down"], padding=1, stride=2), p["middle"])
    up = F.interpolate(middle, scale_factor=2, mode="nearest")
    return F.mse_loss(F.conv2d(F.silu(resnet(up + crossed, p["last"])), p["out"], padding=1), target)


def tensor(values):
    array = np.frombuffer(base64.b64decode(values["base64"]), dtype="<f4").reshape(values["shape"])
    return torch.from_numpy(array.copy())


class Training:
    def __init__(self, kind, optimizer, lr, params, batch):
        self.loss_of = {"convnet": convnet, "unet": unet}[kind]
        self.params = {name: tensor(v).requires_grad_() for name, v in params.items()}
        self.batch = [tensor(v) for v in batch]
        self.optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](self.params.values(), lr=lr)

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss_of(self.params, *self.batch)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def forward(self):
        with torch.no_grad():
            return self.loss_of(self.params, *self.batch).item()


def timed(run):
    started, used = time.perf_counter(), time.process_time()
    value = run()
    wall, cpu = time.perf_counter() - started, time.process_time() - used
    return value, {"wall": 1000 * wall, "cpu": 1000 * cpu}


def main() -> None:
    def answer(message):
        print(json.dumps(message), flush=True)

    training = None
    answer({"kind": "opened", "version": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"})
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["kind"] == "train":
            training = Training(**ask["network"])
            steps = [timed(training.step) for _ in range(ask["steps"])]
            training.forward()
            answer({"kind": "trained", "losses": [loss for loss, _ in steps], "first": steps[0][1]})
        elif ask["kind"] == "time":
            samples = [timed(training.step if ask["what"] == "step" else training.forward)[1] for _ in range(ask["samples"])]
            answer({"kind": "timed", "samples": samples})
        else:
            answer({"kind": "facts"})


if __name__ == "__main__":
    main()

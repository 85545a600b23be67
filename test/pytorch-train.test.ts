/** train.py: several processes take the steps of one, an interrupted run is the run that was not, checkpoints are files sec reads. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { matchWeights } from "../compiler/weights/check.ts";
import { bytesSource, openSafetensors } from "../compiler/weights/safetensors.ts";
import { filesOf, findPython, pythonFor, temporary, writeFiles } from "./judges/python.ts";
import { checkedNet } from "./judges/pytorch-nets.ts";

const NET = `se 1
net small(classes = 3) {
  input image: f32[N, 1, 8, 8]
  conv1: conv(8, 3)  bn1: bn  relu  maxpool(2)
  conv2: conv(16, 3)  bn2: bn  att: se(reduction=4)  relu
  gap  flatten
  fc: linear(classes)
  output logits
}
`;
const net = checkedNet(NET, "small.se", "small");

/** Stripes of three directions with noise: something to learn in a few steps. */
const MAKE_DATA = `
import sys
import numpy as np
draw = np.random.default_rng(3)
def images(count):
    labels = np.arange(count) % 3
    y, x = np.mgrid[0:8, 0:8]
    waves = np.stack([np.sin(1.5 * d) for d in (x, y, x + y)])[labels]
    return np.clip(128 + 60 * waves + draw.normal(0, 40, waves.shape), 0, 255).astype(np.uint8), labels
(a, b), (c, d) = images(96), images(50)
np.savez(sys.argv[1], train_images=a, train_labels=b, val_images=c, val_labels=d)
`;

interface Line {
  readonly epoch: number;
  readonly losses: readonly number[];
  readonly val_loss: number;
  readonly val_accuracy: number;
}

const at = { folder: "" };
beforeAll(() => {
  const python = findPython();
  if (!python) return;
  at.folder = temporary();
  writeFiles(at.folder, filesOf(net, undefined, true));
  const made = spawnSync(python, ["-c", MAKE_DATA, path.join(at.folder, "data.npz")], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  // the first import of torch on a busy machine
}, 120_000);
afterAll(() => {
  if (at.folder !== "") rmSync(at.folder, { recursive: true, force: true });
});

const COMMON = "--data data.npz --batch 32 --lr 0.05 --warmup 1 --mean 0.5 --std 0.25 --shift 1 --threads 1".split(" ");

const linesOf = (out: string): Line[] =>
  readFileSync(path.join(at.folder, out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((l) => JSON.parse(l) as Line);

/** Runs train.py; with `environment` as one process of several. */
function start(python: string, out: string, more: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<void> {
  const env = { ...process.env, OMP_NUM_THREADS: "1", ...environment };
  const child = spawn(python, ["train.py", ...COMMON, "--out", out, ...more], {
    cwd: at.folder,
    env,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 120_000,
  });
  let complaints = "";
  child.stderr.on("data", (text: Buffer) => {
    complaints += text.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(complaints))));
  });
}

async function train(python: string, out: string, more: readonly string[]): Promise<Line[]> {
  await start(python, out, more);
  return linesOf(out);
}

/** A port nobody listens on. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Two processes with the variables that torchrun sets; torchrun itself does not start on PyTorch 1.13 with Python 3.11. */
async function trainByTwo(python: string, out: string, more: readonly string[]): Promise<Line[]> {
  const common = { WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(await freePort()) };
  await Promise.all(["0", "1"].map((rank) => start(python, out, more, { ...common, RANK: rank, LOCAL_RANK: rank })));
  return linesOf(out);
}

const bytes = (out: string, file: string): Buffer => readFileSync(path.join(at.folder, out, file));

/** Sums over a batch in another order, through some steps of training: f32 rounding that grows; far below what another batch gives. */
const CLOSE = 1e-4;

function expectSameCurve(a: readonly Line[], b: readonly Line[]): void {
  expect(b.map((l) => l.epoch)).toEqual(a.map((l) => l.epoch));
  for (const [i, line] of a.entries()) {
    const other = b[i] as Line;
    expect(other.losses.length).toBe(line.losses.length);
    for (const [k, loss] of line.losses.entries()) expect(Math.abs(loss - (other.losses[k] as number))).toBeLessThanOrEqual(CLOSE);
    expect(Math.abs(line.val_loss - other.val_loss)).toBeLessThanOrEqual(CLOSE);
  }
}

/** Runs that several tests look at; each is made once, by the first that asks. */
const RUNS = { sgd: ["--epochs", "3"], adamw: ["--epochs", "3", "--optimizer", "adamw", "--lr", "0.01"] } as const;
const made = new Map<string, Promise<Line[]>>();
function whole(python: string, optimizer: keyof typeof RUNS): Promise<Line[]> {
  const known = made.get(optimizer) ?? train(python, `whole-${optimizer}`, RUNS[optimizer]);
  made.set(optimizer, known);
  return known;
}

describe("train.py", () => {
  test("two processes have the losses of one at the same global batch, batch norms included; it learns", async (context) => {
    const python = pythonFor(context);
    const one = await whole(python, "sgd");
    const two = await trainByTwo(python, "two", RUNS.sgd);
    expect(one.map((l) => l.losses.length)).toEqual([3, 3, 3]);
    expectSameCurve(one, two);
    expect(one.at(-1)?.losses.at(-1)).toBeLessThan(one[0]?.losses[0] as number);
    // the statistics of each process alone are others: what --bn global is for
    const alone = await trainByTwo(python, "alone", ["--epochs", "1", "--bn", "local"]);
    expect(Math.abs((alone[0]?.losses.at(-1) as number) - (one[0]?.losses.at(-1) as number))).toBeGreaterThan(CLOSE);
  }, 300_000);

  for (const optimizer of ["sgd", "adamw"] as const) {
    test(`a run with ${optimizer} that was resumed ends with the same bits`, async (context) => {
      const python = pythonFor(context);
      const more = RUNS[optimizer];
      const all = await whole(python, optimizer);
      // stops in the middle: the schedule is that of three epochs
      const stop = "import sys, model\nsave = model.save_weights\ncount = [0]\n";
      writeFileSync(
        path.join(at.folder, "stopped.py"),
        `${stop}
import train
write = train.save_optimizer
def limited(*a):
    write(*a)
    count[0] += 1
    if count[0] == 2:
        sys.exit(0)
train.save_optimizer = limited
train.main()
`,
      );
      const args = [...COMMON, ...more, "--out", `parts-${optimizer}`];
      const stopped = spawnSync(python, ["stopped.py", ...args], { cwd: at.folder, encoding: "utf8" });
      expect(stopped.stderr).toBe("");
      const parts = await train(python, `parts-${optimizer}`, [...more, "--resume"]);
      expect(parts.map((l) => l.epoch)).toEqual([0, 2]);
      expect(parts.at(-1)?.losses).toEqual(all.at(-1)?.losses);
      expect(bytes(`parts-${optimizer}`, "last.safetensors").equals(bytes(`whole-${optimizer}`, "last.safetensors"))).toBe(true);
    }, 300_000);
  }

  test("what is missing is said in a line, and importing it warns of nothing", (context) => {
    const python = pythonFor(context);
    const lines = ["nowhere.npz", "data.npz --resume --out nothing"].map((args) => ["train.py", "--data", ...args.split(" ")]);
    const code = `import sys, train\nfor sys.argv in ${JSON.stringify(lines)}:\n    try:\n        train.main()\n    except SystemExit as e:\n        print(e)`;
    const { stdout, stderr } = spawnSync(python, ["-W", "error", "-c", code], { cwd: at.folder, encoding: "utf8" });
    expect([stdout.trim().split("\n"), stderr]).toEqual([
      ["--data nowhere.npz: it is neither a folder with train/ and val/ nor an .npz file", "--resume: there is no run in nothing"],
      "",
    ]);
  }, 60_000);

  test("checkpoints are weight files of the net", async (context) => {
    const python = pythonFor(context);
    await whole(python, "sgd");
    for (const file of ["last.safetensors", "best.safetensors"]) {
      const opened = openSafetensors(file, bytesSource(bytes("whole-sgd", file)));
      if (!opened.ok) throw new Error(opened.problem.title);
      const { plan, diagnostics } = matchWeights(net.graph, opened.file, {});
      expect(diagnostics).toEqual([]);
      expect(plan).toBeDefined();
    }
  }, 120_000);
});

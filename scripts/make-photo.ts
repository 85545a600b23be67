/**
 * Makes examples/images/still-life.jpg, the picture that the demo classifies: a ray-traced still life (four balls on a wooden
 * table), so that the repository ships a photograph-like image that is its own. Deterministic; run it only to change it.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import jpeg from "jpeg-js";

type V = readonly [number, number, number];
const add = (a: V, b: V): V => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const scale = (a: V, k: number): V => [a[0] * k, a[1] * k, a[2] * k];
const sub = (a: V, b: V): V => add(a, scale(b, -1));
const dot = (a: V, b: V): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const unit = (a: V): V => scale(a, 1 / Math.sqrt(dot(a, a)));

interface Ball {
  readonly at: V;
  readonly radius: number;
  readonly color: V;
  readonly mirror: number;
}

const BALLS: readonly Ball[] = [
  { at: [-0.9, 0.7, 4.2], radius: 0.7, color: [0.85, 0.16, 0.1], mirror: 0.08 },
  { at: [0.75, 0.55, 3.4], radius: 0.55, color: [0.95, 0.6, 0.08], mirror: 0.05 },
  { at: [0.35, 0.95, 5.4], radius: 0.95, color: [0.25, 0.5, 0.12], mirror: 0.1 },
  { at: [1.9, 0.4, 4.6], radius: 0.4, color: [0.8, 0.82, 0.85], mirror: 0.75 },
];
const LAMP: V = [-4, 6, 0];

/** A repeatable number in 0..1 for a lattice point. */
const noise = (x: number, y: number): number => {
  const s = Math.sin(x * 127.1 + y * 311.7) * 43758.5453;
  return s - Math.floor(s);
};
const smooth = (x: number, y: number): number => {
  const [i, j] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [x - i, y - j];
  const [a, b] = [u * u * (3 - 2 * u), v * v * (3 - 2 * v)];
  const top = noise(i, j) * (1 - a) + noise(i + 1, j) * a;
  const bottom = noise(i, j + 1) * (1 - a) + noise(i + 1, j + 1) * a;
  return top * (1 - b) + bottom * b;
};

const wood = (x: number, z: number): V => {
  const grain = smooth(x * 2.2, z * 0.35) * 6 + smooth(x * 14, z * 1.1);
  const ring = 0.5 + 0.5 * Math.sin(grain * 5);
  const plank = Math.abs((((x + 50) / 1.3) % 1) - 0.5) > 0.49 ? 0.45 : 1;
  return scale([0.45 + 0.2 * ring, 0.28 + 0.13 * ring, 0.15 + 0.07 * ring], plank);
};

function hitBall(from: V, way: V): { t: number; ball: Ball } | undefined {
  let best: { t: number; ball: Ball } | undefined;
  for (const ball of BALLS) {
    const oc = sub(from, ball.at);
    const b = dot(oc, way);
    const d = b * b - dot(oc, oc) + ball.radius ** 2;
    if (d < 0) continue;
    const t = -b - Math.sqrt(d);
    if (t > 1e-3 && (!best || t < best.t)) best = { t, ball };
  }
  return best;
}

/** Soft shadow: the part of the lamp that is seen. */
function light(point: V, normal: V, seed: number): number {
  let sum = 0;
  const samples = 12;
  for (let i = 0; i < samples; i++) {
    const lamp = add(LAMP, [noise(i, seed) - 0.5, noise(seed, i) - 0.5, noise(i + 7, seed) - 0.5]);
    const way = unit(sub(lamp, point));
    if (!hitBall(add(point, scale(normal, 1e-3)), way)) sum += Math.max(0, dot(normal, way));
  }
  return sum / samples;
}

function trace(from: V, way: V, seed: number, depth: number): V {
  const hit = hitBall(from, way);
  const floor = way[1] < 0 ? -from[1] / way[1] : Number.POSITIVE_INFINITY;
  if (hit && hit.t < floor) {
    const point = add(from, scale(way, hit.t));
    const normal = unit(sub(point, hit.ball.at));
    const skin = 0.85 + 0.15 * smooth(point[0] * 30, point[1] * 30 + point[2] * 17);
    const lit = scale(hit.ball.color, skin * (0.18 + 0.85 * light(point, normal, seed)));
    const shine = Math.max(0, dot(unit(sub(unit(sub(LAMP, point)), way)), normal)) ** 60;
    const base = add(lit, scale([1, 0.97, 0.9], 0.6 * shine));
    if (depth === 0) return base;
    const back = trace(point, sub(way, scale(normal, 2 * dot(way, normal))), seed + 1, depth - 1);
    return add(scale(base, 1 - hit.ball.mirror), scale(back, hit.ball.mirror));
  }
  if (floor < 12) {
    const point = add(from, scale(way, floor));
    return scale(wood(point[0], point[2]), 0.2 + 0.8 * light(point, [0, 1, 0], seed));
  }
  const up = Math.max(0, way[1]);
  return [0.72 - 0.35 * up, 0.68 - 0.28 * up, 0.62 - 0.15 * up];
}

const WIDTH = 320;
const HEIGHT = 240;
const data = Buffer.alloc(WIDTH * HEIGHT * 4);
for (let y = 0; y < HEIGHT; y++) {
  for (let x = 0; x < WIDTH; x++) {
    let sum: V = [0, 0, 0];
    for (let s = 0; s < 4; s++) {
      const [u, v] = [(x + (s & 1) / 2 - WIDTH / 2) / HEIGHT, (HEIGHT / 2 - y - (s >> 1) / 2) / HEIGHT];
      sum = add(sum, trace([0.4, 1.5, -0.6], unit([u * 1.1, v * 1.1 - 0.18, 1]), x * 4.7 + y * 9.1 + s, 2));
    }
    const at = (y * WIDTH + x) * 4;
    const grainy = (noise(x, y) - 0.5) * 0.02;
    sum.forEach((c, i) => {
      data[at + i] = Math.round(255 * Math.min(1, Math.max(0, (c / 4 + grainy) ** (1 / 1.9))));
    });
    data[at + 3] = 255;
  }
}
mkdirSync("examples/images", { recursive: true });
writeFileSync("examples/images/still-life.jpg", jpeg.encode({ data, width: WIDTH, height: HEIGHT }, 88).data);

import { importedFrom, onnxBytes } from "./judges/imported.ts";
import { everyNet, hashedReader, smallGraph } from "./judges/whole-nets.ts";
const only = process.argv.slice(2);
let n = 0, bad = 0;
for (const whole of everyNet()) {
  if (only.length && !only.includes(whole.net)) continue;
  n++;
  const t0 = performance.now();
  try {
    const graph = smallGraph(whole);
    const t1 = performance.now();
    const model = onnxBytes(graph, hashedReader(graph));
    const t2 = performance.now();
    const back = importedFrom(model, `${whole.net}.onnx`);
    const t3 = performance.now();
    const names = (g: typeof graph): string[] => g.weights.filter((w) => w.value.type.dtype === "f32").map((w) => `${w.path} [${w.value.type.shape}]`);
    const [a, b] = [new Set(names(graph)), new Set(names(back.graph))];
    const lost = [...a].filter((x) => !b.has(x)), extra = [...b].filter((x) => !a.has(x));
    const ok = lost.length + extra.length === 0;
    if (!ok) bad++;
    console.log(ok ? "ok " : "BAD", whole.net, a.size, lost.length, extra.length, ok ? "" : `${lost.slice(0, 4)} | ${extra.slice(0, 4)}`, [t1 - t0, t2 - t1, t3 - t2].map((x) => x | 0).join());
    if (only.length) console.log(back.spec);
  } catch (e) { bad++; console.log("ERR", whole.net, (e as Error).message.slice(0, 300)); }
}
console.log(n, bad);

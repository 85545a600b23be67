/** What every emitted module owes its users besides right numbers (architecture.md section 8.2), as tests on runners. */
import { expect, type TestContext, test } from "vitest";
import type { Artifact, Runner } from "./backend.ts";
import { HEADER_BYTES } from "./module/weights-file.ts";
import { referenceNets, type TestNet } from "./testing-nets.ts";
import { graphInputs } from "./testing-samples.ts";

export interface ModuleUnderTest {
  readonly emit: (net: TestNet) => { readonly artifacts: readonly Artifact[] };
  /** Rejects as `load` of the module does; what it returns is closed by the caller. */
  readonly start: (files: readonly Artifact[], net: string) => Promise<Runner>;
  /** Why nothing can run here; undefined when it can. Asked when a test starts. */
  readonly why: () => string | undefined;
}

/** Registers the tests; call it inside a `describe`. */
export function moduleContract({ emit, start, why }: ModuleUnderTest): void {
  const nets = new Map(referenceNets().map((net) => [net.graph.name, net]));
  const named = (name: string): TestNet => nets.get(name) as TestNet;
  const plain = named("plain");
  const on = (title: string, body: () => Promise<void>): void => {
    test(title, async (context: TestContext) => {
      const reason = why();
      if (reason !== undefined) return context.skip(reason);
      await body();
    });
  };
  const startNet = (net: TestNet): Promise<Runner> => start(emit(net).artifacts, net.graph.name);
  const inputs = (net: TestNet, key: string) => graphInputs(net.graph, net.batch, key);

  on("wrong inputs are TypeErrors that say what was expected", async () => {
    const runner = await startNet(plain);
    const image = inputs(plain, "a").image as Float32Array;
    const cases: readonly (readonly [unknown, string])[] = [
      [{ image: image.subarray(1) }, 'plain: input "image" needs 585 values (1×3×15×13), got 584'],
      [{ img: image }, 'plain: no input called "img"; the inputs are: image'],
      [{ image: new Uint8Array(585) }, 'plain: input "image" must be a Float32Array of 585 values (1×3×15×13), got Uint8Array'],
      [{ image: Array.from(image) }, 'plain: input "image" must be a Float32Array of 585 values (1×3×15×13), got Array'],
      [{}, 'plain: input "image" must be a Float32Array of 585 values (1×3×15×13), got undefined'],
    ];
    for (const [given, text] of cases) {
      const error = await runner.run(given as never).then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toBe(text);
    }
    // and the net still works
    expect((await runner.run({ image })).logits).toHaveLength(5);
  });

  on("inputs are not changed, outputs belong to the caller", async () => {
    const runner = await startNet(plain);
    const given = inputs(plain, "a");
    const before = new Float32Array(given.image as Float32Array);
    const first = (await runner.run(given)).logits as Float32Array;
    expect(given.image).toEqual(before);
    const copy = new Float32Array(first);
    const second = (await runner.run(inputs(plain, "b"))).logits as Float32Array;
    expect(first).toEqual(copy);
    expect(second).not.toEqual(first);
    first.fill(0);
    expect((await runner.run(given)).logits).toEqual(copy);
  });

  on("calls made at once are served in order, each with its own inputs", async () => {
    const runner = await startNet(plain);
    const keys = ["a", "b", "c", "d"];
    const alone: Float32Array[] = [];
    for (const key of keys) alone.push((await runner.run(inputs(plain, key))).logits as Float32Array);
    const order: number[] = [];
    const reused = new Float32Array(585);
    const together = await Promise.all(
      keys.map((key, i) => {
        // one array for all calls: a module that kept it would see the last contents in every call
        reused.set(inputs(plain, key).image as Float32Array);
        return runner.run({ image: reused }).then((outputs) => {
          order.push(i);
          return outputs.logits;
        });
      }),
    );
    expect(order).toEqual([0, 1, 2, 3]);
    expect(together).toEqual(alone);
    const failing = runner.run({} as never).catch(() => "failed");
    expect([await failing, (await runner.run(inputs(plain, "b"))).logits]).toEqual(["failed", alone[1]]);
  });

  on("two nets, and one net twice, live side by side", async () => {
    const other = named("se_basic");
    const [a, b, c] = [await startNet(plain), await startNet(other), await startNet(plain)];
    const wantA = (await a.run(inputs(plain, "a"))).logits;
    const wantB = (await b.run(inputs(other, "a"))).logits;
    const got = await Promise.all([c.run(inputs(plain, "a")), b.run(inputs(other, "a")), a.run(inputs(plain, "a"))]);
    expect(got.map((g) => g.logits)).toEqual([wantA, wantB, wantA]);
    await a.close();
    expect((await c.run(inputs(plain, "a"))).logits).toEqual(wantA);
  });

  on("closing twice is harmless, running afterwards is refused", async () => {
    const runner = await startNet(plain);
    await runner.run(inputs(plain, "a"));
    await runner.close();
    await runner.close();
    await expect(runner.run(inputs(plain, "a"))).rejects.toThrow(/plain: .*dispose/);
  });

  on("weights that are damaged, cut short or of another build are refused, with both hashes", async () => {
    const { artifacts } = emit(plain);
    const weights = artifacts.find((f) => f.path.endsWith(".weights"))?.contents as Uint8Array;
    const foreign = emit(named("se_basic")).artifacts.find((f) => f.path.endsWith(".weights"))?.contents as Uint8Array;
    const hash = "expected hash [0-9a-f]{32}, got [0-9a-f]{32}";
    const damaged = weights.slice();
    damaged[HEADER_BYTES + 5] = (damaged[HEADER_BYTES + 5] as number) ^ 1;
    const magic = weights.slice();
    magic[0] = 0;
    const version = weights.slice();
    version[4] = 2;
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [damaged, "damaged"],
      [weights.slice(0, weights.length - 256), "cut short"],
      [weights.slice(0, 30), "not weights"],
      [magic, "not weights"],
      [version, "version 2"],
      [foreign, "another build"],
    ];
    for (const [contents, words] of cases) {
      const files = artifacts.map((f) => (f.path.endsWith(".weights") ? { ...f, contents } : f));
      await expect(start(files, "plain")).rejects.toThrow(new RegExp(`^plain: .*${words}.*${hash}`));
    }
  });
}

/** Fields of the `config` of a Keras layer, checked where they are read. */
import { refuse } from "./reading.ts";
import type { KerasConfig } from "./tfjs-json.ts";

const isSize = (x: unknown): x is number => typeof x === "number" && Number.isInteger(x) && x >= 0;

export function number(config: KerasConfig, name: string, other: number): number {
  const given = config[name] ?? other;
  return typeof given === "number" && Number.isFinite(given) ? given : refuse(`\`${name}\` is ${shown(given)}`);
}

export function flag(config: KerasConfig, name: string, other: boolean): boolean {
  const given = config[name] ?? other;
  return typeof given === "boolean" ? given : refuse(`\`${name}\` is ${shown(given)}`);
}

/** A name; functions of Keras 3 are objects that hold theirs. */
export function text(config: KerasConfig, name: string, other: string): string {
  const given = config[name] ?? other;
  if (typeof given === "string") return given;
  if (typeof given === "object" && given !== null) {
    const { class_name: kind, config: inner } = given as Record<string, unknown>;
    if (kind === "function" && typeof inner === "string") return inner;
    if (typeof kind === "string" && kind !== "function") return kind;
  }
  return refuse(`\`${name}\` is ${shown(given)}`);
}

export function pairOf(config: KerasConfig, name: string, other: readonly [number, number]): readonly [number, number] {
  const given = config[name] ?? other;
  const list = Array.isArray(given) ? given : [given, given];
  const [a, b] = list.length === 1 ? [list[0], list[0]] : list;
  return list.length <= 2 && isSize(a) && isSize(b) ? [a, b] : refuse(`\`${name}\` is ${shown(given)}`);
}

/** [[top, bottom], [left, right]], from one number, two, or all four. */
export function pairs(
  config: KerasConfig,
  name: string,
  other: readonly [number, number],
): readonly [readonly [number, number], readonly [number, number]] {
  const given = config[name] ?? other;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given, given];
  const side = (v: unknown): readonly [number, number] => {
    const [a, b] = Array.isArray(v) ? (v as unknown[]) : [v, v];
    return isSize(a) && isSize(b) ? [a, b] : refuse(`\`${name}\` is ${shown(given)}`);
  };
  return list.length === 2 ? [side(list[0]), side(list[1])] : refuse(`\`${name}\` is ${shown(given)}`);
}

/** Sizes without the batch; undefined for one that follows from the others. */
export function sizes(config: KerasConfig, name: string): readonly (number | undefined)[] {
  const given = config[name];
  if (!Array.isArray(given) || given.length > 8) return refuse(`\`${name}\` is ${shown(given)}`);
  return given.map((d: unknown) => (isSize(d) ? d : d === null || d === -1 ? undefined : refuse(`\`${name}\` is ${shown(given)}`)));
}

export function isLastIn(config: KerasConfig): boolean {
  return !/^channels_?first$/i.test(text(config, "data_format", "channels_last"));
}

const shown = (x: unknown): string => (JSON.stringify(x) ?? "missing").slice(0, 100);

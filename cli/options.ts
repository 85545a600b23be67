/** Options that several commands share, and how their values are read. One home for each flag of cli.md section 2. */
import { type Command, InvalidArgumentError, Option } from "commander";

export const parseInteger =
  (min: number, max: number) =>
  (text: string): number => {
    const n = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(n >= min && n <= max)) throw new InvalidArgumentError(`a whole number from ${min} to ${max} is wanted.`);
    return n;
  };

const parseNumber = (text: string): number => {
  const n = Number(text);
  if (text.trim() === "" || !Number.isFinite(n)) throw new InvalidArgumentError("a number is wanted.");
  return n;
};

const parsePositive = (text: string): number => {
  const n = parseNumber(text);
  if (n <= 0) throw new InvalidArgumentError("a number above 0 is wanted.");
  return n;
};

const parseTriple =
  (one: (text: string) => number) =>
  (text: string): number[] => {
    const parts = text.split(",").map(one);
    if (parts.length !== 1 && parts.length !== 3)
      throw new InvalidArgumentError("one number or three, as in 0.485,0.456,0.406, are wanted.");
    return parts;
  };

const append = (text: string, earlier: readonly string[] = []): string[] => [...earlier, text];
const appendList = (text: string, earlier: readonly string[] = []): string[] => {
  const names = text.split(",").filter(Boolean);
  if (names.length === 0) throw new InvalidArgumentError("a name, or several with commas between them, is wanted.");
  return [...earlier, ...names];
};

const appendPair =
  (separator: string, form: string) =>
  (text: string, earlier: readonly (readonly [string, string])[] = []): [string, string][] => {
    const at = text.indexOf(separator);
    if (at <= 0) throw new InvalidArgumentError(`the form is ${form}.`);
    return [...(earlier as [string, string][]), [text.slice(0, at), text.slice(at + separator.length)]];
  };

const parseShape = (text: string, earlier: Readonly<Record<string, readonly number[]>> = {}): Record<string, readonly number[]> => {
  const match = /^([^=]+)=([1-9]\d*(?:x[1-9]\d*)*)$/.exec(text);
  if (!match) throw new InvalidArgumentError("the form is NAME=1x3x64x64, and every size is at least 1.");
  return { ...earlier, [match[1] as string]: (match[2] as string).split("x").map(Number) };
};

export interface TargetOptions {
  readonly target?: readonly string[];
  readonly optimize?: 0 | 1 | 2;
  readonly set?: readonly (readonly [string, string])[];
}

export interface NetOptions {
  readonly net?: string;
  readonly stdinName?: string;
}

export interface MatchingOptions {
  readonly rename?: readonly (readonly [string, string])[];
  readonly strip?: readonly string[];
  readonly fresh?: readonly string[];
  readonly zeroBias?: boolean;
  readonly ignoreExtra?: boolean;
  readonly partial?: boolean;
}

/** What says how a file's tensors meet those of the net, and nothing without a file. */
export const MATCHING = [
  "rename",
  "strip",
  "fresh",
  "zeroBias",
  "ignoreExtra",
  "partial",
] as const satisfies readonly (keyof MatchingOptions)[];

export interface WeightOptions extends MatchingOptions {
  readonly weights?: string;
  readonly seed: number;
  readonly init?: "default" | "paper";
}

export interface SizeOptions {
  readonly batch?: number;
  readonly shape?: Readonly<Record<string, readonly number[]>>;
}

export interface InputOptions {
  readonly input?: readonly (readonly [string, string])[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly scale: number;
  readonly bgr?: boolean;
}

const MAX_BATCH = 65_536;
const MAX_SEED = 0xffff_ffff;

export const withNet = (c: Command): Command =>
  c
    .option("--net <NAME>", "the net, where FILE has several (also FILE#NAME)")
    .option("--stdin-name <NAME>", "what to call standard input; .json chooses the form");

export const withTargets = (c: Command): Command =>
  c
    .option("-t, --target <NAME>", "target; repeatable, or a comma list; `all` for every built-in", appendList)
    .addOption(
      new Option("-O, --optimize <LEVEL>", "0 oracle, 1 exact algorithms, 2 all").choices(["0", "1", "2"]).argParser((text) => {
        if (!/^[012]$/.test(text)) throw new InvalidArgumentError("0, 1 or 2 is wanted.");
        return Number(text);
      }),
    )
    .option("--set <TARGET.KEY=VALUE>", "target option; `sec targets NAME` lists them", appendPair("=", "TARGET.KEY=VALUE"));

export const withWeights = (c: Command): Command =>
  withMatching(withSeed(c.option("--weights <FILE>", "safetensors file; without it weights are made from --seed")));

/** How tensors without a file start. */
export const withSeed = (c: Command): Command =>
  c
    .option("--seed <N>", "seed for weights without a file and for random inputs", parseInteger(0, MAX_SEED), 0)
    .addOption(new Option("--init <POLICY>", "how such weights start").choices(["default", "paper"]));

/** How the names of a weight file meet those of a net (weights.md section 4). */
export const withMatching = (c: Command): Command =>
  c
    .option("--rename <A=B>", "rename tensors of the file by whole parts; `*` is one part", appendPair("=", "A=B"))
    .option("--strip <PREFIX>", "drop a prefix from the file's names", append)
    .option("--fresh <PATH>", "make this layer's tensors new instead of loading them", append)
    .option("--zero-bias", "a bias that the file does not have is zero")
    .option("--ignore-extra", "allow tensors the net has no place for")
    .option("--partial", "allow missing tensors; they are made new");

export const withShape = (c: Command): Command => c.option("--shape <NAME=SIZES>", "another input size, as in image=1x3x64x64", parseShape);

export const withSize = (c: Command): Command =>
  withShape(c.option("--batch <N>", "images per run (default 1)", parseInteger(1, MAX_BATCH)));

export const withInputs = (c: Command): Command =>
  c
    .option("--input <NAME=FILE>", ".npy, .npz, .json, .png, .jpg, or `random`", appendPair("=", "NAME=FILE"))
    .option("--mean <A,B,C>", "pictures: subtracted after scaling", parseTriple(parseNumber))
    .option("--std <A,B,C>", "pictures: divided by after that", parseTriple(parsePositive))
    .option("--scale <N>", "pictures: pixels are divided by this", parsePositive, 255)
    .option("--bgr", "pictures: blue first");

export { append, appendList, appendPair, parseNumber, parsePositive };

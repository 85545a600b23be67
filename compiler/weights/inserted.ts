/**
 * Tensors of inserted layers, per insertion (weights.md section 4, step 10): the file has none of them (it is from before the edit),
 * all (it is a checkpoint of the edited net), or a mixture, which is refused.
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { Weight } from "../ir/graph.ts";
import type { StoredTensor } from "./safetensors.ts";

export interface InsertedGroups {
  /** Groups of which the file has nothing. */
  readonly fresh: ReadonlySet<number>;
  /** Groups of which it has a part: reported here, so their tensors are not reported as missing too. */
  readonly halves: ReadonlySet<number>;
  readonly diagnostics: readonly Diagnostic[];
  readonly log: readonly string[];
}

/** How many times the block was inserted: the commonest ending of its tensors' names occurs once per place. */
function blocksOf(tensors: readonly Weight[]): number {
  const counts = new Map<string, number>();
  for (const w of tensors) {
    const ending = w.path.split(".").slice(-2).join(".");
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

export function insertedGroups(
  weights: readonly Weight[],
  stored: ReadonlyMap<string, StoredTensor>,
  isFresh: (path: string) => boolean,
  /** Tensors of the net that surplus ones would become by a rename: their groups are in the file, under other names. */
  renamed: ReadonlySet<string>,
  file: string,
): InsertedGroups {
  const groups = new Map<number, Weight[]>();
  // a factor without tensors of its group (an inserted `times`) leaves no trace in a file: it is always applied
  for (const w of weights) if (w.preserve) groups.set(w.preserve.group, groups.get(w.preserve.group) ?? []);
  for (const w of weights) if (w.inserted) groups.set(w.inserted.group, [...(groups.get(w.inserted.group) ?? []), w]);

  const fresh = new Set<number>();
  const halves = new Set<number>();
  const diagnostics: Diagnostic[] = [];
  const log: string[] = [];
  let changing = 0;
  for (const [group, tensors] of groups) {
    if (tensors.some((w) => renamed.has(w.path))) continue;
    const asked = tensors.filter((w) => !isFresh(w.path));
    const present = asked.filter((w) => stored.has(w.path)).length;
    // what `--fresh` starts anew still tells which net the file is of
    if (!tensors.some((w) => stored.has(w.path))) {
      fresh.add(group);
      const blocks = blocksOf(tensors);
      if (blocks > 0) log.push(`${blocks} inserted blocks are not in ${file}: they start by their \`init\``);
      if (tensors.some((w) => w.inserted?.policy !== "preserve")) changing += blocks;
    } else if (present < asked.length) {
      halves.add(group);
      const absent = asked.find((w) => !stored.has(w.path))!;
      const found = asked.find((w) => stored.has(w.path))!;
      diagnostics.push(
        diagnostic(messages.SE401.half({ file, present, total: asked.length, where: placeOf(tensors) }), undefined, {
          notes: [`it has \`${found.path}\``, `it does not have \`${absent.path}\``],
        }),
      );
    }
  }
  if (changing > 0) diagnostics.push(diagnostic(changing === 1 ? messages.SE403.one() : messages.SE403.many({ count: changing })));
  return { fresh, halves, diagnostics, log };
}

/** "layer1.0.se .. layer4.2.se" */
function placeOf(tensors: readonly Weight[]): string {
  const block = (w: Weight | undefined): string => w?.path.split(".").slice(0, -2).join(".") || w?.path || "";
  const [first, last] = [block(tensors[0]), block(tensors.at(-1))];
  return first === last ? first : `${first} .. ${last}`;
}

/** Looking ahead by sets of first tokens decides as chevrotain's own way does: at every choice of the grammar, for every token. */
import { type ILookaheadStrategy, LLkLookaheadStrategy, type Rule } from "chevrotain";
import { expect, it } from "vitest";
import { FirstTokens } from "../../compiler/syntax/first-tokens.ts";
import { createGrammar } from "../../compiler/syntax/grammar.ts";
import { tokenTypes } from "../../compiler/syntax/tokens.ts";

interface Point {
  readonly kind: string;
  readonly idx: number;
  readonly rule: Rule;
  readonly gates: boolean;
}

const OPTIONAL = ["Option", "Repetition", "RepetitionMandatory", "RepetitionMandatoryWithSeparator", "RepetitionWithSeparator"] as const;

function pointsOf(rule: Rule): Point[] {
  const points: Point[] = [];
  const visit = (p: { definition?: unknown; idx?: number; hasPredicates?: boolean }): void => {
    const kind = p.constructor.name;
    if (kind === "NonTerminal") return;
    if (kind === "Alternation" || (OPTIONAL as readonly string[]).includes(kind))
      points.push({ kind, idx: p.idx ?? 0, rule, gates: p.hasPredicates === true });
    for (const inside of (p.definition as object[] | undefined) ?? []) visit(inside);
  };
  visit(rule as never);
  return points;
}

it("every choice, every token", () => {
  const rules = Object.values(createGrammar(false).getGAstProductions());
  const points = rules.flatMap(pointsOf);
  expect(points.length).toBeGreaterThan(40);
  const chevrotains: ILookaheadStrategy = new LLkLookaheadStrategy({ maxLookahead: 1 });
  const ours: ILookaheadStrategy = new FirstTokens();
  let decided = 0;
  for (const { kind, idx, rule, gates } of points) {
    const common = { prodOccurrence: idx, rule, maxLookahead: 1, dynamicTokensEnabled: false };
    const [a, b] = [chevrotains, ours].map((s) =>
      kind === "Alternation"
        ? s.buildLookaheadForAlternation({ ...common, hasPredicates: gates })
        : s.buildLookaheadForOptional({ ...common, prodType: kind as (typeof OPTIONAL)[number] }),
    ) as [(alts?: unknown) => unknown, (alts?: unknown) => unknown];
    // gates that shut some of the alternatives, or none
    const count = (rule as unknown as { definition: unknown[] }).definition.length + 12;
    const shut = [() => true, (i: number) => i % 2 === 0, (i: number) => i > 1];
    for (const type of tokenTypes)
      for (const open of kind === "Alternation" && gates ? shut : [shut[0] as () => boolean]) {
        const alts = Array.from({ length: count }, (_, i) => ({ ALT: () => undefined, GATE: () => open(i) }));
        const next = () => ({ tokenType: type, tokenTypeIdx: type.tokenTypeIdx, image: "" });
        const parser = { LA: next, LA_FAST: next };
        const [theirs, own] = [a.call(parser, alts), b.call(parser, alts)];
        expect(own, `${kind} ${idx} of ${rule.name} before ${type.name}`).toBe(theirs);
        if (own !== undefined && own !== false) decided++;
      }
  }
  expect(decided).toBeGreaterThan(points.length);
});

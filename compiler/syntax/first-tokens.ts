/**
 * Looking ahead by one token. Chevrotain finds what tells alternatives apart by walking all paths through the grammar, for any number of
 * tokens, which takes a fifth of the time of `sec check`; for one token the sets of first tokens say the same (Aho, Sethi, Ullman,
 * "Compilers", 1986, section 4.4), and each rule's is computed once. Checks of the grammar stay chevrotain's.
 */
import {
  Alternation,
  Alternative,
  type ILookaheadStrategy,
  type IOrAlt,
  type IProduction,
  type IToken,
  LLkLookaheadStrategy,
  NonTerminal,
  Option,
  Repetition,
  RepetitionMandatory,
  RepetitionMandatoryWithSeparator,
  RepetitionWithSeparator,
  type Rule,
  Terminal,
  type TokenType,
} from "chevrotain";
import { must } from "../invariant.ts";

interface First {
  /** Numbers of token types, their subtypes included. */
  readonly tokens: ReadonlySet<number>;
  /** Whether nothing may be read. */
  readonly empty: boolean;
}

interface Ahead {
  LA(k: number): IToken;
}

type Choice = Parameters<ILookaheadStrategy["buildLookaheadForAlternation"]>[0];
type Optional = Parameters<ILookaheadStrategy["buildLookaheadForOptional"]>[0];

const KINDS = {
  Option,
  Repetition,
  RepetitionMandatory,
  RepetitionMandatoryWithSeparator,
  RepetitionWithSeparator,
} as const satisfies Record<Optional["prodType"], unknown>;

/** A type and the types below it: a word of the language is a name as well. */
function numbersOf(type: TokenType): number[] {
  return [must(type.tokenTypeIdx, type.name), ...(type.categoryMatches ?? [])];
}

const definitionOf = (p: IProduction): readonly IProduction[] => (p as unknown as { readonly definition?: IProduction[] }).definition ?? [];

/** The production of a class with this number in its rule. */
function findIn<T extends { idx: number }>(
  list: readonly IProduction[],
  kind: new (...a: never[]) => T,
  occurrence: number,
): T | undefined {
  for (const p of list) {
    if (p instanceof kind && p.idx === occurrence) return p;
    const inside = findIn(p instanceof NonTerminal ? [] : definitionOf(p), kind, occurrence);
    if (inside) return inside;
  }
  return undefined;
}

export class FirstTokens extends LLkLookaheadStrategy {
  readonly #rules = new Map<Rule, First>();

  constructor() {
    super({ maxLookahead: 1 });
  }

  #ofRule(rule: Rule): First {
    const known = this.#rules.get(rule);
    if (known) return known;
    const first = this.#ofSequence(definitionOf(rule));
    this.#rules.set(rule, first);
    return first;
  }

  #ofSequence(list: readonly IProduction[]): First {
    const tokens = new Set<number>();
    for (const p of list) {
      const first = this.#of(p);
      for (const t of first.tokens) tokens.add(t);
      if (!first.empty) return { tokens, empty: false };
    }
    return { tokens, empty: true };
  }

  #of(p: IProduction): First {
    if (p instanceof Terminal) return { tokens: new Set(numbersOf(p.terminalType)), empty: false };
    if (p instanceof NonTerminal) return this.#ofRule(must(p.referencedRule, p.nonTerminalName));
    if (p instanceof Alternation) {
      const all = definitionOf(p).map((a) => this.#ofSequence(definitionOf(a)));
      return { tokens: new Set(all.flatMap((f) => [...f.tokens])), empty: all.some((f) => f.empty) };
    }
    const inside = this.#ofSequence(definitionOf(p));
    const once = p instanceof Alternative || p instanceof RepetitionMandatory || p instanceof RepetitionMandatoryWithSeparator;
    return once ? inside : { tokens: inside.tokens, empty: true };
  }

  override buildLookaheadForAlternation({
    prodOccurrence,
    rule,
    hasPredicates,
  }: Choice): (orAlts?: IOrAlt<unknown>[]) => number | undefined {
    const choice = must(findIn(definitionOf(rule), Alternation, prodOccurrence), `OR${prodOccurrence} of ${rule.name}`);
    const firsts = definitionOf(choice).map((a) => this.#ofSequence(definitionOf(a)));
    const matches = (i: number, token: number): boolean => {
      const first = firsts[i] as First;
      return first.empty || first.tokens.has(token);
    };
    return function choose(this: Ahead, orAlts?: IOrAlt<unknown>[]) {
      const token = this.LA(1).tokenTypeIdx;
      for (let i = 0; i < firsts.length; i++)
        if (matches(i, token) && !(hasPredicates && orAlts?.[i]?.GATE?.call(this) === false)) return i;
      return undefined;
    };
  }

  override buildLookaheadForOptional({ prodOccurrence, prodType, rule }: Optional): () => boolean {
    const kind = KINDS[prodType] as new (...a: never[]) => Option;
    const found = must(findIn(definitionOf(rule), kind, prodOccurrence), `${prodType} ${prodOccurrence} of ${rule.name}`);
    const { tokens, empty } = this.#ofSequence(definitionOf(found));
    return function enter(this: Ahead) {
      return empty || tokens.has(this.LA(1).tokenTypeIdx);
    };
  }
}

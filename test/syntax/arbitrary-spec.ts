/** Random trees of the language, for property tests. Everything the grammar allows, whether or not it means anything. */
import fc from "fast-check";
import { type Span, sourceFile } from "../../compiler/source.ts";
import type { Arg, Body, Call, Definition, Edit, Expr, Name, PathPart, Segment, SpecFile, Statement } from "../../compiler/syntax/ast.ts";
import { isIdentifier, isKeyword, KEYWORDS, MERGE_WORDS } from "../../compiler/syntax/words.ts";

const span: Span = { file: sourceFile("generated.se", ""), start: 0, end: 0 };

const identifier = fc
  .oneof(
    fc.constantFrom("conv", "bn", "relu", "x", "se", "start", "end", "of", "onnx", "N", "_a1"),
    fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
  )
  .filter((text) => !isKeyword(text));
const anyWord = fc.oneof(identifier, fc.constantFrom(...KEYWORDS));
/** Quotes, backslashes, stars, line breaks, characters of two halves: whatever a string can hold. Half a character is SE002. */
const text = fc
  .oneof(
    fc.string({ maxLength: 8 }),
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("=x", "=", "\\*", "\\\\*", '"', "#", "//", "{}_se", "1x1", "a\nb", "\u{1f600}"),
  )
  .filter((t) => !/\p{Cs}/u.test(t));

const name = (words: fc.Arbitrary<string>): fc.Arbitrary<Name> => words.map((t) => ({ text: t, quoted: !isIdentifier(t), span }));
/** A label is one part of a weight's name. */
const label = name(
  fc.oneof(
    anyWord,
    text.map((t) => t.replaceAll(".", "_")).filter((t) => t !== ""),
  ),
);
const number = fc
  .oneof(fc.nat(4096), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, 1e-5, 0.1, 1e21, 5e-324))
  .map((value): Expr => ({ kind: "number", value: Math.abs(value), span }));
const literal = text.map((value) => ({ kind: "string" as const, value, span }));

const expr: fc.Arbitrary<Expr> = fc.letrec<{ expr: Expr }>((tie) => ({
  expr: fc.oneof(
    { maxDepth: 4, depthSize: "small", withCrossShrink: true },
    number,
    literal,
    fc.boolean().map((value): Expr => ({ kind: "boolean", value, span })),
    identifier.map((t): Expr => ({ kind: "name", text: t, span })),
    fc.constantFrom<Expr>({ kind: "in", span }, { kind: "here", span }),
    fc.array(tie("expr"), { maxLength: 3 }).map((items): Expr => ({ kind: "list", items, span })),
    fc.tuple(name(identifier), fc.array(tie("expr"), { maxLength: 3 })).map(([fn, args]): Expr => ({ kind: "apply", fn, args, span })),
    fc.tuple(tie("expr"), name(anyWord)).map(([object, member]): Expr => ({ kind: "member", object, member, span })),
    fc.tuple(tie("expr"), tie("expr")).map(([object, index]): Expr => ({ kind: "index", object, index, span })),
    fc
      .tuple(fc.constantFrom("-" as const, "not" as const), tie("expr"))
      .map(([operator, operand]): Expr => ({ kind: "unary", operator, operand, span })),
    fc
      .tuple(fc.constantFrom("or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%"), tie("expr"), tie("expr"))
      .map(([operator, left, right]) => ({ kind: "binary", operator, left, right, span }) as Expr),
  ),
})).expr;

const args: fc.Arbitrary<Arg[]> = fc
  .tuple(fc.array(expr, { maxLength: 2 }), fc.uniqueArray(fc.tuple(anyWord, expr), { maxLength: 2, selector: ([word]) => word }))
  .map(([positional, named]) => [
    ...positional.map((value): Arg => ({ value, span })),
    ...named.map(([word, value]): Arg => ({ name: { text: word, quoted: false, span }, value, span })),
  ]);
const namedArgs = args.map((list) => list.filter((arg) => arg.name));
const call: fc.Arbitrary<Call> = fc.tuple(name(identifier), args).map(([n, a]) => ({ kind: "call", name: n, args: a, span }));

const part: fc.Arbitrary<PathPart> = fc.oneof(
  anyWord.map((t): PathPart => ({ kind: "name", text: t, span })),
  fc.nat(1_000_000_000).map((value): PathPart => ({ kind: "number", value, span })),
  text.map((t): PathPart => ({ kind: "string", text: t, span })),
);
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => ({ parts, span }));

const predicate = fc
  .record({ key: name(anyWord), sub: fc.option(name(anyWord)), operator: fc.constantFrom("==", "!=", "<", "<=", ">", ">="), value: expr })
  .map(({ sub, ...rest }) => ({ ...rest, ...(sub ? { sub } : {}), span }));
const atoms = fc.oneof(
  fc.constantFrom({ kind: "any" as const }, { kind: "deep" as const }),
  fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({ kind: "parts" as const, parts })),
  fc.array(name(anyWord), { minLength: 1, maxLength: 3 }).map((names) => ({ kind: "types" as const, names })),
);
const segment = fc.record({ atoms, predicates: fc.array(predicate, { maxLength: 2 }) }).map((s) => ({ ...s, span }) as Segment);
const selector = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => ({ segments, span }));

const body: fc.Arbitrary<Body> = fc.letrec<{ body: Body; statement: Statement }>((tie) => {
  const branch = fc.tuple(name(anyWord), tie("body")).map(([n, b]) => ({ name: n, body: b, span }));
  const what = fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    call,
    tie("body").map((b) => ({ kind: "group" as const, body: b, span })),
    fc
      .record({ word: fc.constantFrom(...MERGE_WORDS), args, branches: fc.array(branch, { maxLength: 3 }) })
      .map((merge) => ({ kind: "merge" as const, ...merge, wordSpan: span, span })),
  );
  const layer = fc.record({ label: fc.option(label), what, times: fc.option(expr) }).map(
    ({ label: l, what: w, times }): Statement => ({
      kind: "layer",
      ...(l ? { label: l } : {}),
      what: w,
      ...(times ? { times } : {}),
      span,
    }),
  );
  return {
    body: fc.array(tie("statement"), { maxLength: 4 }).map((statements) => ({ statements, span })),
    statement: fc.oneof(
      { depthSize: "small", maxDepth: 3 },
      layer,
      fc
        .record({ name: name(anyWord), dtype: name(identifier), dims: fc.array(expr, { minLength: 1, maxLength: 4 }) })
        .map((r): Statement => ({ kind: "input", ...r, span })),
      name(anyWord).map((n): Statement => ({ kind: "output", name: n, span })),
      fc.tuple(expr, literal).map(([condition, message]): Statement => ({ kind: "check", condition, message, span })),
      path.map((p): Statement => ({ kind: "from", path: p, span })),
      // biome-ignore lint/suspicious/noThenProperty: a field of the tree
      fc.record({ condition: expr, then: tie("body"), else: fc.option(tie("body")) }).map(
        ({ else: otherwise, ...rest }): Statement => ({
          kind: "if",
          ...rest,
          ...(otherwise && otherwise.statements.length > 0 ? { else: otherwise } : {}),
          span,
        }),
      ),
    ),
  };
}).body;

const clauses = fc
  .record({ except: fc.array(selector, { maxLength: 2 }), expect: fc.option(expr), init: fc.option(name(identifier)) })
  .map(({ except, expect, init }) => ({ except, ...(expect ? { expect } : {}), ...(init ? { init } : {}), span }));
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(call, label, fc.constantFrom("before", "after", "start", "end"), selector, clauses)
    .map(([c, as, place, s, rest]) => ({ kind: "insert", call: c, as, place, placeSpan: span, selector: s, ...rest }) as Edit),
  fc.tuple(selector, call, clauses).map(([s, c, rest]): Edit => ({ kind: "replace", selector: s, call: c, ...rest })),
  fc.tuple(selector, clauses).map(([s, rest]): Edit => ({ kind: "remove", selector: s, ...rest })),
  fc.tuple(selector, namedArgs, clauses).map(([s, a, rest]): Edit => ({ kind: "set", selector: s, args: a, ...rest })),
);

const params = fc.array(
  fc.tuple(name(identifier), fc.option(expr)).map(([n, d]) => ({ name: n, ...(d ? { default: d } : {}), span })),
  { maxLength: 3 },
);
const edits = fc.array(edit, { maxLength: 3 });
const definition: fc.Arbitrary<Definition> = fc.oneof(
  fc.tuple(name(identifier), params, body).map(([n, p, b]): Definition => ({ kind: "block", name: n, params: p, body: b, span })),
  fc
    .tuple(
      name(identifier),
      params,
      fc.oneof(
        body.map((b) => ({ kind: "body" as const, body: b })),
        fc.tuple(call, edits).map(([base, e]) => ({ kind: "derived" as const, base, edits: e })),
        fc.tuple(literal, edits).map(([p, e]) => ({ kind: "onnx" as const, path: p, edits: e })),
      ),
    )
    .map(([n, p, form]): Definition => ({ kind: "net", name: n, params: p, form, span })),
);

export const arbitraryExpr = expr;
export const arbitrarySelector = selector;
export const arbitrarySpec: fc.Arbitrary<SpecFile> = fc
  .tuple(fc.array(literal, { maxLength: 2 }), fc.array(definition, { maxLength: 3 }))
  .map(([uses, defs]) => ({ kind: "file", edition: 1, uses: uses.map((p) => ({ kind: "use", path: p, span })), defs, comments: [], span }));

/** Rules of expressions, argument lists, paths and selectors (language.md section 3, lower half). */
import type { IToken } from "chevrotain";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { union } from "../source.ts";
import type { Arg, Atoms, Expr, Name, Path, PathPart, Predicate, RelationalOperator, Segment, Selector } from "./ast.ts";
import { buildName, buildNumber, buildOperators, buildParts, buildString, type Piece } from "./build-ast.ts";
import { GrammarBase } from "./grammar-base.ts";
import * as t from "./tokens.ts";

const VALUE = "a value";

export class ExpressionGrammar extends GrammarBase {
  // ---- values ----------------------------------------------------------------------------------------------------------

  /** Reads a flat run of operands and operators; `buildOperators` knows their precedence. Keeps the recursion shallow. */
  readonly expr = this.RULE("expr", (): Expr => {
    const pieces: Piece[] = [];
    this.MANY1(() => pieces.push({ kind: "prefix", token: this.CONSUME1(t.PrefixOperator) }));
    pieces.push({ kind: "operand", expr: this.SUBRULE1(this.postfix) });
    this.MANY2(() => {
      pieces.push({ kind: "binary", token: this.CONSUME2(t.BinaryOperator) });
      this.MANY3(() => pieces.push({ kind: "prefix", token: this.CONSUME3(t.PrefixOperator) }));
      pieces.push({ kind: "operand", expr: this.SUBRULE2(this.postfix) });
    });
    return this.ACTION(() => buildOperators(this.context, pieces));
  });

  /** The `n` of `* n`: no operator but a sign, so that the next statement is not taken for the rest of a sum. */
  readonly unary = this.RULE("unary", (): Expr => {
    const pieces: Piece[] = [];
    this.MANY(() => pieces.push({ kind: "prefix", token: this.CONSUME(t.Minus) }));
    pieces.push({ kind: "operand", expr: this.SUBRULE(this.postfix) });
    return this.ACTION(() => buildOperators(this.context, pieces));
  });

  readonly postfix = this.RULE("postfix", (): Expr => {
    let value = this.SUBRULE(this.primary);
    let length = 0;
    this.MANY(() => {
      const object = value;
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.Dot);
            const member = this.CONSUME(t.Name, { ERR_MSG: "a name behind the `.`" });
            this.ACTION(() => {
              const name = buildName(this.context, member);
              value = { kind: "member", object, member: name, span: union(object.span, name.span) };
            });
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.LSquare);
            const index = this.SUBRULE(this.expr);
            const close = this.CONSUME(t.RSquare);
            this.ACTION(() => {
              value = { kind: "index", object, index, span: union(object.span, this.at(close)) };
            });
          },
        },
      ]);
      this.ACTION(() => {
        if (++length > LIMITS.nesting) this.refuse(messages.SE010.chain({ limit: LIMITS.nesting }), this.at(this.LA(0)));
      });
    });
    return value;
  });

  readonly primary = this.RULE(
    "primary",
    (): Expr =>
      this.OR({
        ERR_MSG: VALUE,
        DEF: [
          { ALT: () => this.leaf(this.CONSUME(t.NumberToken), (token) => buildNumber(this.context, token)) },
          { ALT: () => this.leaf(this.CONSUME(t.Text), (token) => buildString(this.context, token)) },
          { ALT: () => this.leaf(this.CONSUME(t.word("true")), (token) => ({ kind: "boolean", value: true, span: this.at(token) })) },
          { ALT: () => this.leaf(this.CONSUME(t.word("false")), (token) => ({ kind: "boolean", value: false, span: this.at(token) })) },
          { ALT: () => this.leaf(this.CONSUME(t.word("in")), (token) => ({ kind: "in", span: this.at(token) })) },
          { ALT: () => this.leaf(this.CONSUME(t.word("here")), (token) => ({ kind: "here", span: this.at(token) })) },
          { ALT: () => this.SUBRULE(this.nameOrApply) },
          {
            ALT: () => {
              this.CONSUME(t.LParen);
              const inner = this.SUBRULE(this.expr);
              this.CONSUME(t.RParen);
              return inner;
            },
          },
          { ALT: () => this.SUBRULE(this.list) },
        ],
      }),
  );

  private leaf(token: IToken, make: (token: IToken) => Expr): Expr {
    return this.ACTION(() => make(token));
  }

  readonly nameOrApply = this.RULE("nameOrApply", (): Expr => {
    const first = this.CONSUME(t.Identifier);
    const args = this.OPTION(() => this.SUBRULE(this.args));
    return this.ACTION((): Expr => {
      if (!args) return { kind: "name", text: first.image, span: this.at(first) };
      for (const { name } of args) if (name) this.report(messages.SE003.position({ name: name.text }), name.span);
      return { kind: "apply", fn: buildName(this.context, first), args: args.map((a) => a.value), span: this.from(first) };
    });
  });

  readonly list = this.RULE("list", (): Expr => {
    const items: Expr[] = [];
    const open = this.CONSUME(t.LSquare);
    let more = true;
    this.MANY({
      GATE: () => more,
      DEF: () => {
        items.push(this.SUBRULE(this.expr));
        this.OPTION(() => this.CONSUME(t.Comma));
        this.ACTION(() => {
          more = this.hasNext(t.RSquare);
        });
      },
    });
    this.CONSUME(t.RSquare, { ERR_MSG: "`,` or `]`" });
    return this.ACTION(() => ({ kind: "list", items, span: this.from(open) }));
  });

  // ---- arguments -------------------------------------------------------------------------------------------------------

  readonly args = this.RULE("args", (): Arg[] => {
    const list: Arg[] = [];
    this.CONSUME(t.LParen);
    let more = true;
    this.MANY({
      GATE: () => more,
      DEF: () => {
        const arg = this.SUBRULE(this.arg);
        this.OPTION(() => this.CONSUME(t.Comma));
        this.ACTION(() => {
          const named = list.find((a) => a.name)?.name;
          if (named && !arg.name) this.report(messages.SE004.order({ name: named.text }), arg.span);
          list.push(arg);
          more = this.hasNext(t.RParen);
        });
      },
    });
    this.CONSUME(t.RParen, { ERR_MSG: "`,` or `)`" });
    return list;
  });

  readonly arg = this.RULE("arg", (): Arg => {
    const first = this.LA(1);
    const name = this.OPTION({
      GATE: () => this.is(t.Equals, 2),
      DEF: () => {
        const token = this.CONSUME(t.Name);
        this.CONSUME(t.Equals);
        return token;
      },
    });
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({ ...(name ? { name: buildName(this.context, name) } : {}), value, span: this.from(first) }));
  });

  // ---- paths and selectors ---------------------------------------------------------------------------------------------

  readonly part = this.RULE(
    "part",
    (): IToken =>
      this.OR({
        ERR_MSG: "a label, a number or a string",
        DEF: [{ ALT: () => this.CONSUME(t.Name) }, { ALT: () => this.CONSUME(t.NumberToken) }, { ALT: () => this.CONSUME(t.Text) }],
      }),
  );

  readonly path = this.RULE("path", (): Path => {
    const tokens = [this.SUBRULE1(this.part)];
    this.MANY(() => {
      this.CONSUME(t.Dot);
      tokens.push(this.SUBRULE2(this.part));
    });
    return this.ACTION(() => ({
      parts: tokens.flatMap((token) => buildParts(this.context, token)),
      span: this.from(tokens[0] as IToken),
    }));
  });

  readonly selector = this.RULE("selector", (): Selector => {
    const first = this.LA(1);
    const segments: Segment[] = [];
    const add = (found: Segment[]): unknown => this.ACTION(() => segments.push(...found));
    add(this.SUBRULE1(this.segment));
    this.MANY(() => {
      this.CONSUME(t.Dot);
      add(this.SUBRULE2(this.segment));
    });
    return this.ACTION(() => ({ segments, span: this.from(first) }));
  });

  /** Two segments for `0.1`, which the scanner reads as one number. */
  readonly segment = this.RULE("segment", (): Segment[] => {
    const first = this.LA(1);
    const leading: Segment[] = [];
    const atoms = this.OR<Atoms>({
      ERR_MSG: "a step of a selector: a label, `*`, `**` or `@type`",
      DEF: [
        { ALT: () => this.always(this.CONSUME(t.Star), { kind: "any" }) },
        { ALT: () => this.always(this.CONSUME(t.DoubleStar), { kind: "deep" }) },
        { ALT: () => this.SUBRULE(this.types) },
        {
          ALT: () => {
            const tokens = this.SUBRULE(this.choices);
            return this.ACTION(() => {
              const [start = [], ...others] = tokens.map((token) => buildParts(this.context, token));
              const [whole, fraction] = start;
              if (fraction === undefined) return { kind: "parts", parts: [...start, ...others.flat()] };
              leading.push({ atoms: { kind: "parts", parts: [whole as PathPart] }, predicates: [], span: (whole as PathPart).span });
              return { kind: "parts", parts: [fraction, ...others.flat()] };
            });
          },
        },
      ],
    });
    const predicates = this.OPTION(() => this.SUBRULE(this.predicates));
    return this.ACTION(() => [...leading, { atoms, predicates: predicates ?? [], span: this.from(first) }]);
  });

  private always<T>(_read: IToken, value: T): T {
    return value;
  }

  readonly choices = this.RULE("choices", (): IToken[] => {
    const tokens = [this.SUBRULE1(this.part)];
    this.MANY(() => {
      this.CONSUME(t.Bar);
      this.ACTION(() => {
        if (this.is(t.At)) this.refuse(messages.SE003.mixed());
      });
      tokens.push(this.SUBRULE2(this.part));
    });
    return tokens;
  });

  readonly types = this.RULE("types", (): Atoms => {
    const names: Name[] = [];
    const add = (token: IToken): unknown => this.ACTION(() => names.push(buildName(this.context, token)));
    this.CONSUME1(t.At);
    add(this.CONSUME1(t.Name, { ERR_MSG: "a type behind the `@`" }));
    this.MANY(() => {
      this.CONSUME(t.Bar);
      this.ACTION(() => {
        if (!this.is(t.At)) this.refuse(messages.SE003.mixed());
      });
      this.CONSUME2(t.At);
      add(this.CONSUME2(t.Name, { ERR_MSG: "a type behind the `@`" }));
    });
    return { kind: "types", names };
  });

  readonly predicates = this.RULE("predicates", (): Predicate[] => {
    const list: Predicate[] = [];
    this.CONSUME(t.LSquare);
    let more = true;
    this.MANY({
      GATE: () => more,
      DEF: () => {
        list.push(this.SUBRULE(this.predicate));
        this.OPTION(() => this.CONSUME(t.Comma));
        this.ACTION(() => {
          more = this.hasNext(t.RSquare);
        });
      },
    });
    this.ACTION(() => {
      if (list.length === 0) this.refuse(messages.SE003.expected({ expected: "a comparison such as `kernel=3`", found: "`]`" }));
    });
    this.CONSUME(t.RSquare, { ERR_MSG: "`,` or `]`" });
    return list;
  });

  readonly predicate = this.RULE("predicate", (): Predicate => {
    const first = this.CONSUME1(t.Name, { ERR_MSG: "an argument or a size" });
    const sub = this.OPTION(() => {
      this.CONSUME(t.Dot);
      return this.CONSUME2(t.Name, { ERR_MSG: "c, h or w" });
    });
    const relation = this.CONSUME(t.Relation, { ERR_MSG: "a comparison" });
    const value = this.SUBRULE(this.expr);
    return this.ACTION(() => ({
      key: buildName(this.context, first),
      ...(sub ? { sub: buildName(this.context, sub) } : {}),
      operator: relation.image === "=" ? "==" : (relation.image as RelationalOperator),
      value,
      span: this.from(first),
    }));
  });
}

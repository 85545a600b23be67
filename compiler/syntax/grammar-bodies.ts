/** Rules of bodies: statements, layers, merges (language.md section 3). */
import type { IToken } from "chevrotain";
import { messages } from "../diagnostics/messages.gen.ts";
import { union } from "../source.ts";
import type {
  Body,
  Branch,
  Call,
  CheckStatement,
  Expr,
  Gap,
  Group,
  IfStatement,
  LayerStatement,
  Merge,
  MergeWord,
  Name,
  Statement,
} from "./ast.ts";
import { buildName, buildString } from "./build-ast.ts";
import { ExpressionGrammar } from "./grammar-expressions.ts";
import { LAYER, STATEMENT } from "./parse-errors.ts";
import * as t from "./tokens.ts";

const EXAMPLE: Readonly<Record<MergeWord, string>> = {
  residual: "{ main { ... }  shortcut { ... } }",
  add: "{ a { ... }  b { ... } }",
  mul: "{ x {}  scale { ... } }",
  concat: "{ a { ... }  b { ... } }",
};

export class BodyGrammar extends ExpressionGrammar {
  readonly body = this.RULE("body", (): Body => {
    const open = this.CONSUME(t.LCurly);
    const statements: Statement[] = [];
    const gaps: Gap[] = [];
    this.MANY({
      GATE: () => this.inside(),
      DEF: () =>
        this.OR({
          IGNORE_AMBIGUITIES: true,
          DEF: [
            { ALT: () => this.CONSUME(t.Semicolon) },
            {
              ALT: () => {
                const word = this.LA(1).image;
                const statement = this.SUBRULE(this.statement);
                this.ACTION(() => {
                  if (statement) statements.push(statement);
                  else gaps.push({ after: statements.length, word });
                });
              },
            },
            {
              ALT: () => {
                const token = this.CONSUME(t.AnyToken);
                this.ACTION(() => gaps.push({ after: statements.length, word: token.image }));
                return this.stray(token, STATEMENT, "body");
              },
            },
          ],
        }),
    });
    this.CONSUME(t.RCurly);
    return this.ACTION(() => ({ statements, ...(gaps.length > 0 ? { gaps } : {}), span: this.from(open) }));
  });

  protected stray(token: IToken, expected: string, where: "body" | "file"): undefined {
    return this.ACTION(() => this.reportStray(expected, token, where)) as undefined;
  }

  readonly statement = this.RULE("statement", (): Statement | undefined => {
    const first = this.LA(1);
    try {
      return this.OR<Statement>({
        IGNORE_AMBIGUITIES: true,
        ERR_MSG: STATEMENT,
        DEF: [
          { GATE: () => this.sees("input"), ALT: () => this.SUBRULE(this.inputStatement) },
          { GATE: () => this.sees("output"), ALT: () => this.SUBRULE(this.outputStatement) },
          { GATE: () => this.sees("check"), ALT: () => this.SUBRULE(this.checkStatement) },
          { GATE: () => this.sees("if"), ALT: () => this.SUBRULE(this.ifStatement) },
          { GATE: () => this.sees("from"), ALT: () => this.SUBRULE(this.fromStatement) },
          { ALT: () => this.SUBRULE(this.layer) },
        ],
      });
    } catch (error) {
      return this.recover(error, first, "body");
    }
  });

  readonly inputStatement = this.RULE("inputStatement", (): Statement => {
    const first = this.CONSUME(t.word("input"));
    const name = this.CONSUME1(t.Name, { ERR_MSG: "the name of the input" });
    this.CONSUME(t.Colon, { ERR_MSG: "`:` and a type, as in `input image: f32[N, 3, 224, 224]`" });
    const dtype = this.OPTION1({
      // sizes without a type are read as f32, the only one there is
      GATE: () => !this.is(t.LSquare),
      DEF: () => this.CONSUME2(t.Name),
    });
    this.ACTION(() => {
      if (dtype) return;
      if (!this.is(t.LSquare))
        this.refuse(messages.SE003.expected({ expected: "a type such as `f32[N, 3, 224, 224]`", found: this.found() }));
    });
    const open = this.CONSUME(t.LSquare, { ERR_MSG: "`[` and the sizes" });
    const dims: Expr[] = [];
    let more = true;
    this.MANY({
      GATE: () => more,
      DEF: () => {
        dims.push(this.SUBRULE(this.expr));
        this.OPTION(() => this.CONSUME(t.Comma));
        this.ACTION(() => {
          more = this.hasNext(t.RSquare);
        });
      },
    });
    this.CONSUME(t.RSquare, { ERR_MSG: "`,` or `]`" });
    return this.ACTION(() => {
      if (dims.length === 0)
        this.report(messages.SE003.expected({ expected: "the sizes, as in `[N, 3, 224, 224]`", found: "`]`" }), this.at(this.LA(0)));
      if (!dtype) {
        const { file, start, end } = this.from(open);
        this.report(messages.SE003.dtype({ name: name.image, sizes: file.text.slice(start, end) }), this.at(open));
      }
      const type = dtype ? buildName(this.context, dtype) : { text: "f32", quoted: false, span: this.at(open) };
      return { kind: "input", name: buildName(this.context, name), dtype: type, dims, span: this.from(first) };
    });
  });

  readonly outputStatement = this.RULE("outputStatement", (): Statement => {
    const first = this.CONSUME(t.word("output"));
    this.ACTION(() => this.beforeLabel("the name of the output"));
    const name = this.CONSUME(t.Name, { ERR_MSG: "the name of the output" });
    return this.ACTION(() => ({ kind: "output", name: buildName(this.context, name), span: this.from(first) }));
  });

  readonly checkStatement = this.RULE("checkStatement", (): CheckStatement => {
    const first = this.CONSUME(t.word("check"));
    const condition = this.SUBRULE(this.expr);
    this.CONSUME(t.Comma, { ERR_MSG: '`,` and a message, as in `check hidden >= 1, "no hidden channel is left"`' });
    const message = this.CONSUME(t.Text, { ERR_MSG: "the message, a string" });
    return this.ACTION(() => ({ kind: "check", condition, message: buildString(this.context, message), span: this.from(first) }));
  });

  readonly ifStatement = this.RULE("ifStatement", (): IfStatement => {
    const first = this.CONSUME(t.word("if"));
    const condition = this.SUBRULE(this.expr);
    const then = this.SUBRULE1(this.body);
    const otherwise = this.OPTION({
      GATE: () => !this.is(t.Colon, 2),
      DEF: () => {
        this.CONSUME(t.word("else"));
        return this.OR<Body>({
          ERR_MSG: "`{` or `if`",
          DEF: [
            { ALT: () => this.SUBRULE2(this.body) },
            {
              ALT: () => {
                const inner = this.SUBRULE(this.ifStatement);
                return this.ACTION(() => ({ statements: [inner], span: inner.span }));
              },
            },
          ],
        });
      },
    });
    return this.ACTION(() => ({ kind: "if", condition, then, ...(otherwise ? { else: otherwise } : {}), span: this.from(first) }));
  });

  readonly fromStatement = this.RULE("fromStatement", (): Statement => {
    const first = this.CONSUME(t.word("from"));
    this.ACTION(() => this.beforeLabel("what to start from: a label, an input or `in`"));
    const path = this.SUBRULE(this.path);
    return this.ACTION(() => ({ kind: "from", path, span: this.from(first) }));
  });

  // ---- layers ----------------------------------------------------------------------------------------------------------

  readonly label = this.RULE("label", (): Name => {
    const token = this.OR({
      ERR_MSG: "a label",
      DEF: [{ ALT: () => this.CONSUME(t.Name) }, { ALT: () => this.CONSUME(t.Text) }],
    });
    return this.ACTION(() => buildName(this.context, token));
  });

  readonly layer = this.RULE("layer", (): LayerStatement => {
    const first = this.LA(1);
    const label = this.OPTION1({
      GATE: () => this.is(t.Colon, 2),
      DEF: () => {
        const name = this.SUBRULE(this.label);
        this.CONSUME(t.Colon);
        return name;
      },
    });
    const what = this.OR<Group | Merge | Call>({
      ERR_MSG: LAYER,
      DEF: [
        {
          ALT: () => {
            const body = this.SUBRULE(this.body);
            return this.ACTION(() => ({ kind: "group", body, span: body.span }));
          },
        },
        { ALT: () => this.SUBRULE(this.merge) },
        { ALT: () => this.SUBRULE(this.call) },
      ],
    });
    const times = this.OPTION2(() => {
      this.CONSUME(t.Star);
      return this.SUBRULE(this.unary);
    });
    return this.ACTION(() => ({ kind: "layer", ...(label ? { label } : {}), what, ...(times ? { times } : {}), span: this.from(first) }));
  });

  readonly call = this.RULE("call", (): Call => {
    const name = this.CONSUME(t.Identifier, { ERR_MSG: "a layer or a block" });
    const args = this.OPTION(() => this.SUBRULE(this.args));
    return this.ACTION(() => ({ kind: "call", name: buildName(this.context, name), args: args ?? [], span: this.from(name) }));
  });

  readonly merge = this.RULE("merge", (): Merge => {
    const first = this.CONSUME(t.MergeWord);
    const args = this.OPTION(() => this.SUBRULE(this.args));
    this.ACTION(() => {
      if (this.is(t.LCurly)) return;
      const kind = first.image as MergeWord;
      const span = args ? union(this.at(first), this.at(this.LA(0))) : this.at(first);
      this.refuse(messages.SE003.branches({ word: kind, example: EXAMPLE[kind] }), span);
    });
    const branches: Branch[] = [];
    this.CONSUME(t.LCurly);
    this.MANY({
      GATE: () => this.inside(),
      DEF: () =>
        this.OR({
          IGNORE_AMBIGUITIES: true,
          DEF: [
            { ALT: () => this.CONSUME(t.Semicolon) },
            {
              ALT: () => {
                const branch = this.SUBRULE(this.branch);
                this.ACTION(() => {
                  if (branch) branches.push(branch);
                });
              },
            },
            {
              ALT: () => {
                const token = this.CONSUME(t.AnyToken);
                this.ACTION(() => this.stray(token, "a branch: a name and its layers in { }", "body"));
              },
            },
          ],
        }),
    });
    this.CONSUME(t.RCurly);
    return this.ACTION(() => ({
      kind: "merge",
      word: first.image as MergeWord,
      wordSpan: this.at(first),
      args: args ?? [],
      branches,
      span: this.from(first),
    }));
  });

  readonly branch = this.RULE("branch", (): Branch | undefined => {
    const first = this.LA(1);
    try {
      const name = this.CONSUME(t.Name);
      this.ACTION(() => {
        if (this.is(t.LCurly)) return;
        if (this.is(t.Colon) && this.is(t.LCurly, 2)) this.refuse(messages.SE003.colon({ name: name.image }));
        this.refuse(messages.SE003.branch({ found: `\`${name.image}\` and ${this.found()}` }), this.at(name));
      });
      const body = this.SUBRULE(this.body);
      return this.ACTION(() => ({ name: buildName(this.context, name), body, span: this.from(name) }));
    } catch (error) {
      return this.recover(error, first, "body");
    }
  });
}

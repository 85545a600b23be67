/** Rules of files, definitions and edits (language.md section 3), and the one parser. */
import type { IToken } from "chevrotain";
import { messages } from "../diagnostics/messages.gen.ts";
import { once } from "../once.ts";
import type {
  BlockDef,
  Call,
  Clauses,
  Definition,
  Edit,
  Expr,
  Name,
  NetDef,
  NetForm,
  Param,
  PlaceWord,
  Selector,
  SpecFile,
  Use,
} from "./ast.ts";
import { buildName, buildString } from "./build-ast.ts";
import { BodyGrammar } from "./grammar-bodies.ts";
import { DEFINITION } from "./parse-errors.ts";
import * as t from "./tokens.ts";

type Place = { readonly word: PlaceWord; readonly token: IToken };
interface Opened {
  except: Selector[];
  expect?: Expr;
  init?: Name;
}

export class SpecGrammar extends BodyGrammar {
  /** Must be called once, after all rules have been defined. */
  analyse(): void {
    this.performSelfAnalysis();
  }

  readonly #emptyClauses: Clauses = { except: [] };

  readonly file = this.RULE("file", (): Omit<SpecFile, "comments" | "span"> => {
    const uses: Use[] = [];
    const defs: Definition[] = [];
    const edition = this.OPTION({
      GATE: () => this.LA(1).image === "se",
      DEF: () => {
        this.CONSUME(t.Identifier);
        return this.OPTION2(() => this.CONSUME(t.NumberToken));
      },
    });
    this.ACTION(() => this.checkEdition(edition));
    this.MANY(() =>
      this.OR({
        IGNORE_AMBIGUITIES: true,
        DEF: [
          {
            ALT: () => {
              const use = this.SUBRULE(this.use);
              this.ACTION(() => {
                if (use) uses.push(use);
              });
            },
          },
          {
            ALT: () => {
              const def = this.SUBRULE(this.definition);
              this.ACTION(() => {
                if (def) defs.push(def);
              });
            },
          },
          { ALT: () => this.CONSUME(t.Semicolon) },
          {
            ALT: () => {
              const token = this.CONSUME(t.AnyToken);
              this.ACTION(() => this.stray(token, DEFINITION, "file"));
            },
          },
        ],
      }),
    );
    return { kind: "file", edition: 1, uses, defs };
  });

  private checkEdition(token: IToken | undefined): void {
    if (!token) this.report(messages.SE001.missing(), this.here());
    else if (Number(token.image) !== 1) this.report(messages.SE001.edition({ edition: token.image }), this.at(token));
  }

  readonly use = this.RULE("use", (): Use | undefined => {
    const first = this.CONSUME(t.word("use"));
    try {
      const path = this.CONSUME(t.Text, { ERR_MSG: 'the file, as in `use "resnet50.se"`' });
      return this.ACTION(() => ({ kind: "use", path: buildString(this.context, path), span: this.from(first) }));
    } catch (error) {
      return this.recover(error, first, "file");
    }
  });

  readonly definition = this.RULE("definition", (): Definition | undefined => {
    const first = this.LA(1);
    try {
      return this.OR<Definition>([{ ALT: () => this.SUBRULE(this.block) }, { ALT: () => this.SUBRULE(this.net) }]);
    } catch (error) {
      return this.recover(error, first, "file");
    }
  });

  readonly block = this.RULE("block", (): BlockDef => {
    const first = this.CONSUME(t.word("block"));
    const name = this.CONSUME(t.Name, { ERR_MSG: "the name of the block" });
    const params = this.OPTION(() => this.SUBRULE(this.params));
    this.ACTION(() => {
      if (!this.is(t.LCurly)) this.refuse(messages.SE003.expected({ expected: params ? "`{`" : "`(` or `{`", found: this.found() }));
    });
    const body = this.SUBRULE(this.body);
    return this.ACTION(() => ({ kind: "block", name: this.newName(name, "block"), params: params ?? [], body, span: this.from(first) }));
  });

  readonly net = this.RULE("net", (): NetDef => {
    const first = this.CONSUME(t.word("net"));
    const name = this.CONSUME(t.Name, { ERR_MSG: "the name of the net" });
    const params = this.OPTION(() => this.SUBRULE(this.params));
    const form = this.OR<NetForm>({
      ERR_MSG: "`{` or `from`",
      DEF: [
        {
          ALT: () => {
            const body = this.SUBRULE(this.body);
            return { kind: "body", body };
          },
        },
        { ALT: () => this.SUBRULE(this.derivation) },
      ],
    });
    return this.ACTION(() => ({ kind: "net", name: this.newName(name, "net"), params: params ?? [], form, span: this.from(first) }));
  });

  readonly params = this.RULE("params", (): Param[] => {
    const list: Param[] = [];
    this.CONSUME(t.LParen);
    let more = true;
    this.MANY({
      GATE: () => more,
      DEF: () => {
        const param = this.SUBRULE(this.param);
        this.OPTION(() => this.CONSUME(t.Comma));
        this.ACTION(() => {
          list.push(param);
          more = this.hasNext(t.RParen);
        });
      },
    });
    this.CONSUME(t.RParen, { ERR_MSG: "`,` or `)`" });
    return list;
  });

  readonly param = this.RULE("param", (): Param => {
    const name = this.CONSUME(t.Name, { ERR_MSG: "the name of a parameter" });
    const value = this.OPTION(() => {
      this.CONSUME(t.Equals);
      return this.SUBRULE(this.expr);
    });
    return this.ACTION(() => ({ name: this.newName(name, "parameter"), ...(value ? { default: value } : {}), span: this.from(name) }));
  });

  // ---- derivation ------------------------------------------------------------------------------------------------------

  readonly derivation = this.RULE("derivation", (): NetForm => {
    this.CONSUME(t.word("from"));
    const source = this.OR<IToken | Call>({
      IGNORE_AMBIGUITIES: true,
      ERR_MSG: 'a net, or `onnx "file.onnx"`',
      DEF: [
        {
          GATE: () => this.LA(1).image === "onnx" && this.is(t.Text, 2),
          ALT: () => {
            this.CONSUME(t.Identifier);
            return this.CONSUME(t.Text);
          },
        },
        { ALT: () => this.SUBRULE(this.call) },
      ],
    });
    const edits = this.OPTION({
      GATE: () => this.is(t.LCurly),
      DEF: () => this.SUBRULE(this.edits),
    });
    return this.ACTION(() =>
      "kind" in source
        ? { kind: "derived", base: source, edits: edits ?? [] }
        : { kind: "onnx", path: buildString(this.context, source), edits: edits ?? [] },
    );
  });

  readonly edits = this.RULE("edits", (): Edit[] => {
    const list: Edit[] = [];
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
                const edit = this.SUBRULE(this.edit);
                this.ACTION(() => {
                  if (edit) list.push(edit);
                });
              },
            },
            {
              ALT: () => {
                const token = this.CONSUME(t.AnyToken);
                this.ACTION(() => this.strayEdit(token));
              },
            },
          ],
        }),
    });
    this.CONSUME(t.RCurly);
    return list;
  });

  private strayEdit(token: IToken): void {
    const isStatement = this.LA(1).image === ":" || ["input", "output", "check", "if", "from"].includes(token.image);
    if (!isStatement) {
      this.reportStray("`insert`, `replace`, `remove` or `set`", token, "body");
      return;
    }
    try {
      this.refuse(messages.SE003.statement({ word: token.image }), this.at(token));
    } catch (error) {
      this.recover(error, token, "body");
    }
  }

  readonly edit = this.RULE("edit", (): Edit | undefined => {
    const first = this.LA(1);
    try {
      return this.OR<Edit>([
        { ALT: () => this.SUBRULE(this.insert) },
        {
          ALT: () => {
            this.CONSUME(t.word("replace"));
            const selector = this.SUBRULE1(this.selector);
            this.CONSUME(t.word("with"), { ERR_MSG: "`with` and a layer or block" });
            this.ACTION(() => this.expectCall("replace"));
            const call = this.SUBRULE(this.call);
            const clauses = this.SUBRULE1(this.clauses);
            return this.ACTION(() => ({ kind: "replace", selector, call, ...clauses, span: this.from(first) }));
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.word("remove"));
            const selector = this.SUBRULE2(this.selector);
            const clauses = this.SUBRULE2(this.clauses);
            return this.ACTION(() => ({ kind: "remove", selector, ...clauses, span: this.from(first) }));
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.word("set"));
            const selector = this.SUBRULE3(this.selector);
            this.ACTION(() => {
              if (this.is(t.LParen)) return;
              const expected = "the arguments to set, as in `set @conv(bias=true)`";
              this.refuse(messages.SE003.expected({ expected, found: this.found() }));
            });
            const args = this.SUBRULE(this.args);
            const clauses = this.SUBRULE3(this.clauses);
            return this.ACTION(() => ({ kind: "set", selector, args, ...clauses, span: this.from(first) }));
          },
        },
      ]);
    } catch (error) {
      return this.recover(error, first, "body");
    }
  });

  private expectCall(word: "insert" | "replace"): void {
    if (this.is(t.Identifier)) return;
    if (this.isNewLine()) this.refuse(messages.SE003.expected({ expected: "a layer or a block", found: this.found() }));
    this.refuse(messages.SE003.call({ word, found: this.found() }));
  }

  readonly insert = this.RULE("insert", (): Edit => {
    const first = this.CONSUME(t.word("insert"));
    this.ACTION(() => this.expectCall("insert"));
    const call = this.SUBRULE(this.call);
    this.ACTION(() => {
      if (!this.sees("as")) this.refuse(messages.SE003.label({ name: call.name.text }), call.span);
    });
    this.CONSUME(t.word("as"));
    const label = this.SUBRULE(this.label);
    const place = this.SUBRULE(this.place);
    const selector = this.SUBRULE(this.selector);
    const clauses = this.SUBRULE(this.clauses);
    return this.ACTION(() => ({
      kind: "insert",
      call,
      as: label,
      place: place.word,
      placeSpan: this.at(place.token),
      selector,
      ...clauses,
      span: this.from(first),
    }));
  });

  readonly place = this.RULE("place", (): Place => {
    this.ACTION(() => {
      if (!this.sees("before", "after", "at")) this.refuse(messages.SE003.place());
    });
    return this.OR<Place>([
      { ALT: () => ({ word: "before", token: this.CONSUME(t.word("before")) }) },
      { ALT: () => ({ word: "after", token: this.CONSUME(t.word("after")) }) },
      {
        ALT: () => {
          const token = this.CONSUME(t.word("at"));
          this.ACTION(() => {
            if ((!this.sees("start") && !this.sees("end")) || this.LA(2).image !== "of")
              this.refuse(messages.SE003.place(), this.at(token));
          });
          const edge = this.CONSUME1(t.Identifier);
          this.CONSUME2(t.Identifier);
          return { word: edge.image as "start" | "end", token };
        },
      },
    ]);
  });

  readonly clauses = this.RULE("clauses", (): Clauses => {
    const found: Opened = { except: [] };
    const once = (word: "expect" | "init", token: IToken): unknown =>
      this.ACTION(() => {
        if (found[word]) this.report(messages.SE003.twice({ word }), this.at(token));
      });
    this.MANY(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.word("except"));
            found.except.push(this.SUBRULE(this.selector));
          },
        },
        {
          ALT: () => {
            once("expect", this.CONSUME(t.word("expect")));
            found.expect = this.SUBRULE(this.expr);
          },
        },
        {
          ALT: () => {
            once("init", this.CONSUME(t.word("init")));
            const policy = this.CONSUME(t.Identifier, { ERR_MSG: "how to start: default, paper or preserve" });
            this.ACTION(() => {
              found.init = buildName(this.context, policy);
            });
          },
        },
      ]),
    );
    return this.ACTION(() => found) ?? this.#emptyClauses;
  });
}

export function createGrammar(validate: boolean): SpecGrammar {
  const grammar = new SpecGrammar(validate);
  grammar.analyse();
  return grammar;
}

/** One instance for all files: making one costs milliseconds. */
export const theGrammar = once(() => createGrammar(false));

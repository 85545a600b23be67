/**
 * The tree that both spellings, `.se` and JSON, are read into and written from (language.md sections 3 and 14).
 * Every node has the span it was read from. Parentheses that say nothing are not kept; the formatter puts needed ones back.
 */
import type { Span } from "../source.ts";

interface Located {
  readonly span: Span;
}

/** A word of the user: `quoted` when it was written as a string. */
export interface Name extends Located {
  readonly text: string;
  readonly quoted: boolean;
}

export interface Comment extends Located {
  /** Without the `#` and surrounding blanks. */
  readonly text: string;
}

export interface SpecFile extends Located {
  readonly kind: "file";
  /** 1 in this edition. */
  readonly edition: number;
  readonly uses: readonly Use[];
  readonly defs: readonly Definition[];
  /** In text order; empty for JSON. */
  readonly comments: readonly Comment[];
}

export interface Use extends Located {
  readonly kind: "use";
  readonly path: StringLiteral;
}

export type Definition = BlockDef | NetDef;

export interface BlockDef extends Located {
  readonly kind: "block";
  readonly name: Name;
  readonly params: readonly Param[];
  readonly body: Body;
}

export interface NetDef extends Located {
  readonly kind: "net";
  readonly name: Name;
  readonly params: readonly Param[];
  readonly form: NetForm;
}

export type NetForm =
  | { readonly kind: "body"; readonly body: Body }
  | { readonly kind: "derived"; readonly base: Call; readonly edits: readonly Edit[] }
  | { readonly kind: "onnx"; readonly path: StringLiteral; readonly edits: readonly Edit[] };

export interface Param extends Located {
  readonly name: Name;
  readonly default?: Expr;
}

// ---- bodies ----------------------------------------------------------------------------------------------------------

export interface Body extends Located {
  readonly statements: readonly Statement[];
  /** Where statements stood that could not be read; their mistakes are reported. Absent without mistakes. */
  readonly gaps?: readonly Gap[];
}

/** What a mistake took away: nothing is known of the value behind it, and what is missing may have been there. */
export interface Gap {
  /** How many statements of the body stand before it. */
  readonly after: number;
  /** What it began with: `input`, `conv`. */
  readonly word: string;
}

export type Statement = InputStatement | OutputStatement | CheckStatement | IfStatement | FromStatement | LayerStatement;

export interface InputStatement extends Located {
  readonly kind: "input";
  readonly name: Name;
  readonly dtype: Name;
  readonly dims: readonly Expr[];
}

export interface OutputStatement extends Located {
  readonly kind: "output";
  readonly name: Name;
}

export interface CheckStatement extends Located {
  readonly kind: "check";
  readonly condition: Expr;
  readonly message: StringLiteral;
}

export interface IfStatement extends Located {
  readonly kind: "if";
  readonly condition: Expr;
  readonly then: Body;
  /** `else if` is a body whose only statement is an `if`. */
  readonly else?: Body;
}

export interface FromStatement extends Located {
  readonly kind: "from";
  readonly path: Path;
}

export interface LayerStatement extends Located {
  readonly kind: "layer";
  readonly label?: Name;
  readonly what: Group | Merge | Call;
  readonly times?: Expr;
}

export interface Group extends Located {
  readonly kind: "group";
  readonly body: Body;
}

export type MergeWord = "residual" | "add" | "mul" | "concat";

export interface Merge extends Located {
  readonly kind: "merge";
  readonly word: MergeWord;
  readonly wordSpan: Span;
  readonly args: readonly Arg[];
  readonly branches: readonly Branch[];
}

export interface Branch extends Located {
  readonly name: Name;
  readonly body: Body;
}

export interface Call extends Located {
  readonly kind: "call";
  readonly name: Name;
  readonly args: readonly Arg[];
}

/** Positional when `name` is absent. */
export interface Arg extends Located {
  readonly name?: Name;
  readonly value: Expr;
}

export interface Path extends Located {
  readonly parts: readonly PathPart[];
}

export type PathPart =
  | (Located & { readonly kind: "name"; readonly text: string })
  | (Located & { readonly kind: "number"; readonly value: number })
  | (Located & { readonly kind: "string"; readonly text: string });

// ---- edits -----------------------------------------------------------------------------------------------------------

export type Edit = InsertEdit | ReplaceEdit | RemoveEdit | SetEdit;

export interface Clauses {
  readonly except: readonly Selector[];
  readonly expect?: Expr;
  readonly init?: Name;
}

export type PlaceWord = "before" | "after" | "start" | "end";

export interface InsertEdit extends Located, Clauses {
  readonly kind: "insert";
  readonly call: Call;
  readonly as: Name;
  readonly place: PlaceWord;
  readonly placeSpan: Span;
  readonly selector: Selector;
}

export interface ReplaceEdit extends Located, Clauses {
  readonly kind: "replace";
  readonly selector: Selector;
  readonly call: Call;
}

export interface RemoveEdit extends Located, Clauses {
  readonly kind: "remove";
  readonly selector: Selector;
}

export interface SetEdit extends Located, Clauses {
  readonly kind: "set";
  readonly selector: Selector;
  readonly args: readonly Arg[];
}

export interface Selector extends Located {
  readonly segments: readonly Segment[];
}

export interface Segment extends Located {
  readonly atoms: Atoms;
  readonly predicates: readonly Predicate[];
}

export type Atoms =
  | { readonly kind: "any" }
  | { readonly kind: "deep" }
  | { readonly kind: "parts"; readonly parts: readonly PathPart[] }
  | { readonly kind: "types"; readonly names: readonly Name[] };

export type RelationalOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** `[in.c >= 128]`: key `in`, sub `c`. A single `=` reads as `==` here. */
export interface Predicate extends Located {
  readonly key: Name;
  readonly sub?: Name;
  readonly operator: RelationalOperator;
  readonly value: Expr;
}

// ---- expressions -----------------------------------------------------------------------------------------------------

export interface StringLiteral extends Located {
  readonly kind: "string";
  readonly value: string;
}

export type BinaryOperator = "or" | "and" | RelationalOperator | "+" | "-" | "*" | "/" | "//" | "%";

export type Expr =
  | (Located & { readonly kind: "number"; readonly value: number })
  | StringLiteral
  | (Located & { readonly kind: "boolean"; readonly value: boolean })
  | (Located & { readonly kind: "list"; readonly items: readonly Expr[] })
  | (Located & { readonly kind: "name"; readonly text: string })
  | (Located & { readonly kind: "in" })
  | (Located & { readonly kind: "here" })
  | (Located & { readonly kind: "apply"; readonly fn: Name; readonly args: readonly Expr[] })
  | (Located & { readonly kind: "member"; readonly object: Expr; readonly member: Name })
  | (Located & { readonly kind: "index"; readonly object: Expr; readonly index: Expr })
  | (Located & { readonly kind: "unary"; readonly operator: "-" | "not"; readonly operand: Expr })
  | (Located & { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Expr; readonly right: Expr });

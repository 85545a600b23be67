/** Names of warnings in -W and in the configuration: a code that sec knows, in any case, or `all`. */
import { explanations } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";

export type WarningLevel = "off" | "warn" | "error";

/** The name as the session looks it up; a level for a name that does not exist would have no effect, and nobody would notice. */
export function warningName(text: string): string | { readonly problem: string } {
  if (text === "all") return text;
  const code = text.toUpperCase();
  if (Object.hasOwn(explanations, code)) return code;
  const near = nearest(code, Object.keys(explanations));
  return {
    problem: `there is no warning called \`${text}\`${near ? `; did you mean \`${near}\`?` : ", only codes such as SE191, and `all`"}`,
  };
}

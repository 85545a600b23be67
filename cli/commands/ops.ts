/** `sec ops [NAME]`: the layers of the language, their arguments, which targets have them. */
import * as z from "zod";
import { builtInNames } from "../../backends/registry.ts";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../../compiler/diagnostics/suggest.ts";
import { allOps, libraryBlocks, type OpDef, signatureText } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { table } from "../report.ts";
import { EXIT } from "../session.ts";

interface ArgumentSchema {
  readonly properties?: Record<string, { description?: string }>;
}

const schemaOf = (op: OpDef): ArgumentSchema => z.toJSONSchema(op.attrs, { io: "input", unrepresentable: "any" }) as ArgumentSchema;

/** Kernel targets print every op's kernels; graph targets have a complete table: both are native for every op. */
const targetsOf = (): Record<string, "native" | "decomposed"> => Object.fromEntries(builtInNames.map((name) => [name, "native"]));

export const opsCommand: Register = (command, host) => {
  command
    .argument("[name]", "one layer, with its arguments")
    .addHelpText("after", "\nExamples:\n  sec ops\n  sec ops conv\n  sec ops --json | jq '.ops[].name'")
    .action(
      action<[string | undefined], object>(host, (session, _options, name) => {
        const all = [...allOps()];
        const chosen = name === undefined ? all : all.filter(([n]) => n === name);
        if (name !== undefined && chosen.length === 0) {
          const near = nearest(name, [...all.map(([n]) => n), ...libraryBlocks()]);
          const block = libraryBlocks().includes(name);
          session.usage(messages.SE520.value({ option: "ops", want: "the name of a built-in layer", given: name }), undefined, {
            help: block
              ? `\`${name}\` is a block of the library; \`sec ls\` shows what it expands to`
              : near
                ? `did you mean \`${near}\`?`
                : "`sec ops` lists all layers",
          });
          return undefined;
        }
        if (session.options.json) {
          session.json({
            ops: chosen.map(([n, op]) => ({
              name: n,
              category: op.category,
              summary: op.summary,
              attrs: schemaOf(op),
              targets: targetsOf(),
            })),
          });
          return EXIT.ok;
        }
        if (name === undefined) {
          session.out(table(all.map(([n, op]) => [signatureText(n, op), op.category, op.summary])));
          session.out(`\n  targets: ${Object.keys(targetsOf()).join(", ")} have every layer`);
          session.out(`  library blocks: ${libraryBlocks().join(" ")}`);
          return EXIT.ok;
        }
        for (const [n, op] of chosen) {
          session.out(`${signatureText(n, op)}\n  ${op.summary} (${op.category})`);
          const args = Object.entries(schemaOf(op).properties ?? {});
          if (args.length > 0) session.out(table(args.map(([key, a]) => [key, a.description ?? ""])));
          session.out(
            `  targets: ${Object.entries(targetsOf())
              .map(([t, how]) => `${t} ${how}`)
              .join(", ")}`,
          );
        }
        return EXIT.ok;
      }),
    );
};

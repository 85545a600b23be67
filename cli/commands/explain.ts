/** `sec explain CODE`: what a diagnostic means and how to mend it. */
import { explanations, messages } from "../../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../../compiler/diagnostics/suggest.ts";
import { action, type Register } from "../command.ts";
import { EXIT } from "../session.ts";

export const explainCommand: Register = (command, host) => {
  command
    .argument("[code]", "a code such as SE202; without it all codes are listed")
    .addHelpText("after", "\nExamples:\n  sec explain SE202\n  sec explain | less")
    .action(
      action<[string | undefined], object>(host, (session, _options, code) => {
        if (code === undefined) {
          const codes = Object.entries(explanations).map(([name, e]) => ({ code: name, summary: e.summary }));
          if (session.options.json) session.json({ codes });
          else for (const c of codes) session.out(`${c.code}  ${c.summary}`);
          return EXIT.ok;
        }
        const wanted = code.toUpperCase();
        const found = Object.hasOwn(explanations, wanted) ? explanations[wanted] : undefined;
        if (!found) {
          const near = nearest(wanted, Object.keys(explanations));
          session.usage(messages.SE520.value({ option: "explain", want: "a code that sec prints", given: code }), undefined, {
            help: near ? `did you mean \`${near}\`?` : "`sec explain` lists all codes",
          });
          return undefined;
        }
        if (session.options.json) session.json({ code: wanted, summary: found.summary, text: found.text });
        else session.out(`${wanted}: ${found.summary}\n\n${found.text}`);
        return EXIT.ok;
      }),
    );
};

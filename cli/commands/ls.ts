/** `sec ls FILE [SELECTOR]`: places of a net, or what a selector matches. */
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { listPlaces, parseSelectorText, shapeText } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { loadOneNet } from "../frontend.ts";
import { type NetOptions, type SizeOptions, withNet, withShape } from "../options.ts";
import { table } from "../report.ts";
import { EXIT } from "../session.ts";

export const lsCommand: Register = (command, host) => {
  withShape(withNet(command))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .argument("[selector]", "as in insert ... after SELECTOR")
    .addHelpText("after", '\nExamples:\n  sec ls resnet50\n  sec ls resnet50 "@residual.main"\n  sec ls net.se "@conv[kernel=3]" --json')
    .action(
      action<[string, string | undefined], NetOptions & Pick<SizeOptions, "shape">>(host, async (session, options, file, selector) => {
        const net = await loadOneNet(session, file, "ls", options);
        if (!net) return undefined;
        const parsed = selector === undefined ? undefined : parseSelectorText(selector, session.diagnostics);
        if (session.failed) return undefined;
        const places = listPlaces(net.tree, parsed, session.diagnostics);
        if (selector !== undefined && places?.length === 0) {
          session.diagnostics.report(messages.SE301.nothing({ selector, net: net.name }), undefined, {
            help: "`sec ls` without a selector lists every place",
          });
        }
        if (session.failed || !places) return undefined;
        if (session.options.json) {
          session.json({
            net: net.name,
            ...(selector === undefined ? {} : { selector }),
            places: places.map(({ path, kind, type, shape }) => ({ path, kind, type, shape })),
          });
          return EXIT.ok;
        }
        session.out(table(places.map((p) => [p.path, p.type === "" ? p.kind : p.type, shapeText(p.shape), p.contents])));
        session.out(`${places.length} place${places.length === 1 ? "" : "s"}`);
        return EXIT.ok;
      }),
    );
};

/** `sec graph FILE`: a picture of a net, with its modules as nested boxes and what an edit inserted marked. */
import { Option } from "commander";
import { costOf, drawNet, type PictureFormat, pictureFormats } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { loadOneNet } from "../frontend.ts";
import { type NetOptions, parseInteger, type SizeOptions, withNet, withSize } from "../options.ts";
import { quantity, thousands } from "../report.ts";
import { EXIT } from "../session.ts";

interface GraphOptions extends NetOptions, SizeOptions {
  readonly format: PictureFormat;
  readonly depth?: number;
  readonly unfold?: boolean;
}

const DEEPEST = 64;

export const graphCommand: Register = (command, host) => {
  withSize(withNet(command))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .addOption(new Option("--format <FORMAT>", "what is printed").choices(pictureFormats).default("svg"))
    .option("--depth <N>", "levels of modules that are opened; 1 keeps all closed (default: about 60 boxes)", parseInteger(1, DEEPEST))
    .option("--unfold", "draw modules that are alike one by one, not as one box ×n")
    .addHelpText(
      "after",
      "\nExamples:\n  sec graph se_resnet50 > se_resnet50.svg\n  sec graph net.se --format mermaid --depth 1\n  sec graph senet154 --format html --unfold > senet154.html",
    )
    .action(
      action<[string], GraphOptions>(host, async (session, options, file) => {
        const net = await loadOneNet(session, file, "graph", options);
        if (!net) return undefined;
        const cost = costOf(net.graph, options.batch ?? 1);
        const { format, depth } = options;
        const facts = `${thousands(cost.params)} parameters · ${quantity(cost.macs, 3)} MACs`;
        const drawn = drawNet(net.tree, { format, depth, unfolded: options.unfold, facts });
        if (session.options.json) session.json({ net: net.name, format, depth: drawn.depth, boxes: drawn.boxes, text: drawn.text });
        else session.out(drawn.text);
        if (drawn.closed > 0 && depth === undefined && !session.options.json) {
          session.note(`${drawn.boxes} boxes at depth ${drawn.depth}; --depth ${drawn.depth + 1} opens ${drawn.closed} more modules`);
        }
        return EXIT.ok;
      }),
    );
};

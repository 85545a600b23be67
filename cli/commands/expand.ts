/** `sec expand FILE`: the net with everything expanded, as flat JSON (a listing, not a spec). */
import { costOf } from "../../compiler/index.ts";
import { action, type Register } from "../command.ts";
import { loadOneNet } from "../frontend.ts";
import { type NetOptions, type SizeOptions, withNet, withSize } from "../options.ts";
import { bindBatch, ports } from "../ports.ts";
import { EXIT } from "../session.ts";

export const expandCommand: Register = (command, host) => {
  withSize(withNet(command))
    .argument("<file>", "spec file, FILE#NET, or a shipped net")
    .addHelpText("after", "\nExamples:\n  sec expand resnet50 | jq '.nodes | length'\n  sec expand net.se#small")
    .action(
      action<[string], NetOptions & SizeOptions>(host, async (session, options, file) => {
        const net = await loadOneNet(session, file, "expand", options);
        if (!net) return undefined;
        const batch = options.batch ?? 1;
        const cost = costOf(net.graph, batch);
        const result = {
          net: net.name,
          ...ports(net.graph, batch),
          nodes: net.graph.nodes.map((n, i) => ({
            path: n.path,
            op: n.op,
            inputs: n.inputs.map((v) => v.name),
            attrs: n.attrs,
            output: bindBatch(n.output.type.shape, batch),
            params: cost.nodes[i]?.params ?? 0,
            macs: cost.nodes[i]?.macs ?? 0,
          })),
        };
        session.out(session.options.json ? JSON.stringify(result) : JSON.stringify(result, undefined, 2));
        return EXIT.ok;
      }),
    );
};

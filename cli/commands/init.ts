/** `sec init [DIR]`: a small project, no questions. */
import { existsSync } from "node:fs";
import path from "node:path";
import { action, type Register } from "../command.ts";
import { shellWord } from "../report.ts";
import { EXIT } from "../session.ts";
import { writeArtifacts } from "../write.ts";

const NET = `se 1

# A small image classifier with one squeeze-and-excitation block.
net small(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(32, 3)             bn1: bn  relu  maxpool(2)
  conv2: conv(64, 3)             bn2: bn  relu
  att:   se(reduction=8)         maxpool(2)
  gap  flatten
  fc:    linear(classes)
  output logits
}
`;

const CONFIG = `${JSON.stringify({ $schema: "./node_modules/sec-compiler/specs/schemas/config.schema.json", targets: ["webgpu"], outDir: "dist" }, undefined, 2)}\n`;

const PAGE = `<!doctype html>
<!-- Serve this folder over http and open it after \`sec compile net.se\`. -->
<meta charset="utf-8">
<title>small</title>
<p id="result">loading</p>
<script type="module">
  import { load, signature } from "./dist/small/webgpu/small.js";

  const result = document.querySelector("#result");
  try {
    const net = await load();
    const [input] = signature.inputs;
    const image = new Float32Array(input.shape.reduce((a, b) => a * b)).fill(0.5);
    const { logits } = await net.run({ image });
    result.textContent = [...logits].map((x) => x.toFixed(3)).join("  ");
  } catch (error) {
    result.textContent = error.message;
  }
</script>
`;

export const initCommand: Register = (command, host) => {
  command
    .argument("[dir]", "where", ".")
    .option("--force", "overwrite files that are there")
    .addHelpText("after", "\nExamples:\n  sec init my-net\n  sec init my-net && cd my-net && sec compile net.se")
    .action(
      action<[string], { force?: boolean }>(host, (session, options, dir) => {
        const folder = path.resolve(session.options.directory, dir);
        const files = [
          { path: "net.se", contents: NET, mediaType: "text/plain" },
          { path: "index.html", contents: PAGE, mediaType: "text/html" },
          ...(existsSync(path.join(folder, "sec.config.json")) && !options.force
            ? []
            : [{ path: "sec.config.json", contents: CONFIG, mediaType: "application/json" }]),
        ];
        if (!writeArtifacts(session, folder, files, { force: options.force === true, shown: dir })) return undefined;
        if (session.options.json) session.json({ files: files.map((f) => path.posix.join(dir, f.path)) });
        else {
          for (const f of files) session.out(`  ${path.posix.join(dir, f.path)}`);
          session.note(`next: ${dir === "." ? "" : `cd ${shellWord(dir)} && `}sec compile net.se`);
        }
        return EXIT.ok;
      }),
    );
};

/** Serves folders over http to the pages of the benchmark: cross-origin isolated, so that threads work, and never cached. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** `places`: first part of a URL's path to a folder, or to bytes. Gives the origin and `close`. */
export async function serve(places) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const [, first = "", ...rest] = decodeURIComponent(pathname).split("/");
    const place = places[first];
    const headers = {
      "Content-Type": TYPES[path.extname(pathname)] ?? "application/octet-stream",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-store",
    };
    const refuse = () => response.writeHead(404, headers).end();
    if (place instanceof Uint8Array) return response.writeHead(200, headers).end(place);
    if (typeof place !== "string" || rest.includes("..")) return refuse();
    const file = path.join(place, ...rest);
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) return refuse();
    response.writeHead(200, { ...headers, "Content-Length": found.size });
    return createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

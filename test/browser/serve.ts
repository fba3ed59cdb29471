import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface Served extends Disposable {
  readonly url: string;
}

/** Serves an empty page at `/`, scripts by their names and, under `/model/`, the files of a folder, on this machine only. */
export async function serve(scripts: ReadonlyMap<string, string>, folder: string, files: readonly string[]): Promise<Served> {
  const server = createServer(async ({ url = "" }, response) => {
    const path = decodeURIComponent(url).slice(1);
    const script = scripts.get(path);
    const model = path.replace(/^model\//, "");
    const send = (type: string, body: string | Uint8Array) => response.setHeader("content-type", type).end(body);
    // The icon keeps the browser from asking for one.
    if (path === "") send("text/html", '<!doctype html><title>snoopi</title><link rel="icon" href="data:,">');
    else if (script !== undefined) send("text/javascript", script);
    else if (files.includes(model)) send("application/octet-stream", await readFile(join(folder, model)));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

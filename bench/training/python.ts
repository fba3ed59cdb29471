import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Child } from "../child.ts";
import type { Answer } from "../messages.ts";
import { networks, type Values } from "./networks.ts";
import { pytorch } from "./trainer.ts";

/** PyTorch as a competitor, with whatever Python is given. Throws when that cannot import it. */
export async function startPython(python: string): Promise<Child> {
  const child = spawn(python, [fileURLToPath(new URL("pytorch.py", import.meta.url))], { stdio: ["pipe", "pipe", "pipe"] });
  let complaints = "";
  child.stderr.on("data", (chunk) => {
    complaints = (complaints + chunk).slice(-2000);
  });
  child.stdin.on("error", () => {});
  let give: (answer: Answer) => void = () => {};
  const next = () =>
    new Promise<Answer>((resolve) => {
      give = resolve;
    });
  let ended = false;
  const over = (message: string) => {
    ended = true;
    give({ kind: "failed", message });
  };
  createInterface(child.stdout).on("line", (line) => give(JSON.parse(line)));
  child.on("error", (error) => over(error.message));
  child.on("exit", () => over(complaints.trim().split("\n").at(-1) || "its process ended"));
  const opened = await next();
  if (opened.kind !== "opened") throw new Error(opened.kind === "failed" ? opened.message : `answered ${opened.kind}`);
  return {
    info: pytorch,
    version: opened.version,
    ask(ask) {
      if (ended) return Promise.resolve({ kind: "failed", message: "its process has ended" });
      const answer = next();
      child.stdin.write(`${JSON.stringify(ask.kind === "train" ? { ...ask, network: written(ask.name) } : ask)}\n`);
      return answer;
    },
    stop: () => child.kill(),
  };
}

/** A network's numbers, which Python needs beside its own formulas. */
function written(name: string) {
  const { kind, optimizer, lr, params, batch } = networks.find((n) => n.name === name)!;
  const value = ({ shape, values }: Values) => ({
    shape,
    base64: Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64"),
  });
  const named = Object.fromEntries(Object.entries(params).map(([k, v]) => [k, value(v)]));
  return { kind, optimizer, lr, params: named, batch: batch.map(value) };
}

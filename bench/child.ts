import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LibraryInfo } from "./library.ts";
import type { Answer, Ask, TrainAsk } from "./messages.ts";

/** A library in its process. */
export interface Child {
  readonly info: LibraryInfo;
  readonly version: string;
  ask(ask: Ask | TrainAsk): Promise<Answer>;
  stop(): void;
}

/** The worker module, and the longest wait for one answer: whatever takes longer is reported as failed, and its process ended. */
export interface Serving {
  readonly worker?: string;
  readonly limitMs?: number;
}

/** Starts a library. Throws when it cannot be opened. */
export async function start(info: LibraryInfo, { worker = "worker.ts", limitMs = 90_000 }: Serving = {}): Promise<Child> {
  const child = fork(fileURLToPath(new URL(worker, import.meta.url)), [info.name], {
    execArgv: ["--conditions=source", "--import", "tsx"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let complaints = "";
  child.stderr!.on("data", (chunk) => {
    complaints = (complaints + chunk).slice(-2000);
  });
  const opened = await next(child, limitMs, () => complaints);
  if (opened.kind !== "opened") {
    child.kill();
    throw new Error(opened.kind === "failed" ? opened.message : `answered ${opened.kind}`);
  }
  return {
    info,
    version: opened.version,
    ask(ask) {
      if (!child.connected) return Promise.resolve({ kind: "failed", message: "its process has ended" });
      const answer = next(child, limitMs, () => complaints);
      child.send(ask);
      return answer;
    },
    stop: () => child.kill(),
  };
}

function next(child: ChildProcess, limitMs: number, complaints: () => string): Promise<Answer> {
  return new Promise((resolve) => {
    const done = (answer: Answer) => {
      clearTimeout(timer);
      child.off("message", done);
      child.off("exit", ended);
      resolve(answer);
    };
    const ended = () => done({ kind: "failed", message: /^\w*Error: .*$/m.exec(complaints())?.[0] ?? "its process ended" });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      done({ kind: "failed", message: `no answer within ${limitMs / 1000} s` });
    }, limitMs);
    child.on("message", done);
    child.on("exit", ended);
  });
}

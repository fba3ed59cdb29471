import { SnoopiError } from "@snoopi/core";
import { type HubFolder, hubFolder, pipelineFiles } from "@snoopi/models";
import { openModel } from "../pipeline/open.ts";
import { makeFolder } from "../train/node/folder.ts";
import { lockFolder } from "../train/node/lock.ts";
import { bytesThere, fetchFile } from "./fetch-file.ts";
import { hubToken } from "./hub-token.ts";
import { Stopped } from "./interrupt.ts";
import { type Phase, shownBytes } from "./progress.ts";
import { checkRoom } from "./room.ts";
import { openTerminal } from "./terminal.ts";
import { some } from "./text.ts";

export interface DownloadOptions {
  /** OWNER/NAME. */
  readonly repo: string;
  /** Paths in it. If empty: what making pictures needs. */
  readonly files: readonly string[];
  readonly out: string;
  readonly variant?: string;
  readonly revision?: string;
}

/** Downloads a model from the Hugging Face Hub, and prints where it is. */
export async function downloadCommand({ repo, files, out, variant, revision }: DownloadOptions, signal: AbortSignal): Promise<void> {
  const endpoint = process.env.HF_ENDPOINT;
  const token = await hubToken();
  const hub = { signal, ...(revision !== undefined && { revision }), ...(endpoint && { endpoint }), ...(token !== undefined && { token }) };
  const remote = await hubFolder(repo, hub);
  const named = variant === undefined ? {} : { variant };
  const wanted = files.length > 0 ? [...new Set(files)] : await filesOf(remote, named);
  const sizeOf = (paths: readonly string[]) => paths.reduce((sum, path) => sum + (remote.files.get(path)?.size ?? 0), 0);
  const absent = wanted.filter((path) => !remote.files.has(path));
  if (absent.length > 0) throw new SnoopiError(`${repo}: there is no file ${absent.join(", ")}. It has ${some([...remote.files.keys()])}.`);
  const total = sizeOf(wanted);

  const { progress, say } = openTerminal();
  say(`${repo} at ${remote.commit.slice(0, 8)}: ${wanted.length} ${wanted.length === 1 ? "file" : "files"}, ${shownBytes(total)}`);
  if (files.length === 0 && variant === undefined) {
    const half = await pipelineFiles(remote, { variant: "fp16" }).then(sizeOf, () => total);
    if (half < 0.7 * total) say(`With --variant fp16 it is ${shownBytes(half)}.`);
  }
  await makeFolder(out);
  await using _ = await lockFolder(out);
  let missing = total;
  for (const path of wanted) missing -= await bytesThere(remote, path, out);
  await checkRoom(out, missing);
  try {
    for (const path of wanted) {
      const { size } = remote.files.get(path)!;
      let phase: Phase | undefined;
      let there = 0;
      await fetchFile(remote, path, out, {
        signal,
        onBytes(now) {
          // Bytes from an earlier download do not count for the speed.
          if (phase) phase.advance(now - there);
          else phase = progress.phase(path, size, { unit: "bytes", from: now });
          there = now;
        },
      });
      phase?.done();
    }
  } catch (error) {
    if (signal.aborted) throw new Stopped("stopped. The same line goes on from here.", { cause: error });
    throw error;
  } finally {
    progress.close();
  }
  process.stdout.write(`${out}\n`);
}

/** The files that making pictures with a repository needs. A model that cannot be run is refused before anything large is downloaded. */
async function filesOf(remote: HubFolder, named: { readonly variant?: string }): Promise<string[]> {
  if (!remote.files.has("model_index.json")) {
    const weights = [...remote.files.keys()].filter((path) => path.endsWith(".safetensors"));
    throw new SnoopiError(
      `${remote.name}: it is no diffusers pipeline, there is no model_index.json. Name the files to bring: it has ${some(weights) || "no .safetensors"}.`,
    );
  }
  await openModel(remote, named);
  return pipelineFiles(remote, named);
}

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";

/**
 * The access token for the Hub: HF_TOKEN (empty for none), else the one that `hf auth login` saved, looked for where huggingface_hub
 * does (HF_TOKEN_PATH, else `token` in HF_HOME).
 */
export async function hubToken(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (env.HF_TOKEN !== undefined) return env.HF_TOKEN;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  const path = env.HF_TOKEN_PATH || join(home, "token");
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new SnoopiError(`${path}: the Hub's access token cannot be read, ${message}. Set HF_TOKEN, empty for none.`);
  }
}

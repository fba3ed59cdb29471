import { type HubOptions, hubFolder } from "@snoopi/models";
import { describe, expect, test } from "vitest";

// Hubs that fail in ways which a server of ours would be long to write for: what they answer is given to `fetch`.

type Answer = Response | Promise<Response>;
interface Answers {
  readonly revision?: () => Answer;
  readonly tree?: (url: URL) => Answer;
  readonly file?: (headers: Headers, signal: AbortSignal) => Answer;
}

const repo = "owner/model";
const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
const entry = { type: "file", path: "a.safetensors", size: 100, oid: "pointer", lfs: { oid: "0f".repeat(32), size: 100 } };
const json = (value: unknown, headers = {}) => new Response(JSON.stringify(value), { headers });
const refusal = (status: number, headers: Record<string, string>) => new Response(null, { status, headers });

/** A hub that gives these answers, and what it was asked with. */
function hub({ revision, tree, file }: Answers, options: HubOptions = {}) {
  const asked: Headers[] = [];
  const answer: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    const headers = new Headers(init?.headers);
    asked.push(headers);
    if (url.pathname.includes("/revision/")) return revision ? revision() : json({ sha: "0".repeat(40) });
    if (url.pathname.includes("/tree/")) return tree ? tree(url) : json([entry]);
    return file ? file(headers, init!.signal!) : new Response(bytes);
  };
  return { asked, options: { fetch: answer, ...options } };
}
const opened = (answers: Answers, options?: HubOptions) => hubFolder(repo, hub(answers, options).options);
const read = async (file: Answers["file"], { from = 10, to = 20, patience = 1000 } = {}) =>
  (await (await opened({ file: file! }, { patience })).open(entry.path)).read(from, to);
const part = (range: string, body: Uint8Array<ArrayBuffer>) =>
  new Response(body, { status: 206, headers: { "content-range": `bytes ${range}/100` } });

/** A body of these bytes, after which nothing comes and which does not end. */
const stalled = (first: Uint8Array) => new Response(new ReadableStream({ start: (controller) => controller.enqueue(first) }));
const never = (signal: AbortSignal) =>
  new Promise<Response>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });

describe("an answer that is no hub's is refused in one line", () => {
  const login = () => new Response("<html>Log in</html>");
  test.each<[string, Answers, RegExp]>([
    ["a login page", { revision: login }, /^owner\/model: huggingface\.co answers "<html>Log in<\/html>", which no hub does\./],
    ["a login page later", { tree: login }, /which no hub does/],
    ["no commit", { revision: () => json(null) }, /names the commit null, which is none\.$/],
    ["no list", { tree: () => json({ error: "x" }) }, /what huggingface\.co answers is no list of files\.$/],
    ["no file", { tree: () => json([null]) }, /names the file null, which is none\.$/],
    ["a file without a path", { tree: () => json([{ type: "file" }]) }, /names the file \{"type":"file"\}, which is none\.$/],
    [
      "a file without a size",
      { tree: () => json([{ ...entry, lfs: {} }]) },
      /a\.safetensors: its size undefined and digest undefined are none\.$/,
    ],
  ])("%s", async (_, answers, line) => {
    await expect(opened(answers)).rejects.toThrow(expect.objectContaining({ name: "SnoopiError", message: expect.stringMatching(line) }));
  });

  test("a list that does not end, with one cursor again and again or with always others", async () => {
    const to = (cursor: number) => json([], { link: `<https://huggingface.co/x?recursive=true&cursor=${cursor}>; rel="next"` });
    let next = 0;
    for (const tree of [() => to(1), () => to(next++)])
      await expect(opened({ tree })).rejects.toThrow("the list of files at huggingface.co does not end.");
  });
});

test("files whose names not every disk can have are left out, and the others are there", async () => {
  const odd = ["runs/12:30/x", "a\\b", "a\u001b[2Jb", "a\nb"].map((path) => ({ ...entry, path }));
  const { files } = await opened({ tree: () => json([...odd, entry]) });
  expect([...files.keys()]).toEqual([entry.path]);
});

describe("a connection that brings nothing counts as broken", () => {
  test("before an answer", async () => {
    let times = 0;
    const file = (_: Headers, signal: AbortSignal) => (times++ === 0 ? never(signal) : part("10-19", bytes.slice(10, 20)));
    expect(await read(file, { patience: 50 })).toEqual(bytes.slice(10, 20));
    expect(times).toBe(2);
  });

  test("within a file and within a list", async () => {
    let times = 0;
    const late = (whole: () => Response) => () => (times++ === 0 ? stalled(new Uint8Array([91])) : whole());
    expect(
      await read(
        late(() => new Response(bytes)),
        { from: 0, to: 100, patience: 50 },
      ),
    ).toEqual(bytes);
    times = 0;
    await opened({ tree: late(() => json([entry])) }, { patience: 50 });
    await expect(read(() => stalled(bytes.slice(0, 5)), { from: 0, to: 100, patience: 50 })).rejects.toThrow(
      `${repo}/${entry.path}: the connection breaks off, nothing comes for 0.05 s. Try again later.`,
    );
  });
});

describe("of a file come the bytes that were asked for or none", () => {
  test("an answer too short or too long is asked for again", async () => {
    for (const wrong of [3, 30]) {
      let times = 0;
      expect(await read(() => part("10-19", bytes.slice(10, times++ ? 20 : 10 + wrong)))).toEqual(bytes.slice(10, 20));
      await expect(read(() => part("10-19", bytes.slice(10, 10 + wrong)))).rejects.toThrow(`${wrong} of 10 bytes came.`);
    }
  });

  test("another range and the whole file are refused", async () => {
    await expect(read(() => part("0-9", bytes.slice(0, 10)))).rejects.toThrow(
      "the server sends bytes 0-9/100 where bytes 10-19 were asked for. Try another endpoint.",
    );
    await expect(read(() => new Response(bytes))).rejects.toThrow("the server sends the whole file where bytes 10-19 were asked for.");
  });

  test("of the whole file the end is taken, where that was asked for", async () => {
    expect(await read(() => new Response(bytes), { from: 90, to: 100 })).toEqual(bytes.slice(90));
  });
});

describe("a refusal says why", () => {
  test.each<[number, Record<string, string>, RegExp]>([
    [403, { "x-error-message": "Access to this resource is disabled." }, /answered 403, Access to this resource is disabled\.$/],
    [
      401,
      { "x-error-message": "Invalid credentials in Authorization header" },
      /answered 401, Invalid credentials in Authorization header\.$/,
    ],
    [
      401,
      { "x-error-code": "RepoNotFound", "x-error-message": "Invalid username or password." },
      /has no such model, or it is private and/,
    ],
    [401, { "x-error-message": "Invalid username or password." }, /has no such model, or it is private and/],
    [404, {}, /has no such model/],
    [403, { "x-error-code": "GatedRepo", "x-error-message": "Access to it is restricted." }, /it is gated\. Accept its terms/],
  ])("%d %j", async (status, headers, line) => {
    await expect(opened({ revision: () => refusal(status, headers) })).rejects.toThrow(line);
  });

  test.each([{ "retry-after": "1" }, { ratelimit: '"api";r=0;t=1' }])(
    "a pause of a second is kept where %j asks for it",
    async (headers) => {
      let times = 0;
      const start = performance.now();
      await opened({ revision: () => (times++ ? json({ sha: "0".repeat(40) }) : refusal(429, headers)) });
      expect(performance.now() - start).toBeGreaterThan(990);
    },
  );

  test("a long pause is told, not kept", async () => {
    await expect(opened({ revision: () => refusal(429, { ratelimit: '"api";r=0;t=250' }) })).rejects.toThrow(
      "answered 429 and wants no questions for 250 s. Try again then",
    );
  });
});

test("a token is read without the white space around it, and refused with some inside", async () => {
  for (const [token, header] of [
    [" hf_x\n", "Bearer hf_x"],
    ["\n", null],
  ] as const) {
    const { asked, options } = hub({}, { token });
    await hubFolder(repo, options);
    expect(asked.map((headers) => headers.get("authorization"))).toEqual([header, header]);
  }
  await expect(opened({}, { token: "hf\nx" })).rejects.toThrow("The access token has characters that none has");
});

test.each(["huggingface.co", "ftp://huggingface.co", "http://", " ", "https://a b"])("%j is no hub's address", async (endpoint) => {
  await expect(opened({}, { endpoint })).rejects.toThrow(`${JSON.stringify(endpoint)} is no hub's address.`);
});

test.each([".", "owner/.", "./model"])("%j is no model's name", async (name) => {
  await expect(hubFolder(name, hub({}).options)).rejects.toThrow("is no model's name on a hub.");
});

test("an option that is none is refused", async () => {
  await expect(hubFolder(repo, { ...hub({}).options, revison: "x" } as HubOptions)).rejects.toThrow("there is no option revison");
});

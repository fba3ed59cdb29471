import { clipVocabulary } from "../tokenizer/clip-vocabulary.ts";

/** A special token, as the published files describe it. */
const token = (content: string) => ({ content, lstrip: false, normalized: true, rstrip: false, single_word: false });
const given = { bos_token: token("<|startoftext|>"), eos_token: token("<|endoftext|>"), unk_token: token("<|endoftext|>") };

/**
 * The files of CLIP's tokenizer as Stable Diffusion publishes them, generated when they are read. `pad` is `<|endoftext|>` for version 1 and `!` for
 * version 2. CLIP's merges, half a megabyte, are loaded only when they are needed.
 */
export function tokenizerFiles({
  pad,
  merges,
}: {
  readonly pad: string;
  readonly merges?: string;
}): [path: string, text: () => string | Promise<string>][] {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const words = async () => merges ?? (await import("../../data/clip-merges.mjs")).default;
  const config = {
    add_prefix_space: false,
    ...given,
    do_lower_case: true,
    errors: "replace",
    model_max_length: 77,
    pad_token: pad,
    tokenizer_class: "CLIPTokenizer",
  };
  return [
    ["tokenizer/merges.txt", words],
    ["tokenizer/vocab.json", async () => JSON.stringify(clipVocabulary(await words()))],
    ["tokenizer/special_tokens_map.json", () => json({ ...given, pad_token: pad })],
    ["tokenizer/tokenizer_config.json", () => json(config)],
  ];
}

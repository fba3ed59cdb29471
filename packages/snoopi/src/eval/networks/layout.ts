import { type Shape, SnoopiError, show } from "@snoopi/core";
import { countOf, fitsShape, type TensorEntry, type TensorReader } from "@snoopi/models";
import { type FeatureNetworkKind, type PublishedNetwork, parametersOf, publishedNetworks } from "./published.ts";

/** Buffers that some versions of PyTorch and open_clip save beside the parameters. */
const buffers = /(^|\.)(num_batches_tracked|attn_mask|position_ids)$/;

/** A file under its network's own names: without the prefix that training on several GPUs leaves, and without buffers. */
export function parametersIn(reader: TensorReader): TensorReader {
  const stored = new Map<string, string>();
  for (const name of reader.entries.keys()) if (!buffers.test(name)) stored.set(name.replace(/^module\./, ""), name);
  return {
    name: reader.name,
    bytes: reader.bytes,
    entries: new Map([...stored].map(([name, from]) => [name, reader.entries.get(from)!])),
    read: (name, options) => reader.read(stored.get(name) ?? name, options),
    close: reader.close,
  };
}

const converter =
  "import sys,torch;from safetensors.torch import save_file as w;s=torch.load(sys.argv[1],'cpu',weights_only=True);" +
  "s=s.get('state_dict',s);w({k:v.contiguous().clone() for k,v in s.items()},sys.argv[2])";

/** Which file a network needs, how large it is, where it is published, what is in it, and how one that PyTorch wrote is converted. */
export function whatIsNeeded(published: PublishedNetwork): string {
  const { about, url, files, layout } = published;
  const parameters = parametersOf(published);
  const names = [...parameters.keys()];
  const gigabytes = (countOf(parameters) * 4) / 1e9;
  const size = gigabytes < 1 ? `${Math.round(gigabytes * 1000)} MB` : `${gigabytes.toFixed(2)} GB`;
  const pickle = files.find((file) => !file.endsWith(".safetensors"));
  return [
    `Give ${about}: ${files.join(" or ")} of ${url}, ${size} in f32, ${names.length} tensors by ${layout}'s names,`,
    `from "${names[0]}" ${show(parameters.get(names[0])!)} to "${names.at(-1)}" ${show(parameters.get(names.at(-1)!)!)}.`,
    ...(pickle
      ? [`Files of PyTorch's are converted once: python -c "${converter}" ${pickle} ${pickle.replace(/\.\w+$/, ".safetensors")}`]
      : []),
  ].join(" ");
}

/**
 * Makes sure that a file, as `parametersIn` gives it, is a network's.
 * @throws SnoopiError that names the first parameter that is missing or has another shape, what the file has instead, and what it is for.
 */
export function requireLayout(reader: TensorReader, published: PublishedNetwork): void {
  const wanted = parametersOf(published);
  const problem = firstProblem(reader.entries, wanted);
  if (problem === undefined) return;
  const kinds = (Object.keys(publishedNetworks) as FeatureNetworkKind[]).filter(
    (kind) => firstProblem(reader.entries, parametersOf(publishedNetworks[kind])) === undefined,
  );
  const advice = kinds.length > 0 ? `It is a file for ${kinds.join(" or ")}.` : whatIsNeeded(published);
  throw new SnoopiError(`${reader.name}: ${problem}. ${advice}`);
}

function firstProblem(entries: ReadonlyMap<string, TensorEntry>, wanted: ReadonlyMap<string, Shape>): string | undefined {
  const missing = [...wanted].filter(([name]) => !entries.has(name));
  if (missing.length > 0) {
    const [name, shape] = missing[0];
    const [other] = [...entries].filter(([stored]) => !wanted.has(stored));
    const instead = other
      ? `what it has that is not expected begins with "${other[0]}" ${show(other[1].shape)}`
      : "it has nothing in its place";
    return `${missing.length} of ${wanted.size} tensors are missing, the first is "${name}" ${show(shape)}; ${instead}`;
  }
  for (const [name, shape] of wanted) {
    const stored = entries.get(name)!.shape;
    if (!fitsShape(stored, shape)) return `"${name}" is ${show(stored)} in the file and ${show(shape)} in the network`;
  }
  return undefined;
}

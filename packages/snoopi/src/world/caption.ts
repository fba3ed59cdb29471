import { fillUniform, type Key, SnoopiError } from "@snoopi/core";
import { type Attributes, attributeNames, attributeValues, type Constraint } from "./attributes.ts";
import { type Scene, sampleScene } from "./scene.ts";

/** A constraint in words: `{ size: "small", shape: "star" }` is "a small star", `{}` is "a shape". */
export function captionOf({ size, fill, colour, shape, ground }: Constraint): string {
  const words = [size, fill, colour, shape ?? "shape"].filter((word) => word !== undefined);
  const article = words[0] === "orange" ? "an" : "a";
  return [article, ...words, ...(ground ? ["on", "a", ground, "background"] : [])].join(" ");
}

const either = (words: readonly string[]) => words.join("|");
const { size, fill, colour, shape, ground } = attributeValues;
const sentence = new RegExp(
  `^an? (?:(?<size>${either(size)}) )?(?:(?<fill>${either(fill)}) )?(?:(?<colour>${either(colour)}) )?` +
    `(?:shape|(?<shape>${either(shape)}))(?: on an? (?<ground>${either(ground)}) background)?$`,
);

/**
 * What a caption asks for. Case, spaces around words and a full stop do not matter.
 *
 * @throws SnoopiError for a sentence the grammar does not produce.
 */
export function parseCaption(caption: string): Constraint {
  const found = sentence.exec(caption.trim().toLowerCase().replace(/\s+/g, " ").replace(/ ?\.$/, ""));
  if (!found) {
    throw new SnoopiError(
      `parseCaption: ${JSON.stringify(caption)} is no caption of the tiny world. Write it like "a small solid red star on a black background"; each adjective, and the background, may be left out, and the shape may be "shape".`,
    );
  }
  return Object.fromEntries(Object.entries(found.groups ?? {}).filter(([, word]) => word !== undefined)) as Constraint;
}

/** Every constraint, from `{}` on: the product of each attribute's values and "open". The last attribute changes fastest. */
export const constraints: readonly Constraint[] = attributeNames.reduce<Constraint[]>(
  (all, name) => all.flatMap((one) => [one, ...attributeValues[name].map((value) => ({ ...one, [name]: value }))]),
  [{}],
);

/** Every caption, one for each of `constraints`, in the same order. */
export const captions: readonly string[] = constraints.map(captionOf);

/** The index of a constraint in `constraints`, and so of its caption in `captions`. */
export const captionIndex = (constraint: Constraint): number =>
  attributeNames.reduce((index, name) => {
    const values: readonly string[] = attributeValues[name];
    const value = constraint[name];
    return index * (values.length + 1) + (value === undefined ? 0 : values.indexOf(value) + 1);
  }, 0);

/** How likely a caption names each attribute of its picture. */
export const namingProbability: Readonly<Record<keyof Attributes, number>> = { size: 0.5, fill: 0.5, colour: 0.7, shape: 0.7, ground: 0.5 };

/** A picture's scene with what its caption says of it. */
export interface Example {
  readonly scene: Scene;
  readonly constraint: Constraint;
  readonly caption: string;
}

/** Example `index` of the endless sequence that `key` names: `sampleScene`'s scene, and a caption that names some of its attributes. */
export function sampleExample(key: Key, index: number): Example {
  const scene = sampleScene(key, index);
  const u = new Float32Array(attributeNames.length);
  fillUniform(key, 1, u, { start: index * 8 });
  const named = attributeNames.filter((name, i) => u[i] < namingProbability[name]);
  const constraint = Object.fromEntries(named.map((name) => [name, scene.attributes[name]])) as Constraint;
  return { scene, constraint, caption: captionOf(constraint) };
}

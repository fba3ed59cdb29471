import type { Constraint } from "../../world/attributes.ts";
import { captionOf } from "../../world/caption.ts";

/** Ten prompts that between them show every value of every attribute, and leave some open. */
export const contactPrompts: readonly string[] = (
  [
    { size: "large", fill: "solid", colour: "red", shape: "circle", ground: "white" },
    { size: "small", fill: "hollow", colour: "blue", shape: "square", ground: "black" },
    { size: "large", fill: "hollow", colour: "green", shape: "triangle", ground: "white" },
    { size: "small", fill: "solid", colour: "yellow", shape: "star", ground: "black" },
    { size: "large", colour: "purple", shape: "star" },
    { fill: "hollow", colour: "orange", shape: "circle" },
    { colour: "red", shape: "triangle", ground: "black" },
    { size: "small", shape: "square" },
    { colour: "blue" },
    {},
  ] as const satisfies readonly Constraint[]
).map(captionOf);

/** A prompt, and the negative to keep away from it. */
export interface Kept {
  readonly prompt: string;
  readonly negative: string;
}

export const contactNegatives: readonly Kept[] = (
  [
    [{}, { colour: "red" }],
    [{}, { ground: "white" }],
    [{}, { ground: "black" }],
    [{}, { size: "small" }],
    [{}, { fill: "hollow" }],
    [{}, { fill: "solid" }],
    [{ colour: "blue" }, { size: "large" }],
    [{ colour: "green" }, { ground: "white" }],
  ] as const satisfies readonly (readonly [Constraint, Constraint])[]
).map(([prompt, negative]) => ({ prompt: captionOf(prompt), negative: captionOf(negative) }));

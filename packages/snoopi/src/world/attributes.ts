/** The values of every attribute, in the order a caption names them. */
export const attributeValues = {
  size: ["small", "large"],
  fill: ["solid", "hollow"],
  colour: ["red", "orange", "yellow", "green", "blue", "purple"],
  shape: ["circle", "square", "triangle", "star"],
  ground: ["black", "white"],
} as const;

export type AttributeName = keyof typeof attributeValues;

/** What a picture shows. */
export type Attributes = { readonly [N in AttributeName]: (typeof attributeValues)[N][number] };

/** What a caption asks for: the attributes it leaves out may be anything. */
export type Constraint = { readonly [N in AttributeName]?: Attributes[N] };

/** What a scene is described by. */
export const attributeNames = Object.keys(attributeValues) as AttributeName[];

/** Whether a picture of `attributes` shows all that `constraint` names. */
export const satisfies = (attributes: Attributes, constraint: Constraint): boolean =>
  attributeNames.every((name) => constraint[name] === undefined || constraint[name] === attributes[name]);

type Rgb = readonly [number, number, number];

/** Red, green and blue from 0 to 1. */
export const palette: Readonly<Record<Attributes["colour"], Rgb>> = {
  red: [0.86, 0.1, 0.12],
  orange: [0.96, 0.52, 0.06],
  yellow: [0.95, 0.86, 0.15],
  green: [0.12, 0.62, 0.22],
  blue: [0.12, 0.28, 0.86],
  purple: [0.56, 0.16, 0.7],
};

/** Away from 0 and 1, so that a tint never clips. */
export const groundLevel: Readonly<Record<Attributes["ground"], number>> = { black: 0.06, white: 0.94 };

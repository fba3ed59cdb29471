import { SnoopiError } from "@snoopi/core";

// Configs: objects of known keys, each with a default and a line that says what it is.

/** One key of a config: how its value is checked, what it is when absent, and what it means. */
export interface Field<T> {
  readonly absent: T;
  /** What it is, for help and errors. */
  readonly about: string;
  /** All that it can be, where those are a few words. */
  readonly words?: readonly string[];
  /** @throws SnoopiError for an invalid value. `path` names the key. */
  read(value: unknown, path: string): T;
}

/** Fields by key; a nested object is a schema of its own. */
export type Schema = { readonly [key: string]: Field<any> | Schema };

/** What a schema's configs look like once read. */
export type ConfigOf<S extends Schema> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : S[K] extends Schema ? ConfigOf<S[K]> : never;
};

const refuse = (path: string, value: unknown, wanted: string): never => {
  throw new SnoopiError(`config: ${path} is ${JSON.stringify(value) ?? "missing"}. Give ${wanted}.`);
};

/** A number in a range, ends included. */
export function number(absent: number, about: string, { least = -Infinity, most = Infinity } = {}): Field<number> {
  const wanted = range("a number", least, most);
  const fits = (value: unknown) => typeof value === "number" && Number.isFinite(value) && value >= least && value <= most;
  return { absent, about, read: (value, path) => (fits(value) ? (value as number) : refuse(path, value, wanted)) };
}

/** A whole number in a range, ends included. */
export function whole(absent: number, about: string, { least = 0, most = Number.MAX_SAFE_INTEGER } = {}): Field<number> {
  const wanted = range("a whole number", least, most);
  const fits = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
  return { absent, about, read: (value, path) => (fits(value) ? (value as number) : refuse(path, value, wanted)) };
}

/** One of a few words. */
export function choice<const T extends string>(absent: NoInfer<T>, about: string, words: readonly T[]): Field<T> {
  const find = (value: unknown) => words.find((word) => word === value);
  return { absent, about, words, read: (value, path) => find(value) ?? refuse(path, value, `one of ${words.join(", ")}`) };
}

/** Any text of one character or more. */
export function text(absent: string, about: string): Field<string> {
  const fits = (value: unknown) => typeof value === "string" && value !== "";
  return { absent, about, read: (value, path) => (fits(value) ? (value as string) : refuse(path, value, "a text")) };
}

export function flag(absent: boolean, about: string): Field<boolean> {
  return { absent, about, read: (value, path) => (typeof value === "boolean" ? value : refuse(path, value, "true or false")) };
}

/** A field that may be left open: null when absent, or given as null. */
export const open = <T>(field: Field<T>): Field<T | null> => ({
  ...field,
  absent: null,
  read: (value, path) => (value === null ? null : field.read(value, path)),
});

/** Two numbers, each in a range. */
export function pair(
  absent: readonly [number, number],
  about: string,
  { least = -Infinity, most = Infinity } = {},
): Field<readonly [number, number]> {
  const fits = (value: unknown): value is [number, number] =>
    Array.isArray(value) && value.length === 2 && value.every((v) => Number.isFinite(v) && v >= least && v <= most);
  const wanted = `two numbers, each ${range("one", least, most)}`;
  return { absent, about, read: (value, path) => (fits(value) ? value : refuse(path, value, wanted)) };
}

/** Any number of whole numbers above 0, one at least. */
export function sizes(absent: readonly number[], about: string): Field<readonly number[]> {
  const fits = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every((v) => Number.isSafeInteger(v) && v > 0);
  return { absent, about, read: (value, path) => (fits(value) ? (value as number[]) : refuse(path, value, "whole numbers above 0")) };
}

function range(what: string, least: number, most: number): string {
  if (least === -Infinity && most === Infinity) return what;
  if (most === Infinity || most === Number.MAX_SAFE_INTEGER) return `${what} of ${least} or more`;
  return `${what} from ${least} to ${most}`;
}

const isField = (one: Field<any> | Schema): one is Field<any> => typeof (one as Partial<Field<any>>).read === "function";
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A config with every default filled in.
 * @throws SnoopiError for the first invalid value, and for keys that the schema does not have; it lists all of these.
 */
export function readConfig<S extends Schema>(schema: S, json: unknown): ConfigOf<S> {
  const unknown = unknownKeys(schema, json);
  if (unknown.length > 0) {
    const [first] = unknown;
    const parent = first.split(".").slice(0, -1);
    const at = parent.reduce<Schema>((inner, key) => inner[key] as Schema, schema);
    throw new SnoopiError(
      `config: ${unknown.join(", ")} ${unknown.length > 1 ? "are" : "is"} unknown. ${parent.length > 0 ? `${parent.join(".")} has` : "The keys are"} ${Object.keys(at).join(", ")}.`,
    );
  }
  return read(schema, json, "") as ConfigOf<S>;
}

function read(schema: Schema, json: unknown, path: string): Record<string, unknown> {
  if (json !== undefined && !isObject(json)) refuse(path || "the whole", json, "an object");
  return Object.fromEntries(
    Object.entries(schema).map(([key, one]) => {
      const at = path ? `${path}.${key}` : key;
      const value = (json as Record<string, unknown> | undefined)?.[key];
      if (!isField(one)) return [key, read(one, value, at)];
      return [key, value === undefined ? one.absent : one.read(value, at)];
    }),
  );
}

function unknownKeys(schema: Schema, json: unknown, path = ""): string[] {
  if (!isObject(json)) return [];
  return Object.entries(json).flatMap(([key, value]) => {
    const at = path ? `${path}.${key}` : key;
    const one = Object.hasOwn(schema, key) ? schema[key] : undefined;
    if (one === undefined) return [at];
    return isField(one) ? [] : unknownKeys(one, value, at);
  });
}

/** A key of a config, described for its users. */
export interface Described extends Pick<Field<unknown>, "about" | "words"> {
  readonly key: string;
  /** The default, as JSON. */
  readonly absent: string;
}

/** Every key with its default and what it is. */
export function describeSchema(schema: Schema, path = ""): Described[] {
  return Object.entries(schema).flatMap(([key, one]) => {
    const at = path ? `${path}.${key}` : key;
    if (!isField(one)) return describeSchema(one, at);
    const { absent, about, words } = one;
    return [{ key: at, absent: JSON.stringify(absent), about, ...(words && { words }) }];
  });
}

/** How two configs differ, as `key is A there and B here`. Keys in `free` may differ. */
export function differences(there: unknown, here: unknown, free: readonly string[] = [], path = ""): string[] {
  if (isObject(there) && isObject(here)) {
    const keys = [...new Set([...Object.keys(there), ...Object.keys(here)])];
    return keys.flatMap((key) => differences(there[key], here[key], free, path ? `${path}.${key}` : key));
  }
  const [a, b] = [there, here].map((value) => JSON.stringify(value) ?? "absent");
  return a === b || free.includes(path) ? [] : [`${path} is ${a} there and ${b} here`];
}

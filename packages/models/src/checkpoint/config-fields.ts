import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "./folder.ts";

const quote = (value: unknown) => JSON.stringify(value) ?? "missing";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.length > 0 && value.every(isCount);

/** Reads the keys of one config.json: checks each value, fills in what files omit, and remembers which keys nobody asked for. */
export function configFields(what: string, json: JsonObject) {
  const asked = new Set<string>();
  const get = (key: string): unknown => {
    asked.add(key);
    return json[key];
  };
  const refuse = (key: string, expected: string): never => {
    throw new SnoopiError(`${what}: ${key} is ${quote(json[key])}, ${expected}.`);
  };
  const checked = <T>(key: string, absent: T, rule: { is: (value: unknown) => value is T; expected: string }): T => {
    const value = get(key);
    if (value === undefined) return absent;
    return rule.is(value) ? value : refuse(key, rule.expected);
  };

  return {
    refuse,
    /** A positive whole number. */
    count: (key: string, absent: number) => checked(key, absent, { is: isCount, expected: "expected a positive whole number" }),
    number: (key: string, absent: number) => checked(key, absent, { is: isNumber, expected: "expected a number" }),
    /** A number, or null. */
    maybeNumber: (key: string) =>
      checked<number | null>(key, null, {
        is: (value): value is number | null => value === null || isNumber(value),
        expected: "expected a number or null",
      }),
    /** A list of numbers, or null. */
    maybeNumbers: (key: string) =>
      checked<readonly number[] | null>(key, null, {
        is: (value): value is number[] | null => value === null || (Array.isArray(value) && value.length > 0 && value.every(isNumber)),
        expected: "expected a list of numbers or null",
      }),
    /** A bool; null means false, as Python takes it. */
    bool: (key: string, absent: boolean) =>
      checked<boolean | null>(key, absent, {
        is: (value): value is boolean | null => value === null || typeof value === "boolean",
        expected: "expected true or false",
      }) ?? false,
    counts: (key: string, absent: readonly number[]) =>
      checked<readonly number[]>(key, absent, { is: isCounts, expected: "expected a list of positive whole numbers" }),
    /** One number for all blocks, or one for each. */
    countPerBlock(key: string, absent: number, blocks: number): readonly number[] {
      const value = get(key) ?? absent;
      if (isCount(value)) return new Array<number>(blocks).fill(value);
      if (!isCounts(value)) return refuse(key, "expected a positive whole number, or one for each block");
      return value.length === blocks ? value : refuse(key, `expected ${blocks} numbers, one for each of block_out_channels`);
    },
    /** One of `choices`. */
    choice<T extends string>(key: string, absent: T, choices: readonly T[]): T {
      const value = get(key) ?? absent;
      return choices.find((choice) => choice === value) ?? refuse(key, `only ${choices.map(quote).join(", ")} is supported`);
    },
    /** A list of names out of `known`; the unknown ones are listed. */
    choices<T extends string>(key: string, absent: readonly T[], known: readonly T[]): readonly T[] {
      const value = get(key) ?? absent;
      if (!Array.isArray(value) || value.length === 0) return refuse(key, "expected a list of names");
      const unknown = [...new Set(value.filter((item) => !known.includes(item)))];
      if (unknown.length === 0) return value as T[];
      throw new SnoopiError(`${what}: ${key} holds ${unknown.map(quote).join(", ")}, only ${known.join(", ")} are supported.`);
    },
    /** Keys that are supported at one value each, which is also the value of an absent key. */
    only(values: Readonly<Record<string, unknown>>) {
      for (const [key, wanted] of Object.entries(values)) {
        const value = get(key);
        // null, false and absent all switch a feature off.
        const off = (wanted === null || wanted === false) && (value === null || value === false);
        if (value !== undefined && !off && quote(value) !== quote(wanted)) refuse(key, `only ${quote(wanted)} is supported`);
      }
    },
    get,
    /** Keys that change nothing here: training, generation, bookkeeping. */
    skip(keys: readonly string[]) {
      for (const key of keys) asked.add(key);
    },
    /** Keys of the file that nobody asked for. */
    ignored: (): readonly string[] => Object.keys(json).filter((key) => !key.startsWith("_") && !asked.has(key)),
  };
}

/** What every parsed config carries besides its values. */
export interface ParsedConfig {
  /** Keys of the file that are unknown here and changed nothing: worth a warning. */
  readonly ignored: readonly string[];
}

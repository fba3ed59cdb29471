import { SnoopiError } from "@snoopi/core";
import type { Values } from "./values.ts";

/** What a command was given. */
export interface Words {
  readonly values: Values;
  /** Of options that may be given many times. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly positionals: readonly string[];
}

/**
 * Sorts words by option: `--name value` or `--name=value`, each at most once except those of `many`. Unlike Node's `parseArgs` it accepts
 * values that begin with a dash (`--seed -5`), unless they are the name of an option.
 */
export function wordsOf(command: string, argv: readonly string[], once: readonly string[], many: readonly string[] = []): Words {
  const values: Record<string, string> = {};
  const lists: Record<string, string[]> = Object.fromEntries(many.map((name) => [name, []]));
  const names = [...once, ...many];
  const isOption = (word: string) => word.startsWith("--") && names.includes(word.slice(2).split("=", 1)[0]!);
  const end = argv.indexOf("--") < 0 ? argv.length : argv.indexOf("--");
  const positionals = argv.slice(end + 1);
  for (let i = 0; i < end; i++) {
    const word = argv[i]!;
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      continue;
    }
    const [flag] = word.split("=", 1) as [string];
    if (!isOption(word)) throw new SnoopiError(`${command}: ${flag} is no option. See snoopi ${command} --help.`);
    const name = flag.slice(2);
    if (Object.hasOwn(values, name)) throw new SnoopiError(`${command}: ${flag} is given twice. Give it once.`);
    const value = word === flag ? argv[++i] : word.slice(flag.length + 1);
    if (value === undefined || i >= end || (word === flag && isOption(value))) {
      throw new SnoopiError(`${command}: ${flag} has no value. Write ${flag} and its value after it.`);
    }
    if (many.includes(name)) lists[name].push(value);
    else values[name] = value;
  }
  return { values, lists, positionals };
}

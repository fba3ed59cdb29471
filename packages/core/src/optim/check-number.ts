import { SnoopiError } from "../error.ts";

/** Throws unless every given number is finite and not negative. */
export function checkNumber(what: string, given: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (!(Number.isFinite(value) && value >= 0)) throw new SnoopiError(`${what}: ${name} is ${value}. Give a finite number, 0 or more.`);
  }
}

import { parseSync } from "vite";

/**
 * Turns the claims of an example into assertions: `expression; // => value` must equal the value, and so must the variable in `const x = …; // => value`.
 * Both may span several lines; the comment follows the end. Typed arrays are compared as arrays.
 * @throws when a claim follows nothing that has a value, so that none goes unchecked
 */
export function withAssertions(code: string): string {
  const { program, comments, errors } = parseSync("example.ts", code, { lang: "ts" });
  if (errors.length > 0) throw new Error(errors[0]!.message);
  let checked = code;
  // From the back, so that positions further ahead stay right.
  for (const comment of comments.toReversed()) {
    const value = /^ => (.*)$/.exec(comment.value)?.[1];
    if (value === undefined) continue;
    const statement = program.body.findLast(({ end }) => end <= comment.start && /^[;\t ]*$/.test(code.slice(end, comment.start)));
    const assert = (expression: string) => `expect(plain(${expression})).toEqual(plain(${value}));`;
    const rest = checked.slice(comment.end);
    if (statement?.type === "ExpressionStatement") {
      const { start, end } = statement.expression;
      checked = `${checked.slice(0, statement.start)}${assert(code.slice(start, end))}${rest}`;
    } else if (statement?.type === "VariableDeclaration" && statement.declarations[0]?.id.type === "Identifier") {
      checked = `${checked.slice(0, statement.end)} ${assert(statement.declarations[0].id.name)}${rest}`;
    } else {
      throw new Error(`The claim "//${comment.value}" stands behind no expression and no variable of the example's own.`);
    }
  }
  return `${preamble}\n${checked}`;
}

// On one line, so that line numbers in failures are those of the example plus one.
const preamble =
  'import { expect } from "vitest"; const plain = (value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value);';

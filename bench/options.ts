import { parseArgs } from "node:util";

/** What rates are computed from: wall-clock time, or CPU time as if spread over all cores. */
export type Clock = "wall" | "cpu";

export interface Options {
  readonly quick: boolean;
  readonly peers: boolean;
  /** Cases whose name contains this. */
  readonly filter: string;
  readonly json?: string;
  readonly clock: Clock;
  readonly rounds: number;
  readonly only?: readonly string[];
  /** A Python that has PyTorch, to be compared with. */
  readonly python?: string;
}

export const usage = `npm run bench -- [--quick] [filter] [options]

  --quick        the cases that matter most, in 3 rounds instead of 7
  filter         only cases whose name contains this text, e.g. matmul or training
  --no-peers     do not install or run other libraries
  --only A,B     only these libraries, by the names in the table
  --rounds N     interleaved rounds
  --clock cpu    rates by CPU time instead of the clock, for software adapters on busy machines
  --python PATH  a Python that has PyTorch, for the training steps
  --json FILE    write all times there
`;

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    allowNegative: true,
    options: {
      quick: { type: "boolean", default: false },
      peers: { type: "boolean", default: true },
      json: { type: "string" },
      clock: { type: "string", default: "wall" },
      rounds: { type: "string" },
      only: { type: "string" },
      python: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });

/** The options in `args`; undefined where they are wrong or ask for help. Errors of Node's parser are printed on stderr. */
export function readOptions(args: readonly string[]): Options | undefined {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    return undefined;
  }
  const { values, positionals } = parsed;
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  const { clock } = values;
  if (values.help || !Number.isInteger(rounds) || rounds < 1 || (clock !== "wall" && clock !== "cpu")) return undefined;
  return {
    quick: values.quick,
    peers: values.peers,
    filter: positionals.join(" "),
    rounds,
    clock,
    ...(values.json !== undefined && { json: values.json }),
    ...(values.python !== undefined && { python: values.python }),
    ...(values.only !== undefined && { only: values.only.split(",") }),
  };
}

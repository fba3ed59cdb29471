import type { Device, Program } from "../device.ts";
import { SnoopiError } from "../error.ts";
import { duplicate, execute, overwrite } from "../execute.ts";
import { isDense } from "../layout.ts";
import { type Materialized, Node, type Storage } from "../node.ts";
import { isView } from "../op.ts";
import { show, sizeOf } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { restore, type State, type Trace } from "./trace.ts";

/** A compiled recording: its results lie in the same storages after every run, and its state is updated in place. */
export interface Planned extends Disposable {
  readonly dispatches: number;
  /** @throws SnoopiError when a tensor that it only reads was assigned or disposed of, except by captured functions. */
  check(): void;
  /**
   * False when it must be made again: something outside uses a storage of its state, states that shared a storage no longer do, or a tensor
   * that it reads has moved to another storage.
   */
  fresh(): boolean;
  /** Runs everything once, and gives each output in a storage of its own. */
  run(): Node[];
}

/** FLOPs after which work is submitted, far below a browser's watchdog. */
const perSubmit = 4e9;

const lies = (node: Node): Materialized => node.value as Materialized;
const storageOf = (node: Node): Storage => lies(node).storage;
const fills = (node: Node): boolean => isDense(lies(node).layout) && lies(node).layout.offset === 0;

/** For each storage, the largest node that is dense from its start: the others are parts of it. */
function wholes(nodes: readonly Node[]): Set<Node> {
  const largest = new Map<Storage, Node>();
  for (const node of nodes) {
    const before = largest.get(storageOf(node));
    if (fills(node) && (!before || sizeOf(node.spec.shape) > sizeOf(before.spec.shape))) largest.set(storageOf(node), node);
  }
  return new Set(largest.values());
}

/** States that are updated themselves; the others are views of them, before and after a run. */
function leadersOf(states: readonly State[]): State[] {
  const found = wholes(states.map((s) => s.before));
  return states.filter((s, i) => found.has(s.before) && states.findIndex((o) => o.before === s.before) === i);
}

/** Whether a state is a view of the leader's storage now, and will be a view of the leader's next value. */
function follows(state: State, leader: State): boolean {
  if (state.before === leader.before || storageOf(state.before) !== storageOf(leader.before)) return false;
  let node = state.after;
  while (node !== leader.after && node.origin && isView(node.origin.op) && !node.origin.op.extra) node = node.origin.inputs[0];
  return node === leader.after;
}

/** How many of these nodes lie in each storage. */
function census(nodes: Iterable<Node>): Map<Storage, number> {
  const count = new Map<Storage, number>();
  for (const node of new Set(nodes)) count.set(storageOf(node), (count.get(storageOf(node)) ?? 0) + 1);
  return count;
}

/**
 * States that need a storage of their own before they can be updated in place: they share one with something that does not follow them, or
 * do not fill it. Parameters that are views of one packed tensor follow that tensor.
 */
export function entangled(states: readonly State[]): State[] {
  const leaders = leadersOf(states);
  const count = census(states.map((s) => s.before));
  return states.filter((s) => {
    const leader = leaders.includes(s) || leaders.some((l) => follows(s, l));
    return !leader || storageOf(s.before).refs > count.get(storageOf(s.before))!;
  });
}

/** Compiles a trace. The values it starts from have been computed, and none of its states is {@link entangled}. */
export function plan(device: Device, args: readonly Node[], trace: Trace): Planned {
  const { states, sources } = trace;
  const leaders = leadersOf(states);
  const given = new Set([...args, ...sources].map(storageOf));
  const own: Node[] = [];
  const copied = (node: Node) => {
    const copy = new Node(device, node.spec, { value: duplicate(device, node) }).retain();
    own.push(copy);
    return copy;
  };
  let outputs: Node[] = [];
  const program: Program = device.capture(() => {
    let pending = 0;
    const over = new Map(leaders.map(({ before, after }) => [after, before]));
    for (const cost of execute(device, [...trace.outputs, ...states.map((s) => s.after)], over)) {
      pending += cost;
      if (pending < perSubmit) continue;
      device.submit();
      pending = 0;
    }
    // An output that is only passed through must be copied before the state is overwritten.
    outputs = trace.outputs.map((node) => (given.has(storageOf(node)) ? copied(node) : node.retain()));
    const moves = leaders
      .filter(({ before, after }) => storageOf(before) !== storageOf(after))
      .map(({ before, after }) => [before, given.has(storageOf(after)) ? copied(after) : after] as const);
    for (const [before, after] of moves) overwrite(device, before, after);
  });
  own.push(...outputs.filter((node) => !own.includes(node)));
  const moved = new Set(states.map((s) => s.before));
  const read = [...trace.reads].filter(([, node]) => sources.includes(node)).map(([handle, before]) => homeOf({ handle, before }));
  const housed = new Set([...moved, ...read.map((home) => home.node)]);
  own.push(...sources.filter((node) => !housed.has(node)).map((node) => node.retain()));
  const release = () => {
    for (const home of read) leave(home);
    for (const node of own.splice(0)) node.release();
    program[Symbol.dispose]();
  };
  const astray = states.find((s) => !leaders.includes(s) && !sameView(lies(s.before), lies(s.after)));
  if (astray) {
    release();
    throw new SnoopiError(
      `capture: a state ${show(astray.handle.shape)} becomes another part of a tensor that it shares with others. Assign it a tensor of its own.`,
    );
  }
  const homes = states.map(homeOf);
  const places = [...homes, ...read].map((home) => [home, storageOf(home.node)] as const);

  return {
    dispatches: program.dispatches,
    check() {
      for (const { handle, node } of read) {
        if (handle.disposed)
          throw new SnoopiError(`capture: a tensor ${show(handle.shape)} that the captured function reads was disposed. Keep it.`);
        if (handle.node === node) continue;
        throw new SnoopiError(
          `capture: a tensor ${show(handle.shape)} that the captured function reads was assigned since. Pass it as an argument, or capture again.`,
        );
      }
    },
    fresh() {
      if (places.some(([home, storage]) => storageOf(home.node) !== storage)) return false;
      // What nobody shares needs no counting.
      if (homes.every(({ node }) => storageOf(node).refs === 1)) return true;
      if (homes.some(({ handle, node }) => !handle.disposed && handle.node !== node) && homes.some((h) => comesApart(device, h, homes)))
        return false;
      const count = census(homes.map((h) => h.node));
      return [...count].every(([storage, n]) => storage.refs <= n);
    },
    run() {
      for (const home of homes) settle(device, home);
      program.replay();
      const results = outputs.map((node) => new Node(device, node.spec, { value: duplicate(device, node) }));
      device.submit();
      return results;
    },
    [Symbol.dispose]() {
      for (const home of homes) leave(home);
      release();
    },
  };
}

const sameView = (a: Materialized, b: Materialized): boolean =>
  a.layout.offset === b.layout.offset && a.layout.strides.every((s, i) => s === b.layout.strides[i]);

/**
 * Where a state lives between runs: its handle, and the node whose storage programs update. Programs made for the same node share its home,
 * because settling the state for one of them may put another node in its place, with the storage that all of them update.
 */
interface Home {
  readonly handle: Tensor;
  node: Node;
  programs: number;
}

const allHomes = new WeakMap<Tensor, Set<Home>>();

function homeOf({ handle, before }: Pick<State, "handle" | "before">): Home {
  const known = allHomes.get(handle) ?? new Set();
  allHomes.set(handle, known);
  const home = [...known].find(({ node }) => node === before) ?? { handle, node: before.retain(), programs: 0 };
  known.add(home);
  home.programs++;
  return home;
}

function leave(home: Home): void {
  if (--home.programs > 0) return;
  home.node.release();
  allHomes.get(home.handle)?.delete(home);
}

/** Gives a state a storage of its own, where captured functions that use it will find it. */
export function detach(device: Device, { handle, before }: Pick<State, "handle" | "before">): void {
  const node = new Node(device, before.spec, { value: duplicate(device, before) });
  restore(handle, node);
  for (const home of allHomes.get(handle) ?? []) {
    if (home.node !== before) continue;
    home.node = node.retain();
    before.release();
  }
}

/** Whether a state that was a part of another no longer is, after one of them was assigned from outside. */
function comesApart(device: Device, part: Home, homes: readonly Home[]): boolean {
  const found = wholes(homes.map((h) => h.node));
  const whole = homes.find(({ node }) => found.has(node) && storageOf(node) === storageOf(part.node));
  if (!whole || whole === part) return false;
  const [now, all] = [part.handle, whole.handle];
  if (now.disposed || all.disposed || (now.node === part.node && all.node === whole.node)) return false;
  if (now.node === part.node || all.node === whole.node) return true;
  for (const _ of execute(device, [now.node, all.node])) void _;
  return storageOf(now.node) !== storageOf(all.node) || !sameView(lies(now.node), lies(part.node));
}

/**
 * Prepares a state for a run: a value that was assigned from outside is copied into our storage, and whatever else holds the value that is
 * about to be overwritten is left a copy of it.
 */
function settle(device: Device, home: Home): void {
  const { handle } = home;
  if (handle.disposed) {
    throw new SnoopiError(
      `capture: a tensor ${show(handle.shape)} that the function assigns was disposed. Keep it while the function is used.`,
    );
  }
  const assigned = handle.node === home.node ? undefined : handle.node;
  if (assigned) for (const _ of execute(device, [assigned])) void _;
  const ours = assigned ? 1 : 2;
  if (home.node.refs > ours) {
    const value = lies(home.node);
    home.node.value = duplicate(device, home.node);
    const node = new Node(device, home.node.spec, { value }).retain();
    if (!assigned) restore(handle, node);
    home.node.release();
    home.node = node;
  }
  if (!assigned) return;
  overwrite(device, home.node, assigned);
  restore(handle, home.node);
}

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Device, SnoopiError } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { openOutput } from "../../cli/output.ts";
import { type LoadedModel, loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { makeFolder } from "../../train/node/folder.ts";
import { digestOf } from "../../train/node/origin.ts";
import type { Cell } from "../table/cell.ts";
import { type CellState, emptyState, evaluate } from "../table/evaluate.ts";
import { type Figures, figuresOf, type Reference } from "../table/figures.ts";
import type { Floor } from "../table/floor.ts";
import type { About, Table } from "../table/table.ts";
import { type Autoencoder, openAutoencoder, readAutoencoder } from "./autoencoder.ts";
import { drawnFrom } from "./drawn-from.ts";
import { openExtractor } from "./extractors.ts";
import { painter } from "./painter.ts";
import { measuredFloor, measuredReference } from "./reference.ts";
import { shortNames } from "./short-names.ts";
import { readCell, writeCell } from "./state-file.ts";

export interface RunTableOptions {
  readonly device: Device;
  /** Whose CLIP, or VAE, takes the features. */
  readonly model: string;
  readonly out: string;
  /** Pictures at once. */
  readonly batch: number;
  /** Pictures of the world that features are compared with, and round trips that set the floor. */
  readonly reference: number;
  readonly roundTrips: number;
  readonly signal: AbortSignal;
  /** Progress of a part of the work, in pictures: called with 0 added when it begins. Two parts of one name may follow one another. */
  readonly onPictures?: (part: string, added: number, total: number, note?: string) => void;
}

export interface RanTable {
  readonly finished: boolean;
  readonly pictures: number;
  readonly total: number;
  /** Files that were written. */
  readonly files: readonly string[];
}

/**
 * Fills a table's cells, each from the state in its file in `out/state`, and writes the report when all are full. A stopped or killed run
 * loses the batch in progress.
 *
 * @throws SnoopiError when a cell's file is of another evaluation, saying what differs.
 */
export async function runTable(table: Table, options: RunTableOptions): Promise<RanTable> {
  const { device, out, batch, signal, onPictures } = options;
  const common = join(out, "state");
  const folder = join(common, table.name);
  for (const path of [out, common, folder]) await makeFolder(path);
  for (const path of [out, common, folder]) await sweep(path);
  using models = openModels(device, signal);
  const measure = (pictures: number, part: string) => ({
    folder: common,
    pictures,
    signal,
    onPictures: (added: number, total: number) => onPictures?.(part, added, total),
  });

  const unique = new Map<string, Cell>(table.cells.map((cell) => [cell.name, cell]));
  // All are opened before the first picture, so that a bad folder is found now and not after hours.
  const drawing = new Set([...unique.values()].flatMap(({ source }) => (source.by === "model" ? [source.model] : [])));
  for (const path of drawing) await openModel(nodeFolder(path));
  // Opened first: of equal VAEs the first one counts, and features should be reported under the model that was named.
  const own = await models.vae(options.model);
  const floors: Record<string, Floor> = {};
  const origins = new Map<string, string>();
  for (const { source } of unique.values()) {
    if (floors[source.model]) continue;
    const vae = await models.vae(source.model);
    floors[source.model] = await measuredFloor(vae, measure(options.roundTrips, "floor"));
    const draws = drawing.has(source.model);
    origins.set(source.model, draws ? await digestOf(source.model, await drawnFrom(source.model)) : vae.origin);
  }
  using extractor = await openExtractor(options.model, { device, vae: own });
  const wanted = [...unique.values()].some(({ features }) => features);
  const reference: Reference = wanted
    ? await measuredReference(extractor, measure(options.reference, "reference"))
    : { moments: emptyState().moments, rows: emptyState().rows };

  const identityOf = ({ name: _, source: { model, ...source }, ...cell }: Cell) => ({
    cell: { ...cell, source },
    model: origins.get(model),
    floor: floors[model],
    ...(cell.features && { features: extractor.origin }),
  });
  const states = new Map<string, CellState>();
  for (const cell of unique.values()) {
    const state = (await readCell(folder, cell.name, identityOf(cell))) ?? emptyState();
    const there = state.tally.pictures;
    if (there > cell.pictures) {
      throw new SnoopiError(
        `${join(folder, cell.name)}.json: there are ${there} pictures, and ${cell.pictures} are asked for. Ask for as many, or give another --out.`,
      );
    }
    states.set(cell.name, state);
  }
  const total = [...unique.values()].reduce((sum, { pictures }) => sum + pictures, 0);
  const count = () =>
    [...unique.values()].reduce((sum, { name, pictures }) => sum + Math.min(pictures, states.get(name)!.tally.pictures), 0);
  const left = total - count();
  onPictures?.(table.name, 0, left);
  const paint = painter({ loaded: models.loaded, vae: models.vae, signal });
  for (const cell of unique.values()) {
    const identity = identityOf(cell);
    const { name } = cell;
    const state = await evaluate(cell, {
      ...{ paint, extractor, batch, signal, floor: floors[cell.source.model], from: states.get(name)! },
      async onBatch(reached, added) {
        states.set(name, reached);
        await writeCell(folder, name, { identity, state: reached });
        onPictures?.(table.name, added, left, name);
      },
    }).catch((error: unknown) => {
      // A stop in the middle of a batch is not a failure.
      if (signal.aborted) return states.get(name)!;
      throw error;
    });
    if (state.tally.pictures < cell.pictures) return { finished: false, pictures: count(), total, files: [] };
  }
  const figures = new Map<string, Figures>();
  for (const cell of unique.values()) figures.set(cell.name, figuresOf(cell, states.get(cell.name)!, reference));
  // A report is read elsewhere: where a model lies on this machine is no part of it.
  const names = shortNames(Object.keys(floors));
  const about = { features: extractor.about, reference: options.reference, floors: merged(floors, names) };
  return { finished: true, pictures: total, total, files: await writeReport(table, { out, figures, about, names }) };
}

interface Written {
  readonly out: string;
  readonly figures: ReadonlyMap<string, Figures>;
  readonly about: About;
  /** Of models, by their folders. */
  readonly names: ReadonlyMap<string, string>;
}

async function writeReport(table: Table, { out, figures, about, names }: Written): Promise<string[]> {
  const { json, markdown, charts } = table.report(({ name }) => figures.get(name)!, about);
  const cells = table.cells.map((cell): [string, unknown] => [
    cell.name,
    { ...cell, source: { ...cell.source, model: names.get(cell.source.model) }, figures: figures.get(cell.name) },
  ]);
  const all: [string, string][] = [
    [`${table.name}.json`, jsonOf({ table: table.name, ...json, about }, new Map(cells))],
    ...Object.entries(charts).map(([name, svg]): [string, string] => [`${table.name}${name && `-${name}`}.svg`, svg]),
    [`${table.name}.md`, markdown],
  ];
  for (const [name, text] of all) await (await openOutput(join(out, name))).write(new TextEncoder().encode(text));
  return all.map(([name]) => join(out, name));
}

/** One cell per line, for there are hundreds, and six digits, which is more than so many pictures can resolve. */
function jsonOf(head: object, cells: ReadonlyMap<string, unknown>): string {
  const six = (_: string, value: unknown) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value);
  const lines = [...cells].map(([name, cell]) => `    ${JSON.stringify(name)}: ${JSON.stringify(cell, six)}`);
  return `${JSON.stringify(head, six, 2).slice(0, -2)},\n  "cells": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/** Lists equal floors once, with all models that have them: students come with their teacher's VAE. */
function merged(floors: Readonly<Record<string, Floor>>, names: ReadonlyMap<string, string>): About["floors"] {
  const all = new Map<string, { models: string[] } & Floor>();
  for (const [path, floor] of Object.entries(floors)) {
    const key = JSON.stringify(floor);
    all.set(key, { models: [...new Set([...(all.get(key)?.models ?? []), names.get(path)!])], ...floor });
  }
  return [...all.values()];
}

/** Opens models on demand, one UNet at a time: cells come model by model. */
function openModels(device: Device, signal: AbortSignal) {
  const vaes = new Map<string, Autoencoder>();
  const different = new Map<string, Autoencoder>();
  let current: { readonly path: string; readonly loaded: LoadedModel } | undefined;
  return {
    async vae(path: string): Promise<Autoencoder> {
      const known = vaes.get(path);
      if (known) return known;
      // Students and their snapshots come with their teacher's VAE: hundreds of equal ones share one on the device.
      const about = await readAutoencoder(path);
      const which = JSON.stringify(about);
      const opened = different.get(which) ?? (await openAutoencoder(path, { ...about, device }));
      different.set(which, opened);
      vaes.set(path, opened);
      return opened;
    },
    async loaded(path: string): Promise<LoadedModel> {
      if (current?.path === path) return current.loaded;
      current?.loaded[Symbol.dispose]();
      current = undefined;
      current = { path, loaded: await loadModel(await openModel(nodeFolder(path)), { device, signal }) };
      return current.loaded;
    },
    [Symbol.dispose]() {
      current?.loaded[Symbol.dispose]();
      for (const vae of different.values()) vae[Symbol.dispose]();
    },
  };
}

/** Removes what a killed run had begun to write. */
async function sweep(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => /^\..*\.\d+\.tmp$/.test(name));
  await Promise.all(left.map((name) => rm(join(folder, name), { force: true })));
}

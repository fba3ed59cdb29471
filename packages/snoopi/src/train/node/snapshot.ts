import { readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { differences } from "../schema.ts";
import { writeJson } from "./component.ts";
import { makeFolder, namesIn, sweep } from "./folder.ts";
import { secondName } from "./second-name.ts";
import { type StudentParts, writeStudent } from "./student-folder.ts";

/** The student as it was after `taken` steps. */
export interface Snapshot {
  readonly taken: number;
  /** Its folder, a pipeline as the student's own. */
  readonly folder: string;
}

/** What a snapshot is of. An existing one has to agree with it. */
interface SnapshotIdentity {
  readonly model: string;
  readonly config: unknown;
}

const about = "snapshot.json";
const folderOf = (out: string) => join(out, "snapshots");

/** Makes the folder of snapshots, and removes what a killed run had begun. */
export async function openSnapshots(out: string): Promise<void> {
  await makeFolder(folderOf(out));
  await sweep(folderOf(out), /^\.step-\d+\.\d+\.tmp$/);
}

export interface WriteSnapshotOptions {
  readonly taken: number;
  readonly identity: SnapshotIdentity;
  /** Keys of the config that need not agree. */
  readonly free: readonly string[];
  /** The student at that step. Called only if there is no such snapshot yet. */
  readonly parts: () => Promise<StudentParts>;
}

/**
 * Keeps the student as it is after `taken` steps in `out/snapshots`: a folder that appears whole or not at all, in which only the network
 * takes space, since the other files are hard links to the teacher's. An existing one, from before a run was stopped, stays as it is.
 *
 * @throws SnoopiError when it cannot be written, and when there is one of another config.
 */
export async function writeSnapshot(out: string, { taken, identity, free, parts }: WriteSnapshotOptions): Promise<void> {
  const path = join(folderOf(out), `step-${String(taken).padStart(6, "0")}`);
  const there = await readAbout(path);
  if (there) {
    const different = differences(
      there,
      { taken, ...identity },
      free.map((key) => `config.${key}`),
    );
    if (different.length === 0) return;
    throw new SnoopiError(`${path}: it is of another student: ${different.join("; ")}. Remove ${folderOf(out)}, or give another --out.`);
  }
  const begun = join(folderOf(out), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await makeFolder(begun);
    await writeStudent(begun, { ...(await parts()), take: secondName });
    await writeJson(join(begun, about), { taken, ...identity });
    await rename(begun, path).catch((error: Error) => {
      throw new SnoopiError(`${path}: it cannot be written, ${error.message}. Remove what is in its place and go on with --resume.`, {
        cause: error,
      });
    });
  } catch (error) {
    await rm(begun, { recursive: true, force: true });
    throw error;
  }
}

async function readAbout(path: string): Promise<unknown> {
  const text = await readFile(join(path, about), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new SnoopiError(`${join(path, about)}: it cannot be read, ${error.message}.`);
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SnoopiError(`${join(path, about)}: this is not JSON (${(error as Error).message}). Remove ${path}.`);
  }
}

/**
 * The snapshots of a student, by their steps.
 * @throws SnoopiError where there are none, saying how they are made, and where they cannot be read.
 */
export async function snapshotsOf(student: string): Promise<Snapshot[]> {
  const folder = folderOf(student);
  const names = await namesIn(folder);
  const found = names.flatMap((name) => {
    const [, digits] = /^step-(\d{6,})$/.exec(name) ?? [];
    return digits === undefined ? [] : [{ taken: Number(digits), folder: join(folder, name) }];
  });
  if (found.length === 0) throw new SnoopiError(`${folder}: there are no snapshots. Distil the student with --set snapshotEvery=N.`);
  return found.sort((a, b) => a.taken - b.taken);
}

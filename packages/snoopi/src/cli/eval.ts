import { runTable } from "../eval/node/run-table.ts";
import { type Course, curvesTable } from "../eval/table/curves.ts";
import { exclusionTable } from "../eval/table/exclusion-table.ts";
import { guidanceTable } from "../eval/table/guidance.ts";
import { judgeTable } from "../eval/table/judge-table.ts";
import { studentsTable } from "../eval/table/students.ts";
import type { Table, TableOptions } from "../eval/table/table.ts";
import { snapshotsOf } from "../train/node/snapshot.ts";
import { openDevice } from "./device.ts";
import type { EvalOptions, TableName } from "./eval-args.ts";
import { contactSheets } from "./eval-contact.ts";
import { namedFolder } from "./named-model.ts";
import { inParts } from "./progress.ts";
import { openTerminal } from "./terminal.ts";

const tables: { readonly [N in TableName]: (options: TableOptions) => Table | Promise<Table> } = {
  guidance: guidanceTable,
  students: studentsTable,
  async curves(options) {
    const courses: Course[] = [];
    for (const one of options.students) courses.push({ ...one, snapshots: await snapshotsOf(one.model) });
    return curvesTable(options, courses);
  },
  exclusion: exclusionTable,
  judge: judgeTable,
};

/** Fills a table, or draws contact sheets, and prints the files' paths. Returns whether it finished. */
export async function evalCommand(
  asked: EvalOptions,
  { signal, software }: { readonly signal: AbortSignal; readonly software: string },
): Promise<boolean> {
  const { stdout } = process;
  const options = await withFolders(asked);
  const { progress, say } = openTerminal();
  using opened = await openDevice(options.device);
  const { device } = opened;
  say(opened.line);
  const { advance: onPictures, done } = inParts(progress);
  try {
    if (options.table === "contact") {
      for (const path of await contactSheets(options, { device, signal, software, onPictures })) stdout.write(`${path}\n`);
      done();
      return true;
    }
    const { finished, pictures, total, files } = await runTable(await tables[options.table](options), {
      ...options,
      device,
      signal,
      onPictures,
    });
    if (!finished) {
      say(`snoopi: stopped after ${pictures} of ${total} pictures, which are counted. The same command goes on.`);
      return false;
    }
    done();
    for (const path of files) stdout.write(`${path}\n`);
    return true;
  } finally {
    progress.close();
  }
}

/** The same with folders in place of the names of shipped models. */
async function withFolders(options: EvalOptions): Promise<EvalOptions> {
  const model = await namedFolder(options.model, "eval");
  const students = [];
  for (const one of options.students) students.push({ ...one, model: await namedFolder(one.model, "eval") });
  return { ...options, model, students };
}

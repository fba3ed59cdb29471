import { resolve } from "node:path";
import { expect, test } from "vitest";
import { shortNames } from "./short-names.ts";

test("a folder is named by its own name, and by those above it as far as another has the same", () => {
  const names = (...paths: string[]) => [...shortNames(paths).values()];
  expect(names("/runs/teacher", "/runs/a/student", "b")).toEqual(["teacher", "student", "b"]);
  expect(names("/runs/a/student", "/runs/b/student/", "/runs/teacher")).toEqual(["a/student", "b/student", "teacher"]);
  expect(names("/1/a/student", "/2/a/student", "/b/student")).toEqual(["1/a/student", "2/a/student", "b/student"]);
  // One is the end of the other.
  expect(names("/student", "/a/student")).toEqual(["/student", "a/student"]);
  // Of one folder there is one name.
  expect(names("x/student", resolve("x/student"), "x//student")).toEqual(["student", "student", "student"]);
});

import type { Attend } from "@snoopi/models";
import { type NasaOptions, nasa } from "@snoopi/snoopi";
import { afterEach } from "vitest";

const opened: Disposable[] = [];
afterEach(() => {
  for (const steering of opened.splice(0)) steering[Symbol.dispose]();
});

/** NASA, disposed of when the test ends. */
export const steer = (options: NasaOptions, attend?: Attend): Attend => {
  const steering = nasa(options);
  opened.push(steering);
  return steering(attend);
};

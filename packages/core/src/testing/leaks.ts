import type { Device } from "../device.ts";
import { SnoopiError } from "../error.ts";

/**
 * Runs `fn` and throws if more is held on `device` afterwards than before: tensors that belong to no closed scope and were not disposed
 * of. What `fn` returns is ignored, and counts when it holds memory. Tensors that were recorded and never computed hold none.
 *
 * Nothing else may run on the device meanwhile. What the garbage collector frees of earlier work can hide a leak, never make one up.
 * @throws SnoopiError with the counts.
 */
export async function expectNoLeaks(device: Device, fn: () => unknown): Promise<void> {
  await device.idle();
  const before = device.memory();
  await fn();
  await device.idle();
  const after = device.memory();
  const [tensors, bytes] = [after.tensors - before.tensors, after.bytes - before.bytes];
  if (tensors <= 0 && bytes <= 0) return;
  throw new SnoopiError(
    `expectNoLeaks: ${device.name} holds ${after.tensors} storages of ${after.bytes} bytes, and held ${before.tensors} of ${before.bytes} before. Dispose of what is made, or make it in a scope.`,
  );
}

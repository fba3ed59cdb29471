// What runs in a page that has the core alone.
import { cpu, tensor } from "@snoopi/core";
import { computeOn } from "./compute.ts";

export const computeOnCpu = () => computeOn(cpu);

/** A view for the package `ndarray`, which core loads when it is asked for one. */
export async function ndarrayShape(): Promise<number[]> {
  return (await tensor([[1, 2, 3]]).ndarray()).shape;
}

export const hasWebGpu = (): boolean => "gpu" in navigator;

import { larger } from "./larger.ts";

/** WGSL for workgroups of 256 threads: the sum or the maximum of one value per thread, returned to every thread. */
export const tree = /* wgsl */ `
const THREADS = 256u;
var<workgroup> partial: array<T, THREADS>;

fn treeSum(thread: u32, value: T) -> T {
  workgroupBarrier(); // the previous result may still be read
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) { partial[thread] += partial[thread + half]; }
    workgroupBarrier();
  }
  return partial[0];
}

fn treeMax(thread: u32, value: T) -> T {
  workgroupBarrier(); // the previous result may still be read
  partial[thread] = value;
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) {
      let a = partial[thread];
      let b = partial[thread + half];
      partial[thread] = ${larger("a", "b")};
    }
    workgroupBarrier();
  }
  return partial[0];
}
`;

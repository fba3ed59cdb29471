/**
 * The methods of the paper's Table 2 and Fig. 2, and a control that the paper lacks, each as overrides of `tiny-table2.json`, which draws
 * one κ from 0.5 to 4 for both teachers. A κ that is not drawn is SwiftBrush's 4.5, since the paper names none, or in the control the
 * interval's mean.
 */
export const table2Rows = {
  "random-both": [],
  "random-teacher": ["method.loraKappa=4.5"],
  "random-lora": ["method.teacherKappa=4.5"],
  "random-none": ["method.teacherKappa=4.5", "method.loraKappa=4.5"],
  "fixed-mean": ["method.teacherKappa=2.25", "method.loraKappa=2.25"],
  ttur: ["method.name=ttur", "method.teacherKappa=4.5", "method.loraKappa=4.5", "method.loraSteps=5"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Table2Row = keyof typeof table2Rows;

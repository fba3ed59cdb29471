/** The folder of the one-step student, as diffusers writes it. A file URL in Node. */
export const student: URL;
/** The folder of the teacher, with both towers of the CLIP that judges pictures in `clip/`. */
export const teacher: URL;

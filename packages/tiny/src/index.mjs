export const student = new URL("../student/", import.meta.url);
export const teacher = new URL("../teacher/", import.meta.url);

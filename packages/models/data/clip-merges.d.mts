/** merges.txt of CLIP's tokenizer: the version line, and its 48,894 pairs, one a line. */
declare const merges: string;
export default merges;

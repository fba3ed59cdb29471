/** A token of the vocabulary and the logarithm of its probability. Its place in the list is its id. */
export type Piece = readonly [text: string, score: number];

// How far an unknown character scores below the least likely piece: `kUnkPenalty` of sentencepiece.
const unknownPenalty = 10;

/**
 * Cuts a word into the pieces whose scores sum to the most (Kudo 2018, arXiv:1804.10959, by the Viterbi algorithm) and returns their ids.
 * What no piece covers becomes `unknownId`, once for a run of characters. Of two equal sums the one with the longer last piece wins, as in
 * the reference. Time: characters × the length of the longest piece.
 */
export function unigram(pieces: readonly Piece[], unknownId: number): (word: string) => number[] {
  const ids = new Map(pieces.map(([text], id) => [text, id]));
  let [longest, least] = [0, Number.POSITIVE_INFINITY];
  for (const [text, score] of pieces) {
    longest = Math.max(longest, [...text].length);
    least = Math.min(least, score);
  }
  const unknownScore = least - unknownPenalty;

  return (word) => {
    const characters = [...word];
    const count = characters.length;
    // For the first n characters: the best sum, and where and with which id its last piece begins.
    const sums = new Float64Array(count + 1).fill(Number.NEGATIVE_INFINITY);
    const begins = new Int32Array(count + 1);
    const lasts = new Int32Array(count + 1);
    sums[0] = 0;
    const offer = (begin: number, end: number, id: number, score: number) => {
      if (sums[begin] + score <= sums[end]) return;
      sums[end] = sums[begin] + score;
      begins[end] = begin;
      lasts[end] = id;
    };
    for (let begin = 0; begin < count; begin++) {
      let text = "";
      let known = false;
      for (let end = begin + 1; end <= Math.min(begin + longest, count); end++) {
        text += characters[end - 1];
        const id = ids.get(text);
        if (id === undefined) continue;
        offer(begin, end, id, pieces[id][1]);
        known ||= end === begin + 1;
      }
      if (!known) offer(begin, begin + 1, unknownId, unknownScore);
    }
    const found: number[] = [];
    for (let end = count; end > 0; end = begins[end]) {
      if (lasts[end] !== unknownId || found.at(-1) !== unknownId) found.push(lasts[end]);
    }
    return found.reverse();
  };
}

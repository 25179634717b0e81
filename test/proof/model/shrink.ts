/** Makes a sequence that fails shorter, as long as it still fails. */

/** Leaves out ever smaller pieces; `fails` is asked at most `triesMax` times. */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  triesMax: number,
): Promise<readonly T[]> {
  let left = items;
  let tries = 0;
  for (let piece = Math.ceil(left.length / 2); ; ) {
    let hasShrunk = false;
    for (let from = 0; from < left.length && tries < triesMax; ) {
      const without = [...left.slice(0, from), ...left.slice(from + piece)];
      tries++;
      if (await fails(without)) {
        left = without;
        hasShrunk = true;
      } else from += piece;
    }
    if (tries >= triesMax || (piece === 1 && !hasShrunk)) return left;
    if (piece > 1) piece = Math.ceil(piece / 2);
  }
}

/**
 * Mutants: mistakes that lose or falsify data, each one a small change of a source text. A harness
 * that does not notice one of them has not shown anything about the code without it.
 */

/** Directed harnesses, from the fastest to the widest; see checks/. */
export type CheckName =
  | "stories"
  | "crash"
  | "crash-later"
  | "failures"
  | "damage"
  | "decoding"
  | "large-group"
  | "files"
  | "traces";

export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  readonly id: string;
  /** What the engine does wrong with it. */
  readonly story: string;
  readonly edits: readonly Edit[];
  /** Tried one after the other until one notices; the likeliest first. */
  readonly checks: readonly CheckName[];
}

/** A text with the edits of its file made. Throws when one does not fit exactly once. */
export function edited(text: string, file: string, edits: readonly Edit[]): string {
  let changed = text;
  for (const edit of edits) {
    if (edit.file !== file) continue;
    const places = changed.split(edit.from).length - 1;
    if (places !== 1) {
      throw new Error(`${file}: the text to replace stands there ${places} times: ${edit.from}`);
    }
    changed = changed.replace(edit.from, () => edit.to);
  }
  return changed;
}

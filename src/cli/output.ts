/** What a command prints: its result on stdout, everything about it on stderr. */
import { stripVTControlCharacters } from "node:util";
import { CairnError } from "../errors.ts";
import { CliError } from "./cli-error.ts";
import { paint } from "./colour.ts";
import { hasColours, type Surroundings } from "./surroundings.ts";

/** Whatever JSON can hold, and bigints. */
export interface PlainObject {
  readonly [name: string]: unknown;
}

export class Output {
  /** Results and errors are JSON, one document per line. */
  readonly isJson: boolean;
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings, isJson: boolean) {
    this.#surroundings = surroundings;
    this.isJson = isJson;
  }

  /** A result in both forms; `lines` is not called for the other one. */
  async result(json: PlainObject, lines: () => readonly string[]): Promise<void> {
    if (this.isJson) return await this.text(`${toJson(json)}\n`);
    const text = lines();
    if (text.length > 0) await this.text(`${text.join("\n")}\n`);
  }

  async text(text: string): Promise<void> {
    await this.#surroundings.stdout.write(text);
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    await this.#surroundings.stdout.write(bytes);
  }

  /** Something to know about the result. With --json it is part of the result instead. */
  async note(text: string): Promise<void> {
    if (!this.isJson) await this.#surroundings.stderr.write(`cairn: note: ${text}\n`);
  }

  async error(error: unknown): Promise<void> {
    const { code, message, more } = describeError(error);
    const { stderr, env } = this.#surroundings;
    if (this.isJson) {
      await stderr.write(`${toJson({ error: { code, message, ...more } })}\n`);
      return;
    }
    const plain = stripVTControlCharacters(message);
    const name = hasColours(stderr, env) ? paint("red", "cairn:") : "cairn:";
    await stderr.write(`${name} ${plain} (${code})\n`);
  }
}

/** Numbers that JSON lacks: seqs are at most 2^53 - 1, so a number holds them exactly. */
export function toJson(value: PlainObject): string {
  return JSON.stringify(value, (_name, found: unknown) =>
    typeof found === "bigint" ? Number(found) : found,
  );
}

/** Rows of cells as lines, each column as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index]))
      .join("  ")
      .trimEnd(),
  );
}

interface Described {
  readonly code: string;
  readonly message: string;
  readonly more: PlainObject;
}

function describeError(error: unknown): Described {
  if (error instanceof CairnError) {
    const { code, message, class: kind, retryable, details } = error;
    return { code, message, more: { class: kind, retryable, details } };
  }
  if (error instanceof CliError) return { code: error.code, message: error.message, more: {} };
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const message = `This is a fault in CairnDB, please report it: ${what}`;
  return { code: "internal", message, more: {} };
}

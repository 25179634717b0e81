import type { LogStorage } from "../../../src/storage/port.ts";

/** A log in arrays, for reading what somebody has damaged. */
export class ArrayLog implements LogStorage {
  readonly segments: Map<number, Uint8Array>;
  readonly capabilities = {
    sync: true,
    durable: "fsync",
    staging: true,
    shared: false,
    limits: { writeBytes: 2 ** 30, blobBytes: 2 ** 31 },
  } as const;

  constructor(segments: Map<number, Uint8Array> = new Map()) {
    this.segments = segments;
  }

  #segment(segment: number): Uint8Array {
    const bytes = this.segments.get(segment);
    if (bytes === undefined) throw new Error(`there is no segment ${segment}`);
    return bytes;
  }

  list(): number[] {
    return [...this.segments.keys()].sort((left, right) => left - right);
  }
  create(segment: number, bytes: number): void {
    this.segments.set(segment, new Uint8Array(bytes));
  }
  async createAhead(segment: number, bytes: number): Promise<void> {
    this.create(segment, bytes);
  }
  size(segment: number): number {
    return this.#segment(segment).length;
  }
  append(segment: number, at: number, bytes: Uint8Array): void {
    this.#segment(segment).set(bytes, at);
  }
  async sync(): Promise<void> {}
  syncSync(): void {}
  read(segment: number, at: number, into: Uint8Array): number {
    const piece = this.#segment(segment).subarray(at, at + into.length);
    into.set(piece);
    return piece.length;
  }
  remove(segments: readonly number[]): void {
    for (const segment of segments) this.segments.delete(segment);
  }
}

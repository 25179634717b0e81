import { CairnError } from "../errors.ts";
import { type AccessMode, type Claim, rootBytes } from "./port.ts";

/** What a storage may do at the moment; its log, blobs and root ask before they do it. */
export class Access {
  /** The storage's name, for messages. */
  readonly name: string;
  mode: AccessMode | undefined;

  constructor(name: string) {
    this.name = name;
  }

  requireClosed(operation: string): void {
    if (this.mode === undefined) return;
    throw forbidden(`${operation} ${this.name}`, `it acquired ${this.mode}`, "it not acquired");
  }

  requireOpen(operation: string): void {
    if (this.mode !== undefined) return;
    throw new CairnError(
      "closed",
      `Cannot ${operation} in ${this.name}: the storage is closed. Acquire it first.`,
      { details: { operation, storage: this.name } },
    );
  }

  requireWritable(operation: string): void {
    this.requireOpen(operation);
    if (this.mode === "exclusive") return;
    throw new CairnError(
      "read_only",
      `Cannot ${operation} in ${this.name}: it is open read-only. Open it for writing.`,
      { details: { operation, storage: this.name } },
    );
  }
}

/** A caller asked for what the port forbids; that caller is the engine, so the fault is ours. */
export function forbidden(operation: string, found: string, expected: string): CairnError {
  return new CairnError(
    "invariant_broken",
    `Cannot ${operation}: found ${found}, expected ${expected}. This is a fault in CairnDB: ` +
      "report it.",
    { details: { operation, found, expected } },
  );
}

const blobName = /^[a-z0-9-]+$/;

export function requireBlobName(operation: string, name: string): void {
  if (!blobName.test(name)) throw forbidden(operation, `the name "${name}"`, "[a-z0-9-]+");
}

export function requireRootBytes(bytes: Uint8Array): void {
  if (bytes.byteLength === rootBytes) return;
  throw forbidden("write the root", `${bytes.byteLength} bytes`, `${rootBytes}`);
}

/** A claim to read: no lock, no generation, nothing to lose. */
export const readOnlyClaim: Claim = {
  mode: "read-only",
  generation: 0,
  check() {},
  release() {},
};

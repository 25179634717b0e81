/**
 * Storages with a mistake in them, to show that the exploration would find an engine that made the
 * same one: whoever answers before the sync has not synced.
 */
import type { BlobStorage, LogStorage, RootStorage, Storage } from "../../src/storage/port.ts";

/** Answers `replaced` for its own names and everything else as `original` does. */
function except<T extends object>(original: T, replaced: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      const own = (replaced as Record<PropertyKey, unknown>)[name];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Commits are acknowledged before they are synced. */
export function withoutLogSync(storage: Storage): Storage {
  const lying: Partial<LogStorage> = { sync: async () => undefined, syncSync: () => undefined };
  return except(storage, { log: except(storage.log, lying) });
}

/** The log is trimmed, and blobs are removed, as if every root had been written at once. */
export function withoutRoot(storage: Storage): Storage {
  const lying: Partial<RootStorage> = {
    compareAndSet: () => "ok",
    compareAndSetAsync: async () => "ok",
  };
  return except(storage, { root: except(storage.root, lying) });
}

/** Blobs are never removed. */
export function withoutRemoval(storage: Storage): Storage {
  const lying: Partial<BlobStorage> = { remove: () => undefined };
  return except(storage, { blobs: except(storage.blobs, lying) });
}

/** A sealed blob has lost the last page that was written to it. */
export function withoutLastPage(storage: Storage): Storage {
  const stage: BlobStorage["stage"] = (name) => {
    const staged = storage.blobs.stage(name);
    const forgetful = (blob: Awaited<typeof staged>): typeof blob => {
      const pages: [number, Uint8Array][] = [];
      const finish = (): void => {
        for (const [at, bytes] of pages.slice(0, name.startsWith("pages") ? -2 : undefined)) {
          blob.write(at, bytes);
        }
        const header = pages[pages.length - 1];
        if (name.startsWith("pages") && header !== undefined) blob.write(...header);
      };
      return except(blob, {
        write: (at: number, bytes: Uint8Array) => {
          pages.push([at, bytes.slice()]);
        },
        seal: () => {
          finish();
          return blob.seal();
        },
        sealAsync: () => {
          finish();
          return blob.sealAsync();
        },
      });
    };
    return staged instanceof Promise ? staged.then(forgetful) : forgetful(staged);
  };
  return except(storage, { blobs: except(storage.blobs, { stage }) });
}

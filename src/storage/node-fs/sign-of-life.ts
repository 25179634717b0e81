/**
 * A sign of life that the kernel takes back: a listening Unix socket.
 *
 * It answers while its process lives, also when that process is stopped or busy, and refuses as
 * soon as the process has ended in whatever way. The kernel closes it only after the last system
 * call of the process has returned, so a refusal also means that no write is still under way.
 *
 * It is bound to a name nobody looks for, listens, and only then gets the name that others probe: a
 * name that is visible never refuses because its owner was not ready. (The runtime removes the
 * first name when it closes; the second stays for us to remove or leave.)
 */
import { closeSync, lstatSync, openSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CairnError } from "../../errors.ts";
import { attempt, errnoOf, storageFailure } from "./failure.ts";
import { randomId } from "./lock-record.ts";

export type Sign =
  /** Somebody listens. */
  | "answers"
  /** The socket is there and nobody listens. */
  | "refuses"
  /** There is no socket of that name. */
  | "gone"
  | "unclear";

export const socketSuffix = ".socket";
export const bindingSuffix = ".binding";

/** Bytes of the longest socket path that every platform takes. */
const socketPathBytesMax = 103;

/** Failures that have nothing to do with sockets. */
const plainErrnos: ReadonlySet<string> = new Set(["EROFS", "ENOSPC", "EDQUOT", "EACCES"]);

/** A local connection succeeds or fails at once; one that does neither tells nothing. */
const answerMsMax = 2_000;

/** Keeps every listening server reachable: none may be collected while it stands for a claim. */
const listening = new Set<Server>();

export class SignOfLife {
  readonly #server: Server;
  readonly #path: string;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
  }

  /** Listens as `id` in `folder`. Does not keep the process running. */
  static async listen(folder: string, id: string): Promise<SignOfLife> {
    const server = createServer((connection) => connection.destroy());
    const path = join(folder, id + socketSuffix);
    let route: Route | undefined;
    try {
      route = shortRoute(folder);
      await startListening(server, join(route.path, id + bindingSuffix));
      renameSync(join(folder, id + bindingSuffix), path);
    } catch (error) {
      server.close();
      throw listenFailure(folder, error);
    } finally {
      route?.close();
    }
    server.on("error", () => undefined);
    server.unref();
    listening.add(server);
    return new SignOfLife(server, path);
  }

  /** When it began to listen, by the clock of the file system; Unix milliseconds. */
  get since(): number {
    const path = this.#path;
    return attempt("look at", path, () => Math.floor(lstatSync(path).mtimeMs));
  }

  /** Stops answering. The socket stays behind and refuses from now on, unless it is removed. */
  close(options: { remove: boolean }): void {
    if (!listening.delete(this.#server)) return;
    this.#server.close();
    if (!options.remove) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // A socket that stays refuses; the next holder of the lock removes it.
    }
  }
}

function listenFailure(folder: string, error: unknown): CairnError {
  const errno = errnoOf(error);
  if (plainErrnos.has(errno)) return storageFailure("lock", folder, error);
  const reason = error instanceof Error ? error.message : String(error);
  return new CairnError(
    "lock_invalid",
    `Cannot lock ${folder}: no socket can listen there (${reason}). Use a file system that takes ` +
      "Unix sockets, and allow this process to listen on one.",
    { cause: error, details: { path: folder, errno } },
  );
}

function startListening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // `exclusive`: in a cluster worker, the primary process would otherwise listen in its place.
    server.listen({ path, exclusive: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Asks for the sign of life of `id` in `folder`. */
export async function probe(folder: string, name: string): Promise<Sign> {
  try {
    // Connecting to a file that is no socket is refused too, and would look like a dead process.
    if (!lstatSync(join(folder, name)).isSocket()) return "gone";
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? "gone" : "unclear";
  }
  let route: Route | undefined;
  try {
    route = shortRoute(folder);
    const path = join(route.path, name);
    const sign = await knock(path);
    return sign === "refuses" && "bun" in process.versions ? await confirmRefusal(path) : sign;
  } catch {
    return "unclear";
  } finally {
    route?.close();
  }
}

function knock(path: string): Promise<Sign> {
  return new Promise((resolve) => {
    const connection = connect({ path });
    const end = (sign: Sign): void => {
      connection.destroy();
      resolve(sign);
    };
    connection.setTimeout(answerMsMax, () => end("unclear"));
    connection.on("connect", () => end("answers"));
    // EAGAIN: too many wait already, as happens when the holder is stopped. It listens all the
    // same.
    connection.on("error", (error) => end(signOfErrno(errnoOf(error))));
  });
}

function signOfErrno(errno: string): Sign {
  // Elsewhere a full queue is refused as well, so that only on Linux a refusal says one thing.
  if (errno === "ECONNREFUSED") return process.platform === "linux" ? "refuses" : "unclear";
  if (errno === "EAGAIN") return "answers";
  return errno === "ENOENT" ? "gone" : "unclear";
}

/** Bun reports a full queue (EAGAIN) as refused on `node:net`, but tells them apart in `fetch`. */
async function confirmRefusal(path: string): Promise<Sign> {
  try {
    const signal = AbortSignal.timeout(answerMsMax);
    await fetch("http://localhost/", { unix: path, signal } as RequestInit);
    return "answers";
  } catch (error) {
    return errnoOf(error) === "ECONNREFUSED" ? "refuses" : "unclear";
  }
}

interface Route {
  readonly path: string;
  close(): void;
}

/**
 * A way to `folder` that is short enough for the path of a socket in it. (Node 20 cuts longer ones
 * silently.) It must stay open until the socket is bound or connected.
 */
function shortRoute(folder: string): Route {
  // 25: a separator, an id of 16 digits and a suffix.
  if (Buffer.byteLength(folder) + 25 <= socketPathBytesMax) return { path: folder, close() {} };
  if (process.platform === "linux") {
    const fd = openSync(folder, "r");
    return { path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
  }
  const path = join(tmpdir(), `cairn-${randomId()}`);
  symlinkSync(folder, path);
  return { path, close: () => unlinkSync(path) };
}

/** The program `cairn`: gives `run` its process. */
import process from "node:process";
import { addAbortSignal } from "node:stream";
import * as timers from "node:timers/promises";
import type { ReadStream, WriteStream } from "node:tty";
import { exitCode } from "./exit-code.ts";
import { run } from "./run.ts";
import type { Input, Sink, Stop } from "./surroundings.ts";

const columnsDefault = 80;

const controller = new AbortController();
const stop = (reason: Stop): void => controller.abort(reason);

/** The first signal lets the command close the database; the second does not wait for it. */
function onSignal(): void {
  if (controller.signal.aborted) process.exit(exitCode.interrupted);
  stop("interrupted");
}
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);

function sinkOf(stream: WriteStream): Sink {
  // `cairn scan … | head` is no error: nobody wants the rest.
  stream.on("error", () => stop("output_closed"));
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? columnsDefault,
    async write(content) {
      await new Promise<void>((resolve) => {
        // The callback comes with an error too, which the listener above has dealt with.
        stream.write(content, () => resolve());
      });
      // Pipes and files are written at once, and signals come only when the event loop turns.
      await timers.setImmediate();
    },
  };
}

function inputOf(stream: ReadStream): Input {
  return {
    isTerminal: stream.isTTY === true,
    async read() {
      const pieces: Uint8Array[] = [];
      try {
        addAbortSignal(controller.signal, stream);
        for await (const piece of stream) pieces.push(piece as Uint8Array);
      } catch (error) {
        // Whoever reads looks at the signal next.
        if (!controller.signal.aborted) throw error;
      }
      return Buffer.concat(pieces);
    },
  };
}

// Not process.exit: what was written to a pipe may still be on its way.
process.exitCode = await run(process.argv.slice(2), {
  get stdin() {
    return inputOf(process.stdin);
  },
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  env: process.env,
  signal: controller.signal,
  now: () => process.uptime() * 1_000,
});
process.off("SIGINT", onSignal);
process.off("SIGTERM", onSignal);

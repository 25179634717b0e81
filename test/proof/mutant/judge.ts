/** Runs a mutant's harnesses in a thread of its own, until one notices it. */
import { Worker } from "node:worker_threads";
import { bundleWith } from "./bundle.ts";
import type { CheckName, Edit } from "./mutant.ts";

export interface Verdict {
  /** Undefined when every harness was content: the mutant has survived. */
  readonly caughtBy: CheckName | "hang" | "exit" | undefined;
  /** What the harness said. */
  readonly message: string;
}

/** What the thread says before it begins a check, and when one of them has failed. */
export interface Said {
  readonly check: CheckName;
  readonly failure?: string;
  readonly isLast?: boolean;
}

/**
 * `seconds` is the longest that one check may take: several times what the slowest one takes
 * without a mutant. Whatever takes longer than that hangs, which is noticed as well.
 */
export async function judge(
  edits: readonly Edit[],
  checks: readonly CheckName[],
  seed: number,
  seconds: number,
): Promise<Verdict> {
  const code = await bundleWith(edits);
  const worker = new Worker(dataUrl(code), { workerData: { checks, seed }, stderr: true });
  worker.stderr.resume();
  return await new Promise<Verdict>((resolve) => {
    let running: CheckName | undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = (verdict: Verdict): void => {
      clearTimeout(timer);
      resolve(verdict);
      void worker.terminate();
    };
    const wait = (): void => {
      clearTimeout(timer);
      const message = `${running ?? "loading"} took more than ${seconds} s`;
      timer = setTimeout(() => end({ caughtBy: "hang", message }), seconds * 1000);
    };
    wait();
    worker.on("message", ({ check, failure, isLast }: Said) => {
      running = check;
      if (failure !== undefined) end({ caughtBy: check, message: failure });
      else if (isLast === true) end({ caughtBy: undefined, message: "nothing was noticed" });
      else wait();
    });
    worker.on("error", (error) => end({ caughtBy: running ?? "exit", message: String(error) }));
    worker.on("exit", (code) =>
      end({ caughtBy: "exit", message: `the thread ended with ${code}` }),
    );
  });
}

function dataUrl(code: string): URL {
  return new URL(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}

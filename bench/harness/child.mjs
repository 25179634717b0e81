// Runs one measurement in a process of its own, on one core, and collects what it reports.
import { spawn, spawnSync } from "node:child_process";

/** The core that measurements are pinned to; the others serve the system. */
const core = process.env.CAIRN_BENCH_CORE ?? "1";
const canPin = spawnSync("taskset", ["-c", core, "true"]).status === 0;

export const pinning = canPin ? `one core (taskset -c ${core})` : "not pinned";

/**
 * Runs `script` with `job` as JSON in its last argument. It reports through `report` below, one
 * JSON object a line on its standard output; they are merged.
 */
export function runChild(script, job, options = {}) {
  const { node = process.execPath, flags = ["--expose-gc"], timeoutMs = 600_000 } = options;
  const command = [node, ...flags, script, JSON.stringify(job)];
  if (canPin && options.isUnpinned !== true) command.unshift("taskset", "-c", core);
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      const lines = output.split("\n").filter((line) => line.startsWith("{"));
      const report = Object.assign({}, ...lines.map((line) => JSON.parse(line)));
      if (status === 0 || options.mayDie) resolve(report);
      else reject(new Error(`${JSON.stringify(job)} ended with ${status ?? signal}:\n${errors}`));
    });
  });
}

/** In the child: what it was asked to do. */
export function job() {
  return JSON.parse(process.argv.at(-1));
}

/** In the child: figures to hand over. */
export function report(figures) {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

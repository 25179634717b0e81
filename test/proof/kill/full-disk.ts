/** A real file system that fills up: a tmpfs of a few MiB, where the system lets us mount one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from "./checks.ts";
import { Model } from "./commits.ts";
import { start } from "./process.ts";

const allowed = ["disk_full", "outcome_unknown", "poisoned"];

/** False where nothing can be mounted; throws when something was lost. */
export async function fillDisk(program: string, mebibytes: number): Promise<boolean> {
  const mount = mkdtempSync(join(tmpdir(), "cairn-full-"));
  try {
    const options = ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", mount];
    execFileSync("mount", options, { stdio: "ignore" });
  } catch {
    rmSync(mount, { recursive: true });
    return false;
  }
  try {
    await fillTwice(program, mount, mebibytes);
  } finally {
    execFileSync("umount", ["--lazy", mount]);
    rmSync(mount, { recursive: true, force: true });
  }
  return true;
}

/** Full at first because of something else, which then goes; full again because of the database. */
async function fillTwice(program: string, mount: string, mebibytes: number): Promise<void> {
  const ballast = join(mount, "ballast");
  writeFileSync(ballast, new Uint8Array((mebibytes << 20) / 2));
  const folder = join(mount, "database");
  const model = new Model();
  for (const isFirst of [true, false]) {
    const started = start(program, [folder, "", "fill"]);
    const end = await started.ended;
    const { done, sent, failed = "nothing", errors } = started.heard;
    if (!allowed.includes(failed)) throw new Error(`it met ${failed}, ${end}: ${errors}`);
    if (done <= model.seq) throw new Error("nothing was committed before the disk was full");
    if (isFirst) rmSync(ballast);
    // Where there is no room at all, opening for writing may be refused; reading never.
    await check(folder, model, done, sent, true);
  }
}

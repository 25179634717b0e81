// What the figures depend on, written next to them.
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";

export function machine() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    cpu: cpu?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    fileSystem: fileSystemOf(process.env.CAIRN_BENCH_DIR ?? "/tmp"),
    node: process.version,
    v8: process.versions.v8,
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

/** The type of the file system that a folder lies on, where /proc tells. */
function fileSystemOf(folder) {
  try {
    const mounts = readFileSync("/proc/mounts", "utf8").trim().split("\n");
    const found = mounts
      .map((line) => line.split(" "))
      .filter(([, at]) => folder === at || folder.startsWith(at === "/" ? "/" : `${at}/`))
      .sort((a, b) => b[1].length - a[1].length);
    return found[0]?.[2] ?? "unknown";
  } catch {
    return "unknown";
  }
}

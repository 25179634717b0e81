/** Which versions of the formats are read: from the oldest to the one that is written. */
import { CairnError } from "../errors.ts";

/** The oldest version of the root, the log, blobs and the catalogue that is still read. */
export const oldestVersion = 1;

/** Refuses a version that is not read: `format_newer`, `format_older`. `what` was being read. */
export function requireReadable(what: string, found: number, newestVersion: number): void {
  if (found > newestVersion) {
    throw new CairnError(
      "format_newer",
      `Reading ${what}: it has format ${found}, this version reads up to ${newestVersion}. ` +
        "Nothing was changed. Open it with a newer version of cairndb.",
      { details: { found, expected: newestVersion } },
    );
  }
  if (found < oldestVersion) {
    throw new CairnError(
      "format_older",
      `Reading ${what}: it has format ${found}, this version reads from ${oldestVersion} on. ` +
        "Nothing was changed. Copy it with a version of cairndb that reads both formats.",
      { details: { found, expected: oldestVersion } },
    );
  }
}

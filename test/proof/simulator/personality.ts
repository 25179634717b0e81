/**
 * What file systems may keep of calls that no completed sync covers, when the power fails.
 *
 * Each is a set of answers to the questions on which they differ. They describe what is allowed to
 * happen, not what usually does: where documentation leaves room, the worse answer counts.
 */
export interface Personality {
  readonly name: string;
  /**
   * `any`: each name that was made, changed or removed is there or not, by itself. `ordered`: they
   * are journalled, so that what is there is a prefix of them.
   */
  readonly names: "any" | "ordered";
  /** A sync of a file commits the journal, and with it all names before it. */
  readonly fileSyncKeepsNames: boolean;
  /** A rename may be seen half: both names, or neither. */
  readonly halfRenames: boolean;
  /**
   * What a file holds where it has grown and its bytes were lost. `none`: it has not grown.
   * `zeros`. `stale`: whatever lay on the disk before.
   */
  readonly growth: "none" | "stale" | "zeros";
  /** Writes over bytes that are there are whole (copied aside), or may be torn. */
  readonly tears: boolean;
  /** Everything unsynced reaches the medium in order, as one transaction after another. */
  readonly inOrder: boolean;
}

const ordered = {
  names: "ordered",
  fileSyncKeepsNames: true,
  halfRenames: false,
  growth: "none",
  tears: true,
  inOrder: false,
} as const;

/** POSIX at its least: fsync keeps the file's bytes and size, fsync of a folder its names. */
export const adversary: Personality = {
  name: "adversary",
  names: "any",
  fileSyncKeepsNames: false,
  halfRenames: true,
  growth: "stale",
  tears: true,
  inOrder: false,
};
/** data=ordered: bytes of new blocks reach the disk before the journal says that they are there. */
export const ext4Ordered: Personality = { ...ordered, name: "ext4-ordered" };
/** data=writeback: the journal may be ahead of the bytes. */
export const ext4Writeback: Personality = { ...ordered, name: "ext4-writeback", growth: "stale" };
/** Delayed allocation: sizes without bytes read as zeros. */
export const xfs: Personality = { ...ordered, name: "xfs", growth: "zeros" };
/** Copies on write: a transaction is there or not; a sync of a file puts it before others. */
export const btrfs: Personality = { ...ordered, name: "btrfs", tears: false, inOrder: true };
/** Names are safe from being half done, but a sync of a file says nothing about them. */
export const apfs: Personality = { ...ordered, name: "apfs", fileSyncKeepsNames: false };

export const personalities: readonly Personality[] = [
  ext4Ordered,
  adversary,
  ext4Writeback,
  xfs,
  btrfs,
  apfs,
];

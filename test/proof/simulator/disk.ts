/**
 * What lies on a simulated disk: folders of names, and files of bytes.
 *
 * The bytes of a file are never changed, only replaced: so disks share them, and making another
 * disk that differs in one write costs one copy of one file.
 */
export class Disk {
  /** By path; each maps names to inodes. A name that ends in "/" is a folder of its own. */
  readonly folders: Map<string, Map<string, number>>;
  readonly files: Map<number, Uint8Array>;

  constructor(folders?: Map<string, Map<string, number>>, files?: Map<number, Uint8Array>) {
    this.folders = folders ?? new Map([["/", new Map()]]);
    this.files = files ?? new Map();
  }

  /** The same contents; what is changed in one is not changed in the other. */
  fork(): Disk {
    const folders = new Map<string, Map<string, number>>();
    for (const [path, names] of this.folders) folders.set(path, new Map(names));
    return new Disk(folders, new Map(this.files));
  }

  bytesOf(inode: number): Uint8Array {
    return this.files.get(inode) ?? none;
  }

  find(folder: string, name: string): number | undefined {
    return this.folders.get(folder)?.get(name);
  }

  /** The inode of a path such as `/db/log/x`. */
  inodeAt(path: string): number | undefined {
    const [folder, name] = split(path);
    return this.find(folder, name);
  }

  read(path: string): Uint8Array | undefined {
    const inode = this.inodeAt(path);
    return inode === undefined ? undefined : this.bytesOf(inode);
  }

  /** Puts a file there, or replaces one. */
  put(path: string, bytes: Uint8Array): void {
    const [folder, name] = split(path);
    const inode = this.find(folder, name) ?? this.freeInode();
    this.name(folder, name, inode);
    this.files.set(inode, bytes);
  }

  remove(path: string): void {
    const [folder, name] = split(path);
    this.folders.get(folder)?.delete(name);
  }

  name(folder: string, name: string, inode: number): void {
    let names = this.folders.get(folder);
    if (names === undefined) {
      names = new Map();
      this.folders.set(folder, names);
    }
    names.set(name, inode);
  }

  makeFolder(path: string): void {
    if (!this.folders.has(path)) this.folders.set(path, new Map());
  }

  freeInode(): number {
    let inode = 1;
    for (const used of this.files.keys()) if (used >= inode) inode = used + 1;
    return inode;
  }

  /** Paths of all files that can be reached, in a fixed order. */
  paths(): string[] {
    const paths: string[] = [];
    for (const [folder, names] of this.folders) {
      if (!this.isReachable(folder)) continue;
      for (const name of names.keys()) if (!name.endsWith("/")) paths.push(`${folder}/${name}`);
    }
    return paths.sort();
  }

  /** A folder whose own name was lost is gone with everything in it. */
  isReachable(folder: string): boolean {
    if (folder === "/") return true;
    const [parent, name] = split(folder);
    return this.folders.get(parent)?.has(`${name}/`) === true && this.isReachable(parent);
  }

  usedBytes(): number {
    let bytes = 0;
    for (const path of this.paths()) bytes += this.read(path)?.length ?? 0;
    return bytes;
  }

  /** 53 bits that tell contents apart; what cannot be reached does not count. */
  hash(): number {
    let low = 0;
    let high = 0;
    for (const [folder, names] of this.folders) {
      if (!this.isReachable(folder)) continue;
      for (const [name, inode] of names) {
        const place = hashOfText(`${folder}/${name}`);
        const bytes = name.endsWith("/") ? emptyHash : hashOfBytes(this.bytesOf(inode));
        low = (low + mix(place ^ bytes.low)) | 0;
        high = (high + mix(Math.imul(place, 31) ^ bytes.high)) | 0;
      }
    }
    return (high & 0x1f_ffff) * 2 ** 32 + (low >>> 0);
  }
}

const none = new Uint8Array(0);

/** Folder and name of a path. */
export function split(path: string): [folder: string, name: string] {
  const at = path.lastIndexOf("/");
  return [at === 0 ? "/" : path.slice(0, at), path.slice(at + 1)];
}

interface Hash {
  readonly low: number;
  readonly high: number;
}

const emptyHash: Hash = { low: 1, high: 2 };
const ofBytes = new WeakMap<Uint8Array, Hash>();
const ofText = new Map<string, number>();

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}

function hashOfText(text: string): number {
  let hash = ofText.get(text);
  if (hash === undefined) {
    hash = 0;
    for (let at = 0; at < text.length; at++) hash = mix(hash + text.charCodeAt(at) + 1);
    ofText.set(text, hash);
  }
  return hash;
}

function hashOfBytes(bytes: Uint8Array): Hash {
  const known = ofBytes.get(bytes);
  if (known !== undefined) return known;
  let low = bytes.length;
  let high = ~bytes.length;
  const words = bytes.byteOffset % 4 === 0 ? bytes.length >>> 2 : 0;
  const view = new Uint32Array(bytes.buffer, words === 0 ? 0 : bytes.byteOffset, words);
  for (let at = 0; at < words; at++) {
    const word = view[at] as number;
    low = Math.imul((low << 5) ^ (low >>> 27) ^ word, 0x9e37_79b1);
    high = Math.imul((high << 7) ^ (high >>> 25) ^ word, 0x85eb_ca77);
  }
  for (let at = words * 4; at < bytes.length; at++) {
    low = Math.imul(low ^ (bytes[at] as number), 0x9e37_79b1);
    high = Math.imul(high ^ (bytes[at] as number), 0x85eb_ca77);
  }
  const hash = { low: mix(low), high: mix(high) };
  ofBytes.set(bytes, hash);
  return hash;
}

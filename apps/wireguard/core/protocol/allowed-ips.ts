/** Cryptokey routing: which peer an address belongs to, by the longest prefix (the WireGuard paper, section 2). */

/** A prefix: the bytes of its address, 4 or 16, and its length in bits. */
export interface AllowedIp {
  readonly address: Uint8Array;
  readonly length: number;
}

/** A node of the tree: a prefix that somebody has, or where two prefixes part. */
interface Node<P> {
  readonly address: Uint8Array;
  readonly length: number;
  owner: P | undefined;
  zero: Node<P> | undefined;
  one: Node<P> | undefined;
}

/** A binary tree of prefixes in which no node has a single child and no owner, for each family of addresses. */
export class AllowedIps<P> {
  #roots: { 4: Node<P> | undefined; 16: Node<P> | undefined } = { 4: undefined, 16: undefined };
  readonly #owned = new Map<P, Map<string, AllowedIp>>();
  /** Counts the changes, so that callers may keep what they have looked up until it grows. */
  version = 0;

  /** Gives a prefix to a peer. Returns the peer that had it before, if it was another. */
  set(prefix: AllowedIp, peer: P): P | undefined {
    const address = masked(prefix.address, prefix.length);
    const node = this.#make(address, prefix.length);
    const before = node.owner;
    if (before !== undefined && before !== peer) this.#owned.get(before)?.delete(keyOf(address, prefix.length));
    node.owner = peer;
    const owned = this.#owned.get(peer) ?? new Map<string, AllowedIp>();
    this.#owned.set(peer, owned);
    owned.set(keyOf(address, prefix.length), { address, length: prefix.length });
    this.version++;
    return before === peer ? undefined : before;
  }

  /** Takes a prefix from a peer, if it is this peer's. */
  remove(prefix: AllowedIp, peer: P): void {
    const address = masked(prefix.address, prefix.length);
    const owned = this.#owned.get(peer);
    if (!owned?.delete(keyOf(address, prefix.length))) return;
    if (owned.size === 0) this.#owned.delete(peer);
    const family = familyOf(address);
    this.#roots[family] = without(this.#roots[family], address, prefix.length);
    this.version++;
  }

  /** Takes all prefixes from a peer. */
  removeAll(peer: P): void {
    for (const prefix of this.of(peer)) this.remove(prefix, peer);
  }

  /** The prefixes of a peer, in the order in which they were given. */
  of(peer: P): AllowedIp[] {
    return [...(this.#owned.get(peer)?.values() ?? [])];
  }

  /** Returns the peer with the longest prefix of the address that begins at `at` in `bytes`; `size` is 4 or 16. */
  find(bytes: Uint8Array, at: number, size: 4 | 16): P | undefined {
    let best: P | undefined;
    let node = this.#roots[size];
    while (node !== undefined && commonBits(node.address, 0, bytes, at, node.length) === node.length) {
      if (node.owner !== undefined) best = node.owner;
      if (node.length === size * 8) break;
      node = bitOf(bytes, at, node.length) === 0 ? node.zero : node.one;
    }
    return best;
  }

  #make(address: Uint8Array, length: number): Node<P> {
    const family = familyOf(address);
    const made: Node<P> = { address, length, owner: undefined, zero: undefined, one: undefined };
    let parent: Node<P> | undefined;
    let node = this.#roots[family];
    for (;;) {
      if (node === undefined) {
        this.#attach(family, parent, made);
        return made;
      }
      const common = commonBits(node.address, 0, address, 0, Math.min(node.length, length));
      if (common === node.length && common === length) return node;
      if (common === node.length) {
        parent = node;
        node = bitOf(address, 0, node.length) === 0 ? node.zero : node.one;
        continue;
      }
      if (common === length) {
        setChild(made, node);
        this.#attach(family, parent, made);
        return made;
      }
      const fork: Node<P> = {
        address: masked(address, common),
        length: common,
        owner: undefined,
        zero: undefined,
        one: undefined,
      };
      setChild(fork, node);
      setChild(fork, made);
      this.#attach(family, parent, fork);
      return made;
    }
  }

  #attach(family: 4 | 16, parent: Node<P> | undefined, child: Node<P>): void {
    if (parent === undefined) this.#roots[family] = child;
    else setChild(parent, child);
  }
}

function setChild<P>(parent: Node<P>, child: Node<P>): void {
  if (bitOf(child.address, 0, parent.length) === 0) parent.zero = child;
  else parent.one = child;
}

/** The tree below `node` without the owner of that prefix, and without nodes that have become useless. */
function without<P>(node: Node<P> | undefined, address: Uint8Array, length: number): Node<P> | undefined {
  if (node === undefined || node.length > length) return node;
  if (node.length === length) node.owner = undefined;
  else if (bitOf(address, 0, node.length) === 0) node.zero = without(node.zero, address, length);
  else node.one = without(node.one, address, length);
  if (node.owner !== undefined || (node.zero !== undefined && node.one !== undefined)) return node;
  return node.zero ?? node.one;
}

function familyOf(address: Uint8Array): 4 | 16 {
  return address.length === 4 ? 4 : 16;
}

function bitOf(bytes: Uint8Array, at: number, bit: number): number {
  return ((bytes[at + (bit >>> 3)] as number) >>> (7 - (bit & 7))) & 1;
}

/** Returns how many of the first `limit` bits of two addresses are the same. */
function commonBits(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, limit: number): number {
  let bits = 0;
  for (let i = 0; bits < limit; i++, bits += 8) {
    const difference = (a[aAt + i] as number) ^ (b[bAt + i] as number);
    if (difference !== 0) return Math.min(limit, bits + Math.clz32(difference) - 24);
  }
  return limit;
}

function masked(address: Uint8Array, length: number): Uint8Array {
  const bytes = address.slice();
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.max(0, Math.min(8, length - 8 * i));
    bytes[i] = (bytes[i] as number) & (0xff00 >>> keep);
  }
  return bytes;
}

function keyOf(address: Uint8Array, length: number): string {
  return `${address.join(".")}/${length}`;
}

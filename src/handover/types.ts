/** The process that connected to a Unix socket, as the kernel knows it from that moment (SO_PEERCRED). */
export interface Peer {
  /** 0 if the process is not visible from this PID namespace. */
  readonly pid: number;
  /** The effective user id. */
  readonly uid: number;
  /** The effective group id. */
  readonly gid: number;
}

/** Options of `handOver`. */
export interface HandOverOptions {
  /**
   * The path of the socket, at most 107 bytes; nothing may exist there yet. `"@name"` is a name without a file, which
   * every process of the network namespace may connect to (unix(7), abstract): `allow` must be given then.
   */
  path: string;
  /** The mode of the socket's file, 0 to 0o777, whatever the umask. Connecting takes the right to write. Default `0o600`. */
  mode?: number;
  /** Returns whether that process may have the device. Default: every process that can connect. */
  allow?(peer: Peer): boolean;
  /**
   * Milliseconds that a process may take to receive the fd, 1 to 2147483647; then the next one that waits is served.
   * Default 5000. A process that receives it later has the fd, too: allow only processes that you trust.
   */
  peerTimeoutMs?: number;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/** Unix sockets of SOCK_STREAM, non-blocking and close-on-exec, and the fds that they carry (unix(7), SCM_RIGHTS). */

import { check, systemError } from "../errors.ts";
import { EAGAIN, ECONNRESET, EMFILE, EPIPE } from "./constants.ts";
import { native } from "./native.ts";

/** Opens a Unix socket, and returns its file descriptor. */
export function openUnix(): number {
  return check(native().un_open(), "socket(AF_UNIX)");
}

/** Binds a Unix socket. `address` is a path, or a NUL and an abstract name, of 107 bytes at most. */
export function bindUnix(fd: number, address: Uint8Array): void {
  check(native().un_bind(fd, address, address.length), "bind");
}

/** Lets a bound Unix socket listen. */
export function listenUnix(fd: number, backlog: number): void {
  check(native().un_listen(fd, backlog), "listen");
}

/** Connects a Unix socket: at once, or it fails with EAGAIN if too many connections wait to be accepted. */
export function connectUnix(fd: number, address: Uint8Array): void {
  check(native().un_connect(fd, address, address.length), "connect");
}

/** Accepts the next connection; returns undefined if none waits. */
export function acceptUnix(fd: number): number | undefined {
  const result = native().un_accept(fd);
  return result === -EAGAIN ? undefined : check(result, "accept4");
}

/** Returns process, user and group of the peer at the moment when it connected (SO_PEERCRED). */
export function getPeer(fd: number): { pid: number; uid: number; gid: number } {
  const peer = new Uint32Array(3);
  check(native().un_get_peer(fd, peer), "getsockopt(SO_PEERCRED)");
  const [pid = 0, uid = 0, gid = 0] = peer;
  return { pid, uid, gid };
}

/** Sends one byte and the fd `passed` with it; returns false if the other end has gone. */
export function sendFd(fd: number, passed: number): boolean {
  const result = native().un_send_fd(fd, passed);
  if (result === -EPIPE || result === -ECONNRESET) return false;
  check(result, "sendmsg");
  return true;
}

/** Returns whether the other end has received all that was sent; true where the kernel cannot be asked. */
export function isAllReceived(fd: number): boolean {
  return native().un_unreceived(fd) <= 0;
}

/** The fd that came, or the reason why there is none. */
export type Received = number | "nothing yet" | "the end" | "no fd" | "several fds";

/** Reads one byte, and the fd that comes with it, which is close-on-exec. If several come, none is kept. */
export function receiveFd(fd: number): Received {
  const passed = new Int32Array(1);
  const result = native().un_receive_fd(fd, passed);
  const [received = -1] = passed;
  if (result === -EAGAIN) return "nothing yet";
  if (result === 0 || result === -ECONNRESET) return "the end";
  if (check(result, "recvmsg") === 1) return received < 0 ? "no fd" : received;
  // The kernel reports only that it passed on fewer fds than came (net/core/scm.c scm_detach_fds()).
  if (received < 0) throw systemError(-EMFILE, "recvmsg", { detail: "the fd that came could not be let in" });
  native().fd_close(received);
  return "several fds";
}

import { checkFd } from "../checks.ts";
import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import { InterfaceClient } from "../interface/client.ts";
import { type Undo, withRollback } from "../rollback.ts";
import { IFF_DETACH_QUEUE, IFF_TAP, IFF_VNET_HDR } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import { type Attached, deviceOf, openSocket, wantedOffload } from "./assemble.ts";
import type { TunTapDevice } from "./device.ts";
import type { AdoptOptions, DeviceOptions } from "./option-types.ts";
import { checkAdoptOptions } from "./options.ts";
import type { Tap, Tun } from "./types.ts";

/**
 * Makes a device of an fd that is already attached to a TUN or TAP interface: inherited, or received from a
 * privileged helper. Reads kind, name and flags from it, makes it non-blocking and close-on-exec, and owns it from
 * then on (unless `closeFd` is false). If this throws, the fd stays the caller's.
 *
 * The interface may be in a network namespace that this process cannot enter: frames pass, and calls that ask or
 * change the interface throw `ENODEV`.
 *
 * @throws {TunTapError} `EBADF`, `EBADFD` (not attached), `ENOTTY` (no TUN fd), `EEXIST` (adopted already),
 * `ERR_TUNTAP_UNSUPPORTED` (it carries virtio headers and no `offload` is asked for, or the other way round, or
 * packet information beside them)
 */
export function adopt(fd: number, options: AdoptOptions<Tun | Tap> = {}): Tun | Tap {
  checkFd(fd);
  checkAdoptOptions(options, undefined);
  options.signal?.throwIfAborted();
  return withRollback((undo) => {
    try {
      return adoptFd(fd, options, undo);
    } catch (error) {
      throw withHint(error);
    }
  }) as TunTapDevice & (Tun | Tap);
}

function adoptFd(fd: number, options: AdoptOptions<Tun | Tap>, undo: Undo): TunTapDevice {
  const { name, flags } = tun.getIff(fd);
  const kind = (flags & IFF_TAP) !== 0 ? "tap" : "tun";
  checkAdoptOptions(options, kind);
  const wanted = wantedOffload(options.offload);
  if (((flags & IFF_VNET_HDR) !== 0) !== (wanted !== undefined)) throw headersDiffer(wanted !== undefined);
  undo.push(tun.setNonBlockingCloexec(fd));
  if ((flags & IFF_DETACH_QUEUE) !== 0) {
    tun.setQueue(fd, true);
    undo.push(() => tun.setQueue(fd, false));
  }
  const client = new InterfaceClient(fd, openSocket(undo));
  const { closeFd = true } = options;
  const attached: Attached = { kind, fd, closeFd, name, client, wanted, isNew: false, hadUsers: false };
  return deviceOf(attached, options as DeviceOptions<never>, undo);
}

function headersDiffer(wanted: boolean): TunTapError {
  const text = `the fd carries ${wanted ? "no " : ""}virtio headers (IFF_VNET_HDR)`;
  return new TunTapError("ERR_TUNTAP_UNSUPPORTED", text, {
    hint: wanted ? "adopt it without the `offload` option" : "adopt it with `offload: true`, or `{ raw: true }`",
  });
}

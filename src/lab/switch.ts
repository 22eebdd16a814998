import { TunTapError } from "../errors.ts";
import type { LabLink } from "./link.ts";
import { waitUntilSolicited } from "./solicited.ts";
import type { Host, Link, LinkImpairments, Switch } from "./types.ts";

/** Addresses that a switch remembers. */
const ADDRESSES_MAX = 4096;

/** A learning switch: see {@link Switch}. How a port is made is the lab's to know. */
export class LabSwitch implements Switch {
  readonly name: string;
  readonly #connect: (port: LabSwitch, host: Host, impairments: LinkImpairments) => LabLink;
  readonly #onClosed: (closed: LabSwitch) => void;
  readonly #ports = new Map<Host, LabLink>();
  /** The port behind which each MAC address was seen last. */
  readonly #learnt = new Map<number, LabLink>();
  #isClosed = false;

  constructor(
    name: string,
    connect: (port: LabSwitch, host: Host, impairments: LinkImpairments) => LabLink,
    onClosed: (closed: LabSwitch) => void,
  ) {
    this.name = name;
    this.#connect = connect;
    this.#onClosed = onClosed;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  attach(host: Host, impairments: LinkImpairments = {}): Link {
    const [port] = this.attachAll([host], impairments);
    return port as Link;
  }

  /** Attaches hosts, and waits for all of them together. */
  attachAll(hosts: readonly Host[], impairments: LinkImpairments): readonly Link[] {
    this.#assertOpen();
    const ports = hosts.map((host) => {
      if (this.#ports.has(host)) throw new RangeError(`The host "${host.name}" is on "${this.name}" already`);
      const port = this.#connect(this, host, impairments);
      this.#ports.set(host, port);
      return port;
    });
    waitUntilSolicited(ports.flatMap(({ hostEnds }) => hostEnds));
    return ports;
  }

  port(host: Host): Link {
    const port = this.#ports.get(host);
    if (port !== undefined) return port;
    throw new RangeError(`The host "${host?.name}" is not on the switch "${this.name}"`);
  }

  /** Takes frames from a port, and sends each where its address was seen, or to all others. */
  forward(from: LabLink, frames: readonly Uint8Array[]): void {
    const outgoing = new Map<LabLink, Uint8Array[]>();
    const send = (port: LabLink, frame: Uint8Array): void => {
      const batch = outgoing.get(port);
      if (batch === undefined) outgoing.set(port, [frame]);
      else batch.push(frame);
    };
    for (const frame of frames) {
      this.#learn(macAt(frame, 6), from);
      const isGroup = ((frame[0] as number) & 1) === 1;
      const known = isGroup ? undefined : this.#learnt.get(macAt(frame, 0));
      if (known !== undefined) {
        if (known !== from) send(known, frame);
      } else {
        for (const port of this.#ports.values()) if (port !== from) send(port, frame);
      }
    }
    for (const [port, batch] of outgoing) port.fromSwitch(batch);
  }

  /** Forgets a port that has closed. */
  detached(port: LabLink): void {
    for (const [host, other] of this.#ports) if (other === port) this.#ports.delete(host);
    for (const [mac, other] of this.#learnt) if (other === port) this.#learnt.delete(mac);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const port of [...this.#ports.values()]) port.close();
    this.#onClosed(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #learn(mac: number, port: LabLink): void {
    if (this.#learnt.get(mac) === port) return;
    if (this.#learnt.size >= ADDRESSES_MAX) this.#learnt.clear();
    this.#learnt.set(mac, port);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new TunTapError("ERR_TUNTAP_CLOSED", `the switch "${this.name}" is closed`);
  }
}

/** A MAC address as a number of 48 bits. */
function macAt(frame: Uint8Array, at: number): number {
  const byte = (i: number): number => frame[at + i] as number;
  return (
    (byte(0) * 256 + byte(1)) * 0x1_0000_0000 + (byte(2) * 0x100_0000 + ((byte(3) << 16) | (byte(4) << 8) | byte(5)))
  );
}

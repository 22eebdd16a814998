import { type Capture, type CaptureOptions, capture } from "../capture/index.ts";
import { checkBoolean, checkOptions, wrong } from "../checks.ts";
import { TunTapError } from "../errors.ts";
import { chanceKey } from "./chance.ts";
import type { Clock } from "./clock.ts";
import type { LabHost } from "./host.ts";
import { Interceptors } from "./interceptors.ts";
import type { Nic } from "./nic.ts";
import { Pipe, type Sink } from "./pipe.ts";
import { Recorder } from "./recorder.ts";
import { impairmentsIn, linkImpairmentChecks, settingsOf } from "./settings.ts";
import type {
  DirectionStats,
  Impairments,
  Interceptor,
  LabLinkStats,
  Link,
  LinkDirection,
  LinkImpairments,
} from "./types.ts";

/** A host's end of a link. */
export interface HostEnd {
  readonly host: LabHost;
  readonly nic: Nic;
}

/** A switch's end of a link. */
export interface SwitchEnd {
  readonly name: string;
  readonly sink: Sink;
}

/** The parts that all links of a lab share. */
export interface LinkSurroundings {
  readonly seed: number;
  readonly clock: Clock;
  readonly onInterceptorError: (error: unknown) => void;
  readonly onClosed: (link: LabLink) => void;
}

/** A link of a lab: see {@link Link}. */
export class LabLink implements Link {
  readonly name: string;
  readonly ends: readonly [string, string];
  readonly #first: HostEnd;
  readonly #second: HostEnd | undefined;
  readonly #surroundings: LinkSurroundings;
  readonly #interceptors: Interceptors;
  readonly #recorder: Recorder;
  readonly #captures = new Set<Capture>();
  readonly #forward: Pipe;
  readonly #back: Pipe;
  /** Impairments as they were given: of both directions, and of each. */
  #given: { both: Impairments; forward: Impairments; back: Impairments };
  #isClosed = false;

  constructor(
    name: string,
    first: HostEnd,
    second: HostEnd | SwitchEnd,
    impairments: LinkImpairments,
    surroundings: LinkSurroundings,
  ) {
    const secondName = "nic" in second ? second.host.name : second.name;
    this.name = name;
    this.ends = [first.host.name, secondName];
    this.#first = first;
    this.#second = "nic" in second ? second : undefined;
    this.#surroundings = surroundings;
    this.#interceptors = new Interceptors(name, surroundings.onInterceptorError);
    this.#recorder = new Recorder(name);
    this.#given = layersOf(impairments);
    this.#forward = this.#pipe(
      { way: "forward", from: first.host.name, to: secondName },
      "nic" in second ? second.nic.send : second.sink,
    );
    this.#back = this.#pipe({ way: "back", from: secondName, to: first.host.name }, first.nic.send);
    first.nic.onFrames = (frames) => this.#forward.receive(frames);
    if ("nic" in second) second.nic.onFrames = (frames) => this.#back.receive(frames);
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  get isCut(): boolean {
    return this.#forward.isCut;
  }

  get hostEnds(): readonly HostEnd[] {
    return [this.#first, this.#second].filter((end) => end !== undefined);
  }

  /** Takes what a switch sends to the host. */
  readonly fromSwitch: (frames: Uint8Array[]) => void = (frames) => this.#back.receive(frames);

  update(impairments: LinkImpairments): void {
    this.#assertOpen();
    checkOptions(impairments, linkImpairmentChecks, undefined);
    const { both, forward, back } = layersOf(impairments);
    const given = this.#given;
    // A new value for both directions replaces an older one for a single direction.
    this.#given = {
      both: { ...given.both, ...both },
      forward: { ...given.forward, ...both, ...forward },
      back: { ...given.back, ...both, ...back },
    };
    this.#forward.settings = settingsOf(this.#given.both, this.#given.forward);
    this.#back.settings = settingsOf(this.#given.both, this.#given.back);
  }

  cut(options: { carrier?: boolean } = {}): void {
    this.#assertOpen();
    checkOptions(options, { carrier: (value, option) => checkBoolean(value as boolean, option) }, undefined);
    this.#setCut(true);
    if (options.carrier === true) this.#setCarrier(false);
  }

  restore(): void {
    this.#assertOpen();
    this.#setCut(false);
    this.#setCarrier(true);
  }

  intercept(interceptor: Interceptor): Disposable {
    this.#assertOpen();
    return this.#interceptors.add(interceptor);
  }

  async capture(path: string, options: CaptureOptions & { host?: string } = {}): Promise<Capture> {
    this.#assertOpen();
    if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
    const { host = this.ends[0], ...rest } = options;
    const end = this.hostEnds.find((end) => end.host.name === host);
    if (end === undefined) {
      throw new TypeError(`Option "host" must be one of ${this.#hostNames()}, got ${Bun.inspect(host)}`);
    }
    const running = capture(end.nic.device, path, rest);
    this.#captures.add(running);
    const forget = (): void => void this.#captures.delete(running);
    running.finished.then(forget, forget);
    return running;
  }

  stats(): LabLinkStats {
    return {
      forward: statsAt(this.#forward, this.#second?.nic),
      back: statsAt(this.#back, this.#first.nic),
    };
  }

  /** The last frames as a pcapng file, and as text. */
  recorded(): { pcapng: Uint8Array; text: string } {
    const [a, b] = this.ends;
    return { pcapng: this.#recorder.pcapng(), text: this.#recorder.text(`${a} > ${b}`, `${b} > ${a}`) };
  }

  close(): void {
    for (const device of this.#end()) device.close();
  }

  /** Closes the interfaces in a thread, and resolves when all is gone and captures are written. */
  async closeInThread(): Promise<void> {
    const captures = [...this.#captures];
    await Promise.all(this.#end().map((device) => device[Symbol.asyncDispose]()));
    await Promise.allSettled(captures.map(({ finished }) => finished));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Ends all but the interfaces, once; returns those. */
  #end(): readonly Nic["device"][] {
    if (this.#isClosed) return [];
    this.#isClosed = true;
    this.#forward.close();
    this.#back.close();
    this.#surroundings.onClosed(this);
    return this.hostEnds.map(({ nic }) => nic.device);
  }

  #pipe(direction: LinkDirection, sink: Sink): Pipe {
    const { seed, clock } = this.#surroundings;
    return new Pipe({
      direction,
      chanceKey: chanceKey(seed, this.name, direction.way),
      settings: settingsOf(this.#given.both, this.#given[direction.way]),
      clock,
      interceptors: this.#interceptors,
      recorder: this.#recorder,
      sink,
    });
  }

  #setCut(on: boolean): void {
    this.#forward.isCut = on;
    this.#back.isCut = on;
  }

  #setCarrier(on: boolean): void {
    for (const { nic } of this.hostEnds) if (!nic.device.closed) nic.device.setCarrier(on);
  }

  #hostNames(): string {
    return this.hostEnds.map(({ host }) => `"${host.name}"`).join(", ");
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new TunTapError("ERR_TUNTAP_CLOSED", `the link "${this.name}" is closed`);
  }
}

function layersOf(given: LinkImpairments): { both: Impairments; forward: Impairments; back: Impairments } {
  return {
    both: impairmentsIn(given),
    forward: impairmentsIn(given.forward ?? {}),
    back: impairmentsIn(given.back ?? {}),
  };
}

/** The counters of a pipe; frames that the receiving interface refused were not delivered. */
function statsAt(pipe: Pipe, nic: Nic | undefined): DirectionStats {
  const stats = pipe.stats();
  if (nic === undefined || nic.device.closed) return stats;
  const { refused } = nic.device.counters();
  return { ...stats, delivered: stats.delivered - refused, refused: stats.refused + refused };
}

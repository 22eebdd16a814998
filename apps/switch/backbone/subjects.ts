/** NATS subjects of a LAN, and checks of the names in them. */

/** Names of LANs and hubs: one token of a subject, without what means something in one (dot, wildcards, blanks). */
const NAME_PATTERN = /^[A-Za-z0-9_-]{1,32}$/;

/** Checks the name of a LAN or a hub. @throws {RangeError} If it cannot be a part of a subject */
export function checkName(option: string, name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  const dot = name.includes(".") ? " (a dot would make two parts of a NATS subject of it)" : "";
  throw new RangeError(`--${option} must be 1 to 32 of A-Z a-z 0-9 _ -, got "${name}"${dot}`);
}

/** Tells whether text that came by the backbone may be the name of a hub. */
export function isName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

/** Subjects of a LAN. A hub needs permission for all below `prefix`, and for nothing else but JetStream. */
export interface Subjects {
  readonly prefix: string;
  /** Frames for all hubs that have clients. */
  readonly flood: string;
  /** Signs of life, and the last word of a hub that ends. */
  readonly hello: string;
  /** MAC addresses that have come and gone. */
  readonly macs: string;
  /** Beginning of the subjects of answers. */
  readonly inbox: string;
  /** Frames for the clients of one hub, and words for it alone. */
  hub(name: string): string;
}

/** Returns the subjects of a LAN. */
export function subjectsOf(lan: string): Subjects {
  const prefix = `bun-tuntap.${lan}`;
  return {
    prefix,
    flood: `${prefix}.flood`,
    hello: `${prefix}.hello`,
    macs: `${prefix}.macs`,
    inbox: `${prefix}.inbox`,
    hub: (name) => `${prefix}.hub.${name}`,
  };
}

/** Transfers from the left host to the right one (transfer.py). */
import type { Wire } from "./relay.ts";

const script = `${import.meta.dir}/transfer.py`;
const PORT = "5201";

/** What each end says; the same of both if everything arrived. */
export interface Ends {
  readonly sent: unknown;
  readonly arrived: unknown;
}

async function between(
  { left, right }: Wire,
  to: string,
  roles: [string, string],
  ...how: (string | number)[]
): Promise<Ends> {
  using receiver = right.netns.start("python3", script, roles[0], to, PORT);
  await receiver.line();
  using sender = left.netns.start("python3", script, roles[1], to, PORT, ...how.map(String));
  const arrived = receiver.line();
  const sent = await sender.line();
  return { sent: JSON.parse(sent), arrived: JSON.parse(await arrived) };
}

/** `bytes` random bytes over TCP. */
export function overTcp(wire: Wire, to: string, bytes: number): Promise<Ends> {
  return between(wire, to, ["serve", "send"], bytes);
}

/** `count` datagrams of `size` random bytes, `together` of them in each call. */
export function overUdp(wire: Wire, to: string, size: number, count: number, together: number): Promise<Ends> {
  return between(wire, to, ["take", "give"], size, count, together);
}

/** Changes of a peer, as the UAPI and configuration files give them, applied to the protocol's core. */
import { now } from "./clock.ts";
import { prefixText } from "./ip.ts";
import type { Log } from "./log.ts";
import type { AllowedIp } from "./protocol/allowed-ips.ts";
import type { Peer } from "./protocol/peer.ts";
import type { Protocol } from "./protocol/protocol.ts";
import type { PeerEndpoint, PeerSettings } from "./settings.ts";

/**
 * Applies the changes of one peer, which is made if there is none.
 *
 * @param endpointOf Returns the core's endpoint of an address and port.
 * @throws what `endpointOf` throws
 */
export function applyPeer<E>(
  protocol: Protocol<E>,
  settings: PeerSettings,
  endpointOf: (endpoint: PeerEndpoint) => E,
  log: Log,
): void {
  const { publicKey, remove, updateOnly, presharedKey, endpoint, keepAlive, replaceAllowedIps, allowedIps } = settings;
  if (remove) {
    protocol.removePeer(publicKey);
    return;
  }
  if (updateOnly && protocol.peer(publicKey) === undefined) return;
  // First, as it may be refused: a peer that was not there is not made then.
  const wanted = endpoint && endpointOf(endpoint);
  const peer = protocol.addPeer(publicKey);
  if (peer === undefined) {
    // As with other implementations, so that one file can serve all hosts.
    log.error("a peer has this host's own key and is left out");
    return;
  }
  if (presharedKey !== undefined) peer.presharedKey = presharedKey;
  if (wanted !== undefined) peer.endpoint = wanted;
  if (replaceAllowedIps) protocol.allowedIps.removeAll(peer);
  for (const { remove: take, ...prefix } of allowedIps) {
    if (take) protocol.allowedIps.remove(prefix, peer);
    else give(protocol, prefix, peer, log);
  }
  if (keepAlive !== undefined && keepAlive !== peer.keepAliveSeconds) peer.setPersistentKeepAlive(keepAlive, now());
}

function give<E>(protocol: Protocol<E>, prefix: AllowedIp, peer: Peer<E>, log: Log): void {
  const before = protocol.allowedIps.set(prefix, peer);
  if (before === undefined) return;
  log.error("an allowed IP was another peer's and is now this one's", {
    prefix: prefixText(prefix),
    before: before.publicKey.toBase64(),
    now: peer.publicKey.toBase64(),
  });
}
